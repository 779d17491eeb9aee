"""Stretches that take turns, and the one row that is told of them."""

import pytest

from bench.rows import HOMEWARD, Row
from bench.stretches import in_turn, median_row, medians


def test_go_there_and_back():
    assert list(in_turn("abc", 1)) == ["a", "b", "c"]
    assert "".join(in_turn("abc", 4)) == "abccbaabccba"


def test_are_measured_as_they_are_taken():
    measured = []

    def measure(system: str) -> Row:
        measured.append(system)
        return Row(work="w", system=system, per_second=float(len(measured)))

    rows = medians(measure(system) for system in in_turn(("ours", "theirs"), 3))

    assert measured == []
    # Ours were measured first, fourth and fifth; theirs second, third and sixth.
    assert [(row.system, row.per_second) for row in rows] == [("ours", 4.0), ("theirs", 3.0)]


class TestTheRowOfSeveralStretches:
    def test_has_the_median_of_each_figure_by_itself(self):
        rows = [
            Row(work="w", system=HOMEWARD, per_second=rate, p50_ms=p50, p99_ms=p99, memory_mib=memory)
            for rate, p50, p99, memory in (
                (900.0, 3.0, 7.0, 90.0),
                (1000.0, 2.0, 90.0, 91.0),
                (200.0, 9.0, 8.0, 92.0),
            )
        ]

        found = median_row(rows)

        assert found == Row(
            work="w", system=HOMEWARD, per_second=900.0, p50_ms=3.0, p99_ms=8.0, memory_mib=91.0
        )

    def test_tells_the_processor_time_of_each_process(self):
        rows = [
            Row(work="w", system=HOMEWARD, processor_ms={"intake": intake, "gateway": gateway})
            for intake, gateway in ((1.0, 0.5), (1.25, 0.25), (4.0, 0.75))
        ]

        assert median_row(rows).processor_ms == {"intake": 1.25, "gateway": 0.5}

    def test_keeps_what_failed_and_takes_its_figures_from_the_others(self):
        rows = [
            Row(work="w", system=HOMEWARD, per_second=0.0, remark="ConnectionRefusedError: 8"),
            Row(work="w", system=HOMEWARD, per_second=100.0, p50_ms=2.0),
            Row(work="w", system=HOMEWARD, per_second=80.0, p50_ms=4.0, remark="503: 2"),
        ]

        found = median_row(rows)

        assert (found.per_second, found.p50_ms) == (80.0, 3.0)
        assert found.remark == "ConnectionRefusedError: 8; 503: 2"

    def test_is_of_one_work_and_one_system(self):
        with pytest.raises(ValueError, match="values to unpack"):
            median_row([Row(work="w", system=HOMEWARD), Row(work="w", system="nameko")])
        with pytest.raises(ValueError, match="values to unpack"):
            median_row([])
