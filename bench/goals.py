"""What is to be reached, and whether a run has reached it."""

import dataclasses
import itertools

from bench.rows import Row, Run, rounded
from bench.works import answers, events, growth, intake, poison, requests, scheduling

#: Memory of each process, and how much of it may come in the last half of the work: the rest is noise.
PROCESS_MIB, GROWTH_OF_FLAT = 150.0, 0.03


#: From the start of the embedded set-up until it is ready.
START_SECONDS = 15
#: A command through broker and database to its answer; half of the effects of events are as soon.
ANSWER_P50_MS, ANSWER_P95_MS = 25, 60


@dataclasses.dataclass(frozen=True)
class Finding:
    """One goal and how a run stands to it."""

    what: str
    reach: str
    measured: str
    #: None where the run did not measure it.
    met: bool | None


def findings(run: Run) -> list[Finding]:
    """Return each goal with what the run has found."""
    found = [
        _rate(run, "reaction with one insert, one process", events.REACTION, 3000),
        _times(run, "the same, beside nameko's event handler", events.REACTION, events.NAMEKO, 4),
        _rate(run, "announce to effect, end to end", events.END_TO_END.format(size=events.SEVERAL), 1500),
        _most(run, "announce to effect at 200/s, p50", _evenly(), "p50_ms", 15),
        _most(run, "announce to effect at 200/s, p99", _evenly(), "p99_ms", 100),
        _beside_poison(run),
    ]
    for connections in requests.FULL.connections:
        read = requests.named(requests.READ, connections)
        what = f"{read}, beside nameko"
        found.append(_times(run, what, read, requests.NAMEKO, 2))
    for connections in (32, 64):
        read = requests.named(requests.READ, connections)
        found.append(_times(run, f"{read}, beside FastAPI in one process", read, requests.FASTAPI, 1))
    for connections in requests.FULL.connections:
        command = requests.named(requests.COMMAND, connections)
        found.append(_times(run, f"{command}, beside nameko's bare insert", command, requests.NAMEKO, 1.5))
    command = requests.named(requests.COMMAND, 32)
    what = f"{command}, beside FastAPI's bare insert, one process"
    found.append(_times(run, what, command, requests.FASTAPI, 0.7))
    found += [_grown(run, work) for work in (growth.REACTION, growth.READ, growth.COMMAND)]
    found += [_copies(run), _memory(run)]
    found += [
        _most(run, f"{scheduling.PLAN}, p95", scheduling.PLAN, "p95_ms", 1000),
        _soon(run, scheduling.MOVE, 10),
        _most(run, f"{scheduling.BOOK}, p50", scheduling.BOOK, "p50_ms", 21),
        _most(run, f"{scheduling.BOOK}, p95", scheduling.BOOK, "p95_ms", 40),
        _most(run, f"{scheduling.ROSTER}, p95", scheduling.ROSTER, "p95_ms", 60),
        *(
            _most(run, f"{work}, p95", work, "p95_ms", 30)
            for work in (scheduling.PATIENTS_WEEK, scheduling.CLINICIANS_WEEK, scheduling.SITES_WEEK)
        ),
        _soon(run, scheduling.SWEEP, 10),
        _rate(run, "placement engine, one process", intake.PLACE, 20_000),
        _most(run, "scoring any instrument, p95", intake.SCORE, "p95_ms", 0.05),
        _most(run, f"{_searches()}, p95", _searches(), "p95_ms", 40),
        _most(run, "complete an assessment, one client, p95", intake.ASSESS, "p95_ms", 60),
        _obeyed(run),
        *_one_client(run),
    ]
    return [finding for finding in found if finding.met is not None]


def _one_client(run: Run) -> list[Finding]:
    """Return how a start, each command and each effect stand for one client, who asks for one at a time."""
    start = run.find(answers.START, answers.EMBEDDED)
    found = []
    if start is not None and start.seconds is not None:
        met = start.seconds <= START_SECONDS
        what = f"{answers.START}, embedded"
        found.append(Finding(what, f"at most {START_SECONDS} s", f"{start.seconds:.1f} s", met))
    for row in run.rows:
        if row.system != answers.DISTRIBUTED or row.p50_ms is None or row.p95_ms is None:
            continue
        limits = [("p50", row.p50_ms, ANSWER_P50_MS)]
        if answers.is_answer(row.work):
            limits.append(("p95", row.p95_ms, ANSWER_P95_MS))
        found += [
            Finding(f"{row.work}, {name}", f"at most {reach} ms", f"{rounded(value):g} ms", value <= reach)
            for name, value, reach in limits
        ]
    return found


def _evenly() -> str:
    return events.EVENLY.format(rate=events.EVEN_RATE)


def _searches() -> str:
    return intake.SEARCH.format(sites=intake.FULL.sites, connections=intake.SEARCHERS)


def _rate(run: Run, what: str, work: str, reach: float) -> Finding:
    row = run.find(work)
    rate = row.per_second if row else None
    if rate is None:
        return _unmeasured(what)
    return Finding(what, f"{reach:,.0f}/s", f"{rate:,.0f}/s", rate >= reach)


def _times(run: Run, what: str, work: str, other: str, reach: float) -> Finding:
    times = ratio(run.find(work), run.find(work, other))
    if times is None:
        return _unmeasured(what)
    return Finding(what, f"{reach:g} times", f"{times:.2f} times", times >= reach)


def _most(run: Run, what: str, work: str, name: str, reach: float) -> Finding:
    row = run.find(work)
    value = getattr(row, name) if row else None
    if value is None:
        return _unmeasured(what)
    return Finding(what, f"at most {reach:g} ms", f"{rounded(value):g} ms", value <= reach)


def _obeyed(run: Run) -> Finding:
    """Return how soon the gateway obeys a revocation: its copy of consents lags by that much."""
    row = run.find(intake.OBEY)
    if row is None or row.p50_ms is None or row.p95_ms is None:
        return _unmeasured(intake.OBEY)
    return Finding(
        f"{intake.OBEY}, p95",
        f"at most {intake.OBEYED_SECONDS:g} s",
        f"{rounded(row.p95_ms):g} ms (p50 {rounded(row.p50_ms):g} ms)",
        row.p95_ms <= intake.OBEYED_SECONDS * 1000,
    )


def _soon(run: Run, work: str, reach: float) -> Finding:
    row = run.find(work)
    if row is None or row.seconds is None:
        return _unmeasured(work)
    return Finding(work, f"at most {reach:g} s", f"{row.seconds:.1f} s", row.seconds <= reach)


def _grown(run: Run, work: str) -> Finding:
    what = f"{work}, with much behind it"
    empty = run.find(growth.EMPTY.format(work=work))
    much = next((row for row in run.rows if growth.is_grown(row.work, work)), None)
    part = ratio(much, empty)
    if part is None:
        return _unmeasured(what)
    return Finding(what, "at least 0.85 of the empty system", f"{part:.2f}", part >= 0.85)


def _beside_poison(run: Run) -> Finding:
    what = "p99 of ordinary events at 200/s, beside one that fails each time"
    without, beside = run.find(poison.WITHOUT), run.find(poison.BESIDE_ONE)
    if without is None or beside is None or not without.p99_ms or not beside.p99_ms:
        return _unmeasured(what)
    times = beside.p99_ms / without.p99_ms
    return Finding(what, "at most 1.1 times that without it", f"{times:.2f} times", times <= 1.1)


def _copies(run: Run) -> Finding:
    what = "copies of a handler that waits"
    rows = [run.find(events.copies_work(copies)) for copies in events.FULL.copies]
    rates = [row.per_second for row in rows if row is not None and row.per_second is not None]
    if len(rates) < len(rows):
        return _unmeasured(what)
    grows = all(more > fewer for fewer, more in itertools.pairwise(rates))
    return Finding(what, "more with each", ", ".join(f"{rate:,.0f}/s" for rate in rates), grows)


def _memory(run: Run) -> Finding:
    what = "memory of each process, flat over the last half"
    rows = [row for row in run.rows if row.memory_mib is not None and row.memory_mib_at_half is not None]
    if not rows:
        return _unmeasured(what)
    most = max(row.memory_mib or 0.0 for row in rows)
    if run.quick:
        # Whatever is made once and kept is still being made in the last half of so few.
        what, reach = (
            "memory of each process, after too few events to tell whether it is flat",
            "under {:.0f} MiB",
        )
        return Finding(what, reach.format(PROCESS_MIB), f"{most:.0f} MiB at most", most < PROCESS_MIB)
    grown = max((row.memory_mib or 0.0) / (row.memory_mib_at_half or 1.0) - 1 for row in rows)
    return Finding(
        what,
        f"under {PROCESS_MIB:.0f} MiB, within {GROWTH_OF_FLAT:.0%}",
        f"{most:.0f} MiB at most, {grown:+.1%} at most",
        most < PROCESS_MIB and grown <= GROWTH_OF_FLAT,
    )


def _unmeasured(what: str) -> Finding:
    return Finding(what, "", "", None)


def ratio(ours: Row | None, other: Row | None) -> float | None:
    """Return how many times as much one row tells as the other, where both tell a rate."""
    if ours is None or other is None or not ours.per_second or not other.per_second:
        return None
    return ours.per_second / other.per_second
