"""Back-propagation one number at a time: scalar computation graphs, compared with the kernels.

Run it with ``python examples/computation_graph.py [--out examples/output]``.

First (x + y) * w: each node receives the derivative of the result with respect to itself, and the
graph is written as an SVG. Then two whole networks, the 2-2-2 of worked_2_2_2.py (drawn as well)
and an untrained one of the size of digits.py, are unrolled into scalar nodes; their derivatives
with respect to each weight and bias agree with those of the array kernels.
"""

import argparse
from pathlib import Path

import numpy as np
import worked_2_2_2

import fastbp
from fastbp import graph


def expression():
    """The nodes of f = s w with s = x + y, after the reverse sweep."""
    x, y, w = graph.Value(2.0, "x"), graph.Value(3.0, "y"), graph.Value(4.0, "w")
    s = x + y
    s.name = "s"
    f = s * w
    f.name = "f"
    f.backward()
    return [x, y, s, w, f]


def compare(net, x, y):
    """The graph of the loss of one sample, and the largest difference of its loss and gradients
    from those of the kernels."""
    unrolled = graph.from_net(net, x, y)
    loss, dWs, dbs = unrolled.gradients()
    loss_net, dWs_net, dbs_net = net.loss_and_gradients(x[None], y[None])
    pairs = zip([loss, *dWs, *dbs], [loss_net, *dWs_net, *dbs_net], strict=True)
    return unrolled, float(max(np.abs(ours - theirs).max() for ours, theirs in pairs))


def main(argv=None):
    parser = argparse.ArgumentParser(description="computation graphs, drawn and checked")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "output", help="folder for the pictures"
    )
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)

    nodes = expression()
    print("f = s w, s = x + y")
    print(f"{'node':<4} {'value':>6} {'gradient':>9}")
    for node in nodes:
        print(f"{node.name:<4} {node.value:>6g} {node.grad:>9g}")

    small = worked_2_2_2.build("squared_error")
    small_graph, small_difference = compare(small, worked_2_2_2.X[0], worked_2_2_2.Y[0])
    rng = np.random.default_rng(0)
    large = fastbp.MLP(
        [64, 20, 20, 10], hidden="sigmoid", output="softmax", dtype="float64", seed=0
    )
    large_graph, large_difference = compare(large, rng.random(64), np.eye(10)[3])
    result = {
        "expression": {node.name: (node.value, node.grad) for node in nodes},
        "difference": {},
    }
    for name, net_graph, difference in (
        ("2-2-2", small_graph, small_difference),
        ("64-20-20-10", large_graph, large_difference),
    ):
        size = len(graph.topological_order(net_graph.loss))
        print(f"{name:<12} {size:>5} nodes, largest difference from the kernels {difference:.1e}")
        result["difference"][name] = difference

    result["pictures"] = [args.out / "graph_expression.svg", args.out / "graph_2_2_2.svg"]
    for node, picture in zip((nodes[-1], small_graph.loss), result["pictures"], strict=True):
        picture.write_text(graph.to_svg(node), encoding="utf-8")
        print(f"wrote {picture}")
    return result


if __name__ == "__main__":
    main()
