"""Compiled entry point of inference: outputs, all activations, or the loss, with no update."""

from .atomics import atomic_add
from .denormals import flush_denormals, restore_denormals
from .dense import forward
from .gather import gather_block, scatter_panel
from .jit import entry, kernel
from .output import activate_column, softmax, sum_of_losses
from .packing import pack_layers
from .partition import ceil_div
from .simd import lanes
from .single_row import forward_row, gather_row, into_lane
from .spin_pool import block_at, fork_join, parallel_task
from .team import ARRIVED, barrier
from .tile import VECTORS
from .train import output_panels


@kernel
def _write_out(out, work, layers, first, rows):
    """The requested activations of one block of samples, from panels into row-major matrices."""
    panel = VECTORS * lanes(work)
    for i in range(layers.size):
        layer = layers[i]
        if layer.out < 0:
            continue
        for p in range(ceil_div(rows, panel)):
            a = layer.a + p * layer.a_rows * panel
            at = layer.out + (first + p * panel) * layer.n_out
            scatter_panel(out, at, work, a, min(panel, rows - p * panel), layer.n_out)


@kernel
def _writes_hidden(layers):
    wanted = False
    for i in range(layers.size - 1):
        wanted = wanted or layers[i].out >= 0
    return wanted


@kernel
def _next_block(sync, block, n_threads):
    """The next block of a thread that has done `block`: from a counter shared by the threads, so
    that one that loses its CPU for a while takes fewer."""
    return atomic_add(sync, ARRIVED, 1) if n_threads > 1 else block + 1


@parallel_task
def _infer(
    params,
    packed,
    packs,
    works,
    out,
    losses,
    layers,
    jobs,
    source,
    targets,
    labels,
    sample_weight,
    order,
    total,
    sync,
    thread,
    n_threads,
):
    """One thread's blocks of samples, see `infer`."""
    work = works[thread]
    job = jobs[0]
    panel = VECTORS * lanes(work)
    z = layers[layers.size - 1].a
    n = job.n_out
    blocks = ceil_div(order.size, job.block)
    denormals = flush_denormals()
    # The threads pack the parameters together; the barrier leaves their number in the counter.
    arrivals = 0
    if packs:
        pack_layers(packed, params, layers, thread, n_threads)
        barrier(sync, n_threads, 0)
        arrivals = n_threads if n_threads > 1 else 0
    block = _next_block(sync, -1, n_threads) - arrivals
    while block < blocks:
        first = block * job.block
        rows = min(job.block, order.size - first)

        # z of the block. Where only the outputs of one row are wanted, its features lie in lanes.
        if rows == 1 and losses.size == 0 and not _writes_hidden(layers):
            gather_row(work, job, layers[0].x, source, order[first])
            for i in range(layers.size):
                forward_row(work, params, layers[i])
            into_lane(work, z, n)
        else:
            gather_block(
                work,
                job,
                source,
                targets,
                labels,
                sample_weight,
                order,
                first,
                rows,
                total,
                job.strip_at,
                0,
                1,
            )
            read = packed if packed.size > 0 else params
            for i in range(layers.size):
                forward(work, read, layers[i], False, False, rows, 0, 1)

        # Its loss, or its outputs.
        if losses.size > 0:
            output_panels(work, job, z, job.delta0_at, rows, 0, 1)
            losses[block] = sum_of_losses(work, job.scale_at, rows)
        else:
            for p in range(ceil_div(rows, panel)):
                for at in range(z + p * n * panel, z + p * n * panel + panel, lanes(work)):
                    activate_column(work, at, n, job.output)
                    if job.to_probabilities:
                        softmax(work, at, at, n)
            _write_out(out, work, layers, first, rows)
        block = _next_block(sync, block + arrivals, n_threads) - arrivals
    restore_denormals(denormals)


@entry
def infer(
    params,
    packed,
    works,
    out,
    losses,
    layers,
    jobs,
    source,
    targets,
    labels,
    sample_weight,
    order,
    packs,
    total,
    address,
    n_threads,
):
    """Forward pass of the samples in `order`, a block at a time, each block by one thread.

    Returns the number of threads that took part.

    params : network's dtype, row-major, the layers' (n_in + 1, n_out) matrices one after the other
    packed : the packed parameters, see plan.py, with `layers` for them; or empty, with those of
        Plan.row_major
    packs : whether `packed` is written first
    works : (n_threads, size), a work buffer for each thread, see plan.Plan
    out : flat; written: layer i's activations (samples, n_out) from layers[i].out on, unless it is
        -1
    losses : float64 (blocks,), the blocks' shares of the mean loss, written; empty for no loss
    total : divisor of the mean: the number of samples or their total weight
    source, targets, labels, sample_weight, order, address, n_threads : as for train.train
    """
    sync = block_at(address)
    task = _infer(
        (
            params,
            packed,
            packs,
            works,
            out,
            losses,
            layers,
            jobs,
            source,
            targets,
            labels,
            sample_weight,
            order,
            total,
            sync,
        )
    )
    return fork_join(sync, n_threads, task)
