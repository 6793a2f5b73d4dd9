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
    """A column of numbers as one input or target: (value - mean) / scale.

    Parameters
    ----------
    name : str
    mean, scale : float
        Finite; the scale is positive.
    """

    name: str
    mean: float
    scale: float

    @classmethod
    def of(cls, name: str, values: np.ndarray) -> "Scaled":
        """The encoder with mean 0 and standard deviation 1 over `values` (n,).

        A constant is only shifted.
        """
        values = np.asarray(values, np.float64)
        largest = float(np.abs(values).max(initial=0)) or 1.0
        parts = values / largest  # their squares cannot overflow
        # a constant has no deviation, whatever rounding says
        deviation = float(parts.std()) * largest if np.ptp(parts) else 0.0
        return cls(name, float(parts.mean()) * largest, deviation or 1.0)

    @property
    def width(self) -> int:
        return 1

    def encode(self, values: ArrayLike, out: np.ndarray) -> None:
        """Fill `out` (n, 1) with the scaled values (n,)."""
        values = np.asarray(values, np.float64)
        with np.errstate(over="ignore"):
            out[:, 0] = (values - self.mean) / self.scale
        wrong = np.flatnonzero(~np.isfinite(out[:, 0]))
        if len(wrong):
            raise ColumnError(
                self.name,
                int(wrong[0]),
                f"{values[wrong[0]]} is not finite, or far too large for the model",
            )

    def decode(self, values: np.ndarray) -> np.ndarray:
        """Undo the scaling of numbers (n,); float64."""
        return np.asarray(values, np.float64) * self.scale + self.mean


@dataclass(frozen=True)
class OneHot:
    """A column of categories as inputs that are 0 or 1, or as a classifier's labels.

    Parameters
    ----------
    name : str
    categories : tuple of str, or of int
        In the order of the inputs or labels.
    """

    name: str
    categories: tuple[str, ...] | tuple[int, ...]

    @property
    def width(self) -> int:
        return len(self.categories)

    def labels(self, values: Iterable) -> np.ndarray:
        """The index of each value among the categories, int64 (n,)."""
        index = {category: i for i, category in enumerate(self.categories)}
        values = list(values)
        labels = np.array([index.get(value, -1) for value in values], np.int64)
        wrong = np.flatnonzero(labels < 0)
        if len(wrong):
            raise ColumnError(
                self.name, int(wrong[0]), unknown_category(values[wrong[0]], self.categories)
            )
        return labels

    def encode(self, values: Iterable, out: np.ndarray) -> None:
        """Fill `out` (n, width) with zeros and a one in each row."""
        labels = self.labels(values)
        out[...] = 0
        out[np.arange(len(labels)), labels] = 1

    def decode(self, labels: np.ndarray) -> np.ndarray:
        """The categories (n,) of labels (n,)."""
        return np.array(self.categories)[labels]


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
        columns : mapping of str to sequence (n,)
            Such as a dict of lists or a DataFrame; columns that are not inputs are ignored.
        dtype : data-type, default float64

        Returns
        -------
        ndarray (n, width)

        Raises
        ------
        ValueError
            If a column is missing or has another length, or a value is not one of the categories or
            not finite.
        """
        missing = [column.name for column in self.inputs if column.name not in columns]
        if missing:
            raise ValueError(
                f"columns must have {missing[0]!r}, got {', '.join(map(repr, columns))}"
            )
        n = len(columns[self.inputs[0].name])
        X = np.empty((n, self.width), dtype)
        first = 0
        for column in self.inputs:
            values = columns[column.name]
            if len(values) != n:
                raise ValueError(
                    f"columns must be of one length, got {n} and {len(values)} in {column.name!r}"
                )
            column.encode(values, X[:, first : first + column.width])
            first += column.width
        return X

    def document(self) -> dict:
        """The encoding as values of JSON."""
        return encode_fields(self)

    @classmethod
    def of_document(cls, value: dict) -> "Preprocessing":
        """Read and check what `document` returned.

        Raises
        ------
        ValueError
            If it has other keys, types or values.
        """
        require_keys("preprocessing", value, ["inputs", "target"])
        if not isinstance(value["inputs"], list) or not value["inputs"]:
            raise ValueError(f"the inputs must be a list of columns, got {value['inputs']!r:.200}")
        inputs = tuple(_column_of("an input", each, [str]) for each in value["inputs"])
        names = {column.name for column in inputs}
        if len(names) < len(inputs):
            raise ValueError("a column comes twice among the inputs")
        return cls(inputs, _column_of("the target", value["target"], [str, int]))


def _column_of(what, value, kinds):
    """An encoder from values of JSON; its categories all have one type of `kinds`."""
    kind: type[OneHot] | type[Scaled] = (
        OneHot if isinstance(value, dict) and "categories" in value else Scaled
    )
    require_keys(what, value, [f.name for f in fields(kind)])
    if not isinstance(value["name"], str):
        raise ValueError(f"the name of {what} must be text, got {value['name']!r:.200}")
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
        return OneHot(value["name"], tuple(categories))
    numbers = (value["mean"], value["scale"])
    if not all(type(number) is float and math.isfinite(number) for number in numbers):
        raise ValueError(f"mean and scale of {what} must be finite numbers, got {value!r:.200}")
    if value["scale"] <= 0:
        raise ValueError(f"the scale of {what} must be positive, got {value['scale']}")
    return Scaled(**value)


def unknown_category(value, categories):
    """What is wrong with `value`, which is not among the categories."""
    shown = ", ".join(map(quoted, list(categories)[:10])) + ", ..." * (len(categories) > 10)
    return f"{quoted(value)} is not one of the model's categories {shown}"


def quoted(value):
    """The repr of a value for messages, at most MAX_TEXT characters and an ellipsis."""
    text = repr(value)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."
