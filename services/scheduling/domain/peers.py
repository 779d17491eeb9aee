"""Peers: a newcomer is offered somebody of the same people who is further along, if both want it (S28).

The rule is open: who opted in, shares a group or the track, and has been there for longer, or began in the
same closed cohort. It looks at no diagnosis and no note. Staff confirm or decline what is proposed; then
both are asked, and neither learns who the other is before both have agreed. A no is told to nobody as
anybody's: it is *not matched* for both.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from services.scheduling.domain.asked import Asked
from services.scheduling.domain.weeks import local_day, moment_of
from shared.contracts import roles
from shared.contracts.common import TaskClosed, TaskOpened
from shared.contracts.event import Actor, Event
from shared.contracts.scheduling import PeerMatchOffered, PeerMatchSettled
from shared.errors import Conflict, NotFound
from shared.ids import derived_id

#: When a newcomer's match is looked for: the morning a week after admission, so that staff and both
#: people can answer before the end of the second week. Design default.
MATCH_AFTER_DAYS = 7
MATCH_AT = time(8)

#: By when a match is to be offered: the end of the second week. Brief, sentence S28.
OFFERED_WITHIN = timedelta(days=14)

#: Least time to act for whoever is asked late. Design default.
LEAST_TIME = timedelta(days=1)

#: How much longer a peer has been in treatment than the newcomer. Design default.
FURTHER_ALONG = timedelta(days=14)

#: Newcomers that somebody accompanies at a time, so that nobody's recovery becomes a duty. Design default.
MOST_AT_ONCE = 2

#: The tasks to find somebody where the rule finds nobody, and to bring two together who agreed.
WANTED = "peer_match_wanted"
INTRODUCE = "peer_match_introduce"

#: States of a match in which something is still to come of it.
OPEN_STATES = ("PROPOSED", "OFFERED", "MATCHED")


class NoSuchMatch(NotFound):
    """Raised when a match, or an offer of one, is named that is not there."""


class MatchDecidedAlready(Conflict):
    """Raised when a match is confirmed or declined that was decided on, or that nobody needs any more."""


class NothingToAnswer(Conflict):
    """Raised when an offer is answered that is not open, or otherwise than before."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody in treatment, with all that the rule looks at."""

    patient_id: str
    episode_id: str
    journey_id: str
    admitted_at: datetime
    track: str | None
    #: Groups in which they have a standing place; those of them that stay together as a cohort.
    groups: frozenset[str] = frozenset()
    cohorts: frozenset[str] = frozenset()
    #: Newcomers whom they accompany, or may soon.
    accompanies: int = 0


@dataclass(eq=False, kw_only=True)
class Match:
    """A newcomer and somebody who could accompany them."""

    match_id: str
    site_id: str
    newcomer_patient_id: str
    newcomer_episode_id: str
    newcomer_journey_id: str
    guide_patient_id: str
    guide_episode_id: str
    guide_journey_id: str
    #: Each is told of the match under an id of their own, which links them to nobody.
    newcomer_offer_id: str
    guide_offer_id: str
    #: Codes of PEER_REASONS.
    reasons: list[str]
    proposed_at: datetime
    due_at: datetime
    #: One of PEER_STATES.
    state: str = "PROPOSED"
    decided_at: datetime | None = None
    decided_by: str | None = None
    decided_role: str | None = None
    #: Why staff declined, one of PEER_DECLINE_REASONS.
    decline_reason: str | None = None
    newcomer_answer: str | None = None
    guide_answer: str | None = None
    settled_at: datetime | None = None
    tenant_id: str = ""

    @property
    def task_id(self) -> str:
        """Return the id of the task to confirm or decline."""
        return derived_id(self.match_id, "peer_match_confirm")

    @property
    def introduction_id(self) -> str:
        """Return the id of the task to introduce the two."""
        return derived_id(self.match_id, INTRODUCE)

    def ask_to_introduce(self, *, now: datetime) -> tuple[Asked, TaskOpened]:
        """Ask the counselor to bring the two together: names are known to people, not to this service."""
        asked = Asked(
            task_id=self.introduction_id,
            task=INTRODUCE,
            about_id=self.match_id,
            patient_id=self.newcomer_patient_id,
            episode_id=self.newcomer_episode_id,
            journey_id=self.newcomer_journey_id,
        )
        opened = asked.opened(
            owner_role=roles.COUNSELOR,
            reason="BOTH_AGREED",
            due_at=now + LEAST_TIME,
            next_role=roles.SUPERVISOR,
        )
        return asked, opened

    def proposed(self) -> TaskOpened:
        """Return the fact that staff are asked."""
        return TaskOpened(
            task_id=self.task_id,
            task="peer_match_confirm",
            owner_role=roles.COUNSELOR,
            reason="PEER_PROPOSED",
            due_at=self.due_at,
            about_id=self.match_id,
            patient_id=self.newcomer_patient_id,
            episode_id=self.newcomer_episode_id,
            journey_id=self.newcomer_journey_id,
            next_role=roles.SUPERVISOR,
        )

    def decide(self, *, confirm: bool, reason: str | None, by: Actor, now: datetime) -> list[Event]:
        """Confirm the match, so that both are asked, or decline it; the same word again changes nothing.

        :raises MatchDecidedAlready: when somebody decided otherwise, or nobody needs it any more.
        """
        if self.state != "PROPOSED":
            confirmed = self.decided_at is not None and self.state != "REJECTED"
            if self.decided_at is not None and confirmed == confirm:
                return []
            raise MatchDecidedAlready(field="match_id", rule="a match that waits for a decision")
        self.decided_at, self.decided_by, self.decided_role = now, by.actor_id, by.role
        closed = self._task_closed(outcome="DONE", now=now)
        if not confirm:
            self.state, self.decline_reason, self.settled_at = "REJECTED", reason, now
            return [closed]
        self.state = "OFFERED"
        return [
            closed,
            *(
                PeerMatchOffered(offer_id=offer_id, offered_at=now, **person)
                for offer_id, person in self._sides()
            ),
        ]

    def answer(self, offer_id: str, *, answer: str, now: datetime) -> list[Event]:
        """Take what one of the two says; the same word again changes nothing.

        :raises NothingToAnswer: when nothing is offered any more, or they said otherwise before.
        """
        mine = "newcomer_answer" if offer_id == self.newcomer_offer_id else "guide_answer"
        if getattr(self, mine) == answer:
            return []
        if self.state != "OFFERED" or getattr(self, mine) is not None:
            raise NothingToAnswer(field="offer_id", rule="an offer that waits for an answer")
        setattr(self, mine, answer)
        if answer == "NO":
            return self._settle("DECLINED", outcome="NOT_MATCHED", now=now)
        if self.newcomer_answer == self.guide_answer == "YES":
            return self._settle("MATCHED", outcome="MATCHED", now=now)
        return []

    def end(self, *, now: datetime) -> list[Event]:
        """End the match because one of the two left or wants none; what nobody heard of is told to nobody."""
        if self.state == "PROPOSED":
            self.state, self.settled_at = "WITHDRAWN", now
            return [self._task_closed(outcome="WITHDRAWN", now=now)]
        if self.state == "OFFERED":
            return self._settle("WITHDRAWN", outcome="NOT_MATCHED", now=now)
        if self.state == "MATCHED":
            return self._settle("ENDED", outcome="ENDED", now=now)
        return []

    def _settle(self, state: str, *, outcome: str, now: datetime) -> list[Event]:
        self.state, self.settled_at = state, now
        return [
            PeerMatchSettled(offer_id=offer_id, outcome=outcome, settled_at=now, **person)
            for offer_id, person in self._sides()
        ]

    def _sides(self) -> tuple[tuple[str, dict[str, str]], ...]:
        newcomer = {
            "patient_id": self.newcomer_patient_id,
            "episode_id": self.newcomer_episode_id,
            "journey_id": self.newcomer_journey_id,
        }
        guide = {
            "patient_id": self.guide_patient_id,
            "episode_id": self.guide_episode_id,
            "journey_id": self.guide_journey_id,
        }
        return (self.newcomer_offer_id, newcomer), (self.guide_offer_id, guide)

    def _task_closed(self, *, outcome: str, now: datetime) -> TaskClosed:
        return TaskClosed(
            task_id=self.task_id,
            task="peer_match_confirm",
            outcome=outcome,
            closed_at=now,
            about_id=self.match_id,
            patient_id=self.newcomer_patient_id,
            episode_id=self.newcomer_episode_id,
            journey_id=self.newcomer_journey_id,
        )


def looked_for_at(*, admitted_at: datetime, zone: str) -> datetime:
    """Return when a match is looked for: on the local morning a week after admission."""
    day: date = local_day(at=admitted_at, zone=zone) + timedelta(days=MATCH_AFTER_DAYS)
    return moment_of(day=day, at=MATCH_AT, zone=zone)


def due_at(*, admitted_at: datetime, now: datetime) -> datetime:
    """Return by when somebody of the staff acts: within the second week, or soon where that is over."""
    return max(admitted_at + OFFERED_WITHIN, now + LEAST_TIME)


def ask_for_somebody(newcomer: Person, *, now: datetime) -> tuple[Asked, TaskOpened]:
    """Ask the counselor for a peer whom no rule finds."""
    asked = Asked(
        task_id=derived_id(newcomer.episode_id, WANTED),
        task=WANTED,
        about_id=newcomer.episode_id,
        patient_id=newcomer.patient_id,
        episode_id=newcomer.episode_id,
        journey_id=newcomer.journey_id,
    )
    opened = asked.opened(
        owner_role=roles.COUNSELOR,
        reason="NOBODY_FITS",
        due_at=due_at(admitted_at=newcomer.admitted_at, now=now),
        next_role=None,
    )
    return asked, opened


def choose(
    newcomer: Person, pool: Iterable[Person], *, tried: Collection[str]
) -> tuple[Person, list[str]] | None:
    """Return who could best accompany a newcomer, and why, or None where nobody can.

    Whoever shares most groups comes first, then who accompanies fewest, then who has been there longest.

    :param pool: those of the site who opted in.
    :param tried: the episodes with which it was tried before.
    """
    found = []
    for one in pool:
        reasons = reasons_for(newcomer, one)
        if one.episode_id in tried or one.accompanies >= MOST_AT_ONCE or not reasons:
            continue
        shared = len(newcomer.groups & one.groups)
        found.append(((-shared, one.accompanies, one.admitted_at, one.episode_id), one, reasons))
    if not found:
        return None
    _, chosen, why = min(found, key=lambda candidate: candidate[0])
    return chosen, why


def reasons_for(newcomer: Person, other: Person) -> list[str]:
    """Return why somebody suits a newcomer, as codes of PEER_REASONS; none where they do not."""
    if other.patient_id == newcomer.patient_id:
        return []
    same_cohort = bool(newcomer.cohorts & other.cohorts)
    same_group = bool(newcomer.groups & other.groups)
    same_track = newcomer.track is not None and newcomer.track == other.track
    ahead = newcomer.admitted_at - other.admitted_at >= FURTHER_ALONG
    if not (same_group or same_track) or not (ahead or same_cohort):
        return []
    told = {
        "SAME_COHORT": same_cohort,
        "SAME_GROUP": same_group,
        "SAME_TRACK": same_track,
        "FURTHER_ALONG": ahead,
    }
    return [code for code, holds in told.items() if holds]


def propose(newcomer: Person, guide: Person, *, site_id: str, reasons: list[str], now: datetime) -> Match:
    """Propose that somebody accompanies a newcomer."""
    match_id = derived_id(newcomer.episode_id, guide.episode_id, "peer match")
    return Match(
        match_id=match_id,
        site_id=site_id,
        newcomer_patient_id=newcomer.patient_id,
        newcomer_episode_id=newcomer.episode_id,
        newcomer_journey_id=newcomer.journey_id,
        guide_patient_id=guide.patient_id,
        guide_episode_id=guide.episode_id,
        guide_journey_id=guide.journey_id,
        newcomer_offer_id=derived_id(match_id, newcomer.episode_id),
        guide_offer_id=derived_id(match_id, guide.episode_id),
        reasons=reasons,
        proposed_at=now,
        due_at=due_at(admitted_at=newcomer.admitted_at, now=now),
    )
