"""Compiled entry point of training: many steps of forward, backward and update in one call.

The threads that take part divide each pass and synchronise at barriers between passes. A batch
larger than a block of rows is processed block by block; its gradient is accumulated in memory, in
the same order for any number of threads.
"""

from .abi import NOT_FINITE, SEEN, UPDATED
from .denormals import flush_denormals, restore_denormals
from .dense import backward, forward, transpose_delta, vectors_in, weights
from .dropout import drop
from .gather import gather_block, prefetch_samples, weight_of
from .jit import entry, kernel
from .norm import limit_norm
from .output import output_column, sum_of_losses
from .partition import ceil_div, split
from .penalty import penalty_sums
from .rules import begin_step
from .simd import lanes
from .spin_pool import block_at, fork_join, parallel_task
from .team import barrier, released
from .tile import VECTORS

# Prefetch the next batch if it has at most this many values: a part of the second-level cache.
PREFETCH_VALUES = 1 << 14


@kernel
def output_panels(work, job, z, delta, rows, thread, n_threads):
    """Loss and delta of the output layer, (n_out, rows). The samples' losses replace their shares
    in the mean."""
    panel = VECTORS * lanes(work)
    panels = ceil_div(rows, panel)
    n = job.n_out
    for p in range(split(panels, thread, n_threads), split(panels, thread + 1, n_threads)):
        for v in range(0, vectors_in(work, rows, p) * lanes(work), lanes(work)):
            at = p * n * panel + v
            output_column(
                work,
                z + at,
                delta + at,
                job.targets_at + at,
                job.labels_at + p * panel + v,
                job.scale_at + p * panel + v,
                n,
                job.output,
                job.loss,
                job.has_labels != 0 and job.target_shift == 0.0,
            )


@kernel
def sum_of(sums, n):
    total = 0.0
    for i in range(n):
        total += sums[i]
    return total


@kernel
def diverged(loss, step):
    """Whether the loss stops the training: it is not finite and the step does not allow that."""
    return not abs(loss) < float("inf") and not step.allow_divergence


@kernel
def backward_pass(
    work, params, state, gradient, sums, layers, job, rows, step, sync, thread, n_threads, phase
):
    """From the output's delta through all layers: the delta below, then the layer's weights.

    A layer's weights change only after the barrier that follows its delta below. Deltas and
    transposed deltas have two buffers each, used alternately, so one barrier per layer suffices.
    Where the gradient's norm is limited a second pass applies the gradient that the first has
    stored.

    Returns the number of partial sums of the penalties, which are in `sums`, and the phase of the
    next barrier.
    """
    tile = job.tile_at + thread * job.tile_size
    delta = job.delta0_at
    spare = job.delta1_at
    delta_t = job.delta_t0_at
    delta_t_spare = job.delta_t1_at
    penalties = 0
    if not step.incomplete and (step.l1 != 0.0 or step.l2 != 0.0):
        penalties = penalty_sums(params, layers, step, sums, thread, n_threads)
    passes = 2 if step.clip_norm != 0.0 and not step.incomplete else 1
    for pass_number in range(passes):
        if pass_number == 1:
            phase = limit_norm(gradient, sums, penalties, step, sync, thread, n_threads, phase)
        for i in range(layers.size - 1, -1, -1):
            layer = layers[i]
            if pass_number == 0:
                transpose_delta(
                    work, layer, delta, delta_t, job.delta_t_rows, rows, thread, n_threads
                )
                if i > 0:
                    below = layers[i - 1]
                    backward(work, params, layer, below, delta, spare, rows, thread, n_threads)
                phase = barrier(sync, n_threads, phase)
            weights(
                work,
                layer,
                delta_t,
                job.delta_t_rows,
                rows,
                tile,
                params,
                state,
                gradient,
                step,
                thread,
                n_threads,
            )
            delta, spare, delta_t, delta_t_spare = spare, delta, delta_t_spare, delta_t
    return penalties, phase


@kernel
def forward_pass(
    work, params, layers, job, sample, step_number, rows, sync, thread, n_threads, phase
):
    """Through all layers, with a barrier behind each.

    sample : row within the batch of the block's first sample, which dropout depends on

    Returns the phase of the next barrier.
    """
    for i in range(layers.size):
        forward(work, params, layers[i], False, True, rows, thread, n_threads)
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
    steps,
    rates,
    progress,
    sync,
    thread,
    n_threads,
):
    """One thread's part of the steps from `job.begin` to `job.end` - 1, see `train`."""
    job = jobs[0]
    step = steps[thread]
    denormals = flush_denormals()
    z = layers[layers.size - 1].a
    strip = job.strip_at + thread * job.strip_size
    phase = 0
    per_epoch = ceil_div(job.n_samples, job.batch)
    first = job.begin // per_epoch * job.n_samples + job.begin % per_epoch * job.batch
    epoch_end = (job.begin // per_epoch + 1) * job.n_samples
    for s in range(job.begin, job.end):
        if released(sync, n_threads):
            break

        # The step's samples order[first : end], the divisor of their mean, the step's constants.
        end = min(epoch_end, first + job.batch)
        total = step.total_weight
        if total == 0.0:
            total = weight_of(job, sample_weight, order, first, end - first)
        if job.has_rates:
            step.lr = rates[s]
        begin_step(step, job.done + s + 1, total)

        loss = step.earlier_loss
        penalties = 0
        for start in range(first, end, job.block):
            rows = min(job.block, end - start)

            # Samples into panels. Small batches: prefetch the next one during this one's passes.
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

            # Forward, loss and delta. Every thread adds the samples' losses in the same order and
            # so reaches the same decision.
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
            output_panels(work, job, z, job.delta0_at, rows, thread, n_threads)
            phase = barrier(sync, n_threads, phase)
            loss += sum_of_losses(work, job.scale_at, rows)
            if diverged(loss, step):
                break

            # Backward and update.
            step.accumulate = start > first or step.resumed
            step.incomplete = start + rows < end or step.unfinished
            penalties, phase = backward_pass(
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

        # Record the loss, penalties included, and how far the run has come.
        updated = not diverged(loss, step) and not step.unfinished
        if updated and (step.l1 != 0.0 or step.l2 != 0.0):
            loss += sum_of(sums, penalties)
        if thread == 0:
            losses[s] = loss
            progress[SEEN] = s + 1 - job.begin
            progress[UPDATED] = s + updated - job.begin
            progress[NOT_FINITE] = diverged(loss, step)
        if diverged(loss, step):
            break
        epoch_end += job.n_samples if end == epoch_end else 0
        first = end
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
    steps,
    rates,
    progress,
    address,
    n_threads,
):
    """Run the steps from `jobs[0].begin` to `jobs[0].end` - 1 over the samples in `order`, `batch`
    of them per step.

    Stops before the update of a step with a loss that is not finite, unless the step allows that.
    Returns the number of threads that took part.

    params : network's dtype, packed, see plan.py; updated
    state : network's dtype, the rule's slots of packed values, see plan.new_state; updated
    gradient : network's dtype, the layers' row-major (n_in + 1, n_out) matrices one after the other
        where gradients are stored, else empty; written
    work, sums : buffers, see plan.Plan
    losses : float64 (steps,), the loss of each step before its update; written
    layers, jobs : abi.LAYER, one per layer; abi.JOB, one
    source, targets : flat arrays of the network's dtype, see abi.JOB for their strides
    labels : int64
    sample_weight : network's dtype
    order : int64 (jobs[0].n_samples,), or longer
    steps : abi.STEP (n_threads,); `jobs[0].done` steps were made before the first of `order`
    rates : float64 (steps,), the learning rate of each step, where `jobs[0].has_rates`; otherwise
        the records' lr holds for all
    progress : int64 (3,), written: see abi.SEEN, UPDATED and NOT_FINITE
    address : of a thread pool's block (block.py), or 0
    n_threads : number of threads, at most
    """
    sync = block_at(address)
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
            steps,
            rates,
            progress,
            sync,
        )
    )
    return fork_join(sync, n_threads, task)
