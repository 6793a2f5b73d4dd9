"""Compiled entry point of training: many steps of forward, backward and update in one call.

Every member of the team calls `train` with the same arguments and its own number; they meet between
sweeps. A batch larger than a block of rows is worked off block by block, its gradient added up in
memory in the same order whatever the team.
"""

from .denormals import flush_denormals, restore_denormals
from .dense import backward, forward, transpose_delta, vectors_in, weights
from .dropout import drop
from .gather import gather_lanes, gather_panel, prefetch_samples
from .jit import entry, kernel
from .norm import limit_norm
from .output import output_column, smooth
from .partition import ceil_div, split
from .simd import lanes
from .spin_pool import block_at, fork_join, parallel_task
from .team import barrier, released
from .tile import VECTORS
from .update import (
    ADD,
    BEFORE,
    L1,
    L2,
    LR,
    MAX_NORM,
    MORE,
    REGARDLESS,
    RESUMED,
    TOTAL,
    UNFINISHED,
    begin_step,
)

# Values of a batch of inputs that are brought near while the batch before is computed: a part of
# the second-level cache.
PREFETCH_VALUES = 1 << 14

# Places in `progress`: steps whose loss is known, steps whose update was made, and whether the last
# loss was not finite.
SEEN, UPDATED, NOT_FINITE = range(3)


@kernel
def gather_block(
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
    strip,
    thread,
    n_threads,
):
    """Inputs, targets and shares in the mean of the samples order[first : first + rows]."""
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    for p in range(split(panels, thread, n_threads), split(panels, thread + 1, n_threads)):
        at, here = first + p * panel, min(panel, rows - p * panel)
        to, n = p * (job.n_in + 1) * panel, job.n_in
        gather_panel(
            work, to, strip, source, job.x_base, job.x_row, job.x_column, order, at, here, n
        )
        if job.has_targets:
            to, n = job.targets_at + p * job.n_out * panel, job.n_out
            gather_panel(
                work, to, strip, targets, job.t_base, job.t_row, job.t_column, order, at, here, n
            )
        if job.has_labels:
            gather_lanes(work, job.labels_at + p * panel, labels, order, at, here, 1.0)
        if job.spread != 0.0 and job.has_targets + job.has_labels > 0:
            to, n = job.targets_at + p * job.n_out * panel, job.n_out
            smooth(
                work, to, job.labels_at + p * panel, n, job.has_labels != 0, job.keep, job.spread
            )
        scale = 1.0 / total if total != 0.0 else 0.0
        if job.has_weights:
            gather_lanes(work, job.scale_at + p * panel, sample_weight, order, at, here, scale)
        else:
            for r in range(panel):
                work[job.scale_at + p * panel + r] = scale if r < here else 0.0


@kernel
def weight_of(job, sample_weight, order, first, rows):
    """The samples' total weight: what a mean over them is divided by."""
    if not job.has_weights:
        return float(rows)
    total = 0.0
    for r in range(first, first + rows):
        total += sample_weight[order[r]]
    return total


@kernel
def output_panels(work, job, z, delta, rows, sums, thread, n_threads):
    """Loss and delta of the output layer; the panels' losses go to `sums`."""
    panel = VECTORS * lanes(work)
    panels, n = ceil_div(rows, panel), job.n_out
    for p in range(split(panels, thread, n_threads), split(panels, thread + 1, n_threads)):
        loss = 0.0
        for v in range(0, vectors_in(work, rows, p) * lanes(work), lanes(work)):
            at = p * n * panel + v
            loss += output_column(
                work,
                z + at,
                delta + at,
                job.targets_at + at,
                job.labels_at + p * panel + v,
                job.scale_at + p * panel + v,
                n,
                job.output,
                job.loss,
                job.has_labels != 0 and job.spread == 0.0,
            )
        sums[p] = loss


@kernel
def sum_of(sums, n):
    total = 0.0
    for i in range(n):
        total += sums[i]
    return total


@kernel
def diverged(loss, step):
    """Whether the loss is a reason to stop."""
    return not abs(loss) < float("inf") and step[REGARDLESS] == 0.0


@kernel
def backward_pass(
    work, params, state, gradient, sums, layers, job, rows, step, sync, thread, n_threads, phase
):
    """From the output's delta through every layer: the delta below, then this layer's weights.
    Returns the barriers met.

    A layer's weights change only after the barrier behind which everyone has its delta below.
    Deltas and their turned copies have two places each, used by turns, so that one barrier a layer
    is enough. Where the gradient's norm is limited there is a second part, which applies what the
    first has written out.
    """
    pack, tile = job.pack_at + thread * job.pack_size, job.tile_at + thread * job.tile_size
    tiles = 0
    delta, spare, delta_t, delta_t_spare = (
        job.delta0_at,
        job.delta1_at,
        job.delta_t0_at,
        job.delta_t1_at,
    )
    parts = 2 if step[MAX_NORM] != 0.0 and step[MORE] == 0.0 else 1
    for part in range(parts):
        if part == 1:
            phase = limit_norm(gradient, sums, tiles, step, sync, thread, n_threads, phase)
            tiles = 0
        for i in range(layers.size - 1, -1, -1):
            layer = layers[i]
            if part == 0:
                transpose_delta(
                    work, layer, delta, delta_t, job.delta_t_rows, rows, thread, n_threads
                )
                if i > 0:
                    backward(
                        work,
                        params,
                        layer,
                        layers[i - 1],
                        delta,
                        spare,
                        rows,
                        pack,
                        thread,
                        n_threads,
                    )
                phase = barrier(sync, n_threads, phase)
            tiles += weights(
                work,
                layer,
                delta_t,
                job.delta_t_rows,
                rows,
                tile,
                params,
                state,
                gradient,
                sums,
                tiles,
                step,
                thread,
                n_threads,
            )
            delta, spare, delta_t, delta_t_spare = spare, delta, delta_t_spare, delta_t
    return tiles, phase


@kernel
def forward_pass(
    work, params, layers, job, sample, step_number, rows, sync, thread, n_threads, phase
):
    """Through every layer; `sample` is the first one's place in the batch, which what is dropped
    depends on."""
    for i in range(layers.size):
        forward(
            work,
            params,
            layers[i],
            False,
            True,
            rows,
            job.pack_at + thread * job.pack_size,
            thread,
            n_threads,
        )
        if layers[i].dropout != 0.0:
            drop(work, layers[i], i, job, sample, step_number, rows, thread, n_threads)
        phase = barrier(sync, n_threads, phase)
    return phase


@parallel_task
def _train(
    params,
    state,
    gradient,
    work,
    sums,
    losses,
    layers,
    jobs,
    source,
    targets,
    labels,
    sample_weight,
    order,
    rules,
    rates,
    progress,
    sync,
    thread,
    n_threads,
):
    """One thread's part of the steps from `job.begin` to `job.end`, see `train`."""
    job = jobs[0]
    step = rules[thread]
    denormals = flush_denormals()
    z = layers[layers.size - 1].a
    strip = job.strip_at + thread * job.strip_size
    phase = 0
    for s in range(job.begin, job.end):
        if released(sync, n_threads):
            break
        first = s * job.batch
        end = min(job.n_samples, first + job.batch)
        total = (
            step[TOTAL]
            if step[TOTAL] != 0.0
            else weight_of(job, sample_weight, order, first, end - first)
        )
        if job.has_rates:
            step[LR] = rates[s]
        begin_step(step, job.done + s + 1, total)
        loss, tiles = step[BEFORE], 0
        for start in range(first, end, job.block):
            rows = min(job.block, end - start)
            gather_block(
                work,
                job,
                source,
                targets,
                labels,
                sample_weight,
                order,
                start,
                rows,
                total,
                strip,
                thread,
                n_threads,
            )
            if thread == 0 and job.x_column == 1 and job.batch * job.n_in <= PREFETCH_VALUES:
                prefetch_samples(
                    source, job.x_base, job.x_row, order, end, end + job.batch, job.n_in
                )
            phase = barrier(sync, n_threads, phase)
            phase = forward_pass(
                work,
                params,
                layers,
                job,
                job.row + start - first,
                job.done + s,
                rows,
                sync,
                thread,
                n_threads,
                phase,
            )
            output_panels(work, job, z, job.delta0_at, rows, sums, thread, n_threads)
            phase = barrier(sync, n_threads, phase)
            loss += sum_of(sums, ceil_div(rows, VECTORS * lanes(work)))
            if diverged(loss, step):
                break
            step[ADD] = start > first or step[RESUMED] != 0.0
            step[MORE] = start + rows < end or step[UNFINISHED] != 0.0
            # The penalties take the losses' place in `sums` only behind the next barrier, when all
            # have added these up.
            tiles, phase = backward_pass(
                work,
                params,
                state,
                gradient,
                sums,
                layers,
                job,
                rows,
                step,
                sync,
                thread,
                n_threads,
                phase,
            )
            phase = barrier(sync, n_threads, phase)
        made = not diverged(loss, step) and step[UNFINISHED] == 0.0
        if made and (step[L1] != 0.0 or step[L2] != 0.0):
            loss += sum_of(sums, tiles)
        if thread == 0:
            losses[s] = loss
            progress[SEEN] = s + 1 - job.begin
            progress[UPDATED] = s + made - job.begin
            progress[NOT_FINITE] = diverged(loss, step)
        if diverged(loss, step):
            break
    restore_denormals(denormals)


@entry
def train(
    params,
    state,
    gradient,
    work,
    sums,
    losses,
    layers,
    jobs,
    source,
    targets,
    labels,
    sample_weight,
    order,
    rules,
    rates,
    progress,
    block,
    n_threads,
):
    """Run the steps from `jobs[0].begin` to `jobs[0].end` over the samples in `order`, `batch` of
    them a step.

    losses : float64 (steps,), the loss of each step before its update, written
    layers, jobs : see plan.py
    source, targets : flat arrays of the net's dtype; labels : int64; sample_weight : the net's dtype
    order : int64 (jobs[0].n_samples,), or longer
    rules : float64 (members, STEP_SIZE), see update.py; `jobs[0].done` steps have been made before the first of `order`
    rates : float64 (steps,), the learning rate of each step, where `jobs[0].has_rates`; else it is the rules' throughout
    progress : int64 (3,), written: see SEEN, UPDATED and NOT_FINITE
    block, n_threads : address of a thread pool's block, or 0, and the most threads to use

    The run ends early, before a step's update, when its loss is not finite (unless REGARDLESS).
    Returns the number of threads that took part.
    """
    sync = block_at(block)
    task = _train(
        (
            params,
            state,
            gradient,
            work,
            sums,
            losses,
            layers,
            jobs,
            source,
            targets,
            labels,
            sample_weight,
            order,
            rules,
            rates,
            progress,
            sync,
        )
    )
    return fork_join(sync, n_threads, task)
