"""Trained networks of every shape and optimizer, and everything that a file must hold of one."""

import numpy as np

import fastbp

RNG = np.random.default_rng(5)

X = RNG.normal(size=(40, 4))

Y = np.arange(40) % 3

OPTIMIZERS = {
    "sgd": fastbp.SGD(0.05),
    "momentum": fastbp.SGD(np.float32(0.05), momentum=0.9),
    "nesterov": fastbp.SGD(1, momentum=0.5, nesterov=True),
    "adam": fastbp.Adam(0.01),
    "adamw": fastbp.AdamW(
        fastbp.schedules.LinearWarmup(fastbp.schedules.ReduceOnPlateau(0.01, patience=0), 5)
    ),
    "rmsprop": fastbp.RMSprop(
        fastbp.schedules.OneCycle(0.01, length=30), momentum=0.5, centered=True
    ),
}

SHAPES = {
    "small": ([4, 6, 3], {}),
    "deep": ([4, 6, 5, 2, 3], {"hidden": ("relu", "elu", "tanh"), "dtype": "float64"}),
    "regression": ([4, 3], {"output": "identity", "loss": "squared_error", "dtype": "float64"}),
    "softmax in the loss": (
        [4, 7, 3],
        {"output": "relu", "loss": "softmax_cross_entropy", "hidden": "leaky_relu"},
    ),
    "multilabel": ([4, 7, 3], {"output": "sigmoid", "hidden": "softplus"}),
    "thinned": ([4, 7, 5, 3], {"dropout": (0.2, 0.5), "label_smoothing": 0.1}),
}


def trained(shape="small", optimizer=OPTIMIZERS["adam"], epochs=3, **settings):
    widths, about = SHAPES[shape]
    net = fastbp.MLP(widths, seed=7, **about)
    targets = np.eye(3)[Y] if net.loss_name in ("squared_error", "binary_cross_entropy") else Y
    net.fit(
        X,
        targets,
        epochs=epochs,
        batch_size=16,
        optimizer=optimizer,
        X_val=X[:9],
        y_val=targets[:9],
        **settings,
    )
    return net, targets


def everything(net):
    """All that a net is, in a form that can be compared. A new attribute of a net must be added
    here, and to what is saved."""
    parts = vars(net) | vars(net.train_state)
    for name in ("train_state", "_weights", "_biases", "network"):
        del parts[name]
    parts["class_labels"] = str(net.classes_), str(getattr(net.classes_, "dtype", None))
    parts["rng"] = net.train_state.rng.bit_generator.state
    parts["schedule_state"] = vars(net.train_state.schedule_state)
    for name in ("parameters", "optimizer_state"):
        a = parts[name]
        parts[name] = str(a.dtype), a.shape, a.tobytes()
    return parts | {"repr": repr(net), "weights": [w.tobytes() for w in net.weights]}
