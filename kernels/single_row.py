"""The forward product of a single sample: features lie in lanes instead of samples, so that none is
idle.

Each output is the same chain of fused multiply-adds, over the inputs in order and then the bias, as
in the tile: the same bits. A layer's features lie one after the other from where its panels begin.
"""

from .activations import FIRST_GATED, activate, gated
from .jit import kernel
from .memory import load, load_first, store
from .simd import elementwise, fma, lanes, vector
from .tile import VECTORS

multiply_add = elementwise(fma)


@kernel
def gather_row(work, job, to, source, sample):
    """The features of one sample."""
    at = job.x_base + sample * job.x_row
    for i in range(job.n_in):
        work[to + i] = source[at + i * job.x_column]


@kernel
def forward_row(work, params, layer):
    """Activations of one layer for one sample; of the last layer the logits z."""
    width, n, a = lanes(work), layer.n_out, layer.a
    whole = n // width * width
    for j in range(0, n, width):
        store(work, a + j, vector(work, 0.0))
    # Four rows of W at a time: sums go to memory and back a quarter as often, and four streams are
    # read side by side.
    for i in range(0, layer.n_in - 3, 4):
        x, w = layer.x + i, layer.parameters + i * n
        x0, x1 = vector(work, work[x]), vector(work, work[x + 1])
        x2, x3 = vector(work, work[x + 2]), vector(work, work[x + 3])
        for j in range(0, whole, width):
            z = multiply_add(x0, load(params, w + j), load(work, a + j))
            z = multiply_add(x1, load(params, w + n + j), z)
            z = multiply_add(x2, load(params, w + 2 * n + j), z)
            store(work, a + j, multiply_add(x3, load(params, w + 3 * n + j), z))
        if whole < n:
            z = multiply_add(x0, load_first(params, w + whole, n - whole), load(work, a + whole))
            z = multiply_add(x1, load_first(params, w + n + whole, n - whole), z)
            z = multiply_add(x2, load_first(params, w + 2 * n + whole, n - whole), z)
            store(
                work,
                a + whole,
                multiply_add(x3, load_first(params, w + 3 * n + whole, n - whole), z),
            )
    for i in range(layer.n_in // 4 * 4, layer.n_in + 1):
        x, w = vector(work, work[layer.x + i] if i < layer.n_in else 1.0), layer.parameters + i * n
        for j in range(0, n, width):
            store(work, a + j, multiply_add(x, load_first(params, w + j, n - j), load(work, a + j)))
    if layer.activation >= FIRST_GATED:
        for j in range(0, n, width):
            store(work, a + j, gated(layer.activation, load(work, a + j))[0])
    elif layer.activation != 0:
        for j in range(0, n, width):
            store(work, a + j, activate(layer.activation, load(work, a + j)))


@kernel
def into_lane(work, z, n):
    """n features into the first lane of a panel that begins where they do."""
    for k in range(n - 1, 0, -1):
        work[z + k * VECTORS * lanes(work)] = work[z + k]
