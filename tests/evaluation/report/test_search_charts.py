import xml.etree.ElementTree as ET

from tests.evaluation.report.searching import cut_search

from medgraft.charts import NAMED
from medgraft.evaluation.report import search_charts


def test_axes_hold_numbers_and_names_that_can_be_read() -> None:
    probes = cut_search()["probes"]
    texts = _texts(search_charts.losses(probes, {"layer2.3": True, "whole": False}, "c", "a"))
    assert {"0.001", "0.1", "layer2.3", "whole"} <= set(texts)
    assert not [text for text in texts if "$" in text or "layer3" in text]
    deep = [{"name": f"unit {i}", "kept": 1 - i / 70, "random": -0.02} for i in range(62)]
    named = [text for text in _texts(search_charts.drift(deep, "c", "a")) if text.startswith("unit")]
    assert len(named) <= NAMED
    assert "unit 61" in named


def _texts(chart: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(chart).iter() if element.tag.endswith("text")]
