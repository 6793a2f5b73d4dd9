"""``fastbp bench``: epochs of training on this machine, by fastbp and by what else is installed."""

import platform
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import asdict, replace

from ..runtime.cpus import available_cpus
from .arguments import say, whole
from .peers import PEERS, Case
from .rounds import commands_for, installed, measure

CASES = {
    "tiny": Case((64, 20, 20, 10), 25, 20_000),
    "small": Case((64, 128, 64, 10), 32, 19_968),
    "medium": Case((784, 256, 128, 10), 128, 8_192),
    "large": Case((784, 1024, 1024, 10), 256, 2_048),
}
EPILOG = f"""\
examples:
  fastbp bench
  fastbp bench --cases tiny,large --rounds 15

What is timed: one epoch of training over samples drawn at random, sigmoid hidden layers, softmax with cross-entropy, plain SGD,
float32, the same batches in the same order, by fastbp, a loop written in NumPy, and scikit-learn, PyTorch and JAX where they
are installed. Each runs in a process of its own, once with one thread and once with all; the processes take turns. What is
printed are medians at the better number of threads. The sizes: {", ".join(CASES)}. It takes a minute or two on an idle
machine; on a busy one the figures say little.
"""


def add_to(commands) -> None:
    made = commands.add_parser(
        "bench", help="this machine: fastbp beside NumPy and others", epilog=EPILOG
    )
    made.description = "Time training on this machine beside NumPy and whatever else is installed."
    made.add_argument(
        "--cases",
        type=_some("cases", CASES),
        default=list(CASES),
        metavar="NAMES",
        help="by default all",
    )
    made.add_argument(
        "--peers",
        type=_some("peers", PEERS),
        default=list(PEERS),
        metavar="NAMES",
        help=", ".join(PEERS),
    )
    made.add_argument("--rounds", type=whole(), default=5, metavar="N", help="default: %(default)s")
    made.add_argument(
        "--samples", type=whole(), metavar="N", help="samples an epoch, instead of each case's own"
    )
    made.set_defaults(run=run)


def _some(what, known) -> Callable[[str], list[str]]:
    """A type of arguments: names that are known, with commas between."""

    def convert(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise ArgumentTypeError(f"must be of the {what} {', '.join(known)}, got {name!r}")
        return names

    return convert


def run(arguments) -> None:
    peers = installed(arguments.peers)
    for peer in arguments.peers:
        if peer not in peers:
            say(f"{peer} is not installed, and left out")
    processor = platform.processor() or platform.machine()
    print(
        f"{processor}, {available_cpus()} CPUs. One epoch, float32 SGD: microseconds a sample (threads),"
    )
    print(f"medians of {arguments.rounds} rounds by turns.\n")
    print(_line("case", "layers", "batch", *peers, "best other / fastbp"), flush=True)
    for name in arguments.cases:
        case = CASES[name]
        if arguments.samples:
            case = replace(case, samples=arguments.samples)
        command = [sys.executable, "-m", "fastbp.cli.rounds"]
        best = measure(commands_for(peers, command, case=asdict(case)), arguments.rounds)
        times = [f"{1e6 * best[peer][0] / case.samples:.3g} ({best[peer][1]})" for peer in peers]
        others = [seconds for peer, (seconds, _) in best.items() if peer != "fastbp"]
        ratio = f"{min(others) / best['fastbp'][0]:.2f}" if others and "fastbp" in best else ""
        print(
            _line(name, "-".join(map(str, case.widths)), str(case.batch), *times, ratio), flush=True
        )


def _line(name, layers, batch, *cells):
    return (
        f"{name:8}{layers:20}{batch:>6}"
        + "".join(f"{cell:>14}" for cell in cells[:-1])
        + f"{cells[-1]:>22}"
    )
