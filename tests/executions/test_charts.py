"""The bars of the statistics."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from xml.etree import ElementTree

import pytest

from executions.charts import HEIGHT, LAYERS, WIDTH, bars
from executions.models import ExecutionStatus
from executions.statistics import Figures


def figures(**by_status: int) -> Figures:
    counts = {status: by_status.get(status, 0) for status in ExecutionStatus.values}
    return Figures(sum(counts.values()), counts, None, None, None, 0, Decimal(0), is_cost_complete=True)


def elements(svg: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(tag))  # noqa: S314 - our own picture.


def rectangles(svg: str) -> list[dict[str, str]]:
    return [dict(each.attrib) for each in elements(svg, "rect")]


TODAY = date(2026, 3, 4)


class TestBars:
    def test_are_as_high_as_there_are_executions(self):
        svg = bars({TODAY: figures(completed=4), TODAY + timedelta(days=1): figures(completed=2)})

        one, other = rectangles(svg)
        assert float(one["height"]) == pytest.approx(2 * float(other["height"]), abs=0.2)

    def test_stand_in_layers_on_each_other(self):
        completed, failed = rectangles(bars({TODAY: figures(completed=3, failed=1, timeout=1)}))

        assert (completed["class"], failed["class"]) == ("sg-bar-completed", "sg-bar-failed")
        assert float(failed["y"]) + float(failed["height"]) == pytest.approx(float(completed["y"]), abs=0.2)

    def test_lie_within_the_picture(self):
        days = {TODAY + timedelta(days=number): figures(completed=number * 7) for number in range(366)}

        for each in rectangles(bars(days)):
            assert 0 <= float(each["x"]) <= float(each["x"]) + float(each["width"]) <= WIDTH
            assert 0 <= float(each["y"]) <= float(each["y"]) + float(each["height"]) <= HEIGHT

    def test_say_in_words_what_they_show(self):
        svg = bars({TODAY: figures(completed=1200, cancelled=1), TODAY + timedelta(days=1): figures()})

        titles = [each.text for each in elements(svg, "title")]
        assert titles == ["Wed 04 Mar 2026: 1,200 completed, 1 cancelled", "Thu 05 Mar 2026: no executions"]

    def test_are_not_drawn_for_nothing(self):
        assert bars({}) == ""
        assert bars({TODAY: figures()}) == ""

    def test_have_a_layer_for_every_status(self):
        drawn = [status for _, statuses in LAYERS.values() for status in statuses]

        assert sorted(drawn) == sorted(ExecutionStatus)
