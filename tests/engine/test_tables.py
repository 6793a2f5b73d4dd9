"""Data frames, sparse matrices and tensors as X and y: the bits of the plain array, or an error
that names the column and its type."""

import numpy as np
import pytest

import fastbp

RNG = np.random.default_rng(4)
N = 60
X = np.column_stack([RNG.normal(size=N), RNG.integers(-9, 9, N), RNG.integers(0, 2, N)])
Y = (X[:, 0] > 0).astype(int)


def bits(x, y=Y, dtype="float32", **options):
    net = fastbp.MLP([3, 4, 2], "tanh", dtype=dtype, seed=1)
    net.fit(x, y, epochs=2, batch_size=7, **options)
    return (
        net.parameters.tobytes(),
        net.history_.loss,
        net.predict_proba(x).tolist(),
        net.predict(x[:1]).tolist(),
        net.loss(x, y),
    )


def frame(pd, **columns):
    plain = {"a": X[:, 0], "b": X[:, 1].astype(int), "c": X[:, 2] == 1}
    return pd.DataFrame(plain | columns)


FRAMES = {
    "float": lambda pd: pd.DataFrame(X, columns=["a", "b", "c"]),
    "float32 and float64": lambda pd: frame(pd).astype({"a": "f8", "b": "f4", "c": "f4"}),
    "float, int and bool": frame,
    "nullable": lambda pd: frame(pd).convert_dtypes(),
    "one nullable column": lambda pd: frame(pd, b=pd.array(X[:, 1].astype(int), "Int8")),
    "nullable booleans": lambda pd: frame(pd).astype({"c": "boolean"}),
    "pyarrow": lambda pd: frame(pd).convert_dtypes(dtype_backend="pyarrow"),
    "all pyarrow": lambda pd: pd.DataFrame(X).astype("double[pyarrow]"),
    "sparse columns": lambda pd: frame(pd, c=pd.arrays.SparseArray(X[:, 2])),
    "repeated names": lambda pd: frame(pd).set_axis(["a", "a", "b"], axis=1),
    "numbers as names": lambda pd: frame(pd).set_axis([2, 1, 0], axis=1),
    "another index": lambda pd: frame(pd).set_index(np.arange(N)[::-1]),
    "a view of rows": lambda pd: pd.concat([frame(pd)] * 2)[N:],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", FRAMES)
def test_frames(kind, dtype):
    pd = pytest.importorskip("pandas")
    assert bits(FRAMES[kind](pd), dtype=dtype) == bits(X, dtype=dtype)


def test_frames_of_polars():
    pl = pytest.importorskip("polars")
    columns = {"a": X[:, 0], "b": X[:, 1].astype(int), "c": X[:, 2] == 1}
    assert bits(pl.DataFrame(columns), pl.Series(Y)) == bits(X)
    with pytest.raises(TypeError, match=r"^X must hold numbers .*, got 'c' of type S"):
        bits(pl.DataFrame(columns | {"c": ["x"] * N}))
    with pytest.raises(ValueError, match=r"^X in column 'b' must be finite .* got nan in row 1"):
        bits(pl.DataFrame(columns | {"b": [1, None] * (N // 2)}))


TARGETS = {
    "series": lambda pd: pd.Series(Y),
    "nullable": lambda pd: pd.Series(Y, dtype="Int64"),
    "pyarrow": lambda pd: pd.Series(Y, dtype="int8[pyarrow]"),
    "index": lambda pd: pd.Index(Y),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_columns_as_y_and_sample_weight(kind):
    pd = pytest.importorskip("pandas")
    weight = np.arange(1, N + 1)
    given = TARGETS[kind](pd)
    assert bits(X, given) == bits(X)
    assert bits(X, given, sample_weight=given + weight) == bits(X, sample_weight=Y + weight)


WRONG = {
    "text": (lambda pd: {"c": "x"}, r"'c' of type (str|object \(str\))"),  # object before pandas 3
    "objects": (lambda pd: {"b": np.full(N, None), "c": [[1]] * N}, r"'b' .*\(None.*'c'.*\(list"),
    "dates": (lambda pd: {"b": pd.Timestamp("2020")}, "'b' of type datetime64"),
    "categories": (lambda pd: {"a": pd.Categorical(["u"] * N)}, "'a' of type category"),
    "complex": (lambda pd: {"a": 1j * X[:, 0]}, "'a' of type complex128"),
    "pyarrow text": (
        lambda pd: {"a": pd.Series(["u"] * N, dtype="string[pyarrow]")},
        "'a' of type string",
    ),
}


@pytest.mark.parametrize("call", ["fit", "predict"])
@pytest.mark.parametrize("kind", WRONG)
def test_columns_without_numbers(kind, call):
    pd = pytest.importorskip("pandas")
    change, message = WRONG[kind]
    net = fastbp.MLP([3, 4, 2])
    with pytest.raises(TypeError, match=f"^X must hold numbers in every column, got {message}"):
        getattr(net, call)(frame(pd, **change(pd)), *[Y] * (call == "fit"))


@pytest.mark.parametrize("dtype", ["float64", "Float64", "double[pyarrow]"])
def test_missing_numbers(dtype):
    pd = pytest.importorskip("pandas")
    values = pd.Series(X[:, 1]).astype(dtype)
    values[5] = np.nan if dtype == "float64" else pd.NA
    net = fastbp.MLP([3, 4, 2])
    for table in (frame(pd, b=values), pd.DataFrame({"a": X[:, 0], "b": values, "c": X[:, 2]})):
        with pytest.raises(ValueError, match=r"^X in column 'b' .*float32, got nan in row 5"):
            net.predict(table)


def test_frames_are_copied_once_in_the_net_s_dtype():
    """And not at all if they are of one dtype."""
    pd = pytest.importorskip("pandas")
    from fastbp.base.validation import check_inputs

    mixed = check_inputs("X", frame(pd), 3, np.dtype("f4"))
    assert mixed.dtype == "f4"
    plain = pd.DataFrame(X)
    assert np.shares_memory(check_inputs("X", plain, 3, np.dtype("f4")), plain.to_numpy())


SPARSE = ("csr_array", "csr_matrix", "csc_array", "coo_matrix", "lil_array", "bsr_matrix")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", SPARSE)
def test_sparse(kind, dtype):
    """The bits of the dense matrix, for each way in which samples are read."""
    sparse = pytest.importorskip("scipy.sparse")
    thin = np.where(RNG.random(X.shape) < 0.5, 0, X)
    given = getattr(sparse, kind)(thin)
    for options in ({}, {"batch_size": None}, {"shuffle": False}):
        nets = [fastbp.MLP([3, 4, 2], dtype=dtype) for _ in range(2)]
        for net, x in zip(nets, (given, thin), strict=True):
            val = given.tocsr()[:9] if x is given else thin[:9]
            net.fit(x, Y, epochs=2, X_val=val, y_val=Y[:9], **options)
        assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()
        assert nets[0].history_ == nets[1].history_
    for name in ("forward", "predict", "predict_proba"):
        a, b = (np.array(getattr(nets[0], name)(x)[-1]) for x in (given, thin))
        assert a.tobytes() == b.tobytes()


def test_a_sparse_matrix_is_never_dense_as_a_whole():
    sparse = pytest.importorskip("scipy.sparse")
    rows = []

    class Counted(sparse.csr_array):
        def toarray(self, *more):
            rows.append(self.shape[0])
            return super().toarray(*more)

    wide = Counted(sparse.random_array((3000, 9000), density=1e-4, rng=1, format="csr"))
    net = fastbp.MLP([9000, 2])
    net.fit(wide, np.arange(3000) % 2, epochs=1, batch_size=20)
    assert max(rows) < 100
    net.predict(wide)
    assert max(rows) < 1000


def test_repeated_entries_are_added():
    sparse = pytest.importorskip("scipy.sparse")
    twice = sparse.csr_array(([1.0, 2.0], [0, 0], [0, 2]), shape=(1, 3))
    assert not twice.has_canonical_format
    net = fastbp.MLP([3, 2])
    assert np.array_equal(net.predict_proba(twice), net.predict_proba(np.array([[3.0, 0, 0]])))
    assert twice.nnz == 2


def test_sparse_that_is_refused():
    sparse = pytest.importorskip("scipy.sparse")
    net = fastbp.MLP([3, 2])
    wrong = sparse.csr_array(X)
    wrong[4, 1] = np.nan
    for given, error, message in (
        (wrong, ValueError, "^X must be finite in float32, got nan in row 4"),
        (sparse.csr_array(X * 1e39), ValueError, r"^X must be finite in float32, got .* in row 0"),
        (sparse.csr_array(X[:, :2]), ValueError, r"^X must have 3 features.*\(60, 2\)"),
        (sparse.csr_array(X * 1j), TypeError, "^X must be .* real numbers, got dtype complex128"),
    ):
        with pytest.raises(error, match=message):
            net.predict(given)
        with pytest.raises(error, match=message):
            net.fit(given, Y)
    with pytest.raises(TypeError, match=r"^y must be a dense array, .*: y\.toarray\(\)"):
        net.fit(X, sparse.csr_array(np.eye(2)[Y]))
    with pytest.raises(TypeError, match=r"^y is missing: .* got a csr_array"):
        net.fit(wrong)


def test_tensors():
    torch = pytest.importorskip("torch", reason="where PyTorch is installed")
    assert bits(torch.tensor(X), torch.tensor(Y)) == bits(X)
    net = fastbp.MLP([3, 2])
    for given, way_out in (
        (torch.tensor(X, requires_grad=True), r"detach\(\)"),
        (torch.tensor(X).bfloat16(), r"X\.float\(\)"),
        (torch.tensor(X).to_sparse(), r"to_dense\(\)"),
    ):
        with pytest.raises(TypeError, match=rf"^X must be .* got a Tensor.*{way_out}"):
            net.predict(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": [1]}, "object, a dict"),
        (None, "object, a NoneType"),
        (iter(X), "object, a"),
        ("x", "<U1"),
        (np.array([[1, "x", 3]], object), "object, with 'x' of type str in row 0"),
        (np.array([[1, True, 3]], object), r"object: X\.astype\(float\) converts it"),
    ],
)
def test_what_is_no_table_is_named(given, message):
    with pytest.raises(TypeError, match=f"^X must be .* real numbers, got dtype {message}"):
        fastbp.MLP([3, 2]).predict(given)
