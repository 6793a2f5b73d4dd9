"""Outputs of a trained net by each peer, as fast as its users can make it: what `peers.py
--predict` times.

Each function takes the case and gives back a callable that computes the outputs of all samples,
`batch` rows a call.
"""

from fastbp.cli.peers import Case, activation, one_cpu, softmax


def _by_batches(case, X, call):
    def predict():
        for first in range(0, case.samples, case.batch):
            call(X[first : first + case.batch])

    return predict


def fastbp(case, threads):
    import fastbp

    if threads == 1:
        one_cpu()
    net = fastbp.MLP(case.widths, hidden=case.hidden, dtype=case.dtype)
    net.weights = case.weights()
    return _by_batches(case, case.data()[0], lambda x: net.predict_proba(x))


def numpy(case, threads):
    W, value = case.weights(), activation(case)

    def call(x):
        for w in W[:-1]:
            x = value(x @ w)
        return softmax(x @ W[-1])

    return _by_batches(case, case.data()[0], call)


def sklearn(case, threads):
    from sklearn.neural_network import MLPClassifier

    X, y = case.data()
    activation = {"sigmoid": "logistic"}.get(case.hidden, case.hidden)
    model = MLPClassifier(case.widths[1:-1], activation=activation, batch_size=1)
    model.partial_fit(X[:10], y[:10], classes=range(case.widths[-1]))
    return _by_batches(case, X, model.predict_proba)


def _torch_net(case):
    import torch

    layers = []
    for w in case.weights():
        linear = torch.nn.Linear(*w.shape, dtype=getattr(torch, case.dtype))
        layers += [
            linear,
            {"sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[
                case.hidden
            ](),
        ]
    return torch.nn.Sequential(*layers[:-1], torch.nn.Softmax(dim=1)).eval()


def torch(case, threads):
    import torch

    torch.set_num_threads(threads)
    net = _torch_net(case)

    def call(x):
        with torch.inference_mode():
            return net(torch.from_numpy(x)).numpy()

    return _by_batches(case, case.data()[0], call)


def onnxruntime(case, threads):
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    kind = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[case.dtype]
    nodes, tensors, x = [], [], "x"
    for i, w in enumerate(case.weights()):
        tensors += [
            numpy_helper.from_array(w, f"W{i}"),
            numpy_helper.from_array(np.zeros(w.shape[1], w.dtype), f"b{i}"),
        ]
        nodes.append(helper.make_node("Gemm", [x, f"W{i}", f"b{i}"], [f"z{i}"]))
        last = i == len(case.widths) - 2
        name = (
            "Softmax"
            if last
            else {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}[case.hidden]
        )
        x = f"a{i}"
        nodes.append(helper.make_node(name, [f"z{i}"], [x]))
    inputs = [helper.make_tensor_value_info("x", kind, [None, case.widths[0]])]
    outputs = [helper.make_tensor_value_info(x, kind, [None, case.widths[-1]])]
    model = helper.make_model(
        helper.make_graph(nodes, "net", inputs, outputs, tensors),
        ir_version=10,
        opset_imports=[helper.make_opsetid("", 18)],
    )
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return _by_batches(case, case.data()[0], lambda x: session.run(None, {"x": x}))


PREDICTIONS = {
    "fastbp": fastbp,
    "NumPy": numpy,
    "scikit-learn": sklearn,
    "PyTorch": torch,
    "ONNX Runtime": onnxruntime,
}
CASES = {
    "row": Case((64, 20, 20, 10), 1, 2_000),
    "large": Case((784, 1024, 1024, 10), 10_000, 10_000),
}
