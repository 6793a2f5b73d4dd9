"""Data frames, sparse matrices and objects that NumPy reads as arrays of real numbers."""

from itertools import islice

import numpy as np

REAL = "fiub"  # kinds of NumPy's dtypes
SHOWN_COLUMNS = 5  # of those that cannot be read, in an error


class SparseRows:
    """The rows of a SciPy sparse matrix (n, k), dense when they are read.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array or csr_matrix
    shape, ndim, dtype
        As of the dense array.
    """

    ndim = 2

    def __init__(self, matrix):
        self.matrix = matrix.tocsr()
        if not self.matrix.has_canonical_format:  # indices may be repeated, which adds values
            self.matrix = self.matrix.copy()
            self.matrix.sum_duplicates()
        self.shape = self.matrix.shape
        self.dtype = self.matrix.dtype

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        return self.matrix[index].toarray()


def is_sparse(X):
    return hasattr(X, "tocsr")


def is_frame(X):
    """Whether X is a data frame, of pandas or polars."""
    return hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "get_columns"))


def feature_names(X):
    """The names of a data frame's columns, or None if X is not one or its names are not text."""
    if is_frame(X) and len(X.columns) and all(isinstance(name, str) for name in X.columns):
        return tuple(map(str, X.columns))
    return None


def frame_array(name, frame, dtype):
    """A data frame as an array (n, k).

    Without a copy, where pandas makes none, if all columns are of one NumPy dtype; otherwise in
    `dtype`, with NaN for missing values.

    Raises
    ------
    TypeError
        With the columns that do not hold numbers, and their types.
    """
    dtypes = list(frame.dtypes)
    first = dtypes[0] if dtypes else None
    if isinstance(first, np.dtype) and first.kind in REAL and set(dtypes) == {first}:
        return np.asarray(frame)
    columns = (
        [frame.iloc[:, i] for i in range(len(dtypes))]
        if hasattr(frame, "iloc")
        else frame.get_columns()
    )
    arrays = (column_array(column) for column in columns)
    out = np.empty((len(frame), len(dtypes)), dtype, order="F")
    wrong = []
    for i, values in enumerate(arrays):
        if values.dtype.kind not in REAL:
            wrong.append(f"{frame.columns[i]!r} of type {_type_of(columns[i], values)}")
        elif not wrong:
            with np.errstate(over="ignore"):  # the caller finds the infinity
                out[:, i] = values
    if wrong:
        shown = ", ".join(wrong[:SHOWN_COLUMNS]) + ", ..." * (len(wrong) > SHOWN_COLUMNS)
        raise TypeError(f"{name} must hold numbers in every column, got {shown}")
    return out


def only_column(values):
    """The column of a data frame that has no other; anything else unchanged."""
    if not is_frame(values) or values.shape[1] != 1:
        return values
    return values.iloc[:, 0] if hasattr(values, "iloc") else values.get_columns()[0]


def column_array(column):
    """A column of pandas or polars as an array (n,), NaN for missing numbers."""
    dtype = column.dtype
    if not isinstance(dtype, np.dtype) and getattr(dtype, "kind", "O") in REAL:  # of pandas
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(column.to_numpy())


def _type_of(column, values):
    """The type of a column for an error, with that of its first value if it is any object."""
    if column.dtype == object:
        kinds = (type(value).__name__ for value in values if value is not None)
        return f"object ({next(kinds, 'None')})"
    return str(column.dtype)


def unreadable(name, array):
    """The end of an error on `array`, of a dtype that is no real number's: what it holds."""
    if array.dtype != object:
        return f"dtype {array.dtype}"
    if array.ndim == 0:
        return f"dtype object, a {type(array.item()).__name__}"
    for index, value in islice(np.ndenumerate(array), 1 << 20):
        if isinstance(value, str | bytes) or np.asarray(value).dtype.kind not in REAL:
            return (
                f"dtype object, with {value!r:.60} of type {type(value).__name__} in row {index[0]}"
            )
    return f"dtype object: {name}.astype(float) converts it"
