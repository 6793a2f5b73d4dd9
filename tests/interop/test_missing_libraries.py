"""Without PyTorch and Keras: fastbp does not import them, names what is missing, and has rows with
their names of every activation."""

import subprocess
import sys

import numpy as np
import pytest

import fastbp
from fastbp.base.activations import ACTIVATIONS, HIDDEN, OUTPUTS
from fastbp.base.losses import LOSSES
from fastbp.kernels import abi
from fastbp.kernels.activations import ACTIVATIONS as FORMULAS

CODE = """
import sys
class Missing:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "keras", "tensorflow"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing)
import fastbp
net = fastbp.MLP([2, 2])
for convert in (fastbp.from_torch, fastbp.from_keras, fastbp.MLP.to_torch):
    try:
        convert(net)
    except (TypeError, ImportError) as error:
        print(type(error).__name__, error)
"""
SAYS = """\
TypeError module must be a torch.nn.Sequential, got an object of type MLP
TypeError model must be a keras.Sequential, got an object of type MLP
ImportError to_torch needs PyTorch: pip install torch
"""


def test_where_they_are_missing():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == (SAYS, "")


def test_importing_fastbp_imports_neither():
    code = "import fastbp, sys; print({'torch', 'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("set()\n", "")


@pytest.mark.parametrize("convert", [fastbp.from_torch, fastbp.from_keras])
@pytest.mark.parametrize("given", [None, 3, np.zeros(3), "module.pt", fastbp.MLP], ids=str)
def test_another_type_is_refused(convert, given):
    name = {
        fastbp.from_torch: "module must be a torch.nn",
        fastbp.from_keras: "model must be a keras",
    }[convert]
    with pytest.raises(
        TypeError, match=f"{name}.Sequential, got an object of type {type(given).__name__}"
    ):
        convert(given)


def test_every_kernel_has_a_row_and_every_row_its_counterparts():
    """All but exp have a module in PyTorch; all have a function or a layer in Keras."""
    assert set(ACTIVATIONS) == abi.ACTIVATIONS.keys() | abi.OUTPUTS.keys()
    stored = {name for name, row in FORMULAS.items() if row.value_and_slope is not None}
    assert {abi.ACTIVATIONS[name] for name in stored} == abi.STORES_SLOPES
    assert (set(HIDDEN) | set(OUTPUTS)) - set(ACTIVATIONS) == {"logistic"}
    assert [name for name, row in ACTIVATIONS.items() if row.torch is None] == ["exp"]
    assert all(row.keras or row.keras_layers for row in ACTIVATIONS.values())
    assert set(LOSSES) == set(abi.LOSSES)
