"""How figures are worked out, kept and told."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import goals, report
from bench.rows import HOMEWARD, Row, Run, commit, percentile, rounded, spread, steady_rate
from bench.works import answers, events, growth, intake, requests

some_figures = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=200)


def run_of(*rows: Row, **changes) -> Run:
    found = {
        "measured_at": "2026-11-25T09:00:00+00:00",
        "command": "python -m bench",
        "quick": False,
        "commit": "0123abc",
        "machine": {"cores": 2, "processor": "one", "python": "3.11.7", "load_before": 0.0},
        "versions": {"nameko": "2.14.1"},
        "rows": rows,
    }
    return Run(**found | changes)


class TestPercentiles:
    def test_are_by_nearest_rank(self):
        values = [float(n) for n in range(1, 101)]

        assert [percentile(values, p) for p in (50, 95, 99, 100)] == [50, 95, 99, 100]
        assert percentile([7.0], 50) == percentile([7.0], 99) == 7.0

    @given(some_figures, st.integers(1, 100))
    def test_are_measured_values_with_enough_at_or_below(self, values, percent):
        found = percentile(values, percent)

        assert found in values
        assert sum(value <= found for value in values) >= len(values) * percent / 100
        assert sum(value < found for value in values) < len(values) * percent / 100

    @given(some_figures)
    def test_grow(self, values):
        found = spread(values)

        assert found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"]

    def test_of_nothing_are_none(self):
        assert spread([]) == {}
        with pytest.raises(ValueError, match="no values"):
            percentile([], 50)


class TestSteadyRate:
    def test_leaves_out_a_slow_beginning(self):
        slow = [0.0, 60.0]
        steady = [100 + n / 10 for n in range(98)]

        assert steady_rate(slow + steady) == pytest.approx(10)

    def test_counts_what_is_committed_together(self):
        batches = [second for second in range(1, 11) for _ in range(100)]

        assert steady_rate(batches) == pytest.approx(100)

    def test_wants_two_instants(self):
        with pytest.raises(ValueError, match="instants"):
            steady_rate([5.0] * 100)


class TestKeepingARun:
    def test_comes_back_as_it_was(self, tmp_path):
        run = run_of(
            Row(work="w", system=HOMEWARD, per_second=10.0, p50_ms=1.0, p95_ms=2.0, p99_ms=3.0),
            Row(work="m", system=HOMEWARD, memory_mib=90.0, memory_mib_at_half=89.0, remark="busy"),
            left_out=("floor: no",),
        )

        run.write(tmp_path / "latest.json")

        assert Run.read(tmp_path / "latest.json") == run

    def test_names_its_rows_as_promised_and_leaves_out_what_does_not_apply(self, tmp_path):
        run_of(Row(work="w", system="pgbench", per_second=1234.56789)).write(tmp_path / "latest.json")

        document = json.loads((tmp_path / "latest.json").read_text())

        assert document["rows"] == [{"work": "w", "system": "pgbench", "per_second": 1235.0}]
        assert {"machine", "versions", "measured_at", "commit"} <= set(document)

    @given(st.floats(1e-6, 1e9))
    def test_rounds_to_what_can_be_believed(self, value):
        assert rounded(value) == pytest.approx(value, rel=0.006)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
class TestTheCommit:
    @pytest.fixture
    def clone(self, tmp_path) -> Path:
        (tmp_path / "kept.py").write_text("x = 1\n")
        somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
        for command in (
            ["init", "-q"],
            ["add", "."],
            [*somebody, "commit", "-qm", "Begin.", "--no-gpg-sign"],
        ):
            subprocess.run(["git", *command], cwd=tmp_path, check=True, timeout=20)
        return tmp_path

    def test_is_marked_when_a_file_of_it_was_changed(self, clone):
        before = commit(clone)
        (clone / "kept.py").write_text("x = 2\n")

        assert int(before, 16)
        assert commit(clone) == f"{before} and changes"

    def test_is_not_marked_for_what_it_never_had(self, clone):
        before = commit(clone)
        (clone / ".venv").symlink_to("elsewhere")

        assert commit(clone) == before

    def test_is_unknown_where_there_is_none(self, tmp_path, monkeypatch):
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

        assert commit(tmp_path) == "unknown"


@pytest.mark.slow
class TestTheReport:
    def test_tells_how_many_times_as_much_homeward_does(self):
        table = report.table_of(
            run_of(
                Row(work="w", system=HOMEWARD, per_second=300.0),
                Row(work="v", system=HOMEWARD, p50_ms=3.0),
                Row(work="w", system="nameko", per_second=100.0, remark="503: 2"),
            )
        )

        lines = table.splitlines()[2:]
        assert [line.split(" | ")[:2] for line in lines] == [
            ["| w", HOMEWARD],
            ["| w", "nameko"],
            ["| v", HOMEWARD],
        ]
        assert "3.00 × | 503: 2 |" in lines[1]
        assert "×" not in lines[0]

    def test_is_put_between_its_markers_and_nowhere_else(self):
        page = f"before\n{report.BEGINS}\nold\n{report.ENDS}\nafter\n"

        once = report.put_between(page, "new")

        assert once == f"before\n{report.BEGINS}\n\nnew\n\n{report.ENDS}\nafter\n"
        assert report.put_between(once, "new") == once

    @pytest.mark.parametrize("page", ["", report.BEGINS, f"{report.BEGINS}{report.ENDS}" * 2])
    def test_needs_its_markers(self, page):
        with pytest.raises(ValueError, match="needs one"):
            report.put_between(page, "new")

    def test_says_when_a_run_was_quick_or_not_whole(self):
        text = report.report_of(run_of(quick=True, left_out=("floor: no broker",)))

        assert "quick" in text
        assert "floor: no broker" in text

    def test_tells_where_the_processors_time_goes(self):
        work = requests.named(requests.COMMAND, report.PROFILED)
        spent = {"intake": 5.6, "gateway": 3.41, "RabbitMQ": 2.1}

        text = report.report_of(run_of(Row(work=work, system=HOMEWARD, processor_ms=spent)))

        assert f"| {work} | Homeward | 11.1 | intake 5.6, gateway 3.41, RabbitMQ 2.1 |" in text
        assert "Processor time" not in report.report_of(run_of(Row(work=work, system=HOMEWARD)))

    def test_draws_what_there_is(self, tmp_path):
        run = run_of(
            Row(work=events.REACTION, system=HOMEWARD, per_second=3000.0),
            Row(work=events.REACTION, system="nameko", per_second=700.0),
            *(Row(work=requests.named(requests.READ, n), system=HOMEWARD, per_second=500.0) for n in (1, 32)),
        )

        report.draw(run, tmp_path / "plot.png")

        assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


class TestGoals:
    def test_are_met_or_missed_by_what_was_measured(self):
        run = run_of(
            Row(work=events.REACTION, system=HOMEWARD, per_second=3100.0),
            Row(work=events.REACTION, system=events.NAMEKO, per_second=800.0),
            *(
                Row(work=events.copies_work(copies), system=HOMEWARD, per_second=rate)
                for copies, rate in ((1, 190.0), (2, 350.0), (4, 340.0))
            ),
            Row(work=growth.EMPTY.format(work=growth.READ), system=HOMEWARD, per_second=100.0),
            Row(work=growth.grown(growth.READ, growth.FULL), system=HOMEWARD, per_second=86.0),
            Row(work="memory of intake", system=HOMEWARD, memory_mib=100.0, memory_mib_at_half=90.0),
        )

        found = {finding.what: finding.met for finding in goals.findings(run)}

        assert found == {
            "reaction with one insert, one process": True,
            "the same, beside nameko's event handler": False,
            "copies of a handler that waits": False,
            "read one record, with much behind it": True,
            "memory of each process, flat over the last half": False,
        }

    def test_of_one_client_are_those_of_every_command_and_effect(self):
        command = answers.ANSWER.format(command="register_referral")
        effect = answers.EFFECT.format(event="referral_received", reaction="keep_patient")
        run = run_of(
            Row(work=answers.START, system=answers.EMBEDDED, seconds=14.9),
            Row(work=command, system=answers.DISTRIBUTED, p50_ms=24.0, p95_ms=61.0),
            Row(work=effect, system=answers.DISTRIBUTED, p50_ms=26.0, p95_ms=70.0),
            Row(work=command, system=answers.EMBEDDED, p50_ms=99.0, p95_ms=99.0),
        )

        assert {finding.what: finding.met for finding in goals.findings(run)} == {
            "start to ready, embedded": True,
            "register_referral, one client, p50": True,
            "register_referral, one client, p95": False,
            "referral_received to keep_patient, p50": False,
        }

    def test_of_revocations_are_a_minute(self):
        for p95_ms, met in ((60_000.0, True), (60_001.0, False)):
            row = Row(work=intake.OBEY, system=HOMEWARD, p50_ms=12.0, p95_ms=p95_ms)

            (found,) = goals.findings(run_of(row))

            assert (found.reach, found.met) == ("at most 60 s", met)
            assert "p50 12 ms" in found.measured

    def test_of_growing_memory_are_judged_after_many_events_only(self):
        row = Row(work="memory of intake", system=HOMEWARD, memory_mib=100.0, memory_mib_at_half=90.0)

        (after_many,) = goals.findings(run_of(row))
        (after_few,) = goals.findings(run_of(row, quick=True))

        assert (after_many.measured, after_many.met) == ("100 MiB at most, +11.1% at most", False)
        assert (after_few.measured, after_few.met) == ("100 MiB at most", True)

    def test_that_were_not_measured_are_not_told(self):
        assert goals.findings(run_of()) == []
