"""A net's weights or biases: views of its flat parameters, one a layer."""

from collections.abc import Sequence

import numpy as np

from ..base.validation import check_finite, check_real_array


class Parameters(Sequence[np.ndarray]):
    """The weights (n_in, n_out), or the biases (n_out,), of each layer.

    Reading an item gives an array that is the net's own: writing into it changes the net. Assigning
    an item copies the values in, after checking their shape.
    """

    def __init__(self, name, views):
        self._name, self._views = name, views

    def __len__(self):
        return len(self._views)

    def __getitem__(self, i):
        return self._views[i]

    def __setitem__(self, i, values):
        view = self._views[i]
        if isinstance(i, slice):
            raise TypeError(
                f"{self._name} are assigned one layer at a time, or all of them with net.{self._name} = [...]"
            )
        view[...] = self.checked(i, values)

    def __add__(self, other):
        """A list of both one's arrays, as for two lists: ``net.weights + net.biases``."""
        return [*self, *other]

    def checked(self, i, values):
        """`values` as an array that fits layer i."""
        name, view = f"{self._name}[{i}]", self._views[i]
        values = check_real_array(name, values, (view.ndim,))
        if values.shape != view.shape:
            raise ValueError(f"{name} must be of shape {view.shape}, got {values.shape}")
        check_finite(name, values, view.dtype)
        return values

    def assign(self, all_values):
        """Copy in one array a layer; nothing is changed unless all fit."""
        if not np.iterable(all_values):
            raise TypeError(
                f"{self._name} must be {len(self)} arrays, one a layer, got {all_values!r}"
            )
        all_values = list(all_values)
        if len(all_values) != len(self):
            raise ValueError(
                f"{self._name} must be {len(self)} arrays, one a layer, got {len(all_values)}"
            )
        for view, values in zip(
            self._views, [self.checked(i, v).copy() for i, v in enumerate(all_values)], strict=True
        ):
            view[...] = values

    def __repr__(self):
        return "[" + ",\n ".join(np.array2string(v, prefix=" ") for v in self._views) + "]"
