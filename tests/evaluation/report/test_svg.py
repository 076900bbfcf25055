import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
from markupsafe import Markup

from medgraft.evaluation.report.svg import drawing, line, svg


def drawn(identifier: str = "one", label: str = "a chart") -> Markup:
    with drawing(3, 2) as axes:
        axes.plot([0, 1, 2], [0.5, 0.2, 0.9], marker="o")
        axes.set_xlabel("training images")
        return svg(axes, identifier, label)


def test_equal_figures_give_equal_bytes_whatever_the_users_style() -> None:
    before = drawn()
    with mpl.rc_context({"font.size": 20, "savefig.bbox": "tight", "svg.fonttype": "path"}):
        assert drawn() == before


def test_drawing_leaves_the_style_alone() -> None:
    before = dict(mpl.rcParams)
    drawn()
    assert dict(mpl.rcParams) == before


def test_it_is_xml_with_text_and_without_date_or_address() -> None:
    element = ET.fromstring(drawn())
    assert element.attrib["role"] == "img"
    assert "training images" in "".join(element.itertext())
    assert "http" not in drawn()
    assert not re.search(r"20\d\d-", drawn())


def test_ids_of_two_charts_differ_and_every_reference_has_its_target() -> None:
    one, two = (set(re.findall(r'\bid="([^"]+)"', drawn(name))) for name in ("one", "two"))
    assert one
    assert not one & two
    references = set(re.findall(r'(?:href="#|url\(#)([^")]+)', drawn("one")))
    assert references
    assert references <= one


def test_the_label_is_escaped() -> None:
    label = '"><script>&'
    assert ET.fromstring(drawn(label=label)).attrib["aria-label"] == label


def test_lines_differ() -> None:
    assert len({(line(i).colour, line(i).dash) for i in range(28)}) == 28
