"""A very small bench of one work, on real servers: so that what runs seldom does not rot."""

import pytest

import bench.parts
from bench.house import open_house
from bench.parts import Parts
from bench.rows import HOMEWARD
from bench.works import events, floor, intake, poison, requests, scheduling
from tests import forked

#: Enough for two transactions, one batch after the other.
VERY_LITTLE = events.Amounts(
    stretches=1,
    waiting=300,
    waiting_for_peers=0,
    end_to_end=60,
    end_to_end_for_peers=0,
    even_seconds=1,
    for_each_copy=0,
)

pytestmark = [pytest.mark.rabbitmq, pytest.mark.servers]


@pytest.fixture(scope="module")
def parts(rabbitmq_node):
    with pytest.MonkeyPatch.context() as patch, Parts(node=rabbitmq_node, popen=forked.popen) as found:
        # As many as are needed here: each takes the broker a moment to make.
        patch.setattr(bench.parts, "VIRTUAL_HOSTS", 8)
        yield found


def test_reactions_and_their_latency_are_measured(parts):
    with events.side_of(parts, HOMEWARD) as side:
        reaction = events.react(side, VERY_LITTLE.waiting)
        assert side.effects() == VERY_LITTLE.waiting
    with events.side_of(parts, HOMEWARD) as side:
        one, several, evenly = events.end_to_end(side, VERY_LITTLE)

    assert reaction.per_second > 0
    assert reaction.memory_mib > 10
    assert one.per_second > 0
    assert several.per_second > 0
    assert one.work != several.work
    assert 0 < evenly.p50_ms <= evenly.p99_ms
    assert evenly.per_second is None


def test_ordinary_events_are_measured_beside_poison(parts):
    rows = list(poison.measure(parts, poison.Amounts(stretches=2, seconds=1), tell=lambda what: None))

    assert [row.work for row in rows] == [poison.WITHOUT, poison.BESIDE_ONE, poison.BESIDE_MANY]
    assert all(0 < row.p50_ms <= row.p99_ms for row in rows)


def test_revocations_are_measured_until_they_are_obeyed(parts):
    with open_house(parts, ("intake", "gateway")) as house:
        site = {
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "levels_licensed": ["1", "2.1"],
            "emergency_phone": "+1 312 555 0142",
        }
        site_id = house.post("/v1/sites", site, role="operations")["site_id"]

        row = intake.obey(house, site_id, 2)

    assert 0 < row.p50_ms <= row.p95_ms < intake.OBEYED_SECONDS * 1000


def test_commands_and_the_processor_time_of_each_are_measured(parts, monkeypatch):
    monkeypatch.setattr(requests, "PATIENTS", 1)
    with requests.homeward(parts) as door:
        row = requests.command(door, connections=4, seconds=1.0)

    assert row.per_second > 0
    assert set(row.processor_ms) == {"intake", "gateway", "RabbitMQ", "PostgreSQL"}
    assert min(row.processor_ms.values()) > 0


def test_a_program_and_its_clinic_day_are_measured(parts):
    little = scheduling.Amounts(
        patients=14, groups=6, newcomers=2, stored=500, requests=4, rosters=2, of_a_day=40
    )

    rows = {row.work: row for row in scheduling.measure(parts, little, tell=lambda what: None)}

    assert rows[scheduling.PLAN].remark == "14 of 14 patients have a week"
    one_client = (
        scheduling.PLAN,
        scheduling.BOOK,
        scheduling.ROSTER,
        scheduling.PATIENTS_WEEK,
        scheduling.CLINICIANS_WEEK,
        scheduling.SITES_WEEK,
    )
    assert all(rows[work].p95_ms > 0 for work in one_client)
    assert rows[scheduling.MOVE].seconds > 0
    assert rows[scheduling.SWEEP].seconds > 0


def test_the_floor_is_measured(parts):
    rows = list(floor.measure(parts, seconds=1, messages=1000, tell=lambda what: None))

    assert [row.per_second > 0 for row in rows] == [True] * 4
    assert {row.work for row in rows} >= {floor.PUBLISH, floor.CONSUME}
