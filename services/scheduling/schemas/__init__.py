"""What scheduling takes in and gives out: commands and questions by their names, nouns as views."""

from services.scheduling.schemas.attendance import (
    CancelSession,
    CheckIn,
    CorrectAttendance,
    ExcuseAbsence,
    GetSession,
    ListPatientSessions,
    ListSessions,
    PatientSession,
    PatientSessions,
    RecordRoster,
    RosterMark,
    Seat,
    Session,
    Sessions,
    SessionSummary,
)
from services.scheduling.schemas.clinicians import (
    AddClinician,
    Clinician,
    Clinicians,
    CloseTask,
    Credential,
    ListClinicians,
)
from services.scheduling.schemas.fields import (
    LocalTime,
)
from services.scheduling.schemas.groups import (
    Group,
    Groups,
    ListGroups,
    OpenGroup,
)
from services.scheduling.schemas.obligations import (
    DeclareObligations,
    GetObligations,
    Obligation,
    Obligations,
    TrackFit,
)
from services.scheduling.schemas.plans import (
    Block,
    GetWeeklyPlan,
    IndividualHour,
    WeeklyPlan,
)

__all__ = [
    "AddClinician",
    "Block",
    "CancelSession",
    "CheckIn",
    "Clinician",
    "Clinicians",
    "CloseTask",
    "CorrectAttendance",
    "Credential",
    "DeclareObligations",
    "ExcuseAbsence",
    "GetObligations",
    "GetSession",
    "GetWeeklyPlan",
    "Group",
    "Groups",
    "IndividualHour",
    "ListClinicians",
    "ListGroups",
    "ListPatientSessions",
    "ListSessions",
    "LocalTime",
    "Obligation",
    "Obligations",
    "OpenGroup",
    "PatientSession",
    "PatientSessions",
    "RecordRoster",
    "RosterMark",
    "Seat",
    "Session",
    "SessionSummary",
    "Sessions",
    "TrackFit",
    "WeeklyPlan",
]
