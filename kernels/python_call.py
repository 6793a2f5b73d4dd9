"""How Python calls an entry point: a builtin function around compiled code.

Each unit of compiled code contains one function `fastbp_call` in the convention of Python's builtin
functions (METH_FASTCALL). With the table of an entry point as its ``self`` it becomes a builtin
that calls this entry point. It uses functions of Python's stable ABI only, so it serves all
versions of Python. Through ctypes a call costs 0.4 us more, half as much as a small layer.

`fastbp_call` makes the entry point's words (see signatures.py) of its arguments, and releases the
interpreter's lock during the call. The table is an int64 array: its places are named below.
"""

import ctypes

# Size of the header of a Python object, which builds of Python differ in.
# Numbers of arrays and of numbers; whether the entry point returns a double.
# Addresses for nets of float32, or for all, and of float64: 0 if not loaded. Then `fastbp_call`
# passes its arguments to the Python object UNLOADED.
# From KINDS on, for each number: whether it is a double.
HEADER, N_ARRAYS, N_NUMBERS, RETURNS_DOUBLE, FLOAT32, FLOAT64, UNLOADED, KINDS = range(8)
MAX_WORDS = 32
METH_FASTCALL = 0x80

# The functions of Python's stable ABI that are called.
IMPORTED = {
    "PyErr_BadArgument",
    "PyErr_Occurred",
    "PyEval_RestoreThread",
    "PyEval_SaveThread",
    "PyFloat_AsDouble",
    "PyFloat_FromDouble",
    "PyLong_AsLongLong",
    "PyLong_AsVoidPtr",
    "PyLong_FromLongLong",
    "PyObject_Vectorcall",
}

# LLVM's code. Offsets of PyArrayObject and PyArray_Descr (NumPy's C ABI) begin after the header:
# 40 is the array's dtype object, 9 in that the dtype's character ("d" for float64).
CODE = f"""
declare i32 @PyErr_BadArgument()
declare ptr @PyErr_Occurred()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyEval_SaveThread()
declare double @PyFloat_AsDouble(ptr)
declare ptr @PyFloat_FromDouble(double)
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyLong_AsVoidPtr(ptr)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)

define ptr @fastbp_call(ptr %self, ptr %args, i64 %n) {{
entry:
  %words = alloca [{MAX_WORDS} x i64], align 16
  %table = call ptr @PyLong_AsVoidPtr(ptr %self)
  %header = load i64, ptr %table
  %at_arrays = getelementptr i64, ptr %table, i64 {N_ARRAYS}
  %n_arrays = load i64, ptr %at_arrays
  %at_numbers = getelementptr i64, ptr %table, i64 {N_NUMBERS}
  %n_numbers = load i64, ptr %at_numbers
  %expected = add i64 %n_arrays, %n_numbers
  %counted = icmp eq i64 %n, %expected
  br i1 %counted, label %right, label %wrong

wrong:
  %bad = call i32 @PyErr_BadArgument()
  ret ptr null

right:
  store i64 %header, ptr %words
  %has_array = icmp sgt i64 %n_arrays, 0
  br i1 %has_array, label %dtype, label %choose

dtype:
  %array = load ptr, ptr %args
  %descr_offset = add i64 %header, 40
  %at_descr = getelementptr i8, ptr %array, i64 %descr_offset
  %descr = load ptr, ptr %at_descr
  %type_offset = add i64 %header, 9
  %at_type = getelementptr i8, ptr %descr, i64 %type_offset
  %type = load i8, ptr %at_type
  %is_double = icmp eq i8 %type, {ord("d")}
  br label %choose

choose:
  %double = phi i1 [ false, %right ], [ %is_double, %dtype ]
  %slot = select i1 %double, i64 {FLOAT64}, i64 {FLOAT32}
  %at_function = getelementptr i64, ptr %table, i64 %slot
  %function = load ptr, ptr %at_function
  %unloaded = icmp eq ptr %function, null
  br i1 %unloaded, label %load, label %arrays

load:
  %at_loader = getelementptr i64, ptr %table, i64 {UNLOADED}
  %loader = load ptr, ptr %at_loader
  %loaded = call ptr @PyObject_Vectorcall(ptr %loader, ptr %args, i64 %n, ptr null)
  ret ptr %loaded

arrays:
  %i = phi i64 [ 0, %choose ], [ %i_next, %array_word ]
  %more_arrays = icmp slt i64 %i, %n_arrays
  br i1 %more_arrays, label %array_word, label %numbers

array_word:
  %at_arg = getelementptr ptr, ptr %args, i64 %i
  %arg = load i64, ptr %at_arg
  %i_next = add i64 %i, 1
  %at_word = getelementptr i64, ptr %words, i64 %i_next
  store i64 %arg, ptr %at_word
  br label %arrays

numbers:
  %j = phi i64 [ 0, %arrays ], [ %j_next, %number ]
  %more_numbers = icmp slt i64 %j, %n_numbers
  br i1 %more_numbers, label %kind, label %run

kind:
  %at = add i64 %j, %n_arrays
  %at_object = getelementptr ptr, ptr %args, i64 %at
  %object = load ptr, ptr %at_object
  %kind_offset = add i64 %j, {KINDS}
  %at_kind = getelementptr i64, ptr %table, i64 %kind_offset
  %kind_value = load i64, ptr %at_kind
  %wants_int = icmp eq i64 %kind_value, 0
  br i1 %wants_int, label %integer, label %real

integer:
  %int = call i64 @PyLong_AsLongLong(ptr %object)
  %perhaps_no_int = icmp eq i64 %int, -1
  br i1 %perhaps_no_int, label %check, label %number

real:
  %float = call double @PyFloat_AsDouble(ptr %object)
  %bits = bitcast double %float to i64
  %perhaps_no_float = fcmp oeq double %float, -1.0
  br i1 %perhaps_no_float, label %check, label %number

check:
  %checked = phi i64 [ %int, %integer ], [ %bits, %real ]
  %error = call ptr @PyErr_Occurred()
  %is_fine = icmp eq ptr %error, null
  br i1 %is_fine, label %number, label %failed

failed:
  ret ptr null

number:
  %value = phi i64 [ %int, %integer ], [ %bits, %real ], [ %checked, %check ]
  %j_next = add i64 %j, 1
  %word_offset = add i64 %at, 1
  %at_number = getelementptr i64, ptr %words, i64 %word_offset
  store i64 %value, ptr %at_number
  br label %numbers

run:
  %at_returns = getelementptr i64, ptr %table, i64 {RETURNS_DOUBLE}
  %returns = load i64, ptr %at_returns
  %returns_int = icmp eq i64 %returns, 0
  %thread = call ptr @PyEval_SaveThread()
  br i1 %returns_int, label %run_int, label %run_double

run_int:
  %int_result = call i64 %function(ptr %words)
  call void @PyEval_RestoreThread(ptr %thread)
  %int_object = call ptr @PyLong_FromLongLong(i64 %int_result)
  ret ptr %int_object

run_double:
  %double_result = call double %function(ptr %words)
  call void @PyEval_RestoreThread(ptr %thread)
  %double_object = call ptr @PyFloat_FromDouble(double %double_result)
  ret ptr %double_object
}}
"""


class _MethodDef(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


_new_builtin = ctypes.pythonapi.PyCFunction_NewEx
_new_builtin.restype = ctypes.py_object
_new_builtin.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
_kept: list = []  # what builtins refer to, without owning it


def new_table(arrays, doubles, returns_double, unloaded):
    """The table of an entry point with so many arrays and, for each number, whether it is a
    double."""
    words = [object.__basicsize__, arrays, len(doubles), returns_double, 0, 0, id(unloaded)]
    words += doubles
    table = (ctypes.c_int64 * len(words))(*words)
    _kept.append((table, unloaded))
    return table


def new_builtin(name, table, address):
    """The builtin function of an entry point; `address` is that of a unit's `fastbp_call`."""
    method = _MethodDef(name.encode(), address, METH_FASTCALL, None)
    _kept.append(method)
    return _new_builtin(ctypes.addressof(method), ctypes.addressof(table), None)
