"""Drives a running Homeward through program time: a discrete-event loop over public HTTP.

The driver has an agenda of what people mean to do. It lets program time jump to the next entry, or to
whatever the server has due before; reads what was announced; lets people take note, which fills the
agenda; does what is due; and so on to the end.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any
from zoneinfo import ZoneInfo

from homeward.simulation import arrivals, billing, examples, findings, people, program, questionnaires, report
from homeward.simulation.aftermath import Aftermath
from homeward.simulation.agenda import Entry, Turn
from homeward.simulation.cases import Case
from homeward.simulation.client import Gateway, Refused
from homeward.simulation.draws import Draws
from homeward.simulation.rows import AdmissionsFile
from homeward.simulation.tally import Announcement
from homeward.simulation.treatment import Treatment
from homeward.simulation.world import World
from shared.contracts import roles
from shared.contracts.event import read_moment, write_moment

#: The Monday on which a simulation begins: sixteen weeks from here cross the spring change of clocks.
BEGINS_ON = date(2026, 2, 2)

#: Roles of the staff that a run acts as.
ROLES = (
    roles.OPERATIONS,
    roles.CLINICIAN,
    roles.COUNSELOR,
    roles.SUPERVISOR,
    roles.MEDICAL_DIRECTOR,
    roles.FRONT_DESK,
)

#: Requests sent at once, for actions of one moment that do not depend on each other.
AT_ONCE = 4

#: Events in a page of the feed.
PAGE = 500


class NotSimulated(Exception):
    """Raised when the server's program time is not simulated."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run is, for whoever watches."""

    now: datetime
    done: float
    in_treatment: int
    graduated: int
    events: int
    latest: str


def begins_at() -> datetime:
    """Return the moment at which the program time of a fresh set-up should begin."""
    return datetime.combine(BEGINS_ON, clock_time(0), tzinfo=ZoneInfo(program.TIME_ZONE))


def run(
    file: AdmissionsFile,
    *,
    url: str,
    tokens: Mapping[str, str],
    seed: int,
    weeks: int,
    file_name: str = "",
    watch: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Send the admissions through the gateway at *url* and report what became of them.

    :param tokens: a token for each role of the staff.
    :raises NotSimulated: when the server runs on real time.
    """
    return Driver(
        file, gateway=Gateway(url, tokens), seed=seed, weeks=weeks, file_name=file_name, watch=watch
    ).run()


class Driver:
    """One run, from the opened site to the report."""

    def __init__(
        self,
        file: AdmissionsFile,
        *,
        gateway: Gateway,
        seed: int,
        weeks: int,
        file_name: str,
        watch: Callable[[Progress], None],
    ) -> None:
        """Take what a run needs; nothing is sent yet."""
        self._file = file
        self._gateway = gateway
        self._seed = seed
        self._weeks = weeks
        self._file_name = file_name
        self._watch = watch
        self._jumps = 0
        self._cursor: str | None = None
        #: What the last jump, and the one before the news were last read, said of the feed.
        self._feed: str | None = None
        self._feed_read: str | None = None

    def run(self) -> dict[str, Any]:
        """Do the whole run and return its report."""
        began = time.monotonic()
        world = self._begin()
        self._world = world
        self._treatment = Treatment(world)
        self._aftermath = Aftermath(world)
        self._cursor = self._end_of_feed()
        program.open_program(world)
        for case in world.cases:
            arrivals.expect(world, case)
        examples.expect_passers_by(world)
        with ThreadPoolExecutor(max_workers=AT_ONCE) as hands:
            while world.now < world.ends_at:
                self._advance()
                self._act(hands)
        self._take_in_news()
        return report.build(world.tally, self._summary(wall_seconds=time.monotonic() - began))

    def _begin(self) -> World:
        clock = self._gateway.get("/v1/clock", role=roles.OPERATIONS)
        if not clock["simulated"]:
            raise NotSimulated("The server runs on real time: a simulation needs one that can jump.")
        zone = ZoneInfo(program.TIME_ZONE)
        now = read_moment(clock["now"])
        # A run begins on a Monday: the first one that has not begun yet.
        monday = now.astimezone(zone).date()
        while monday.weekday() != 0 or datetime.combine(monday, clock_time(0), tzinfo=zone) < now:
            monday += timedelta(days=1)
        starts_at = datetime.combine(monday, clock_time(0), tzinfo=zone)
        world = World(
            gateway=self._gateway,
            seed=self._seed,
            zone=zone,
            starts_at=starts_at,
            ends_at=starts_at + timedelta(weeks=self._weeks),
            now=now,
        )
        taken: set[tuple[str, str, date]] = set()
        world.cases = [
            Case(
                admission=admission,
                person=people.invent(admission, seed=self._seed, on=monday, taken=taken),
                findings=findings.find(admission, seed=self._seed),
                draws=Draws(self._seed, admission.case_id),
                example=examples.is_example(place),
            )
            for place, admission in enumerate(self._file.admissions)
        ]
        return world

    # --- Time --------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Let program time jump to the next entry of the agenda, or to what the server has before."""
        world = self._world
        wanted = max(world.now, min(world.agenda.next_at or world.ends_at, world.ends_at))
        self._jump(wanted)
        self._take_in_news()
        self._watch(
            Progress(
                now=world.local(world.now),
                done=(world.now - world.starts_at) / (world.ends_at - world.starts_at),
                in_treatment=sum(case.in_treatment for case in world.cases),
                graduated=len(world.tally.graduated),
                events=world.tally.announced.total(),
                latest=world.latest,
            )
        )

    def _jump(self, no_later_than: datetime) -> None:
        answer = self._gateway.post(
            "/v1/clock/jumps", {"no_later_than": write_moment(no_later_than)}, role=roles.OPERATIONS
        )
        self._jumps += 1
        self._world.now = read_moment(answer["now"])
        self._feed = answer.get("feed")

    def _act(self, hands: ThreadPoolExecutor) -> None:
        """Do what is due: side by side for different people, one after the other for the same ones.

        Who was concerned at this moment before is concerned again only once all is quiet, so that
        nothing depends on how fast the services hear of each other.
        """
        world = self._world
        touched: set[str] = set()
        while world.agenda.next_at is not None and world.agenda.next_at <= world.now:
            due = world.agenda.take_due(world.now, busy=touched)
            if not due:
                self._jump(world.now)
                touched.clear()
            elif due[0].turn == Turn.ADMISSION:
                for entry in due:
                    self._jump(world.now)
                    self._do_all([entry])
                self._jump(world.now)
            else:
                touched.update(*(entry.concerns() for entry in due))
                self._do_side_by_side(due, hands)
                self._hear_alarms()

    def _do_side_by_side(self, entries: list[Entry], hands: ThreadPoolExecutor) -> None:
        by_person: dict[str, list[Entry]] = {}
        for entry in entries:
            by_person.setdefault(entry.who, []).append(entry)
        if len(by_person) == 1:
            self._do_all(entries)
            return
        for result in [hands.submit(self._do_all, of_one) for of_one in by_person.values()]:
            result.result()

    def _hear_alarms(self) -> None:
        """Take in the news before program time moves, where minutes may count."""
        if self._world.alarming:
            self._world.alarming = False
            self._jump(self._world.now)
            self._take_in_news()

    def _do_all(self, entries: list[Entry]) -> None:
        for entry in entries:
            try:
                entry.do()
            except Refused as refusal:
                # One refused step ends nobody else's day; the report names it.
                self._gateway.refusals[f"{refusal.what} {refusal.status} {refusal.code}"] += 1

    # --- News --------------------------------------------------------------------------------------

    def _end_of_feed(self) -> str | None:
        """Find the place in the feed after everything that is there already, from earlier runs."""
        page = self._gateway.get("/v1/events", role=roles.OPERATIONS, last=0)
        return str(page["next"]) if page["next"] else None

    def _take_in_news(self) -> None:
        if self._feed is not None and self._feed == self._feed_read:
            return
        self._feed_read = self._feed
        while True:
            page = self._gateway.get("/v1/events", role=roles.OPERATIONS, after=self._cursor, limit=PAGE)
            for item in page["items"]:
                told = Announcement.of(item)
                self._world.tally.take(told)
                self._take_note(told)
            self._cursor = page["next"] or self._cursor
            if len(page["items"]) < PAGE:
                return

    def _take_note(self, told: Announcement) -> None:
        """Let the people concerned take note of an event, which fills the agenda."""
        data, case = told.data, self._world.case_of(told.data)
        treatment, aftermath = self._treatment, self._aftermath
        match told.kind:
            case "patient_reengaged":
                treatment.reengage(data)
            case "discharge_proposal_withdrawn":
                treatment.withdraw_proposal(data)
            case "aftercare_contact_completed":
                aftermath.complete(data)
        if case is None:
            return
        match told.kind:
            case "patient_admitted":
                treatment.admit(case, data)
            case "schedule_proposed":
                case.week_moved = case.week_moved or data["moved"] > 0
                arrivals.confirm_week(self._world, case, data)
            case "plan_drafted":
                treatment.sign_plan(case, data)
            case "session_scheduled":
                treatment.seat(case, data)
            case "session_missed":
                treatment.miss(case, data)
            case "task_opened":
                self._take_up_task(case, told)
            case "escalation_opened":
                treatment.escalate(case, data)
            case "level_review_opened":
                treatment.review_level(case, data)
            case "discharge_proposed":
                treatment.propose_discharge(case, data)
            case "graduation_ready":
                aftermath.prepare_graduation(case)
            case "patient_discharged":
                treatment.end(case)
                aftermath.discharge(case, data)
            case "aftercare_contact_due":
                aftermath.contact(case, data)
            case "referral_received" if data["referral_source"] == "REENTRY":
                arrivals.expect_reentry(self._world, case, data["episode_id"])

    def _take_up_task(self, case: Case, told: Announcement) -> None:
        about_id, at = told.data["about_id"], told.occurred_at
        match told.data["task"]:
            case "outreach_call":
                self._treatment.reach_out(case, about_id, asked_at=at)
            case "outreach_letter":
                self._treatment.write_letter(case, about_id, asked_at=at)
            case "withdrawal_rating":
                questionnaires.rate_withdrawal(self._world, case, asked_at=at)
            case "referral_follow_up":
                number = int(told.data["reason"].removeprefix("FOLLOW_UP_"))
                arrivals.follow_up_referral(self._world, case, about_id, number=number)

    # --- The end -----------------------------------------------------------------------------------

    def _summary(self, *, wall_seconds: float) -> report.Run:
        world = self._world
        return report.Run(
            file_name=self._file_name,
            of_sample=self._file.is_sample,
            seed=self._seed,
            weeks=self._weeks,
            starts_at=world.starts_at,
            ended_at=world.now,
            zone=world.zone,
            rows={patient_id: case.admission for patient_id, case in world.by_patient.items()},
            rows_refused=self._file.refused,
            rows_not_referred=sum(not case.episode_id for case in world.cases),
            seat_states=self._seat_states(),
            modules_completed=self._modules_completed(),
            billing=billing.days(world),
            teds_records=billing.teds_records(world),
            answers=world.answers,
            refusals=self._gateway.refusals,
            requests=self._gateway.requests,
            jumps=self._jumps,
            events_parked=self._parked(),
            wall_seconds=wall_seconds,
        )

    def _seat_states(self) -> dict[str, int]:
        """Count the seats up to now by their state, as the server lists them."""
        counts: Counter[str] = Counter()
        for episode_id in self._world.tally.admitted_at:
            seats = self._gateway.list_all(
                f"/v1/episodes/{episode_id}/sessions",
                role=roles.CLINICIAN,
                page=500,
                to=write_moment(self._world.now),
            )
            counts.update(seat["state"] for seat in seats)
        return dict(counts)

    def _modules_completed(self) -> dict[str, int]:
        """Count the graduates who completed each module of what their groups taught, in its order."""
        completed: dict[str, int] = {}
        for episode_id in sorted(self._world.tally.graduated):
            progress = self._gateway.get(
                f"/v1/episodes/{episode_id}/curriculum-progress", role=roles.CLINICIAN
            )
            for curriculum in progress["curricula"]:
                for module in curriculum["modules"]:
                    done = module["state"] == "COMPLETED"
                    completed[module["title"]] = completed.get(module["title"], 0) + done
        return completed

    def _parked(self) -> int:
        """Return how many reactions and timers failed too often."""
        return len(self._gateway.get("/v1/parked-items", role=roles.OPERATIONS)["items"])
