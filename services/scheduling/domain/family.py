"""Who may come along to a patient's family sessions: somebody who backs them, under a consent that stands.

A treatment plan asks for family sessions also of whoever has nobody yet, and names that as a problem. Then
the week says what is missing, and books no session to which nobody would come.
"""

from datetime import datetime

from services.scheduling.domain.records import Patient

#: The consent under which people close to a patient may learn of the treatment: brief R8, a scope of its own.
CONSENT_KIND = "FAMILY"
#: What a treatment plan and a group call family sessions.
FAMILY = "FAMILY"

#: What stands against family sessions: the patient has named nobody, or no consent stands for anybody.
NOBODY_COMES, NO_CONSENT = "NOBODY_COMES", "NO_CONSENT"


def against_sessions(patient: Patient) -> str | None:
    """Return what keeps family sessions from being planned, if anything does.

    Which consent is for whom only intake knows: that both are there is asked here, and the rest at the door.
    """
    if not patient.supporters:
        return NOBODY_COMES
    return None if any(patient.family_consents.values()) else NO_CONSENT


def note_network(patient: Patient, *, supporters: int, told_at: datetime) -> None:
    """Note how many back a patient; what was told last counts, and of two at one moment the greater."""
    known = (
        patient.supporters_told_at or datetime.min.replace(tzinfo=told_at.tzinfo),
        patient.supporters or 0,
    )
    if patient.supporters is None or (told_at, supporters) > known:
        patient.supporters, patient.supporters_told_at = supporters, told_at


def note_consent(patient: Patient, *, consent_id: str, stands: bool) -> None:
    """Note that a consent was given, or has ended: then it never stands again, whichever came first."""
    stands = stands and patient.family_consents.get(consent_id, True)
    patient.family_consents = {**patient.family_consents, consent_id: stands}
