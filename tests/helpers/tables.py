"""CSV files, well formed and malformed."""

import numpy as np

from fastbp.cli import csv_file
from fastbp.preprocessing import OneHot, Scaled

GOOD = "age,city,y\n1,Oslo,a\n-2.5e0,Rome,b\n 3 ,Oslo,a\n"

KNOWN = {"age": Scaled("age", 0.0, 1.0), "city": OneHot("city", ("Oslo", "Rome"))}

EXPECTED = {"age": [1, -2.5, 3], "city": ["Oslo", "Rome", "Oslo"], "y": ["a", "b", "a"]}

FORMS = {
    "plain": (GOOD, "t.csv", None),
    "marked as UTF-8": ("\ufeff" + GOOD, "t.csv", None),
    "no last line end": (GOOD.rstrip(), "t.csv", None),
    "Windows": (GOOD.replace("\n", "\r\n"), "t.txt", None),
    "empty lines": (GOOD.replace("\n", "\n\n") + "\n\n", "t.csv", None),
    "quoted": ('"age","city",y\n"1",Oslo,"a"\n-2.5e0,"Rome",b\n" 3 ","Oslo",a\n', "t.csv", None),
    "tabs": (GOOD.replace(",", "\t"), "t.tsv", None),
    "semicolons": (GOOD.replace(",", ";"), "t.csv", ";"),
}

ROW_2 = "t.csv, row 2 (line 3), column 'a': "

WRONG = {
    "empty": ("", {}, "t.csv: it is empty: not even a line of column names"),
    "only names": ("a,b\n", {}, "t.csv: no rows"),
    "only names, known": ("age,city\n\n\n", {"columns": KNOWN}, "t.csv: no rows"),
    "an empty first line": (
        "\na,b\n1,2\n",
        {},
        "t.csv, row 1 (line 2): 2 values, where the first line names 0",
    ),
    "names in Latin 1": (
        b"a,\xe9\n1,2\n",
        {},
        "t.csv, line 1, column 2: text that is not UTF-8; iconv -f latin1 -t utf-8 converts",
    ),
    "a delimiter more": (
        "a,b\n1,2,\n3,4,\n",
        {},
        "t.csv, row 1 (line 2): 3 values, where the first line names 2 columns; the last is empty",
    ),
    "a name twice": ("a,b,a\n1,2,3\n", {}, "t.csv: 2 columns have the name 'a'"),
    "no target": ("a,b\n1,2\n", {"target": "c"}, "t.csv: no column 'c'; there are 'a', 'b'"),
    "nothing to drop": ("a,b\n1,2\n", {"drop": ["c"]}, "t.csv: no column 'c'; there are"),
    "nothing that is text": ("a,b\n1,2\n", {"text": ["c"]}, "t.csv: no column 'c'; there are"),
    "an input is not there": (
        "age,y\n1,2\n",
        {"columns": KNOWN},
        "t.csv: no column 'city'; there are 'age', 'y'",
    ),
    "too few values": (
        "a,b\n1,2\n\n3\n",
        {},
        "t.csv, row 2 (line 4): 1 values, where the first line names 2 columns",
    ),
    "too many values": (
        "a,b\n1,2,3\n",
        {},
        "t.csv, row 1 (line 2): 3 values, where the first line names 2 columns",
    ),
    "missing, known number": (
        "age,city\n,Oslo\n",
        {"columns": KNOWN},
        "t.csv, row 1 (line 2), column 'age': a missing value",
    ),
    "missing, known text": (
        "age,city\n1,\n",
        {"columns": KNOWN},
        "t.csv, row 1 (line 2), column 'city': a missing value",
    ),
    "text among numbers": (
        "a\n1\n2\nx\n",
        {},
        "t.csv, row 3 (line 4), column 'a': 'x' is not a number, as the column's others are; --t",
    ),
    "a number among text": (
        "a\nx\n7\n",
        {},
        ROW_2 + "'7' is a number, and the column's others are text; --text 'a' takes",
    ),
    "text for a known number": (
        "age,city\nx,Oslo\n",
        {"columns": KNOWN},
        "t.csv, row 1 (line 2), column 'age': 'x' is not",
    ),
    "unknown category": (
        "age,city\n1,Oslo\n2,Bonn\n",
        {"columns": KNOWN},
        "t.csv, row 2 (line 3), column 'city': 'Bonn' is not one of the model's categories 'Oslo'",
    ),
    "underscores": ("a\n1\n1_000\n", {}, ROW_2 + "'1_000' is not a number"),
    "infinite": ("a\n1\n-inf\n", {}, ROW_2 + "-inf is not finite, or too large to compute with"),
    "too large": (
        "a\n1\n1e301\n",
        {},
        ROW_2 + "1e+301 is not finite, or too large to compute with",
    ),
    "too many categories": (
        "a\n" + "x1\nx2\nx3\nx4\nx5\n" * 2,
        {"max_categories": 4},
        "t.csv, row 5 (line 6), column 'a': more than 4",
    ),
    "Latin 1": (b"a\nx\nn\xe9e\n", {}, ROW_2 + "text that is not UTF-8"),
    "Latin 1 among numbers": (b"a\n1\n\xe9\n", {}, ROW_2 + r"'\udce9' is not a number"),
    "too many columns": (
        ",".join(f"x{i}" for i in range(csv_file.MAX_COLUMNS + 1)),
        {},
        "t.csv: 16385 columns, at most 16384 are read",
    ),
    "too long a line": (
        "a\n1\n" + "1," * 600_000,
        {},
        "t.csv, line 3: 1200000 bytes, at most 1048576 are read",
    ),
    "too many texts": (
        "a,b,c\n" + "".join(f"{x}a,{x}b,{x}c\n" for x in range(30_000)) * 2,
        {"max_categories": 10**6},
        "t.csv, row 20001 (line 20002), column 'c': more than 80000 different texts in the",
    ),
    "a quote left open": ('a,b\n1,"2\n3,4\n', {}, "t.csv, line 3: not CSV: unexpected end of data"),
    "more behind a quote": ('a,b\n1,"2"x\n', {}, "t.csv, line 2: not CSV: "),
    "an endless value": (
        "a\n" + "9" * 200_000,
        {},
        "t.csv, row 1 (line 2), column 'a': inf is not finite",
    ),
    "an endless quoted value": (
        'a\n"' + "9\n" * 600_000,
        {},
        "t.csv, line 524290: not CSV: field larger than field limit",
    ),
    "a long row": (
        "a,b\n" + '"x\n",y\n' + f'"{"x" * 600_000}\n","{"y" * 600_000}"\n',
        {},
        "t.csv, row 2 (line 5): over 1048576 bytes in a row",
    ),
    "a long value": ("a\n1\n" + "x" * 1000, {}, ROW_2 + "'" + "x" * 59 + "... is not a number"),
}


def assert_sound(table):
    """Numbers that can be computed with, texts that can be written, and as many of each."""
    for name, values in table.columns.items():
        assert len(values) == len(table) > 0
        known = values[~table.missing(name)]
        if values.dtype == object:
            assert all(text == text.strip() != "" and text.encode() for text in known.tolist())
        else:
            assert np.isfinite(known).all()
