"""The suicide screen while there is risk: it is given again and again, until it finds none.

One screen tells of one moment. After a positive one it falls due again by how grave it was, wherever the
person is in the journey and whichever form came first; who was not screened by then is called.

The screener asks about the past month and about the whole life, and is given once in an episode. From then
on the form since the last contact takes its place, which does not ask again what stays as it was answered. A
no in it is about the days since the screen before. So it takes nothing away from an attempt of before, nor
from the thoughts of the past month. Unless a licensed clinician gave it, it ends a low risk at most.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from services.intake.domain.episodes import Episode
from services.intake.domain.sites import Site
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.ids import derived_id
from shared.instruments import COMPLETE, OBSERVER, Due, Pack

if TYPE_CHECKING:
    from services.intake.domain.instruments import InstrumentAnswers

#: The instrument that asks about suicide, which others ask for.
SUICIDE_SCREEN = "CSSRS"
#: The form of it that asks about the time since the last contact.
SINCE_LAST_CONTACT = "CSSRS_SINCE_LAST_CONTACT"
#: Every form of the screen: where one is due, another answers it.
FORMS = (SUICIDE_SCREEN, SINCE_LAST_CONTACT)
#: Task of giving it to somebody at risk who was not screened again in time.
SCREEN_AGAIN_TASK = "suicide_screen_again"
#: Task of looking at somebody at risk whose newest screen is quieter than the risk.
REVIEW_TASK = "suicide_risk_review"

NONE, LOW, MODERATE, HIGH = "NONE", "LOW", "MODERATE", "HIGH"
#: Grades of the risk, least first.
GRADES = (NONE, LOW, MODERATE, HIGH)

#: How soon after a positive screen the next one is due. A moderate or high risk is contacted within a day
#: (brief 2, disposition of the C-SSRS); a low one is looked at again at the next review, 7 days at most
#: (brief 2, again at each review while there is any risk; brief 4.7).
AGAIN_AFTER = {LOW: timedelta(days=7), MODERATE: timedelta(hours=24), HIGH: timedelta(hours=24)}
#: The same for a moderate risk that a screen has found before: it is looked at again at each review that an
#: escalation asks for, 72 hours at most (brief 4.7).
WHILE_MODERATE_STAYS = timedelta(hours=72)
#: Time for whoever is asked to screen somebody who was not screened by then. Design default: as for a call
#: on the same day (brief 3.3).
ASKED_WITHIN = timedelta(hours=4)
#: Time for the clinician who weighs a quieter screen: a moderate or high risk is contacted within a day
#: (brief 2, disposition of the C-SSRS).
REVIEWED_WITHIN = timedelta(hours=24)

#: The one item that asks about a whole life: its answer never changes, so it alone tells of nothing new.
_LIFETIME_ITEM = "6A"
#: The items that ask whether somebody did anything to end their life, ever or of late.
_ATTEMPT_ITEMS = {SUICIDE_SCREEN: (_LIFETIME_ITEM, "6B"), SINCE_LAST_CONTACT: ("6",)}
#: Grades of the dangers in a screen that was broken off, which has no band.
_GRADE_OF_CONCERN = {"CSSRS_MODERATE": MODERATE, "CSSRS_HIGH": HIGH}


@dataclass(frozen=True, kw_only=True)
class Risk:
    """A risk that the screens found, and by when the screen is given again.

    ``answers_id`` is the newest screen that tells of it. ``waits_for_clinician`` says that this screen by
    itself found less: a licensed clinician weighs it, and until then the risk stays as grave as it was.
    """

    answers_id: str
    grade: str
    due_at: datetime
    waits_for_clinician: bool = False

    @property
    def code(self) -> str:
        """Why the screen is due, e.g. ``CSSRS_MODERATE``."""
        return f"{SUICIDE_SCREEN}_{self.grade}"

    def is_due(self, *, site: Site, now: datetime) -> bool:
        """Tell whether the screen is to be given: from the beginning of the day on by whose time it is due.

        Whoever comes in the morning is not sent home because it is due in the afternoon.
        """
        return now >= site.begin_of(site.local_day(self.due_at))

    def task(self, episode: Episode, *, at: datetime) -> Task:
        """Return the request to screen somebody who was not screened in time."""
        return self._task(episode, task=SCREEN_AGAIN_TASK, at=at, within=ASKED_WITHIN)

    def review_task(self, episode: Episode, *, at: datetime) -> Task:
        """Return the request that a licensed clinician weighs a screen that found less."""
        return self._task(episode, task=REVIEW_TASK, at=at, within=REVIEWED_WITHIN)

    def _task(self, episode: Episode, *, task: str, at: datetime, within: timedelta) -> Task:
        return Task(
            task_id=derived_id(self.answers_id, task),
            task=task,
            owner_role=roles.CLINICIAN,
            next_role=roles.SUPERVISOR,
            reason=self.code,
            about_id=self.answers_id,
            patient_id=episode.patient_id,
            episode_id=episode.episode_id,
            journey_id=episode.journey_id,
            opened_at=at,
            due_at=at + within,
        )


def find(given: Iterable["InstrumentAnswers"]) -> Risk | None:
    """Return the risk that somebody is at, by all their screens; ``None`` once one ends it.

    A screen that was broken off ends nothing, but a danger in it counts. After an attempt, however long
    ago, no answers end the risk: the triage of the screener keeps a lifetime attempt at moderate (brief 2,
    C-SSRS, "only Q6 lifetime yes = moderate"), and whether that still holds now is for a licensed
    clinician to say, as every decision is (brief 13b.14; safety rule). They say it by a screen that they
    give themselves and that finds nothing new; one that somebody answered alone, or that an unlicensed
    member of the staff gave, leaves the risk as it is and asks for theirs.
    """
    screens = [one for one in given if one.instrument in FORMS]
    risk: Risk | None = None
    attempted = False
    for screen in sorted(screens, key=lambda one: (one.given_at, one.recorded_at)):
        attempted = attempted or _tells_of_attempt(screen)
        found = grade_of(screen)
        if found is None:
            continue
        if risk is not None and _tells_of_nothing_new(screen):
            found = NONE
        least = _least(screen, risk, attempted=attempted)
        grade = max(found, least, key=GRADES.index)
        if grade == NONE:
            risk = None
            continue
        stays = risk is not None and GRADES.index(grade) <= GRADES.index(risk.grade)
        after = WHILE_MODERATE_STAYS if stays and grade == MODERATE else AGAIN_AFTER[grade]
        risk = Risk(
            answers_id=screen.answers_id,
            grade=grade,
            due_at=screen.given_at + after,
            waits_for_clinician=grade != found,
        )
    return risk


def grade_of(screen: "InstrumentAnswers") -> str | None:
    """Return how grave a screen is; ``None`` where it was broken off before anything was found."""
    scored = screen.scored()
    band = scored.score("RISK")
    if band is not None:
        return band.band
    grades = [_GRADE_OF_CONCERN[one.concern] for one in scored.dangers if one.concern in _GRADE_OF_CONCERN]
    return max(grades, key=GRADES.index, default=None)


def is_of_licensed_clinician(screen: "InstrumentAnswers") -> bool:
    """Tell whether a licensed clinician gave a screen, and saw and rated the answers."""
    return (
        screen.rated_by == OBSERVER
        and screen.recorded_by_role in roles.CARE_TEAM
        and screen.recorded_by_credential in roles.LICENSED_CREDENTIALS
    )


def _least(screen: "InstrumentAnswers", risk: Risk | None, *, attempted: bool) -> str:
    """Return the grade below which a screen does not bring a risk that was found before."""
    if risk is None:
        return NONE
    if screen.scored().status != COMPLETE:
        return risk.grade
    if is_of_licensed_clinician(screen):
        return NONE
    if screen.instrument == SUICIDE_SCREEN:
        # It asked about the month and the life anew.
        return MODERATE if attempted else NONE
    return risk.grade if attempted or risk.grade != LOW else NONE


def _tells_of_attempt(screen: "InstrumentAnswers") -> bool:
    return any(screen.answers.get(item) for item in _ATTEMPT_ITEMS[screen.instrument])


def _tells_of_nothing_new(screen: "InstrumentAnswers") -> bool:
    told = {item for item, answer in screen.answers.items() if answer}
    return screen.scored().status == COMPLETE and told <= {_LIFETIME_ITEM}


def in_turn(
    due: list[Due],
    packs: Iterable[Pack],
    *,
    given: Iterable["InstrumentAnswers"],
    episode: Episode,
    site: Site,
    now: datetime,
) -> list[Due]:
    """Return what is due for somebody with the screen among it, first of all, where a risk asks for it.

    Whoever answered the screener in this episode gets the form since the last contact in its place.

    :param due: what is due otherwise, in turn; a screen that follows at once stays as it is.
    :param packs: those in force; until the form is among them, the screener is given again.
    """
    in_force = {one.instrument: one for one in packs if one.instrument in FORMS}
    earlier = list(given)
    found = _with_screen(due, in_force.get(SUICIDE_SCREEN), risk=find(earlier), site=site, now=now)
    form = in_force.get(SINCE_LAST_CONTACT)
    was_screened = any(
        one.instrument == SUICIDE_SCREEN
        and one.episode_id == episode.episode_id
        and one.scored().status == COMPLETE
        for one in earlier
    )
    if form is None or not was_screened:
        return found
    return [replace(one, pack=form) if one.pack.instrument == SUICIDE_SCREEN else one for one in found]


def _with_screen(
    due: list[Due], pack: Pack | None, *, risk: Risk | None, site: Site, now: datetime
) -> list[Due]:
    if risk is None or pack is None or not risk.is_due(site=site, now=now):
        return due
    if any(one.pack.instrument == SUICIDE_SCREEN and one.urgent for one in due):
        return due
    screen = Due(pack=pack, due_at=risk.due_at, because=risk.code, overdue=now > risk.due_at, urgent=True)
    others = [one for one in due if one.pack.instrument != SUICIDE_SCREEN]
    return sorted([*others, screen], key=lambda one: (not one.urgent, one.due_at))
