"""One person on their way through the simulated program: the row, what is modelled, and their ids."""

from dataclasses import dataclass, field
from datetime import date, datetime

from homeward.simulation.courses import Course
from homeward.simulation.draws import Draws
from homeward.simulation.findings import Findings
from homeward.simulation.people import Person
from homeward.simulation.rows import Admission


@dataclass(eq=False, kw_only=True)
class Case:
    """A row with everything that the driver knows about its person."""

    admission: Admission
    person: Person
    findings: Findings
    draws: Draws
    #: Whether it is one of the few with whom everything is done.
    example: bool = False
    patient_id: str = ""
    episode_id: str = ""
    #: How often the person came back after a discharge.
    reentries: int = 0
    course: Course | None = None
    admitted_at: datetime | None = None
    discharged: bool = False
    #: Whether sessions of the standing week were moved: some seats were given up since they were told.
    week_moved: bool = False
    discharge_reason: str = ""
    #: Sessions by local day, in order of start: who comes to the first usually comes to the next.
    sessions_of_day: dict[date, list[datetime]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The case in agenda keys: never an id of the server."""
        return self.admission.case_id

    @property
    def in_treatment(self) -> bool:
        """Whether the person is admitted and not discharged."""
        return self.course is not None and not self.discharged

    def attends(self, *, starts_at: datetime, on: date) -> bool:
        """Tell whether the person comes to the session that starts then, on a local day."""
        starts = self.sessions_of_day.setdefault(on, [])
        if starts_at not in starts:
            starts.append(starts_at)
            starts.sort()
        return self.course is not None and self.course.attends(on=on, n=starts.index(starts_at))
