"""The processor that kernels are compiled for: its vectors, its register tile, its cache lines.

An object file is compiled for one of a few generic targets, so that it runs on every machine of
that kind and can be shipped. The host's target is chosen by its features. Two variables choose
another one:

FASTBP_JIT=1
    Compile for this very processor, and use no shipped object.
FASTBP_TARGET=x86-64-v3
    Use another target that this processor can run; ``x86-64-v3:win32`` compiles for another system.
"""

import os
import platform
import sys
from typing import NamedTuple

from llvmlite import binding


class Target(NamedTuple):
    """What code is compiled for.

    A register tile is two vectors wide. tile_rows x 2 accumulators, 2 vectors of B and 1 broadcast
    of A must fit the register file: 32 registers on AVX-512 and NEON, 16 on AVX2.
    """

    architecture: str  # "x86_64", "aarch64", or what the machine is called
    needs: frozenset[str]  # features of the processor, of LLVM's names
    vector_bytes: int
    tile_rows: int
    cache_line: int  # bytes; of two neighbouring lines on Arm, as Apple's are 128 bytes long
    cpu: str  # LLVM's name
    features: str = ""  # LLVM's, beyond those of `cpu`


NONE: frozenset[str] = frozenset()
V3 = frozenset({"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"})
V4 = V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
TARGETS = {
    "x86-64-v4": Target("x86_64", V4, 64, 14, 64, "x86-64-v4"),
    "x86-64-v3": Target("x86_64", V3, 32, 6, 64, "x86-64-v3"),
    "x86-64": Target("x86_64", NONE, 16, 6, 64, "x86-64"),
    "aarch64": Target("aarch64", NONE, 16, 12, 128, "generic"),
    # The shapes of aarch64 in the instructions of x86, for tests.
    "arm-shape": Target("x86_64", V3, 16, 12, 128, "x86-64-v3"),
}
TRIPLES = {
    "linux": "{}-unknown-linux-gnu",
    "darwin": "{}-apple-macosx11.0.0",
    "win32": "{}-pc-windows-msvc-elf",  # MCJIT loads ELF on Windows, as Numba does
}


def _present(features):
    return {feature for feature, on in features.items() if on}


def _architecture():
    machine = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def _native(features):
    """The target of this very processor."""
    name, target = _generic(features)
    flags = ",".join(("+" if on else "-") + feature for feature, on in sorted(features.items()))
    return name, target._replace(cpu=binding.get_host_cpu_name(), features=flags)


def _generic(features):
    """The generic target of a processor with these features, of LLVM's names."""
    architecture = _architecture()
    here = _present(features)
    if architecture == "x86_64":
        name = "x86-64-v4" if here >= V4 else "x86-64-v3" if here >= V3 else "x86-64"
    elif architecture == "aarch64":
        name = "aarch64"
    else:
        return architecture, Target(architecture, NONE, 16, 6, 128, "")
    return name, TARGETS[name]


def _choose():
    """The name, the target and the system of this process."""
    chosen, _, system = os.environ.get("FASTBP_TARGET", "").partition(":")
    system = system or sys.platform
    if chosen:
        if chosen not in TARGETS:
            raise ValueError(f"FASTBP_TARGET must be one of {', '.join(TARGETS)}, got {chosen!r}")
        return chosen, TARGETS[chosen], system
    features = dict(binding.get_host_cpu_features())
    if os.environ.get("FASTBP_JIT", "0") == "1" or _architecture() not in ("x86_64", "aarch64"):
        name, target = _native(features)
        return f"{name}-native", target, system
    return *_generic(features), system


NAME, TARGET, SYSTEM = _choose()
VECTOR_BYTES = TARGET.vector_bytes
TILE_ROWS = TARGET.tile_rows
TILE_VECTORS = 2
X86 = TARGET.architecture == "x86_64"
ARM = TARGET.architecture == "aarch64"
AVX512 = X86 and VECTOR_BYTES == 64


def check_runs_here():
    """Raise a RuntimeError if this processor cannot run the target's code."""
    missing = TARGET.needs - _present(dict(binding.get_host_cpu_features()))
    if missing or TARGET.architecture != _architecture():
        lacks = f" and lacks {', '.join(sorted(missing))}" if missing else ""
        raise RuntimeError(
            f"FASTBP_TARGET must be a target that this processor can run, got {NAME!r}: it is "
            f"{_architecture()}{lacks}"
        )


def triple():
    """LLVM's name of the target's architecture and system."""
    if SYSTEM in TRIPLES:
        return TRIPLES[SYSTEM].format(TARGET.architecture)
    return binding.get_process_triple()
