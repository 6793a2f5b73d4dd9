"""Tables as people have them: missing values, identifiers, dates, numbers in other notations, and
files that are not plain CSV in UTF-8."""

import gzip
import json

import numpy as np
import pytest

import fastbp
from fastbp.cli.tables import DataError, Selection, read_table

pa = pytest.importorskip("pyarrow")
NAN = np.nan
FAST = ["--epochs", "2", "--hidden", "4"]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Content to a file's name in the working directory."""
    monkeypatch.chdir(tmp_path)

    def to_file(content, name="t.csv"):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return to_file


def read(path, **wanted):
    return read_table(path, Selection(**wanted))


def column(values):
    """CSV of a column `a` with these texts."""
    return "\n".join(["a,y", *(f"{value},{i}" for i, value in enumerate(values))]) + "\n"


def refusal(path, **wanted):
    with pytest.raises(DataError) as caught:
        read(path, **wanted)
    assert "\n" not in str(caught.value)
    return str(caught.value)


MISSING = ["", " ", '""', ".", "?", "#N/A", "<NA>", "NA", "n/a", "NaN", "None", "NULL"]


@pytest.mark.parametrize("text", MISSING)
@pytest.mark.parametrize("others", [["1", "2.5"], ["x", "y"]], ids=["numbers", "texts"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_missing_values(text, others, place, write):
    values = [*others[:place], text, *others[place:]]
    table = read(write(column(values)))
    assert table.missing("a").tolist() == [i == place for i in range(3)]
    found = table.columns["a"][~table.missing("a")].tolist()
    assert found == (others if others[0] == "x" else [1, 2.5])


def test_words_for_missing_values_are_categories_where_the_user_says_so(write):
    assert read(write(column(["NA", "1", ""])), text=["a"]).columns["a"].tolist() == [
        "NA", "1", None,
    ]  # fmt: skip


def test_missing_values_in_formats_with_types(write):
    import pyarrow.parquet as pq

    columns = {
        "integer": [1, None, 3],
        "number": [1.5, None, NAN],
        "text": ["x", None, ""],
        "flag": [True, None, False],
        "code": pa.array(["x", None, "y"]).dictionary_encode(),
        "empty": pa.nulls(3),
        "price": pa.array([1, None, 3], pa.decimal128(5, 2)),
    }
    pq.write_table(pa.table(columns), "t.parquet")
    table = read("t.parquet")
    missing = {name: table.missing(name).tolist() for name in table.columns}
    assert missing == {key: [False, True, False] for key in columns} | {
        "number": [False, True, True],
        "text": [False, True, True],
        "empty": [True] * 3,
    }
    np.savez("t.npz", a=np.array([1, NAN]), b=np.array(["x", " "]))
    table = read("t.npz")
    assert [table.missing(name).tolist() for name in "ab"] == [[False, True]] * 2


def table_with_holes():
    rng = np.random.default_rng(0)
    lines = ["size,colour,spare,y"]
    for i in range(200):
        colour = "red" if i % 3 else "blue"
        size = f"{rng.normal(5, 2):.2f}"
        answer = "nm"[i % 2] if i else ""
        lines.append(f"{size if i % 4 else ''},{colour if i % 5 else 'NA'},{i % 7},{answer}")
    return "\n".join(lines) + "\n"


def test_imputation(write, fastbp_says):
    """Median and most frequent category of the training rows, with indicators, said and stored."""
    write(table_with_holes())
    code, out, err = fastbp_says("train", "t.csv", "--target", "y", "--report", "r.html", *FAST)
    assert code == 0, err
    assert "note: 1 rows left out: their 'y' is missing" in err
    note = "missing values imputed by the median or the most frequent category: "
    assert f"note: {note}'size' 50 by " in err
    net = fastbp.load("model.safetensors")
    size, colour, spare = net.preprocessing_.inputs
    assert (size.indicator, colour.indicator, spare.indicator) == (True, True, False)
    assert (colour.fill, spare.fill) == ("red", 3.0)
    values = [float(line.split(",")[0] or NAN) for line in table_with_holes().splitlines()[1:]]
    assert abs(size.fill - np.nanmedian(values)) < 0.3
    assert net.widths[0] == 2 + 3 + 1
    with open("r.html", encoding="utf-8") as page:
        assert "issing values imputed" in page.read()

    X = net.preprocessing_.transform({"size": [NAN, 5], "colour": [None, "blue"], "spare": [1, 2]})
    assert X[0, 0] == pytest.approx((size.fill - size.mean) / size.scale)
    assert X[:, 1].tolist() == [1, 0]
    assert X[:, 2:5].tolist() == [[0, 1, 1], [1, 0, 0]]

    # also in a column that was complete in the training
    write("size,colour,spare\n,red,\n5,?,1\n", "new.csv")
    code, out, err = fastbp_says("predict", "model.safetensors", "new.csv")
    assert code == 0, err
    assert err.startswith(f"note: {note}'size' 1 by ")
    assert "'colour' 1 by 'red'" in err
    assert "'spare' 1 by 3.0\n" in err
    X = net.preprocessing_.transform(
        {"size": [NAN, 5], "colour": ["red", None], "spare": [None, 1]}
    )
    says = net.preprocessing_.target.decode(net.predict(X)).tolist()
    assert out.split() == ["y", *says]


def test_a_column_without_values_in_the_training_rows(write, fastbp_says):
    write("a,b,y\n" + "".join(f"{i % 5},,{'nm'[i % 2]}\n" for i in range(40)))
    code, _, err = fastbp_says("train", "t.csv", "--target", "y", *FAST)
    assert code == 0
    assert "note: column 'b' left out: no training row has a value" in err
    assert [one.name for one in fastbp.load("model.safetensors").preprocessing_.inputs] == ["a"]
    write("b,y\n" + ",n\n,m\n" * 20)
    code, _, err = fastbp_says("train", "t.csv", "--target", "y", *FAST)
    assert code == 1
    assert "no columns beside the target 'y'; column 'b' left out: no training row has" in err
    write("b,y\n" + "1,\n2,\n" * 20)
    code, _, err = fastbp_says("train", "t.csv", "--target", "y", *FAST)
    assert (code, err) == (1, "fastbp train: error: t.csv, column 'y': all values are missing\n")


def test_a_model_without_imputation_refuses_missing_values(write):
    """As those of earlier versions."""
    from helpers.tables import KNOWN

    message = refusal(write("age,city\n1,\n,Oslo\n"), columns=KNOWN)
    assert message == (
        "t.csv, row 2 (line 3), column 'age': a missing value; "
        "row 1 (line 2), column 'city': a missing value"
    )


def test_all_columns_with_problems_are_named(write):
    path = write('a,b,c,d\n1,x,"1,5",1\nz,2,3,2\n')
    assert refusal(path) == (
        "t.csv, row 2 (line 3), column 'a': 'z' is not a number, as the column's others are; "
        "--text 'a' takes all as categories, --drop 'a' leaves it out; "
        "row 2 (line 3), column 'b': '2' is a number, and the column's others are text; "
        "--text 'b' takes all as categories, --drop 'b' leaves it out; "
        "row 1 (line 2), column 'c': '1,5' is not written as numbers are: 1234.5, without other "
        "signs; --text 'c' takes all as categories, --drop 'c' leaves it out"
    )
    path = write(f"{','.join('abcdefghijklmn')}\n{','.join('1' * 14)}\n{','.join('x' * 14)}\n")
    assert refusal(path).count(" is not a number") == 10
    message = refusal(write("age\n1\n"), target="x", drop=["y", "age"], text=["z"])
    assert message == "t.csv: no columns 'z', 'x', 'y'; there are 'age'"


DATES = {
    "days": ["2020-01-31", "2021-12-01"],
    "times": ["2020-01-31 12:30", "2020-02-01T00:00:00.5Z"],
    "German": ["31.12.2020", "1.2.20"],
    "American": ["12/31/2020", "1/2/2021"],
    "months": ["2020-01", "2020-12"],
    "of a day": ["12:30", "8:05:01.5"],
    "words": ["31 Jan 2020", "1 February 2021"],
    "American words": ["Jan 31, 2020", "February 1 2021"],
    "numbers": ["20200131", "20211201"],
}


@pytest.mark.parametrize("values", DATES.values(), ids=DATES)
def test_dates_are_left_out(values, write):
    path = write(column(f'"{value}"' for value in [*values, "", *values]))
    table = read(path)
    if values == DATES["numbers"]:
        assert "a" in table.columns  # missing values are not whole numbers
        table = read(write(column(values * 2)))
    assert list(table.columns) == ["y"]
    assert "column 'a' left out: " in table.notes[0]
    assert values[0] in table.notes[0]
    assert read(path, text=["a"]).columns["a"][0] == values[0]
    if values != DATES["numbers"]:
        assert "is a date, which is neither" in refusal(path, target="a")


@pytest.mark.parametrize("text", ["1.2", "3-4 rooms", "2020", "10-12", "a:b", "May", "1.2.3.4"])
def test_what_is_no_date(text, write):
    assert list(read(write(column([text, text]))).columns) == ["a", "y"]


def test_dates_in_formats_with_types(write):
    import pyarrow.parquet as pq

    kinds = [pa.date32(), pa.timestamp("us", "UTC"), pa.time32("s"), pa.duration("ms")]
    columns = {f"{i}": pa.array([0, None], kind) for i, kind in enumerate(kinds)}
    pq.write_table(pa.table(columns | {"text": ["2020-01-31", None], "y": [1, 2]}), "t.parquet")
    table = read("t.parquet")
    assert list(table.columns) == ["y"]
    assert len(table.notes) == 5
    assert "of type timestamp[us, tz=UTC], not numbers or text" in refusal("t.parquet", target="1")
    units = ["Y", "D", "h", "ns"]
    np.savez("t.npz", y=np.arange(2), **{unit: np.zeros(2, f"M8[{unit}]") for unit in units})
    table = read("t.npz")
    assert list(table.columns) == ["y"]
    assert len(table.notes) == 4


IDENTIFIERS = {
    "id": range(1, 31),
    "PassengerId": range(900, 930),
    "customer_id": [i * 7919 % 104729 for i in range(30)],
    "Unnamed: 0": range(30),
    "name": [f"Person {i}" for i in range(30)],
    "ticket": [f"A/{i}" for i in [*range(20), *range(10)]],
}


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_identifiers_are_left_out(name, write):
    values = list(IDENTIFIERS[name])
    content = column(values).replace("a,y", f"{name},y", 1)
    table = read(write(content), max_categories=15)
    assert list(table.columns) == ["y"]
    assert f"column '{name}' left out: " in table.notes[0]
    as_text = read("t.csv", text=[name]).columns[name]
    assert as_text.tolist() == list(map(str, values))
    if isinstance(values[0], int):
        assert read("t.csv", number=[name]).columns[name].tolist() == values
    assert len(read("t.csv", target=name).columns[name]) == 30


def test_what_is_no_identifier(write):
    """Few different texts, or numbers of measurements; row numbers are said."""
    assert read(write(column(["x", "y", "x"]))).notes == []
    assert read(write(column(f"{i / 8 + 0.01}" for i in range(30)))).columns.keys() == {"a", "y"}
    grid = read(write(column(range(30))))
    assert grid.columns.keys() == {"a", "y"}
    assert grid.notes[0] == (
        "column 'a' counts the rows; --drop 'a' leaves it out if it is an identifier"
    )
    repeated = read(write("id,y\n1,2\n1,3\n2,4\n"))
    assert repeated.columns.keys() == {"id", "y"}
    assert repeated.notes == [
        "column 'id' is an identifier by its name; --text 'id' makes it categories"
    ]


@pytest.mark.parametrize("name", ["paid", "Acid", "GRID", "idle", "heat_index", "hybrid"])
def test_names_that_are_no_identifiers(name, write):
    table = read(write(column([7, 3, 99]).replace("a,y", f"{name},y", 1)))
    assert (list(table.columns), table.notes) == ([name, "y"], [])


FORMATTED = {
    "decimal comma": ['"0,5"', '"1,25"'],
    "thousands": ['"1,234"', "567"],
    "thousands later": ["567", '"1,234"'],
    "percent": ["12%", "3 %"],
    "money": ["$5.00", "$1200.50"],
    "euro": ['"1,50 €"', '"2,00 €"'],
    "spaces": ["1 234", "12 345"],
    "negative in parentheses": ["(5)", "7"],
    "apostrophes": ["1'234", "999"],
}


@pytest.mark.parametrize("values", FORMATTED.values(), ids=FORMATTED)
def test_numbers_in_other_notations_are_said(values, write):
    first = next(value for value in values if not value.isdecimal()).strip('"')
    message = refusal(write(column(values)))
    assert f"column 'a': {first!r} is not written as numbers are: 1234.5" in message
    assert len(read("t.csv", text=["a"]).columns["a"]) == 2
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [first, None]}), "t.parquet")
    assert f"row 1, column 'a': {first!r} is not written as" in refusal("t.parquet")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["007", "10115"], ["007", "10115"]),
        (["10115", "01067", ""], ["10115", "01067", None]),
        ([" 00", "1"], ["00", "1"]),
        (["0.5", "0"], [0.5, 0]),
        (["-0", "+5"], [0, 5]),
        (["\N{MINUS SIGN}5", "1e-3"], [-5, 0.001]),
    ],
)
def test_leading_zeros_are_text_and_signs_are_numbers(values, expected, write):
    table = read(write(column(values)))
    assert table.columns["a"].tolist() == expected
    if isinstance(expected[0], str):
        note = table.notes[0]
        assert note.startswith("column 'a' taken as text, as '0")
        numbers = read("t.csv", number=["a"]).columns["a"]
        assert numbers[0] == float(values[0])


BEYOND = [2**53, 2**53 + 1, 2**63, 2**64 + 1, -(2**53) - 1]


@pytest.mark.parametrize("form", ["csv", "parquet", "npz"])
def test_whole_labels_stay_whole(form, write, fastbp_says):
    """Also where float64 does not tell them apart, and with leading zeros."""
    import pyarrow.parquet as pq

    labels = BEYOND if form == "csv" else [*BEYOND[:2], BEYOND[-1]]
    n = 40 * len(labels)
    y = [labels[i % len(labels)] for i in range(n)]
    x = [float(i % len(labels)) + 0.1 for i in range(n)]
    if form == "csv":
        write("x,y\n" + "".join(f"{a},{b}\n" for a, b in zip(x, y, strict=True)))
    elif form == "parquet":
        pq.write_table(pa.table({"x": x, "y": y}), "t.parquet")
    else:
        np.savez("t.npz", x=x, y=y)
    code, out, err = fastbp_says(
        "train", f"t.{form}", "--target", "y", "--epochs", "40", "--lr", "0.02"
    )
    assert code == 0, err
    net = fastbp.load("model.safetensors")
    assert net.preprocessing_.target.categories == tuple(sorted(labels))
    code, out, err = fastbp_says("predict", "model.safetensors", f"t.{form}")
    answers = list(map(int, out.split()[1:]))
    assert np.mean(np.array(answers, object) == np.array(y, object)) > 0.95
    assert fastbp_says("train", f"t.{form}", "--target", "y", "--task", "regression", *FAST)[0] == 0


def test_classes_with_leading_zeros_come_back(write, fastbp_says):
    write("x,y\n" + "".join(f"{i % 2},{['007', '042'][i % 2]}\n" for i in range(60)))
    assert fastbp_says("train", "t.csv", "--target", "y", *FAST)[0] == 0
    assert set(fastbp_says("predict", "model.safetensors", "t.csv")[1].split()) <= {
        "y", "007", "042",
    }  # fmt: skip


def test_the_index_of_a_data_frame(write, fastbp_says):
    """It is left out of the training and not wanted of new files."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "y": np.repeat(["n", "m"], 30)})
    unnamed = frame.set_index(np.arange(60) ** 2)
    for indexed in (
        unnamed,
        frame.set_index(pd.Index(np.arange(60) ** 2, name="first")),
        frame.set_index(
            pd.MultiIndex.from_arrays([np.arange(60) ** 2, np.arange(60) ** 3], names=["a", "b"])
        ),
    ):
        indexed.to_parquet("t.parquet")
        code, _, err = fastbp_says("train", "t.parquet", "--target", "y", *FAST)
        assert code == 0
        assert "left out: the index of a DataFrame" in err
        net = fastbp.load("model.safetensors")
        assert [one.name for one in net.preprocessing_.inputs] == ["x"]
        frame.to_parquet("new.parquet")
        assert fastbp_says("predict", "model.safetensors", "new.parquet")[0] == 0
    frame.set_index("y").to_parquet("t.parquet")
    assert fastbp_says("train", "t.parquet", "--target", "y", *FAST)[0] == 0  # it is named
    unnamed.to_csv("t.csv")
    code, _, err = fastbp_says("train", "t.csv", "--target", "y", *FAST)
    assert code == 0
    assert "note: column 1 left out: without a name" in err
    assert [one.name for one in net.preprocessing_.inputs] == ["x"]
    damaged = pa.table({"x": [1.0]}).replace_schema_metadata({"pandas": "{"})
    import pyarrow.parquet as pq

    pq.write_table(damaged, "t.parquet")
    assert list(read("t.parquet").columns) == ["x"]


def test_columns_that_predict_does_not_need(write, fastbp_says):
    """Without names, with one name, or not in UTF-8: they are ignored."""
    write("x,y\n" + "".join(f"{i % 5},{'nm'[i % 2]}\n" for i in range(60)))
    assert fastbp_says("train", "t.csv", "--target", "y", *FAST)[0] == 0
    expected = fastbp_says("predict", "model.safetensors", "t.csv")[1]
    lines = "".join(f"9,{i % 5},7,7,7\n" for i in range(60)).encode()
    for header in (b",x,a,a,", b"a,x,\xe9,b,b", b"a,x,c,,"):
        write(header + b"\n" + lines, "new.csv")
        assert fastbp_says("predict", "model.safetensors", "new.csv") == (0, expected, "")
    write(b"x,x,a,b,c\n" + lines, "new.csv")
    code, _, err = fastbp_says("predict", "model.safetensors", "new.csv")
    assert code == 1
    assert err == "fastbp predict: error: new.csv: 2 columns have the name 'x'\n"


GOOD = "size,kind,y\n" + "".join(f"{i % 5}.5,{'ab'[i % 2]},{'nm'[i % 2]}\n" for i in range(6))


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace(",", ", "),
        GOOD.replace(",", " , "),
        GOOD.replace(",a,", ', "a", ').replace(",b,", ',  "b",'),
        GOOD.replace("size,", ' "size", ').replace(",n", ', "n"'),
        GOOD.replace("\n", "\r\n").replace(",a,", ', "a", '),
        GOOD.replace(",", "\t"),
    ],
    ids=["after commas", "around commas", "quotes", "quoted names", "Windows", "tabs"],
)
def test_spaces_around_values(content, write):
    name = "t.tsv" if "\t" in content else "t.csv"
    table = read(write(content, name), target="kind")
    expected = read(write(GOOD))
    assert list(table.columns) == ["size", "kind", "y"]
    for one in table.columns:
        assert table.columns[one].tolist() == expected.columns[one].tolist()


def test_spaces_before_quotes_keep_commas_and_lines(write):
    table = read(write('a, b\n1, "x, ""y""\n z"\n\n2, "u"\n3, 4, 5\n'[:-8]))
    assert table.columns["b"].tolist() == ['x, "y"\n z', "u"]
    message = refusal(write('a, b\n1, "x, ""y""\n z"\n\nw, "u"\n'))
    assert message.startswith("t.csv, row 2 (line 5), column 'a': 'w' is not a number")


def test_models_of_categories_with_spaces_still_read_them(write):
    """Versions that kept the space around texts wrote such models."""
    from fastbp.preprocessing import OneHot

    known = {" kind": OneHot(" kind", (" a", "b"))}
    table = read(write("x, kind\n1, a\n2,b\n"), columns=known)
    assert table.columns[" kind"].tolist() == [" a", "b"]


@pytest.mark.parametrize("known", [("False", "True"), ("false", "true"), ("FALSE", "TRUE")])
def test_flags_are_flags_in_every_format(known, write):
    import pyarrow.parquet as pq

    from fastbp.preprocessing import OneHot

    wanted = {"a": OneHot("a", known)}
    np.savez("t.npz", a=[True, False])
    pq.write_table(pa.table({"a": [True, False]}), "t.parquet")
    for text in ("a,b\nTrue,1\nFalse,2\n", "a,b\ntrue,1\nFALSE,2\n"):
        assert read(write(text), columns=wanted).columns["a"].tolist() == [*known[::-1]]
    for name in ("t.npz", "t.parquet"):
        assert read(name, columns=wanted).columns["a"].tolist() == [*known[::-1]]


def test_line_ends_in_quotes_are_one_category(write):
    unix = 'a,y\n"x\nz",1\n"x\nz",2\n'
    expected = read(write(unix)).columns["a"].tolist()
    assert read(write(unix.replace("\n", "\r\n"))).columns["a"].tolist() == expected == ["x\nz"] * 2


NOT_CSV = {
    "gzip": (gzip.compress(GOOD.encode()), "t.csv: not CSV but compressed by gzip; gzip -dc FILE"),
    "UTF-16": (GOOD.encode("utf-16"), "t.csv: not CSV but UTF-16; iconv -f utf-16 -t utf-8"),
    "UTF-16 of old": (GOOD.encode("utf-16-be"), "t.csv: not CSV but UTF-16; iconv -f utf-16"),
    "Excel": (b"PK\x03\x04" + bytes(50), "t.csv: not CSV but a ZIP archive or Excel file; save"),
    "Parquet": (b"PAR1" + bytes(50), "t.csv: not CSV but Parquet, which the name of a file must"),
    "Latin 1 in text": (
        "a,y\nx,1\nnée,2\n".encode("latin-1"),
        "t.csv, row 2 (line 3), column 'a': text that is not UTF-8; iconv -f latin1 -t utf-8",
    ),
    "Latin 1 in names": (
        "é,y\nx,1\n".encode("latin-1"),
        "t.csv, line 1, column 1: text that is not UTF-8; iconv -f latin1 -t utf-8",
    ),
    "semicolons": (
        "a;y\n0,5;1\n",
        "t.csv: no column 'y'; there are 'a;y'; --delimiter ';'",
    ),
    "tabs": ("a\ty\n5\t1\n", "t.csv: no column 'y'; there are 'a\\ty'; --delimiter '\\t' divides"),
    "Excel's first line": ("sep=;\na;y\n1;2\n", "t.csv: the first line is 'sep=;' for Excel; tail"),
    "an empty first line": ("\n\na,y\n1,2\n", "t.csv: the first line is empty; it must name the"),
    "no names": (
        "5.1,3.5,n\n4.9,3.0,m\n",
        "t.csv: no column 'y'; there are '5.1', '3.5', 'n'; the first line must name the columns",
    ),
}


@pytest.mark.parametrize(("content", "message"), NOT_CSV.values(), ids=NOT_CSV)
def test_hints(content, message, write):
    assert refusal(write(content), target="y").startswith(message)


@pytest.mark.parametrize(
    ("given", "close"),
    [("specis", "species"), ("Species", "species"), ("SIZE_CM", "size_cm"), ("colour", None)],
)
def test_close_names(given, close, write):
    path = write("species, size_cm\nx,1\n")
    hint = "" if close is None else f" (close: {close!r})"
    for wanted in ({"target": given}, {"drop": [given]}, {"text": [given]}, {"number": [given]}):
        message = refusal(path, **wanted)
        assert message == f"t.csv: no column {given!r}{hint}; there are 'species', 'size_cm'"


def test_old_preprocessing_is_read_and_written_as_it_was(tmp_path):
    from fastbp.preprocessing import OneHot, Preprocessing, Scaled

    old = {
        "inputs": [{"name": "a", "mean": 1.0, "scale": 2.0}],
        "target": {"name": "y", "categories": ["n", "m"]},
    }
    made = Preprocessing.of_document(old)
    assert made == Preprocessing((Scaled("a", 1.0, 2.0),), OneHot("y", ("n", "m")))
    assert json.loads(json.dumps(made.document())) == old


@pytest.mark.parametrize("option", ["--target", "--text", "--number", "--drop"])
def test_options_name_columns_with_or_without_space(option, write, fastbp_says):
    write("x, y ,z\n" + "".join(f"{i % 5},{i % 2},{i % 3}\n" for i in range(40)))
    for name in ("y", " y "):
        target = ["--target", "x"] if option != "--target" else []
        code, _, err = fastbp_says("train", "t.csv", option, name, *target, *FAST)
        assert code == 0, err
        made = fastbp.load("model.safetensors").preprocessing_
        kinds = {one.name: type(one).__name__ for one in (*made.inputs, made.target)}
        expected = {"--target": "OneHot", "--text": "OneHot", "--number": "Scaled", "--drop": None}
        assert kinds.get("y") == expected[option]
        if option != "--drop":
            X = made.transform({" x": [1, 2], "y ": [1, 0], "z": [2, 0]})
            assert X.shape == (2, made.width)


SAME = ["--class-weight", "balanced"]


def test_rare_classes_and_their_weights(write, fastbp_says):
    """A model of rare classes that never predicts one is named, and weights make it predict it."""
    rng = np.random.default_rng(0)
    y = np.where(rng.random(600) < 0.06, "rare", "common")
    x = rng.normal((y == "rare") * 1.0, 1)
    write("x,y\n" + "".join(f"{a:.3f},{b}\n" for a, b in zip(x, y, strict=True)))
    plain = ["train", "t.csv", "--target", "y", "--hidden", "none", "--report", "r.html"]
    code, out, err = fastbp_says(*plain)
    assert code == 0
    assert "warning: the model never predicts 'rare' on the held-out rows\n" in err
    assert "warning: the accuracy is not better than that of always 'common'\n" in err
    with open("r.html", encoding="utf-8") as page:
        text = page.read()
    assert text.count('<p class="doubt">') == 2
    assert "never predicts &#39;rare&#39;" in text
    area = float(out.partition("ROC AUC ")[2].split()[0])
    assert 0.6 < area < 0.95
    code, out, err = fastbp_says(*plain, *SAME)
    assert code == 0
    assert "never predicts" not in err


def test_a_class_without_training_rows_is_said(write, fastbp_says):
    lines = [f"{i},{'nm'[i % 2]}\n" for i in range(40)]
    for seed in range(12):
        write("x,y\n" + "".join(lines) + "99,single\n")
        code, _, err = fastbp_says("train", "t.csv", "--target", "y", "--seed", str(seed), *FAST)
        assert code == 0
        said = [line for line in err.splitlines() if "row is of the class 'single'" in line]
        assert len(said) == 1  # either no training row, or no held-out one, or both
        if said[0].startswith("warning: no training row"):
            break
    else:
        pytest.fail("no seed held the row out")


def test_a_regression_of_no_use_is_said(write, fastbp_says):
    rng = np.random.default_rng(0)
    write("x,y\n" + "".join(f"{rng.normal():.3f},{rng.normal():.3f}\n" for _ in range(60)))
    code, _, err = fastbp_says(
        "train", "t.csv", "--target", "y", "--epochs", "300", "--patience", "300"
    )
    assert code == 0
    assert "warning: the RMSE is not better than that of always the mean" in err


@pytest.mark.parametrize("scale", [1e-300, 1e150, 1e299])
def test_large_and_small_numbers_warn_of_nothing(scale, write, fastbp_says):
    """Warnings are errors in these tests; nor does a caller's `np.errstate` end the command."""
    lines = "".join(f"{i % 7 * scale},{i % 5},{(i % 7 - 3) * scale}\n" for i in range(60))
    write("x,z,y\n" + lines)
    with np.errstate(all="raise"):
        code, out, err = fastbp_says(
            "train", "t.csv", "--target", "y", "--task", "regression", "--report", "r.html", *FAST
        )
        assert code == 0, err
        code, answers, err = fastbp_says("predict", "model.safetensors", "t.csv")
        assert code == 0, err
    assert "inf" not in out.partition("R2")[2]
    assert np.isfinite(np.array(answers.split()[1:], float)).all()


def frames():
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    n = 80
    hole = rng.random(n) < 0.2
    yield (
        "flags",
        {
            "flag": rng.random(n) < 0.5,
            "nullable": pd.array(np.where(hole, None, rng.random(n) < 0.5), "boolean"),
        },
    )
    yield (
        "whole numbers",
        {
            "nullable": pd.array(np.where(hole, None, rng.integers(0, 9, n)), "Int64"),
            "small": rng.integers(0, 9, n).astype(np.uint8),
            "half": (rng.integers(-9, 9, n) / 8).astype(np.float16),  # exact in CSV
        },
    )
    yield (
        "categories",
        {
            "text": pd.Categorical(rng.choice(["a", "b"], n)),
            "number": pd.Categorical(rng.integers(0, 3, n)),
            "missing": pd.Categorical(np.where(hole, None, rng.choice(["a", "b"], n))),
        },
    )
    yield "dates", {"day": pd.date_range("2020", periods=n), "x": rng.normal(size=n)}
    yield "spaces", {" x ": rng.normal(size=n), "text": rng.choice([" a", "b "], n)}


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("kind", ["flags", "whole numbers", "categories", "dates", "spaces"])
def test_python_and_the_command_line_agree(kind, form, write, fastbp_says):
    """On the DataFrame that a table was written from, and on each of its rows."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(dict(frames())[kind])
    frame["y"] = np.arange(len(frame)) % 2
    if form == "csv":
        frame.to_csv("t.csv", index=False)
    else:
        frame.to_parquet("t.parquet")
    code, _, err = fastbp_says("train", f"t.{form}", "--target", "y", "--dtype", "float64", *FAST)
    assert code == 0, err
    net = fastbp.load("model.safetensors")
    X = net.preprocessing_.transform(frame)
    for row in (0, 7, len(frame) - 1):
        np.testing.assert_array_equal(net.preprocessing_.transform(frame.iloc[row]), X[[row]])
    code, out, err = fastbp_says("predict", "model.safetensors", f"t.{form}", "--proba")
    assert code == 0, err
    probabilities = [line.split(",")[1:] for line in out.splitlines()[1:]]
    np.testing.assert_allclose(np.array(probabilities, float), net.predict_proba(X), rtol=1e-5)
