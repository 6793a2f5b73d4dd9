"""A checkpoint of an interrupted fit, and its resumption."""

import pytest

import fastbp
from helpers.torture_checkpoints import SETTINGS, VALIDATION, X, Y, make

AT = 6  # steps made, two of them of the second epoch


class Leave(fastbp.callbacks.Callback):
    def on_step_end(self, net, history):
        if len(history.batch_loss) > AT:
            raise KeyError("left")


def written(path, **options):
    options |= {"checkpoint": path, "checkpoint_every": 0, "callbacks": Leave()}
    with pytest.raises(KeyError):
        make().fit(X, Y, **VALIDATION, **SETTINGS, **options)
    return path.read_bytes()


def resuming(content, path):
    path.write_bytes(content)
    return fastbp.resume(path, X, Y, **VALIDATION)
