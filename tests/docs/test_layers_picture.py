"""The picture of the layers on the developer pages is that of the table of permitted imports."""

import runpy
from pathlib import Path
from xml.etree import ElementTree

SCRIPT = Path(__file__).parents[2] / "docs" / "developer" / "draw_layers.py"
DRAWN = runpy.run_path(str(SCRIPT))


def test_the_picture_is_up_to_date():
    assert DRAWN["PICTURE"].read_text(encoding="utf-8") == DRAWN["svg"](), f"run {SCRIPT.name}"


def test_every_package_has_a_box():
    rooms = {DRAWN["TABLE"]["room"](module) for module in DRAWN["TABLE"]["FILES"]} - {"_version"}
    assert {DRAWN["box_of"](room) for room in rooms} == set(DRAWN["BOXES"])


def test_lines_lead_downwards():
    """Every line begins below the upper box and ends on the upper edge of a box further down."""
    picture = ElementTree.fromstring(DRAWN["svg"]())
    lines = [
        tuple(float(part.split()[1]) for part in path.get("d")[1:].split("L"))
        for path in picture.iter("{http://www.w3.org/2000/svg}path")
    ]
    assert len(lines) > 15
    assert all(start < end for start, end in lines)
