"""Compile units of kernels to object files.

Numba lowers each kernel of a unit to LLVM's code, once. Here the code is linked with a function in
C's calling convention for each entry point (see signatures.py), optimised and translated together.

    FASTBP_TARGET=x86-64-v3:linux python -m fastbp.kernels.compile FOLDER

compiles all units for a target (see target.py) into a folder, as wheels have them.
"""

import gc
import sys
from contextlib import contextmanager
from pathlib import Path

import numba
import numpy as np
from llvmlite import binding, ir
from numba.core import config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.np.numpy_support import from_dtype

from . import (
    cache,
    elementwise,  # noqa: F401, these register their entry points
    functional,  # noqa: F401
    functional_output,  # noqa: F401
    infer,  # noqa: F401
    packing,  # noqa: F401
    python_call,
    spin_pool,  # noqa: F401
    target,
    train,  # noqa: F401
)
from .abi import CHECKED
from .jit import ENTRIES, modules
from .signatures import DTYPES, NETWORK, UNITS
from .simd import I32, I64

NUMBERS = {"i8": numba.int64, "f8": numba.float64, "flag": numba.boolean}
# All that compiled code needs from the process; memset, memcpy and memmove may be added by LLVM.
IMPORTED = python_call.IMPORTED | {"fma", "fmaf", "pow", "sched_yield", "SwitchToThread"}
# Offsets in a PyArrayObject, beyond the header of a Python object: the address of the data, the
# number of dimensions (32 bits), the address of the shape.
DATA = 0
NDIM = 8
SHAPE = 16


@global_compiler_lock
def compile_unit(unit, dtype):
    """The object file of a unit for nets of that dtype ("any" for a unit without arrays of it)."""
    with _numba_settings():
        module = _linked(UNITS[unit], dtype)
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    machine = binding.Target.from_triple(target.triple()).create_target_machine(
        cpu=target.TARGET.cpu,
        features=target.TARGET.features,
        opt=3,
        reloc="pic",
        codemodel="default",
    )
    module.triple = target.triple()
    module.data_layout = str(machine.target_data)
    _optimise(module, machine)
    missing = {each.name for each in module.functions if each.is_declaration} - IMPORTED
    missing = {name for name in missing if not name.startswith("llvm.")}
    if missing:
        raise RuntimeError(f"the kernels of {unit} need {', '.join(sorted(missing))}")
    return machine.emit_object(module)


@contextmanager
def _numba_settings():
    """Numba's settings by variables, which are for the user's own functions, do not apply; no
    garbage collection."""
    if config.DISABLE_JIT:
        raise RuntimeError(
            "Numba's compiler is off (NUMBA_DISABLE_JIT), and fastbp's kernels consist of machine "
            "instructions, which Python cannot run: unset NUMBA_DISABLE_JIT"
        )
    before = config.BOUNDSCHECK, config.DEBUGINFO_DEFAULT
    config.BOUNDSCHECK = int(CHECKED)
    config.DEBUGINFO_DEFAULT = 0
    collects = gc.isenabled()
    gc.disable()  # an eighth of the time goes into collections that find nothing
    try:
        yield
    finally:
        config.BOUNDSCHECK, config.DEBUGINFO_DEFAULT = before
        if collects:
            gc.enable()


def _linked(entries, dtype):
    """The code of these entry points and of all that they call, as one module of LLVM."""
    context = cpu_target.target_context
    context.refresh()
    exported = ir.Module("fastbp")
    exported.triple = binding.get_process_triple()
    exported.data_layout = str(context.codegen()._data_layout)
    failed = ir.GlobalVariable(exported, I64, "fastbp_failed")
    failed.initializer = I64(0)
    parts = []
    for entry in entries:
        kinds = [_numba_type(each, dtype) for each in entry.arrays]
        kinds += [NUMBERS[each.kind] for each in entry.numbers]
        dispatcher = ENTRIES[entry.name]
        dispatcher.compile(tuple(kinds))
        compiled = dispatcher.overloads[tuple(kinds)]
        _export(context, exported, entry, kinds, compiled, failed)
        parts.append(compiled.library)
    module = binding.parse_assembly(str(exported))
    module.link_in(binding.parse_assembly(python_call.CODE))
    names = {f"fastbp_{entry.name}" for entry in entries} | {"fastbp_call", "fastbp_failed"}
    seen: set = set()
    for library in parts:
        for part in modules(library, seen):
            module.link_in(part, preserve=True)
    for each in (*module.functions, *module.global_variables):
        if not each.is_declaration and each.name not in names:
            each.linkage = "internal"
    return module


def _numba_type(parameter, dtype):
    kind = dtype if parameter.kind == NETWORK else DTYPES[parameter.kind]
    return numba.types.Array(from_dtype(np.dtype(kind)), parameter.ndim, "C")


def _export(context, module, entry, kinds, compiled, failed):
    """A function in C's calling convention that calls the compiled entry point.

    Its argument is described in signatures.py. An error, which only index checks can find, is
    stored in `fastbp_failed`.
    """
    result = ir.DoubleType() if entry.returns_double else I64
    name = f"fastbp_{entry.name}"
    function = ir.Function(module, ir.FunctionType(result, [I64.as_pointer()]), name)
    b = ir.IRBuilder(function.append_basic_block("entry"))
    words = [b.load(b.gep(function.args[0], [I64(i)])) for i in range(len(kinds) + 1)]
    values = []
    for kind, word in zip(kinds, words[1:], strict=True):
        if isinstance(kind, numba.types.Array):
            values.append(_array(context, b, kind, b.add(word, words[0])))
        elif kind == numba.float64:
            values.append(b.bitcast(word, ir.DoubleType()))
        elif kind == numba.boolean:
            values.append(b.icmp_signed("!=", word, I64(0)))
        else:
            values.append(word)
    status, value = context.call_internal_no_propagate(
        b, compiled.fndesc, compiled.signature, values
    )
    with b.if_then(status.is_error, likely=False):
        b.store(I64(1), failed)
    if compiled.signature.return_type == numba.types.none:
        value = I64(0)
    elif compiled.signature.return_type == numba.boolean:
        value = b.zext(value, I64)
    b.ret(value)


def _array(context, b, kind, fields):
    """The Numba array of a NumPy array object, the fields of which begin at address `fields`."""

    def load(offset, llvm_type):
        address = b.inttoptr(b.add(fields, I64(offset)), llvm_type.as_pointer())
        return b.load(address)

    array = context.make_array(kind)(context, b)
    shape = load(SHAPE, I64.as_pointer())
    itemsize = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    if kind.ndim == 1:  # of any number of dimensions, read as a flat one
        sizes = [_product(b, shape, b.sext(load(NDIM, I32), I64))]
        strides = [I64(itemsize)]
    else:
        sizes = [b.load(b.gep(shape, [I64(i)])) for i in range(2)]
        strides = [b.mul(sizes[1], I64(itemsize)), I64(itemsize)]
    context.populate_array(
        array,
        data=load(DATA, array.data.type),
        shape=sizes,
        strides=strides,
        itemsize=I64(itemsize),
        meminfo=None,
    )
    return array._getvalue()


def _product(b, numbers, n):
    """The product of the `n` numbers at an address."""
    before = b.block
    loop = b.append_basic_block("dimension")
    done = b.append_basic_block("size")
    b.cbranch(b.icmp_signed(">", n, I64(0)), loop, done)
    b.position_at_end(loop)
    i = b.phi(I64)
    partial = b.phi(I64)
    following = b.add(i, I64(1))
    product = b.mul(partial, b.load(b.gep(numbers, [i])))
    for phi, start, value in ((i, 0, following), (partial, 1, product)):
        phi.add_incoming(I64(start), before)
        phi.add_incoming(value, loop)
    b.cbranch(b.icmp_signed("<", following, n), loop, done)
    b.position_at_end(done)
    result = b.phi(I64)
    result.add_incoming(I64(1), before)
    result.add_incoming(product, loop)
    return result


def _optimise(module, machine):
    """Vectors are explicit and loops are unrolled by hand where it pays: no such passes."""
    options = binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_interleaving = False
    options.loop_unrolling = False
    passes = binding.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)


def main(folder):
    """Compile all units into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for unit, signatures in UNITS.items():
        for dtype in signatures[0].dtypes:
            cache.write(folder, cache.file_name(unit, dtype), compile_unit(unit, dtype))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
