"""fastbp beside NumPy, scikit-learn, PyTorch and JAX: one epoch of training, each peer in a process
of its own, by turns.

    python asv_bench/peers.py                            the cases of README's table, float32 SGD
    python asv_bench/peers.py --optimizer adam --cases tiny,large --rounds 9
    python asv_bench/peers.py --dtype float64 --picture docs/peers.png
    python asv_bench/peers.py --predict --cases row,large   outputs of a trained net instead of an epoch of training

Every peer runs with one thread and with all; its better median counts. Each round asks every
process for an epoch, or as many as last a twentieth of a second, so that a noisy minute meets all
of them; the threads of the one before have gone to sleep by then, and short epochs have one before
them, not counted, to wake the core. Two rounds first, not counted, compile and warm up. Peers that
are not installed are left out (they are the extra `peers`).
"""

import argparse
import json
import platform
import sys
from dataclasses import asdict, replace

import peer_predictions

from fastbp.cli import bench
from fastbp.cli.peers import PEERS, Case
from fastbp.cli.rounds import commands_for, installed, measure, serve
from fastbp.runtime.cpus import available_cpus

CASES = bench.CASES | {
    "huge": Case((784, 4096, 4096, 10), 1024, 2_048),
    "higgs": Case((28, 300, 300, 300, 300, 300, 1), 100, 5_000, hidden="tanh", regression=True),
}
RUNS = {"train": (PEERS, CASES), "predict": (peer_predictions.PREDICTIONS, peer_predictions.CASES)}


def work(spec):
    """What a worker process does."""
    spec = json.loads(spec)
    case = Case(**spec["case"] | {"widths": tuple(spec["case"]["widths"])})
    serve(RUNS[spec["what"]][0][spec["peer"]](case, spec["threads"]))


def row(name, case, flops, best):
    """A line of the table: microseconds a sample (threads), and the ratio to the fastest other."""
    cells = [f"{1e6 * s / case.samples:.3g} ({t})" for s, t in best.values()]
    others = [s for peer, (s, _) in best.items() if peer != "fastbp"]
    ours = best["fastbp"][0]
    ratio = f"{min(others) / ours:.2f}" if others else ""
    cells = [
        name,
        "-".join(map(str, case.widths)),
        str(case.batch),
        *cells,
        f"{flops / ours / 1e9:.0f}",
        ratio,
    ]
    return f"| {' | '.join(cells)} |"


def draw(results, peers, path):
    """Bars: each peer's time a sample over fastbp's, a group a case."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
    width = 0.8 / len(peers)
    for i, peer in enumerate(peers):
        ratios = [best[peer][0] / best["fastbp"][0] for best in results.values()]
        bars = ax.bar(
            [x + (i - (len(peers) - 1) / 2) * width for x in range(len(results))],
            ratios,
            width,
            label=peer,
        )
        ax.bar_label(bars, [f"{r:.1f}" for r in ratios], fontsize=8)
    ax.set_xticks(range(len(results)), list(results))
    ax.set(
        title="Time of an epoch over fastbp's (lower is better)",
        ylabel="times fastbp",
        yscale="log",
    )
    ax.legend(ncols=len(peers))
    fig.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", help="of " + ", ".join(CASES) + "; all but the last by default")
    parser.add_argument("--peers", help="of " + ", ".join(PEERS) + "; all by default")
    parser.add_argument(
        "--predict", action="store_true", help="of " + ", ".join(peer_predictions.CASES)
    )
    parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--hidden", choices=["sigmoid", "tanh", "relu"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--samples", type=int, help="samples an epoch, instead of the case's own")
    parser.add_argument("--picture", help="where to draw the bars")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker)
        return
    what = "predict" if args.predict else "train"
    known, cases = RUNS[what]
    names = args.cases.split(",") if args.cases else [name for name in cases if name != "higgs"]
    peers = installed(args.peers.split(",") if args.peers else list(known))
    print(
        f"{platform.processor() or platform.machine()}, {available_cpus()} CPUs; µs a sample (threads)\n"
    )
    print(
        f"| case | layers | batch | {' | '.join(peers)} | fastbp GFLOP/s | fastest other / fastbp |"
    )
    print("|---" * (len(peers) + 5) + "|", flush=True)
    results = {}
    for name in names:
        case = replace(cases[name], optimizer=args.optimizer, dtype=args.dtype)
        case = replace(
            case, hidden=args.hidden or case.hidden, samples=args.samples or case.samples
        )
        command = [sys.executable, __file__, "--worker"]
        results[name] = measure(
            commands_for(peers, command, what=what, case=asdict(case)), args.rounds
        )
        print(row(name, case, case.flops[what], results[name]), flush=True)
    if args.picture:
        draw(results, peers, args.picture)


if __name__ == "__main__":
    main()
