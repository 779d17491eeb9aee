"""Instruments as people answer them: raw answers, what they set off at once, and what is due.

Only the answers are kept. What they amount to is worked out from the pack's version whenever somebody
asks, so that it can be worked out again for ever. An answer about danger acts whether or not the pack
is in force for the tenant: nobody's signature stands between a danger and a human.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from services.intake.domain import suicide_risk, tasks
from services.intake.domain.assessments import Recorded
from services.intake.domain.episodes import ADMITTED, DISCHARGED, REFERRED_ELSEWHERE, Episode
from services.intake.domain.people import Patient
from services.intake.domain.sites import Site
from services.intake.domain.suicide_risk import FORMS, REVIEW_TASK, SCREEN_AGAIN_TASK, SUICIDE_SCREEN
from services.intake.domain.timeline import RATING_TASK
from services.intake.domain.withdrawal import RATING_COUNTS_FOR, Signs, weigh
from shared import instruments
from shared.contracts import roles
from shared.contracts.common import InstrumentScored, SafetyConcernRaised
from shared.contracts.event import Actor, Event
from shared.errors import Conflict, InvalidInput
from shared.ids import derived_id
from shared.instruments.due import FOLLOWS_WITHIN
from shared.instruments.packs import OBSERVER, SELF, Pack

#: Task of giving the suicide screen in time; giving it ends the task.
SCREEN_TASK = "suicide_screen"
#: Task of talking to somebody at low risk on the same day. Source: brief 2, disposition of the C-SSRS.
LOW_RISK_TASK = "low_suicide_risk"
#: Task of talking to somebody who leaves the questions about danger out again and again.
SKIPS_TASK = "safety_items_skipped"

#: Tasks that outlive the episode: who leaves in danger is in danger still. Safety rule.
SAFETY_TASKS = (SCREEN_TASK, SCREEN_AGAIN_TASK, REVIEW_TASK, LOW_RISK_TASK, SKIPS_TASK)
#: Tasks that answers end or ask for.
TASKS_OF_ANSWERS = (*SAFETY_TASKS, RATING_TASK)

#: Answers in a row that left a question about danger out, which reach a clinician. Safety rule; the
#: number is a design default.
SKIPS_FOR_CLINICIAN = 3
#: How soon a clinician is asked to talk to somebody about it. Design default.
SKIPS_ANSWERED_WITHIN = timedelta(days=1)
#: How far the clock of whoever sends answers may be ahead of ours: no danger is refused for a minute.
#: Design default.
CLOCKS_DIFFER_BY = timedelta(minutes=5)
#: How far back answers may have been given that are recorded later, from paper. Design default.
OLDEST_ANSWERS = timedelta(days=31)

#: Screens that point to a condition of the mind where they are positive: the plan works on it. Brief S30.
SCREENS_OF_THE_MIND = ("PHQ9",)
#: Instruments that an assessment must not overlook.
_FOR_ASSESSMENTS = ("CIWA_AR", "COWS", "PAWSS", SUICIDE_SCREEN)

#: Those of them that ask about the past, and not about how somebody is doing now.
_COUNT_FOR_LONG = ("PAWSS", SUICIDE_SCREEN)

#: Why answers have no score.
NOT_SIGNED, BELOW_MIN_AGE = "NOT_SIGNED", "BELOW_MIN_AGE"

#: What is said plainly while nobody has the duty. Safety rule.
NOBODY_ON_DUTY = (
    "Nobody of the staff is on duty right now. If you are in danger or thinking of ending your life,"
    " call or text 988, or call 911."
)


class InstrumentShipsOff(Conflict):
    """Raised when an instrument is used whose licence nobody has named."""


@dataclass(eq=False, kw_only=True)
class InstrumentAnswers:
    """What somebody answered on one occasion, as it was given.

    ``answers`` maps items to answers, None where one was left out. ``sex`` is as it was recorded then:
    some cut-offs differ by it.
    """

    answers_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    instrument: str
    version: int
    place: str | None
    rated_by: str
    mode: str
    sex: str
    age: int
    answers: dict[str, int | None]
    given_at: datetime
    recorded_at: datetime
    recorded_by: str
    recorded_by_role: str
    recorded_by_credential: str
    tenant_id: str = ""

    def scored(self, *, version: int | None = None) -> instruments.Scored:
        """Return what the answers amount to, by the version that they were given to or another."""
        pack = instruments.pack_of(self.instrument, version or self.version)
        return instruments.score(pack, self.answers, sex=self.sex)

    def given(self) -> instruments.Given:
        """Return what decides when the instrument is due again; each form of the suicide screen counts."""
        return instruments.Given(instrument=self._asked, given_at=self.given_at, scored=self.scored())

    @property
    def _asked(self) -> str:
        return SUICIDE_SCREEN if self.instrument in FORMS else self.instrument

    def why_not_scored(self, *, in_force: Iterable[Pack]) -> str | None:
        """Return the code of why there is no score, if there may be none."""
        pack = instruments.pack_of(self.instrument, self.version)
        if pack not in in_force:
            return NOT_SIGNED
        return BELOW_MIN_AGE if self.age < pack.min_age else None

    @property
    def skipped_safety_item(self) -> bool:
        """Whether a question about danger was asked and left out."""
        pack = instruments.pack_of(self.instrument, self.version)
        return bool(set(self.scored().missing) & set(pack.safety_items))


def place_of(episode: Episode, *, admitted_at: datetime | None) -> tuple[str, datetime] | None:
    """Return the place of the journey where somebody is, and since when; none once others treat them."""
    if episode.state == REFERRED_ELSEWHERE:
        return None
    if episode.state == ADMITTED and admitted_at is not None:
        return instruments.TREATMENT, admitted_at
    if episode.state == DISCHARGED and episode.closed_at is not None:
        return instruments.FOLLOW_UP, episode.closed_at
    return instruments.INTAKE, episode.opened_at


def check_licence(pack: Pack, *, licensed: Iterable[str]) -> None:
    """Refuse an instrument that ships off, unless its licence is named in the settings.

    :raises InstrumentShipsOff: when it is not.
    """
    if not pack.ships_on and pack.instrument not in licensed:
        raise InstrumentShipsOff(
            "This instrument ships off: its licence is not clear.",
            field="instrument",
            rule="named in HOMEWARD_LICENSED_PACKS by whoever holds the licence",
        )


def answer(
    *,
    answers_id: str,
    patient: Patient,
    episode: Episode,
    site: Site,
    pack: Pack,
    place: str | None,
    answers: dict[str, int | None],
    rated_by: str | None,
    mode: str,
    given_at: datetime | None,
    in_force: bool,
    actor: Actor,
    now: datetime,
) -> tuple[InstrumentAnswers, list[Event]]:
    """Keep what somebody answered; raise every danger in it, and tell the scores where there are any.

    :raises InvalidInput: when an answer is not possible, nobody answered anything, a scale that an
        observer rates was self-reported, or the answers lie in the future or too far back.
    """
    rated_by = _rater(rated_by, actor=actor)
    instruments.check(pack, answers, rated_by=rated_by)
    if all(one is None for one in answers.values()):
        raise InvalidInput("Nothing was answered.", field="answers", rule="at least one answer")
    told_at = given_at or now
    if now < told_at <= now + CLOCKS_DIFFER_BY:
        told_at = now
    if not now - OLDEST_ANSWERS <= told_at <= now:
        raise InvalidInput(
            "The answers cannot have been given then.",
            field="given_at",
            rule=f"not in the future, and at most {OLDEST_ANSWERS.days} days back",
        )
    kept = InstrumentAnswers(
        answers_id=answers_id,
        patient_id=patient.patient_id,
        episode_id=episode.episode_id,
        journey_id=patient.journey_id,
        instrument=pack.instrument,
        version=pack.version,
        place=place,
        rated_by=rated_by,
        mode=mode,
        sex=patient.sex,
        age=patient.age_on(site.local_day(told_at)),
        answers=answers,
        given_at=told_at,
        recorded_at=now,
        recorded_by=actor.actor_id,
        recorded_by_role=actor.role,
        recorded_by_credential=actor.credential,
    )
    scored = kept.scored()
    events: list[Event] = [_raised(kept, danger.concern, danger.level) for danger in scored.dangers]
    if in_force and scored.scores and kept.age >= pack.min_age:
        events.append(_told(kept, scored))
    return kept, events


def _rater(rated_by: str | None, *, actor: Actor) -> str:
    if actor.role != roles.PATIENT:
        return rated_by or OBSERVER
    if rated_by == OBSERVER:
        raise InvalidInput(
            "Nobody observes themselves.", field="rated_by", rule=f"{SELF} when the patient answers"
        )
    return SELF


def _raised(kept: InstrumentAnswers, concern: str, level: str) -> SafetyConcernRaised:
    return SafetyConcernRaised(
        concern_id=derived_id(kept.answers_id, concern),
        patient_id=kept.patient_id,
        concern=concern,
        level=level,
        evidence_id=kept.answers_id,
        raised_at=kept.recorded_at,
        episode_id=kept.episode_id,
        journey_id=kept.journey_id,
    )


def _told(kept: InstrumentAnswers, scored: instruments.Scored) -> InstrumentScored:
    return InstrumentScored(
        answers_id=kept.answers_id,
        patient_id=kept.patient_id,
        instrument=kept.instrument,
        version=kept.version,
        status=scored.status,
        scores=tuple(one.score for one in scored.scores),
        values=tuple(one.value for one in scored.scores),
        bands=tuple(one.band for one in scored.scores),
        positive=tuple(one.positive for one in scored.scores),
        given_at=kept.given_at,
        place=kept.place,
        rated_by=kept.rated_by,
        episode_id=kept.episode_id,
        journey_id=kept.journey_id,
    )


# --- What a human is asked --------------------------------------------------------------------------


def wanted_tasks(kept: InstrumentAnswers, *, skipped_in_row: int, site: Site) -> list[tasks.Task]:
    """Return what the answers ask of humans: the screen that follows, a talk today, or why they are silent.

    :param skipped_in_row: occasions up to this one on which a question about danger was left out.
    """
    scored = kept.scored()
    found = []
    if asks_for_screen(kept):
        due_at = kept.recorded_at + FOLLOWS_WITHIN
        found.append(_task(kept, task=SCREEN_TASK, reason="PHQ9_I9", due_at=due_at))
    risk = scored.score("RISK") if kept.instrument in FORMS else None
    if risk is not None and risk.band == "LOW":
        due_at = site.end_of_day(kept.recorded_at)
        found.append(_task(kept, task=LOW_RISK_TASK, reason="CSSRS_LOW", due_at=due_at))
    if kept.skipped_safety_item and skipped_in_row >= SKIPS_FOR_CLINICIAN:
        due_at = kept.recorded_at + SKIPS_ANSWERED_WITHIN
        found.append(_task(kept, task=SKIPS_TASK, reason="SAFETY_QUESTIONS_SKIPPED", due_at=due_at))
    return found


def asks_for_screen(kept: InstrumentAnswers) -> bool:
    """Tell whether an answer asks for the suicide screen."""
    return any(danger.then == SUICIDE_SCREEN for danger in kept.scored().dangers)


def is_screen(kept: InstrumentAnswers) -> bool:
    """Tell whether the answers are a suicide screen of either form, done to its end."""
    return kept.instrument in FORMS and kept.scored().status == instruments.COMPLETE


def answered_tasks(kept: InstrumentAnswers) -> tuple[str, ...]:
    """Return the names of the tasks that the answers end."""
    found = []
    if is_screen(kept):
        found += [SCREEN_TASK, SCREEN_AGAIN_TASK]
        if suicide_risk.is_of_licensed_clinician(kept):
            found.append(REVIEW_TASK)
    if kept.instrument == "CIWA_AR" and kept.scored().status == instruments.COMPLETE:
        found.append(RATING_TASK)
    if instruments.pack_of(kept.instrument, kept.version).safety_items and not kept.skipped_safety_item:
        found.append(SKIPS_TASK)
    return tuple(found)


def skipped_in_row(newest_first: Iterable[InstrumentAnswers]) -> int:
    """Return on how many of the latest occasions a question about danger was left out."""
    count = 0
    for one in newest_first:
        if not instruments.pack_of(one.instrument, one.version).safety_items:
            continue
        if not one.skipped_safety_item:
            break
        count += 1
    return count


def _task(kept: InstrumentAnswers, *, task: str, reason: str, due_at: datetime) -> tasks.Task:
    return tasks.Task(
        task_id=derived_id(kept.answers_id, task),
        task=task,
        owner_role=roles.CLINICIAN,
        next_role=roles.SUPERVISOR,
        reason=reason,
        about_id=kept.answers_id,
        patient_id=kept.patient_id,
        episode_id=kept.episode_id,
        journey_id=kept.journey_id,
        opened_at=kept.recorded_at,
        due_at=due_at,
    )


# --- What is due ------------------------------------------------------------------------------------


def may_be_asked(pack: Pack, *, by_patient: bool, somebody_on_duty: bool) -> bool:
    """Tell whether an instrument may be put to somebody now.

    Alone, a patient is asked about danger only while somebody is there to act on the answer. Safety rule.
    """
    if not by_patient:
        return True
    return SELF in pack.raters and (somebody_on_duty or not pack.safety_items)


def offered(
    packs: Iterable[Pack],
    *,
    place: tuple[str, datetime] | None,
    age: int,
    given: Iterable[InstrumentAnswers],
    now: datetime,
) -> list[instruments.Due]:
    """Return what is due for somebody, in turn; nothing once others treat them."""
    if place is None:
        return []
    return instruments.due_now(
        [pack for pack in packs if age >= pack.min_age],
        place=place[0],
        since=place[1],
        given=[one.given() for one in given],
        now=now,
    )


def item_view(pack: Pack) -> list[dict[str, Any]]:
    """Return the questions of a pack with what may be answered, for whoever shows them."""
    return [
        {
            "item": item.item,
            "label": item.label,
            "loinc": item.loinc,
            "answers": [{"value": value, "label": label} for value, label in item.answers.items()],
            "asked_if": {"item": item.asked_if[0], "at_least": item.asked_if[1]} if item.asked_if else None,
            "optional": item.optional,
        }
        for item in pack.items.values()
    ]


# --- What an assessment must not overlook -----------------------------------------------------------


def recorded(
    given: Iterable[InstrumentAnswers], *, now: datetime, in_force: Collection[str] = ()
) -> Recorded:
    """Return the newest complete scales: of the last day, where they tell how somebody is doing now.

    :param given: what was answered in the episode.
    :param in_force: instruments whose scores count: a danger is heeded without.
    """
    given = list(given)
    found: dict[str, InstrumentAnswers] = {}
    for one in sorted(given, key=lambda one: one.given_at):
        asked = one.given().instrument
        recent = one.given_at > now - RATING_COUNTS_FOR or asked in _COUNT_FOR_LONG
        if asked in _FOR_ASSESSMENTS and recent and one.scored().scores:
            found[asked] = one
    values = {name: one.scored().scores[0] for name, one in found.items()}
    risk = suicide_risk.find(given)

    def total(instrument: str) -> int | None:
        return values[instrument].value if instrument in values else None

    return Recorded(
        ciwa_ar=total("CIWA_AR"),
        cows=total("COWS"),
        pawss=total("PAWSS"),
        suicide_risk=risk.grade if risk else suicide_risk.NONE if SUICIDE_SCREEN in values else None,
        positive_screens=_positive_screens(given, in_force=in_force),
        answers_ids={name: one.answers_id for name, one in found.items()},
    )


def _positive_screens(given: Iterable[InstrumentAnswers], *, in_force: Collection[str]) -> tuple[str, ...]:
    """Return the screens of the mind that were positive when they were last answered."""
    newest: dict[str, bool] = {}
    for one in sorted(given, key=lambda one: one.given_at):
        if one.instrument in SCREENS_OF_THE_MIND and one.instrument in in_force and one.scored().scores:
            newest[one.instrument] = one.scored().positive
    return tuple(name for name, positive in newest.items() if positive)


def holds_since(
    given: Iterable[InstrumentAnswers], *, assessed_at: datetime | None, now: datetime
) -> list[str]:
    """Return why answers keep somebody from being admitted that an assessment has not weighed.

    Nobody goes home into a program with severe withdrawal or a high risk of suicide, whenever that was
    found, nor while an answer about death waits for its suicide screen. A new assessment weighs the
    scales; the screen answers for itself.

    :param given: what was answered in the episode.
    :param assessed_at: when the newest assessment was completed, if there is one.
    :returns: codes: WITHDRAWAL, SUICIDAL_INTENT, SUICIDE_SCREEN_DUE.
    """
    given = list(given)
    unweighed = [one for one in given if assessed_at is None or one.recorded_at > assessed_at]
    told = recorded(unweighed, now=now)
    found = []
    if weigh(Signs(ciwa_ar=told.ciwa_ar, cows=told.cows, pawss=told.pawss)).holds:
        found.append("WITHDRAWAL")
    if told.suicide_risk == suicide_risk.HIGH:
        found.append("SUICIDAL_INTENT")
    asked_for = [one.given_at for one in given if asks_for_screen(one)]
    screened = [one.given_at for one in given if is_screen(one)]
    if asked_for and max(asked_for) > max(screened, default=datetime.min.replace(tzinfo=UTC)):
        found.append("SUICIDE_SCREEN_DUE")
    return found
