"""Encoders of table columns, saved with a net: numbers are scaled, categories one-hot encoded."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .base.strict_json import encode_fields, require_keys

MAX_DOCUMENT_BYTES = 1 << 19  # of JSON; the header of a saved model has space for twice as many
MAX_TEXT = 60  # characters of a value that a message quotes


class ColumnError(ValueError):
    """A value that cannot be encoded.

    Attributes
    ----------
    column : str
    row : int
        From 0.
    what : str
        What is wrong with it.
    """

    def __init__(self, column, row, what):
        super().__init__(f"column {column!r}, row {row}: {what}")
        self.column = column
        self.row = row
        self.what = what

    def __reduce__(self):
        return type(self), (self.column, self.row, self.what)


@dataclass(frozen=True)
class Scaled:
    """A column of numbers as an input or target: (value - mean) / scale.

    Parameters
    ----------
    name : str
    mean, scale : float
        Finite; the scale is positive.
    fill : float, optional
        The number in place of missing values; by default these are errors.
    indicator : bool, default False
        Whether a second input is 1 where the value is missing, and 0 elsewhere.
    """

    name: str
    mean: float
    scale: float
    fill: float | None = None
    indicator: bool = False

    @classmethod
    def of(
        cls, name: str, values: np.ndarray, fill: float | None = None, indicator: bool = False
    ) -> "Scaled":
        """The encoder with mean 0 and standard deviation 1 over given values.

        Parameters
        ----------
        name : str
        values : ndarray (n,)
            Finite. A constant is only shifted.
        fill, indicator
            As in the constructor.

        Returns
        -------
        Scaled
        """
        values = np.asarray(values, np.float64)
        largest = float(np.abs(values).max(initial=0)) or 1.0
        with np.errstate(all="ignore"):
            parts = values / largest  # their squares cannot overflow
            # a constant has no deviation, whatever rounding says
            deviation = float(parts.std()) * largest if np.ptp(parts) else 0.0
            mean = float(parts.mean()) * largest
        return cls(name, mean, deviation or 1.0, fill, indicator)

    @property
    def width(self) -> int:
        """The number of inputs: 1, or 2 with an indicator."""
        return 1 + self.indicator

    def encode(self, values: ArrayLike, out: np.ndarray) -> None:
        """Fill `out` with the scaled values and the indicator.

        Parameters
        ----------
        values : array-like (n,)
            Numbers or their texts; None, NaN and blank texts are missing values.
        out : ndarray (n, width)

        Raises
        ------
        ColumnError
            If a value is not a number, missing without a `fill`, or not finite in the dtype of
            `out`.
        """
        numbers = self._numbers(values)
        missing = np.isnan(numbers)
        if self.fill is None and missing.any():
            raise ColumnError(self.name, int(missing.argmax()), "a missing value")
        with np.errstate(all="ignore"):
            out[:, 0] = (np.where(missing, self.fill or 0.0, numbers) - self.mean) / self.scale
        if self.indicator:
            out[:, 1] = missing
        wrong = np.flatnonzero(~np.isfinite(out[:, 0]))
        if len(wrong):
            raise ColumnError(
                self.name,
                int(wrong[0]),
                f"{numbers[wrong[0]]} is not finite, or far too large for the model",
            )

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Undo the scaling.

        Parameters
        ----------
        values : ndarray (n,) or (n, 1)

        Returns
        -------
        ndarray of float64, of the shape of `values`
        """
        with np.errstate(all="ignore"):
            return np.asarray(values, np.float64) * self.scale + self.mean

    def _numbers(self, values):
        """Values as float64 (n,), NaN for missing ones."""
        kind = getattr(getattr(values, "dtype", None), "kind", "O")
        if kind in "mMc":
            raise ColumnError(self.name, 0, f"must be a number, got the dtype {values.dtype}")
        if kind in "bfiu":
            with np.errstate(all="ignore"):
                return np.asarray(values, np.float64)
        numbers = np.empty(len(values))
        for row, value in enumerate(values):
            number = math.nan if is_missing(value) else number_of(value)
            if number is None:
                raise ColumnError(self.name, row, f"{quoted(value)} is not a number")
            numbers[row] = number
        return numbers


@dataclass(frozen=True)
class OneHot:
    """A column of categories as inputs that are 0 or 1, or as a classifier's labels.

    Parameters
    ----------
    name : str
    categories : tuple of str, or of int
        In the order of the inputs or labels.
    fill : str or int, optional
        The category in place of missing values; by default these are errors.
    indicator : bool, default False
        Whether a last input is 1 where the value is missing, and 0 elsewhere.
    """

    name: str
    categories: tuple[str, ...] | tuple[int, ...]
    fill: str | int | None = None
    indicator: bool = False

    @property
    def width(self) -> int:
        """The number of inputs: one for each category, and one for an indicator."""
        return len(self.categories) + self.indicator

    def labels(self, values: Iterable) -> np.ndarray:
        """The index of each value among the categories.

        Parameters
        ----------
        values : iterable (n,)
            A number or flag also stands for the category that is its text, such as 7 for "7" and
            True for "true", and a text for the whole number.

        Returns
        -------
        ndarray of int64 (n,)

        Raises
        ------
        ColumnError
            If a value is not one of the categories, or missing without a `fill`.
        """
        return self._labels(values)[0]

    def encode(self, values: Iterable, out: np.ndarray) -> None:
        """Fill `out` with zeros, a one for the category in each row, and the indicator.

        Parameters
        ----------
        values : iterable (n,)
            As in `labels`.
        out : ndarray (n, width)

        Raises
        ------
        ColumnError
            As in `labels`.
        """
        labels, missing = self._labels(values)
        out[...] = 0
        out[np.arange(len(labels)), labels] = 1
        if self.indicator:
            out[missing, -1] = 1

    def decode(self, labels: np.ndarray) -> np.ndarray:
        """The categories of labels.

        Parameters
        ----------
        labels : ndarray of int (n,)

        Returns
        -------
        ndarray (n,)
            Of str, int64, or object for whole numbers that int64 lacks.
        """
        kind = np.dtype(str) if isinstance(self.categories[0], str) else np.dtype(np.int64)
        try:
            return np.array(self.categories, kind)[labels]
        except OverflowError:
            return np.array(self.categories, object)[labels]

    def _labels(self, values):
        """The labels, and the rows in which a value is missing."""
        index = {category: i for i, category in enumerate(self.categories)}
        values = list(values)
        # a value that is not hashable, such as a list, is no category
        labels = np.array([index.get(v, -1) if v.__hash__ else -1 for v in values], np.int64)
        missing = []
        for row in np.flatnonzero(labels < 0).tolist():
            value = values[row]
            if is_missing(value):
                if self.fill is None:
                    raise ColumnError(self.name, row, "a missing value")
                labels[row] = index[self.fill]
                missing.append(row)
                continue
            found = [index[other] for other in _equivalents(value) if other in index]
            if not found:
                raise ColumnError(self.name, row, unknown_category(value, self.categories))
            labels[row] = found[0]
        return labels, missing


@dataclass(frozen=True)
class Preprocessing:
    """The encoding of a table for the net that was trained on it.

    Parameters
    ----------
    inputs : tuple of Scaled or OneHot
        An encoder for each column; their inputs are concatenated in this order.
    target : Scaled or OneHot
        The predicted column, of a regression or of a classifier.

    Raises
    ------
    ValueError
        If the names and categories are too large for a model file.
    """

    inputs: tuple[Scaled | OneHot, ...]
    target: Scaled | OneHot

    def __post_init__(self):
        size = len(json.dumps(self.document()))
        if size > MAX_DOCUMENT_BYTES:
            raise ValueError(
                "the columns' names and categories are too many for a model file: "
                f"{size} bytes, at most {MAX_DOCUMENT_BYTES}"
            )

    @property
    def width(self) -> int:
        """The number of inputs of the net."""
        return sum(column.width for column in self.inputs)

    def transform(
        self, columns: Mapping[str, Sequence | np.ndarray], dtype: DTypeLike = np.float64
    ) -> np.ndarray:
        """Encode columns as inputs of the net.

        Parameters
        ----------
        columns : mapping of str to sequence (n,), or to single values
            Such as a dict of lists or a DataFrame; for one row, a dict or Series of its values.
            Columns that are not inputs are ignored.
        dtype : data-type, default float64

        Returns
        -------
        ndarray (n, width)

        Raises
        ------
        ValueError
            If a column is missing, occurs twice or has another length, or a value is not one of the
            categories, not a number, not finite, or missing in a column without a `fill`.
        """
        given = list(columns.keys())  # a Series iterates over its values
        names = {str(name).strip(): name for name in given}  # as the command line reads them
        names |= {name: name for name in given}
        absent = [column.name for column in self.inputs if column.name not in names]
        if absent:
            shown = ", ".join(map(repr, given))
            raise ValueError(f"columns must have {', '.join(map(repr, absent))}, got {shown}")
        values_of = {column.name: columns[names[column.name]] for column in self.inputs}
        if all(map(_is_single, values_of.values())):
            values_of = {name: [value] for name, value in values_of.items()}
        for name, values in values_of.items():
            shape = () if _is_single(values) else getattr(values, "shape", (len(values),))
            if len(shape) != 1:
                got = f"of shape {shape}" if shape else "a single value"
                raise ValueError(f"columns must be sequences (n,), got {name!r} {got}")
        n = len(values_of[self.inputs[0].name])
        X = np.empty((n, self.width), dtype)
        first = 0
        for column in self.inputs:
            values = values_of[column.name]
            if len(values) != n:
                raise ValueError(
                    f"columns must be of one length, got {n} and {len(values)} in {column.name!r}"
                )
            column.encode(values, X[:, first : first + column.width])
            first += column.width
        return X

    def document(self) -> dict:
        """The encoding as values of JSON; columns without a `fill` are as in earlier versions."""
        inputs = [_document_of(column) for column in self.inputs]
        return {"inputs": inputs, "target": _document_of(self.target)}

    @classmethod
    def of_document(cls, value: dict) -> "Preprocessing":
        """Read and check what `document` returned.

        Parameters
        ----------
        value : dict

        Returns
        -------
        Preprocessing

        Raises
        ------
        ValueError
            If it has other keys, types or values.
        """
        require_keys("preprocessing", value, ["inputs", "target"])
        if not isinstance(value["inputs"], list) or not value["inputs"]:
            raise ValueError(f"the inputs must be a list of columns, got {value['inputs']!r:.200}")
        inputs = tuple(
            _column_of("an input", each, [str], may_fill=True) for each in value["inputs"]
        )
        names = {column.name for column in inputs}
        if len(names) < len(inputs):
            raise ValueError("a column comes twice among the inputs")
        return cls(inputs, _column_of("the target", value["target"], [str, int]))


def _document_of(column):
    keys = encode_fields(column)
    return {
        key: value
        for key, value in keys.items()
        if column.fill is not None or key not in ("fill", "indicator")
    }


def _column_of(what, value, kinds, may_fill=False):
    """An encoder from values of JSON; its categories all have one type of `kinds`."""
    kind: type[OneHot] | type[Scaled] = (
        OneHot if isinstance(value, dict) and "categories" in value else Scaled
    )
    keys = [f.name for f in fields(kind)]
    if not (may_fill and isinstance(value, dict) and "fill" in value):
        keys = keys[:-2]  # without fill and indicator
    require_keys(what, value, keys)
    if not isinstance(value["name"], str):
        raise ValueError(f"the name of {what} must be text, got {value['name']!r:.200}")
    fill = value.get("fill")
    if type(value.get("indicator", False)) is not bool:
        raise ValueError(f"the indicator of {what} must be a flag, got {value['indicator']!r:.200}")
    if kind is OneHot:
        categories = value["categories"]
        if not isinstance(categories, list) or not any(
            all(type(c) is wanted for c in categories) for wanted in kinds
        ):
            raise ValueError(
                f"the categories of {what} must be a list of texts or whole numbers, "
                f"got {categories!r:.200}"
            )
        if not categories or len(set(categories)) < len(categories):
            raise ValueError(
                f"the categories of {what} must not be empty or repeated, got {categories!r:.200}"
            )
        if "fill" in value and not any(
            type(fill) is type(category) and fill == category for category in categories
        ):
            raise ValueError(f"the fill of {what} must be one of its categories, got {fill!r:.200}")
        return OneHot(**value | {"categories": tuple(categories)})
    names = [name for name in ("mean", "scale", "fill") if name in value]
    if not all(type(value[name]) is float and math.isfinite(value[name]) for name in names):
        raise ValueError(
            f"{' and '.join(names)} of {what} must be finite numbers, got {value!r:.200}"
        )
    if value["scale"] <= 0:
        raise ValueError(f"the scale of {what} must be positive, got {value['scale']}")
    return Scaled(**value)


def is_missing(value: object) -> bool:
    """Whether a value is None, NaN, pandas.NA, NaT or a blank text."""
    if isinstance(value, str):
        return not value.strip()
    # pandas is not imported: its NA is neither equal nor unequal to itself
    return value is None or type(value).__name__ == "NAType" or bool(value != value)


def number_of(value: object) -> float | None:
    """The number that a value is or represents as a text; None without one."""
    if isinstance(value, str):
        if "_" in value:  # float accepts 1_000
            return None
        value = value.replace("\N{MINUS SIGN}", "-")
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def unknown_category(value: object, categories: Sequence) -> str:
    """What is wrong with `value`, which is not among the categories."""
    shown = ", ".join(map(quoted, categories[:10])) + ", ..." * (len(categories) > 10)
    given = quoted(value)
    if type(value) is not type(categories[0]):
        given += f" of type {type(value).__name__}"
    return f"{given} is not one of the model's categories {shown}"


def quoted(value: object) -> str:
    """The repr of a value for messages, at most MAX_TEXT characters and an ellipsis."""
    text = repr(value)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."


def _equivalents(value):
    """What a category may be that `value` stands for: its text in a CSV file, or its number."""
    if isinstance(value, str):
        return [value.strip(), int(value)] if value.strip().isdecimal() else [value.strip()]
    text = str(value)
    if isinstance(value, bool | np.bool_):
        return [text, text.lower(), text.upper()]
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return [text, str(int(value))] if whole else [text]


def _is_single(value):
    """Whether a value is one of a row, not a sequence of a column."""
    single = isinstance(value, str | bytes) or not hasattr(value, "__len__")
    return single or getattr(value, "ndim", 1) == 0
