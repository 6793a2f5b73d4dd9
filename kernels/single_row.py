"""The forward pass of a single sample: features lie in lanes instead of samples, so no lane is
idle.

Each output is the same chain of fused multiply-adds as in the tile, over the inputs in order and
then the bias: the same bits. A layer's features lie one after the other from the start of its
panels.
"""

from .activations import activate, activate_with_slope
from .jit import kernel
from .memory import load, load_first, store
from .simd import elementwise, fma, lanes, vector
from .tile import VECTORS

multiply_add = elementwise(fma)


@kernel
def gather_row(work, job, to, source, sample):
    """The features of one sample into work[to:]."""
    at = job.x_base + sample * job.x_row
    for i in range(job.n_in):
        work[to + i] = source[at + i * job.x_column]


@kernel
def forward_row(work, params, layer):
    """Activations (n_out,) of one layer for one sample; the logits z for the output layer."""
    for j in range(0, layer.n_out, lanes(work)):
        store(work, layer.a + j, vector(work, 0.0))
    multiply_row(work, params, layer, layer.n_in + 1)
    activate_row(work, layer)


@kernel
def multiply_row(work, params, layer, rows):
    """Add x @ W to z (n_out,), which begins at layer.a.

    rows : of W; beyond n_in there is the bias, multiplied by 1
    """
    width = lanes(work)
    n = layer.n_out
    a = layer.a
    whole = n // width * width

    # Four rows of W at a time: partial sums go through memory a quarter as often, and four streams
    # are read in parallel.
    for i in range(0, layer.n_in - 3, 4):
        x = layer.x + i
        w = layer.parameters + i * n
        x0 = vector(work, work[x])
        x1 = vector(work, work[x + 1])
        x2 = vector(work, work[x + 2])
        x3 = vector(work, work[x + 3])
        for j in range(0, whole, width):
            z = multiply_add(x0, load(params, w + j), load(work, a + j))
            z = multiply_add(x1, load(params, w + n + j), z)
            z = multiply_add(x2, load(params, w + 2 * n + j), z)
            z = multiply_add(x3, load(params, w + 3 * n + j), z)
            store(work, a + j, z)
        if whole < n:
            z = multiply_add(x0, load_first(params, w + whole, n - whole), load(work, a + whole))
            z = multiply_add(x1, load_first(params, w + n + whole, n - whole), z)
            z = multiply_add(x2, load_first(params, w + 2 * n + whole, n - whole), z)
            z = multiply_add(x3, load_first(params, w + 3 * n + whole, n - whole), z)
            store(work, a + whole, z)

    # The last rows one by one.
    for i in range(layer.n_in // 4 * 4, rows):
        x = vector(work, work[layer.x + i] if i < layer.n_in else 1.0)
        w = layer.parameters + i * n
        for j in range(0, n, width):
            store(work, a + j, multiply_add(x, load_first(params, w + j, n - j), load(work, a + j)))


@kernel
def activate_row(work, layer):
    """Replace z (n_out,) by the activations; code 0 is the identity."""
    end = layer.a + layer.n_out
    if layer.stores_slopes:
        for j in range(layer.a, end, lanes(work)):
            store(work, j, activate_with_slope(layer.activation, load(work, j))[0])
    elif layer.activation != 0:
        for j in range(layer.a, end, lanes(work)):
            store(work, j, activate(layer.activation, load(work, j)))


@kernel
def into_lane(work, z, n):
    """n contiguous features at work[z:] into the first lane of the panel that begins there."""
    for k in range(n - 1, 0, -1):
        work[z + k * VECTORS * lanes(work)] = work[z + k]
