"""Time fastbp beside NumPy, scikit-learn, PyTorch, JAX and ONNX Runtime on this machine.

    python asv_bench/peers.py                              the networks of README's table
    python asv_bench/peers.py --cases 20-64-3:32           a network of yours, widths:batch
    python asv_bench/peers.py --optimizer adam --cases tiny,large --rounds 9
    python asv_bench/peers.py --dtype float64 --picture peers.png
    python asv_bench/peers.py --predict --cases row,large  outputs instead of training

`pip install '.[peers]'` installs every library; those that are missing are left out.

What is timed: training over normally distributed samples, sigmoid hidden layers, softmax with
cross-entropy, plain SGD, float32, the same batches in the same order and the same initial weights
for each library. Small data sets are trained on for many epochs in one call, as their users do.
With `--predict`: the outputs of all samples, one batch a call. Each library is used as fast as its
users can: fused optimizers in PyTorch, all epochs in one jitted call in JAX.

How it is timed: each library runs in a process of its own, once with one thread (and restricted to
one CPU, where the system permits) and once with as many as there are CPUs. Every round visits all
processes, so that a disturbance of the machine affects all of them; short tasks are repeated for
`MIN_SECONDS`. Two visits first, not counted, compile and warm up. Printed are microseconds a
sample, the median of the rounds at the better number of threads, which follows in brackets. On a
busy machine the figures mean little.
"""

import argparse
import importlib.util
import multiprocessing
import os
import platform
import re
import statistics
import tempfile
import time
import warnings
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

LR = 0.01
MIN_SECONDS = 0.05  # of one measurement
PAUSE_SECONDS = 0.1  # before each: threads of OpenBLAS spin for a while after their last product
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class Case:
    """A network and its data: `widths` of the layers, rows a `batch`, `samples` an epoch, `epochs`
    a call."""

    widths: tuple[int, ...]
    batch: int
    samples: int = 8_192
    epochs: int = 1
    hidden: str = "sigmoid"
    dtype: str = "float32"
    optimizer: str = "sgd"
    regression: bool = False

    def flops(self, predict):
        """Floating-point operations a sample of the outputs, or of training: three products a
        layer, two in the first."""
        products = [n_in * n_out for n_in, n_out in pairwise(self.widths)]
        return 2 * (sum(products) if predict else 3 * sum(products) - products[0])

    def data(self):
        """Inputs (samples, n_in), and labels or real targets."""
        rng = np.random.default_rng(0)
        X = rng.normal(size=(self.samples, self.widths[0])).astype(self.dtype)
        if self.regression:
            return X, rng.normal(size=(self.samples, self.widths[-1])).astype(self.dtype)
        return X, rng.integers(0, self.widths[-1], self.samples)

    def weights(self):
        """Initial W (n_in, n_out) of each layer; the biases start at 0."""
        rng = np.random.default_rng(1)
        return [rng.normal(0, a**-0.5, (a, b)).astype(self.dtype) for a, b in pairwise(self.widths)]


TRAIN_CASES = {
    "iris": Case((4, 10, 3), 16, 144, epochs=138),
    "tiny": Case((64, 20, 20, 10), 25, 1_000, epochs=20),
    "uneven": Case((37, 53, 29, 7), 41, 1_025, epochs=19),
    "small": Case((64, 128, 64, 10), 32, 1_024, epochs=19),
    "medium": Case((784, 256, 128, 10), 128, 8_192),
    "large": Case((784, 1024, 1024, 10), 256, 2_048),
    "huge": Case((784, 4096, 4096, 10), 1024, 2_048),
    "higgs": Case((28, 300, 300, 300, 300, 300, 1), 100, 5_000, hidden="tanh", regression=True),
}
PREDICT_CASES = {
    "row": Case((64, 20, 20, 10), 1, 2_000),
    "large": Case((784, 1024, 1024, 10), 10_000, 10_000),
}

# One function for each library: (case, n_threads) -> (train, outputs). `train()` runs the epochs,
# `outputs(x)` returns the network's outputs for a batch; None where the library has no such thing.


def with_fastbp(case, n_threads):
    import fastbp

    X, y = case.data()
    output = "identity" if case.regression else "softmax"
    net = fastbp.MLP(case.widths, hidden=case.hidden, output=output, dtype=case.dtype)
    net.weights = case.weights()
    optimizer = fastbp.SGD(LR) if case.optimizer == "sgd" else fastbp.Adam(LR)
    options = {"batch_size": case.batch, "optimizer": optimizer, "shuffle": False}
    options |= {"epochs": case.epochs, "n_threads": n_threads}
    return lambda: net.fit(X, y, **options), net.predict_proba


def with_numpy(case, n_threads):
    X, y = case.data()
    number = X.dtype.type
    targets = y if case.regression else np.eye(case.widths[-1], dtype=case.dtype)[y]
    W = case.weights()
    b = [np.zeros(w.shape[1], case.dtype) for w in W]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in W + b]
    one = number(1)
    f, slope = {  # of z, and of a
        "sigmoid": (lambda z: one / (one + np.exp(-z)), lambda a: a * (one - a)),
        "tanh": (np.tanh, lambda a: one - a * a),
        "relu": (lambda z: np.maximum(z, 0), lambda a: a > 0),
    }[case.hidden]
    t = 0

    def forward(x):
        """Activations of every layer, the input first."""
        a = [x]
        for w, c in zip(W[:-1], b[:-1], strict=True):
            a.append(f(a[-1] @ w + c))
        z = a[-1] @ W[-1] + b[-1]
        if not case.regression:
            z = np.exp(z - z.max(axis=1, keepdims=True))
            z /= z.sum(axis=1, keepdims=True)
        return [*a, z]

    def update(parameter, gradient, m, v):
        if case.optimizer == "sgd":
            parameter -= number(LR) * gradient
            return
        m *= number(0.9)
        m += number(0.1) * gradient
        v *= number(0.999)
        v += number(0.001) * gradient * gradient
        lr = number(LR * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t))
        parameter -= lr * m / (np.sqrt(v) + number(1e-8))

    def train():
        nonlocal t
        for first in list(range(0, case.samples, case.batch)) * case.epochs:
            batch = slice(first, first + case.batch)
            t += 1
            *a, out = forward(X[batch])
            delta = (out - targets[batch]) / number(len(out))
            for i in range(len(W) - 1, -1, -1):
                dW = a[i].T @ delta
                db = delta.sum(axis=0)
                if i:
                    delta = (delta @ W[i].T) * slope(a[i])
                update(W[i], dW, *moments[i])
                update(b[i], db, *moments[len(W) + i])

    return train, lambda x: forward(x)[-1]


def with_sklearn(case, n_threads):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    X, y = case.data()
    model = (MLPRegressor if case.regression else MLPClassifier)(
        hidden_layer_sizes=case.widths[1:-1],
        activation={"sigmoid": "logistic"}.get(case.hidden, case.hidden),
        solver=case.optimizer,
        alpha=0,
        batch_size=min(case.batch, case.samples),
        learning_rate_init=LR,
        shuffle=False,
        momentum=0,
        nesterovs_momentum=False,
        max_iter=case.epochs,
        n_iter_no_change=10**9,
        warm_start=True,
    )
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    targets = y.ravel() if case.regression and y.shape[1] == 1 else y
    outputs = model.predict if case.regression else model.predict_proba
    model.fit(X, targets)
    return lambda: model.fit(X, targets), outputs


def with_torch(case, n_threads):
    import torch

    torch.set_num_threads(n_threads)
    X, y = (torch.from_numpy(a) for a in case.data())
    hidden = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "ReLU"}[case.hidden]
    layers = []
    for w in case.weights():
        linear = torch.nn.Linear(*w.shape, dtype=X.dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T))
            linear.bias.zero_()
        layers += [linear, getattr(torch.nn, hidden)()]
    net = torch.nn.Sequential(*layers[:-1])
    whole = net if case.regression else torch.nn.Sequential(net, torch.nn.Softmax(dim=1))
    loss = torch.nn.MSELoss() if case.regression else torch.nn.CrossEntropyLoss()
    kind = torch.optim.SGD if case.optimizer == "sgd" else torch.optim.Adam
    optimizer = kind(net.parameters(), lr=LR, fused=True)
    batches = list(zip(X.split(case.batch), y.split(case.batch), strict=True))

    def train():
        for x, target in batches * case.epochs:
            optimizer.zero_grad(set_to_none=True)
            loss(net(x), target).backward()
            optimizer.step()

    def outputs(x):
        with torch.inference_mode():
            return whole(torch.from_numpy(x)).numpy()

    return train, outputs


def with_jax(case, n_threads):
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", case.dtype == "float64")
    tree = jax.tree_util.tree_map
    steps = max(1, case.samples // case.batch)
    X, y = (
        jnp.asarray(a[: steps * case.batch]).reshape(steps, -1, *a.shape[1:]) for a in case.data()
    )
    f = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}[case.hidden]

    def logits(params, x):
        for w, b in params[:-1]:
            x = f(x @ w + b)
        return x @ params[-1][0] + params[-1][1]

    def loss(params, x, target):
        z = logits(params, x)
        if case.regression:
            return 0.5 * ((z - target) ** 2).sum(axis=1).mean()
        return -jnp.take_along_axis(jax.nn.log_softmax(z), target[:, None], axis=1).mean()

    def step(state, batch):
        params, m, v, t = state
        g = jax.grad(loss)(params, *batch)
        if case.optimizer == "sgd":
            return (tree(lambda p, d: p - LR * d, params, g), m, v, t), None
        t = t + 1
        m = tree(lambda a, d: 0.9 * a + 0.1 * d, m, g)
        v = tree(lambda a, d: 0.999 * a + 0.001 * d * d, v, g)
        lr = LR * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        params = tree(
            lambda p, a, c: (p - lr * a / (jnp.sqrt(c) + 1e-8)).astype(p.dtype), params, m, v
        )
        return (params, m, v, t), None

    params = [(jnp.asarray(w), jnp.zeros(w.shape[1], w.dtype)) for w in case.weights()]
    moments = [None if case.optimizer == "sgd" else tree(jnp.zeros_like, params) for _ in range(2)]
    state = (params, *moments, jnp.zeros((), X.dtype))

    def run_epochs(state):
        return jax.lax.fori_loop(
            0, case.epochs, lambda _, state: jax.lax.scan(step, state, (X, y))[0], state
        )

    epochs = jax.jit(run_epochs, donate_argnums=0)
    predict = jax.jit(
        lambda x: logits(params, x) if case.regression else jax.nn.softmax(logits(params, x))
    )

    def train():
        nonlocal state
        state = jax.block_until_ready(epochs(state))

    return train, lambda x: np.asarray(predict(x))


def with_onnxruntime(case, n_threads):
    import onnxruntime

    import fastbp

    output = "identity" if case.regression else "softmax"
    net = fastbp.MLP(case.widths, hidden=case.hidden, output=output, dtype=case.dtype)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.onnx")
        net.to_onnx(path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return None, lambda x: session.run(None, {"X": x})


PEERS = {  # name: (module, function)
    "fastbp": ("fastbp", with_fastbp),
    "NumPy": ("numpy", with_numpy),
    "scikit-learn": ("sklearn", with_sklearn),
    "PyTorch": ("torch", with_torch),
    "JAX": ("jax", with_jax),
    "ONNX Runtime": ("onnxruntime", with_onnxruntime),
}


def work(connection, peer, case, n_threads, predict):
    """A worker process: for each message, run the task and send the seconds of one run."""
    if n_threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    train, outputs = PEERS[peer][1](case, n_threads)
    X = case.data()[0]

    def predict_all():
        for first in range(0, case.samples, case.batch):
            outputs(X[first : first + case.batch])

    task = predict_all if predict else train
    seconds = 0.0
    while connection.recv():
        if seconds < MIN_SECONDS:  # wakes the core: after a pause it is slow for a millisecond
            task()
        runs = 0
        start = time.perf_counter()
        while runs == 0 or time.perf_counter() - start < MIN_SECONDS:
            task()
            runs += 1
        seconds = (time.perf_counter() - start) / runs
        connection.send(seconds)


def measure(peers, case, predict, rounds):
    """{peer: (median seconds of a run, number of threads)} at the better number of threads."""
    from fastbp.runtime.cpus import available_cpus  # absent from old versions, which asv times

    context = multiprocessing.get_context("spawn")
    workers = []
    try:
        for peer in peers:
            for n_threads in sorted({1, available_cpus()}):
                os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(n_threads)))
                connection, other_end = context.Pipe()
                process = context.Process(
                    target=work, args=(other_end, peer, case, n_threads, predict)
                )
                process.start()
                other_end.close()
                workers.append((peer, n_threads, process, connection, []))
        for i in range(rounds + 2):
            for peer, n_threads, _, connection, times in workers:
                time.sleep(PAUSE_SECONDS if i > 1 else 0)
                try:
                    connection.send(True)
                    times.append(connection.recv())
                except (EOFError, OSError):
                    raise SystemExit(
                        f"{peer} with n_threads={n_threads} failed: see its error above"
                    ) from None
    finally:
        for _, _, process, _, _ in workers:
            process.kill()
            process.join()
    best = {}
    for peer, n_threads, _, _, times in workers:
        result = statistics.median(times[2:]), n_threads
        best[peer] = min(best.get(peer, result), result)
    return best


def row(name, case, predict, best):
    """A line of the table: microseconds a sample (threads), and the ratio to the fastest other."""
    others = [seconds for peer, (seconds, _) in best.items() if peer != "fastbp"]
    ours = best["fastbp"][0]
    samples = case.samples * (1 if predict else case.epochs)
    cells = [
        name,
        "-".join(map(str, case.widths)),
        str(case.batch),
        *(f"{1e6 * seconds / samples:.3g} ({n})" for seconds, n in best.values()),
        f"{case.flops(predict) * samples / ours / 1e9:.0f}",
        f"{min(others) / ours:.2f}" if others else "",
    ]
    return f"| {' | '.join(cells)} |"


def draw(results, peers, path):
    """Draw bars: the time of each peer over that of fastbp, a group a case."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    ax = figure.subplots()
    width = 0.8 / len(peers)
    for i, peer in enumerate(peers):
        ratios = [best[peer][0] / best["fastbp"][0] for best in results.values()]
        places = [x + (i - (len(peers) - 1) / 2) * width for x in range(len(results))]
        bars = ax.bar(places, ratios, width, label=peer)
        ax.bar_label(bars, [f"{r:.1f}" for r in ratios], fontsize=8)
    ax.set_xticks(range(len(results)), list(results))
    title = "Time of training over fastbp's (lower is better)"
    ax.set(title=title, ylabel="times fastbp", yscale="log")
    ax.legend(ncols=len(peers))
    figure.savefig(path, dpi=120)


def parse_case(text, cases):
    """The case of this name, or a network from its widths and batch size: 20-64-3:32."""
    if text in cases:
        return cases[text]
    if match := re.fullmatch(r"([1-9]\d*(?:-[1-9]\d*)+):([1-9]\d*)", text):
        return Case(tuple(map(int, match[1].split("-"))), int(match[2]))
    wanted = f"{', '.join(cases)}, or widths:batch such as 20-64-3:32"
    raise SystemExit(f"--cases: must be of {wanted}, got {text!r}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cases",
        help=f"of {', '.join(TRAIN_CASES)} (by default all but the last), with --predict of "
        f"{', '.join(PREDICT_CASES)}; or widths:batch",
    )
    parser.add_argument("--peers", help=f"of {', '.join(PEERS)}; by default all")
    parser.add_argument("--predict", action="store_true", help="time outputs, not training")
    parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--hidden", choices=["sigmoid", "tanh", "relu"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, help="samples an epoch, instead of the case's own")
    parser.add_argument("--picture", help="file to draw the table to, as bars")
    args = parser.parse_args()
    cases = PREDICT_CASES if args.predict else TRAIN_CASES
    names = args.cases.split(",") if args.cases else [name for name in cases if name != "higgs"]
    chosen = {name: parse_case(name, cases) for name in names}
    peers = args.peers.split(",") if args.peers else list(PEERS)
    if not set(peers) <= set(PEERS) or "fastbp" not in peers:
        parser.error(f"--peers: must be fastbp and others of {', '.join(PEERS)}, got {args.peers}")
    peers = [peer for peer in peers if importlib.util.find_spec(PEERS[peer][0])]
    if not args.predict:
        peers = [peer for peer in peers if peer != "ONNX Runtime"]
    print(f"{platform.processor() or platform.machine()}; microseconds a sample (threads)\n")
    print(f"| case | layers | batch | {' | '.join(peers)} | GFLOP/s | fastest other / fastbp |")
    print("|---" * (len(peers) + 5) + "|", flush=True)
    results = {}
    for name, case in chosen.items():
        case = replace(
            case,
            optimizer=args.optimizer,
            dtype=args.dtype,
            hidden=args.hidden or case.hidden,
            samples=args.samples or case.samples,
        )
        results[name] = measure(peers, case, args.predict, args.rounds)
        print(row(name, case, args.predict, results[name]), flush=True)
    if args.picture:
        draw(results, peers, args.picture)


if __name__ == "__main__":
    main()
