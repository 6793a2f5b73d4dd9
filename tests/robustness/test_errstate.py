"""The caller's `np.errstate` changes nothing: values may underflow within fastbp."""

import numpy as np
import pytest

import fastbp

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
X[0] = 1e-300
X[1] = 1e-42
Y = (X[:, 0] > 0).astype(int)
TARGETS = np.where(RNG.random((60, 1)) > 0.5, 1e-300, 1.0)
WEIGHT = RNG.random(60)
WEIGHT[::3] = 1e-300
WEIGHT[::7] = 1e-320
TINY_WEIGHT = WEIGHT * 1e-300
TINY_X = X * 1e-160


def net(dtype, widths=(3, 4, 2), **options):
    made = fastbp.MLP(list(widths), dtype=dtype, seed=1, **options)
    made.weights[0][0] = 1e-30
    if dtype == "float64":
        made.weights[0][1] = 1e-300
    return made


def fitted(dtype, X, y, widths=(3, 4, 2), output="softmax", **settings):
    made = net(dtype, widths, output=output)
    history = made.fit(X, y, epochs=2, **settings)
    return made.parameters.tobytes(), history.loss, history.batch_loss, history.val_loss


def saved(dtype, folder):
    net(dtype).save(folder / "net")
    return fastbp.load(folder / "net").parameters.tobytes()


def narrowed(dtype):
    made = net(dtype)
    made.fit(X, Y, epochs=1, optimizer=fastbp.Adam())
    made.train_state.optimizer_state[:] = 1e-310 if dtype == "float64" else 1e-45
    return made.astype("float32").train_state.optimizer_state.tobytes()


CALLS = {
    "fit": lambda d, _: fitted(d, X, Y),
    "one batch": lambda d, _: fitted(d, X, Y, batch_size=None),
    "weights": lambda d, _: fitted(d, X, Y, sample_weight=WEIGHT),
    "tiny weights": lambda d, _: fitted(d, X, Y, sample_weight=TINY_WEIGHT),
    "class weights": lambda d, _: fitted(d, X, Y, sample_weight=WEIGHT, class_weight="balanced"),
    "tiny classes": lambda d, _: fitted(d, X, Y, class_weight={0: 1e-300, 1: 1e-310}),
    "validation": lambda d, _: fitted(d, X, Y, X_val=X, y_val=Y, patience=1),
    "stream": lambda d, _: fitted(d, [(X, Y, WEIGHT)] * 3, None),
    "targets": lambda d, _: fitted(d, X, TARGETS, (3, 1), "identity"),
    "tiny losses": lambda d, _: fitted(d, TINY_X, TARGETS, (3, 1), "identity"),
    "two columns": lambda d, _: fitted(d, X, np.hstack([TARGETS, 1 - TARGETS])),
    "schedule": lambda d, _: fitted(
        d, X, Y, optimizer=fastbp.SGD(fastbp.schedules.InverseScaling(0.1, 200.0))
    ),
    "Adam": lambda d, _: fitted(d, X, Y, optimizer=fastbp.Adam()),
    "checkpoints": lambda d, folder: fitted(d, X, Y, checkpoint=folder / "run", checkpoint_every=0),
    "predict": lambda d, _: net(d).predict(X).tobytes(),
    "predict one": lambda d, _: net(d).predict(X[:1]).tobytes(),
    "predict_proba": lambda d, _: net(d).predict_proba(X).tobytes(),
    "forward": lambda d, _: [a.tobytes() for a in net(d).forward(X)],
    "loss": lambda d, _: net(d).loss(X, Y, sample_weight=WEIGHT),
    "gradients": lambda d, _: [g.tobytes() for g in net(d).loss_and_gradients(X, Y)[1]],
    "save": saved,
    "astype": lambda d, _: narrowed(d),
    "lr_find": lambda d, _: fastbp.lr_find(net(d), X, Y).losses.tobytes(),
    "check_gradients": lambda d, _: fastbp.check_gradients(net(d), X, Y),
    "init": lambda d, _: fastbp.MLP(
        [3, 2], dtype=d, init=lambda rng, shape: np.full(shape, 1e-300)
    ).parameters.tobytes(),
}


@pytest.mark.filterwarnings("ignore:the schedule .* had ended")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CALLS)
def test_whatever_the_caller_has_set(name, dtype, tmp_path):
    call = CALLS[name]
    folders = tmp_path / "a", tmp_path / "b"
    for folder in folders:
        folder.mkdir()
    with np.errstate(all="ignore"):
        wanted = call(dtype, folders[0])
    with np.errstate(all="raise"):
        assert call(dtype, folders[1]) == wanted


def test_a_callable_as_loss_keeps_the_callers():
    def loss(a, y):
        np.float64(1e-300) * np.float64(1e-300)
        return float(np.mean((a[:, 0] - y) ** 2)) / 2, (a - y[:, None]) / len(y)

    made = fastbp.MLP([3, 1], output="identity", loss=loss)
    made.fit(X, X[:, 0], epochs=1)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="underflow"):
        made.fit(X, X[:, 0], epochs=1)
