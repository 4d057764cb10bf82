"""Ratios say what measures.md says; rounds alternate. Nothing here is timed."""

import pytest

from benchmarks.report import Part, Report, Target
from benchmarks.rounds import Seconds, alternate


def test_less_is_better_for_seconds():
    part = Part("x", Seconds([2.0, 3.0, 9.0]), limit=Seconds([2.0]), peer=Seconds([12.0])).json()
    assert (part["unit"], part["ours"], part["ours_range"]) == ("s", 3.0, [2.0, 9.0])
    assert part["ratio_to_limit"] == pytest.approx(1.5)
    assert part["ratio_to_peer"] == pytest.approx(4.0)


def test_more_is_better_for_a_rate_and_the_peer_may_work_on_a_sample():
    part = Part(
        "x", Seconds([2.0]), limit=Seconds([1.0]), peer=Seconds([4.0]), per=100, peer_per=10
    ).json()
    assert (part["unit"], part["ours"], part["limit"], part["peer"]) == ("/s", 50, 100, 2.5)
    assert part["ratio_to_limit"] == pytest.approx(0.5)
    assert part["ratio_to_peer"] == pytest.approx(20)


def test_what_was_not_measured_has_no_ratio():
    part = Part("x", Seconds([1.0])).json()
    assert [part[key] for key in ("peer", "limit", "ratio_to_limit", "ratio_to_peer")] == [None] * 4


def test_rounds_go_forth_and_back_and_a_slow_variant_takes_part_less_often():
    order = []

    def variant(name):
        return lambda: order.append(name) or 1.0

    found = alternate({name: variant(name) for name in "abc"}, rounds=3, least={"c": 1})
    assert order == ["a", "b", "c", "b", "a", "a", "b"]
    assert {name: len(seconds.rounds) for name, seconds in found.items()} == {
        "a": 3,
        "b": 3,
        "c": 1,
    }


def test_a_missed_target_is_called_missed(monkeypatch):
    monkeypatch.setattr("benchmarks.report.versions", dict)
    part = Part("x", Seconds([1.5]), limit=Seconds([1.0]))
    target = Target("ours ÷ limit", 1.5, "at_most", 1.3)
    report = Report("name", 10, part, targets=[target])
    assert not target.is_reached
    assert "MISSED" in report.text()
    found = report.json()
    assert found["targets"][0]["is_reached"] is False
    assert {"name", "rows", "ours", "peer", "limit", "unit", "parts", "versions"} <= set(found)
