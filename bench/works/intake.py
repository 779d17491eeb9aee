"""Intake: placing and scoring in one process, and searches and assessments through the gateway."""

import contextlib
import dataclasses
import itertools
import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlencode

import psycopg2
import urllib3

from bench.house import House, open_house
from bench.load import Task
from bench.parts import Parts, ProgramFailed, wait_until
from bench.rows import HOMEWARD, Row, spread
from bench.works import requests
from gateway.tokens import mint
from services.intake.domain import placement
from shared.contracts import roles
from shared.ids import new_id
from shared.instruments import OBSERVER, Pack, all_packs, check, score
from tests.door.program import assessment

PLACE = "place one assessment"
SCORE = "check and score one instrument, the slowest of all"
SEARCH = "directory search over {sites:,} sites, {connections} connections"
ASSESS = "complete an assessment, 1 connection"
OBEY = "a revocation answered, until the gateway obeys it"

#: What searches are asked by at once: the goal's own number.
SEARCHERS = 4
#: Facility records of one import: as many as a request may be long.
ROWS_AN_IMPORT = 500
#: Seconds within which an import has to be done.
IMPORT_SECONDS = 120.0
#: Sites of the program itself, with live groups.
OWN_SITES = 20
#: Searches, each asked in turn.
SEARCHES = 400
#: Assessments before those that are counted.
WARM_UP = 20
#: Revocations before those that are counted.
REVOKED_BEFORE = 3
#: Seconds within which a revocation has to be obeyed (brief R2), and a consent to be known.
OBEYED_SECONDS = 60.0

#: Cities that records lie around, as degrees north and east: most people live near one, and so do programs.
CITIES = 150
#: Where the cities lie: the lower 48 states, roughly.
SOUTH, NORTH, WEST, EAST = 27.0, 47.0, -121.0, -75.0
#: How far around its city a record lies, in degrees.
AROUND = 0.35

_SETTINGS = (
    "Intensive outpatient treatment; Regular outpatient treatment",
    "Regular outpatient treatment",
    "Outpatient day treatment or partial hospitalization; Intensive outpatient treatment",
    "Long-term residential",
)
_PAYMENTS = ("Medicaid; Private health insurance", "Medicare; Cash or self-payment", "Medicaid; Medicare")
_APPROACHES = (
    "Cognitive behavioral therapy",
    "Motivational interviewing; Relapse prevention",
    "Matrix Model",
)
_MEDICATIONS = ("Buprenorphine used in treatment", "Naltrexone used in treatment", "")
_BUSY = ("MON 09:00-17:00", "TUE 09:00-17:00", "WED 09:00-17:00", "THU 13:00-15:00", "FRI 08:00-12:00")


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How much is in the directory, how much of it came through the door, and how much is done."""

    sites: int
    imported: int
    seconds: float
    assessments: int
    placements: int
    scorings: int
    revocations: int


FULL = Amounts(
    sites=20_000,
    imported=5_000,
    seconds=8.0,
    assessments=300,
    placements=60_000,
    scorings=4_000,
    revocations=60,
)
QUICK = Amounts(
    sites=20_000,
    imported=1_000,
    seconds=1.2,
    assessments=25,
    placements=10_000,
    scorings=500,
    revocations=10,
)


def measure(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    """Measure the rules in this process, then what people wait for in a house."""
    tell("intake: placing and scoring")
    yield place(amounts.placements)
    yield score_slowest(amounts.scorings)
    tell("intake: a house")
    with open_house(parts, ("intake", "scheduling", "gateway")) as house:
        site_id = open_sites(house, sites=OWN_SITES)
        yield assess(house, site_id, amounts.assessments)
        yield obey(house, site_id, amounts.revocations)
        tell(f"intake: {amounts.sites} facility records")
        began = time.monotonic()
        places = import_facilities(house, amounts.sites, imported=amounts.imported)
        with contextlib.closing(parts.connect(house.database_url, "intake")) as connection:
            copy_facilities(connection, amounts.sites, imported=amounts.imported)
        tell(f"intake: {amounts.imported} of them imported, all there in {time.monotonic() - began:.0f} s")
        yield search(house, places, amounts)


# --- Rules ------------------------------------------------------------------------------------------


def place(times: int) -> Row:
    """Place profile after profile, all of them in turn."""
    profiles = list(itertools.product(placement.RATINGS, repeat=len(placement.DIMENSIONS)))
    random.Random(1).shuffle(profiles)
    asked = list(itertools.islice(itertools.cycle(profiles), times))
    placement.recommend(ratings=asked[0], home_unsafe=False, gate_least_level=None, minor=False)
    began = time.perf_counter()
    for number, ratings in enumerate(asked):
        placement.recommend(
            ratings=ratings, home_unsafe=number % 3 == 0, gate_least_level=None, minor=number % 50 == 0
        )
    return Row(work=PLACE, system=HOMEWARD, per_second=times / (time.perf_counter() - began))


def score_slowest(times: int) -> Row:
    """Score answers to every instrument, and tell of the one that takes longest in the middle."""
    taken = {pack.instrument: _score(pack, times) for versions in all_packs().values() for pack in versions}
    instrument, slowest = max(taken.items(), key=lambda one: one[1]["p50_ms"])
    return Row(work=SCORE, system=HOMEWARD, remark=instrument, **slowest)


def _score(pack: Pack, times: int) -> dict[str, Any]:
    chance = random.Random(pack.instrument)
    given = [
        {name: chance.choice(list(item.answers)) for name, item in pack.items.items()} for _ in range(100)
    ]
    taken = []
    for answers in itertools.islice(itertools.cycle(given), times):
        began = time.perf_counter()
        check(pack, answers, rated_by=OBSERVER if OBSERVER in pack.raters else pack.raters[0])
        score(pack, answers, sex="FEMALE")
        taken.append((time.perf_counter() - began) * 1000)
    return spread(taken)


# --- A house ----------------------------------------------------------------------------------------


def open_sites(house: House, *, sites: int) -> str:
    """Open sites with a clinician and groups each, and list them; return the first one's id."""
    site_ids = []
    for north, east in _CITIES[:sites]:
        site = {
            "name": "Lakeside",
            "time_zone": "America/Chicago",
            "levels_licensed": ["1", "2.1"],
            "emergency_phone": "+1 312 555 0142",
        }
        site_id = house.post("/v1/sites", site, role="operations")["site_id"]
        site_ids.append(site_id)
        listing = {
            "site_id": site_id,
            "street": "233 South Wacker Drive",
            "city": "Chicago",
            "state": "IL",
            "zip_code": "60606",
            "payers": ["MEDICAID", "PRIVATE"],
            "needs": ["MOUD"],
            "approaches": ["CBT", "MI"],
            "latitude": north,
            "longitude": east,
        }
        house.post("/v1/programs", listing, role="operations")
        _furnish(house, site_id)
    return str(site_ids[0])


def _furnish(house: House, site_id: str) -> None:
    """Add a clinician and groups, once scheduling has heard of the site."""
    licence = {"kind": "LCSW", "state": "IL", "expires_on": "2035-01-31"}
    clinician: dict[str, Any] = {}

    def added() -> bool:
        try:
            clinician.update(
                house.post(
                    "/v1/clinicians", {"site_id": site_id, "credentials": [licence]}, role="operations"
                )
            )
        except ProgramFailed:
            return False
        return True

    if not wait_until(added, seconds=30):
        raise ProgramFailed("scheduling has not heard of a site in time")
    for track, weekdays in (("MORNING", [0, 2, 4]), ("EVENING", [0, 1, 3])):
        group = {
            "site_id": site_id,
            "track": track,
            "weekdays": weekdays,
            "modality": "CBT",
            "facilitator_id": clinician["clinician_id"],
        }
        house.post("/v1/groups", group, role="operations")


def _refer(house: House, site_id: str, number: int, *, family_name: str) -> dict[str, Any]:
    """Register somebody, the same every time, and return the referral."""
    someone = {
        "given_name": f"Number {number}",
        "family_name": family_name,
        "birth_date": f"19{50 + number % 50}-03-{number % 28 + 1:02}",
    }
    told = {"site_id": site_id, "referral_source": "7", "patient": someone}
    return house.post("/v1/referrals", told, role="clinician")


def assess(house: House, site_id: str, times: int) -> Row:
    """Complete one assessment after the other, each of somebody who was referred before."""
    waiting = [
        _refer(house, site_id, number, family_name="Measured")["episode_id"]
        for number in range(times + WARM_UP)
    ]
    taken = []
    for episode_id in waiting:
        began = time.perf_counter()
        house.post(f"/v1/episodes/{episode_id}/assessments", assessment(), role="clinician")
        taken.append((time.perf_counter() - began) * 1000)
    return Row(work=ASSESS, system=HOMEWARD, **spread(taken[WARM_UP:]))


def obey(house: House, site_id: str, times: int) -> Row:
    """Revoke one consent after the other, while its recipient reads the feed again and again.

    From the answer to the revocation until the recipient has read a feed without the patient: the reading
    that finds so is in the figure.

    :raises ProgramFailed: when a consent is not known, or a revocation not obeyed, in time.
    """
    recipient_id = new_id()
    house.tokens[roles.PARTNER] = mint(
        house.settings.token_key,
        tenant=house.settings.tenant,
        role=roles.PARTNER,
        partner=recipient_id,
        actor_id="claims-desk",
    )
    allowed = {
        "kind": "TPO",
        "recipient": "Prairie Mutual",
        "recipient_id": recipient_id,
        "purpose": "Payment of my care",
        "information_classes": ["ASSESSMENT", "DIAGNOSES"],
    }
    taken = []
    for number in range(times + REVOKED_BEFORE):
        who = _refer(house, site_id, number, family_name="Revoking")
        house.post(f"/v1/episodes/{who['episode_id']}/assessments", assessment(), role="clinician")
        path = f"/v1/patients/{who['patient_id']}/consents"
        consent_id = house.post(path, allowed, role="clinician")["consent_id"]
        if not wait_until(partial(_reads, house, who, told=True), seconds=OBEYED_SECONDS, step=0.005):
            raise ProgramFailed("a consent was not known in time")
        house.post(f"/v1/consents/{consent_id}/revocation", {}, role="clinician")
        began = time.perf_counter()
        if not wait_until(partial(_reads, house, who, told=False), seconds=OBEYED_SECONDS, step=0.0):
            raise ProgramFailed("a revocation was not obeyed in time")
        taken.append((time.perf_counter() - began) * 1000)
    return Row(work=OBEY, system=HOMEWARD, **spread(taken[REVOKED_BEFORE:]))


def _reads(house: House, who: dict[str, Any], *, told: bool) -> bool:
    """Return whether the recipient is told of the assessment that was completed last, or is not, as is asked.

    :param who: whose assessment it is.
    """
    page = house.get("/v1/events?type=assessment_completed&last=1", role=roles.PARTNER)
    return (who["patient_id"] in [event["subject"] for event in page["items"]]) == told


# --- The directory ----------------------------------------------------------------------------------


def _cities() -> list[tuple[float, float]]:
    """Return where the cities lie, the same every time."""
    chance = random.Random(20_000)
    return [(chance.uniform(SOUTH, NORTH), chance.uniform(WEST, EAST)) for _ in range(CITIES)]


_CITIES = _cities()
# A few cities have many programs, as a few have many people: the largest one in twenty of all.
_WEIGHTS = list(itertools.accumulate(1 / (rank + 5) for rank in range(1, CITIES + 1)))


def facility(number: int) -> dict[str, Any]:
    """Return the record of one facility near one of the cities, the same every time."""
    chance = random.Random(number)
    ((north, east),) = chance.choices(_CITIES, cum_weights=_WEIGHTS)
    settings, payments = chance.choice(_SETTINGS), chance.choice(_PAYMENTS)
    services = [
        {"f1": "Service Setting", "f2": "SET", "f3": settings},
        {"f1": "Payment Accepted", "f2": "PAY", "f3": payments},
        {"f1": "Treatment Approaches", "f2": "TAP", "f3": chance.choice(_APPROACHES)},
        {"f1": "Opioid Medications", "f2": "OM", "f3": chance.choice(_MEDICATIONS)},
        {"f1": "Language Services", "f2": "LAN", "f3": chance.choice(("Spanish", ""))},
    ]
    return {
        "name1": f"Harbor Light Center {number}",
        "street1": f"{number} North Christiana Avenue",
        "city": "Chicago",
        "state": "IL",
        "zip": f"{10_000 + number % 80_000:05}",
        "phone": "312-555-0142",
        "latitude": round(north + chance.uniform(-AROUND, AROUND), 6),
        "longitude": round(east + chance.uniform(-AROUND, AROUND), 6),
        "services": services,
    }


#: Listings like those that were imported, in turn, each at a place of its own.
_COPY = """
INSERT INTO programs ({columns}, program_id, latitude, longitude)
SELECT {columns}, gen_random_uuid(), place.latitude, place.longitude
FROM unnest(%(north)s::float8[], %(east)s::float8[]) WITH ORDINALITY AS place (latitude, longitude, number)
JOIN (SELECT {columns}, row_number() OVER (ORDER BY program_id) AS turn FROM programs
      WHERE origin = 'IMPORTED') AS model ON model.turn = place.number %% %(imported)s + 1
"""


def copy_facilities(connection: "psycopg2.extensions.connection", sites: int, *, imported: int) -> None:
    """Have the directory hold all records: those that did not come through the door are copies of others."""
    if imported < sites:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'programs'"
            " AND column_name NOT IN ('program_id', 'latitude', 'longitude')"
        )
        columns = ", ".join(name for (name,) in cursor.fetchall())
        records = [facility(number) for number in range(imported, sites)]
        places = {name: [one[name] for one in records] for name in ("latitude", "longitude")}
        cursor.execute(
            _COPY.format(columns=columns),
            {"north": places["latitude"], "east": places["longitude"], "imported": imported},
        )
    connection.cursor().execute("VACUUM ANALYZE programs")


def import_facilities(house: House, sites: int, *, imported: int) -> list[tuple[float, float]]:
    """Import records, wait until they are listed, and return where some of all are."""
    records = [facility(number) for number in range(sites)]
    for start in range(0, imported, ROWS_AN_IMPORT):
        job = house.post(
            "/v1/facility-imports", {"rows": records[start : start + ROWS_AN_IMPORT]}, role="operations"
        )
        if not wait_until(partial(_is_done, house, job["job_id"]), seconds=IMPORT_SECONDS, step=0.02):
            raise ProgramFailed("an import was not done in time")
    chance = random.Random(7)
    return [(one["latitude"], one["longitude"]) for one in chance.sample(records, min(SEARCHES, sites))]


def _is_done(house: House, job_id: str) -> bool:
    answer = urllib3.request(
        "GET",
        f"http://127.0.0.1:{house.port}/v1/jobs/{job_id}",
        headers=house.headers_of("operations"),
        timeout=10,
    )
    state = answer.json()["state"]
    if state == "failed":
        raise ProgramFailed(f"an import failed: {answer.data[:500]!r}")
    return bool(state == "done")


def search(house: House, places: list[tuple[float, float]], amounts: Amounts) -> Row:
    """Search near one place after the other: by level, payer and need, every third by busy blocks too."""
    chance = random.Random(11)
    paths = []
    for number, (north, east) in enumerate(places):
        asked: list[tuple[str, str]] = [("latitude", str(north)), ("longitude", str(east)), ("level", "2.1")]
        if number % 2:
            asked.append(("payer", chance.choice(("MEDICAID", "MEDICARE"))))
        if number % 5 == 0:
            asked.append(("need", "MOUD"))
        if number % 3 == 0:
            asked += [("busy", block) for block in chance.sample(_BUSY, 3)]
        paths.append(f"/v1/program-matches?{urlencode(asked)}")
    task = Task(
        port=house.port,
        method="GET",
        paths=paths,
        headers=house.headers_of("operations"),
        body="",
        connections=SEARCHERS,
        seconds=amounts.seconds,
        warm_up_seconds=min(requests.WARM_UP_SECONDS, amounts.seconds / 3),
        expect=200,
    )
    work = SEARCH.format(sites=amounts.sites, connections=SEARCHERS)
    row, _ = requests.load_row(work, HOMEWARD, task)
    return row
