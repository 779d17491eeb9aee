"""The suicide screen while there is risk: it is given again and again, until it finds none.

One screen tells of one moment. After a positive one it falls due again by how grave it was, wherever the
person is in the journey and whichever form came first; who was not screened by then is called.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from services.intake.domain.episodes import Episode
from services.intake.domain.sites import Site
from services.intake.domain.tasks import Task
from shared.contracts import roles
from shared.ids import derived_id
from shared.instruments import Due, Pack

if TYPE_CHECKING:
    from services.intake.domain.instruments import InstrumentAnswers

#: The instrument that asks about suicide, which others ask for.
SUICIDE_SCREEN = "CSSRS"
#: Task of giving it to somebody at risk who was not screened again in time.
SCREEN_AGAIN_TASK = "suicide_screen_again"

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

#: The one item that asks about a whole life: its answer never changes, so it alone keeps nobody at risk
#: whom an earlier screen has found already.
_LIFETIME_ITEM = "6A"
#: Grades of the dangers in a screen that was broken off, which has no band.
_GRADE_OF_CONCERN = {"CSSRS_MODERATE": MODERATE, "CSSRS_HIGH": HIGH}


@dataclass(frozen=True, kw_only=True)
class Risk:
    """A risk that the newest screen found, and by when the screen is given again."""

    answers_id: str
    grade: str
    due_at: datetime

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
        return Task(
            task_id=derived_id(self.answers_id, SCREEN_AGAIN_TASK),
            task=SCREEN_AGAIN_TASK,
            owner_role=roles.CLINICIAN,
            next_role=roles.SUPERVISOR,
            reason=self.code,
            about_id=self.answers_id,
            patient_id=episode.patient_id,
            episode_id=episode.episode_id,
            journey_id=episode.journey_id,
            opened_at=at,
            due_at=at + ASKED_WITHIN,
        )


def find(given: Iterable["InstrumentAnswers"]) -> Risk | None:
    """Return the risk that somebody is at, by all their screens; ``None`` once a screen finds none.

    A screen that was broken off ends nothing, but a danger in it counts.
    """
    screens = [one for one in given if one.instrument == SUICIDE_SCREEN]
    risk: Risk | None = None
    for screen in sorted(screens, key=lambda one: (one.given_at, one.recorded_at)):
        grade = grade_of(screen)
        if grade is None:
            continue
        if grade == NONE or (risk is not None and _tells_of_the_past_alone(screen)):
            risk = None
            continue
        stays = risk is not None and GRADES.index(grade) <= GRADES.index(risk.grade)
        after = WHILE_MODERATE_STAYS if stays and grade == MODERATE else AGAIN_AFTER[grade]
        risk = Risk(answers_id=screen.answers_id, grade=grade, due_at=screen.given_at + after)
    return risk


def grade_of(screen: "InstrumentAnswers") -> str | None:
    """Return how grave a screen is; ``None`` where it was broken off before anything was found."""
    scored = screen.scored()
    band = scored.score("RISK")
    if band is not None:
        return band.band
    grades = [_GRADE_OF_CONCERN[one.concern] for one in scored.dangers if one.concern in _GRADE_OF_CONCERN]
    return max(grades, key=GRADES.index, default=None)


def _tells_of_the_past_alone(screen: "InstrumentAnswers") -> bool:
    return [item for item, answer in screen.answers.items() if answer] == [_LIFETIME_ITEM]


def with_screen(
    due: list[Due], packs: Iterable[Pack], *, risk: Risk | None, site: Site, now: datetime
) -> list[Due]:
    """Return what is due for somebody with the screen among it, first of all, where a risk asks for it.

    :param due: what is due otherwise, in turn; a screen that follows at once stays as it is.
    """
    pack = next((one for one in packs if one.instrument == SUICIDE_SCREEN), None)
    if risk is None or pack is None or not risk.is_due(site=site, now=now):
        return due
    if any(one.pack.instrument == SUICIDE_SCREEN and one.urgent for one in due):
        return due
    screen = Due(pack=pack, due_at=risk.due_at, because=risk.code, overdue=now > risk.due_at, urgent=True)
    others = [one for one in due if one.pack.instrument != SUICIDE_SCREEN]
    return sorted([*others, screen], key=lambda one: (not one.urgent, one.due_at))
