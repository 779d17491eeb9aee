"""What of a patient's day may be billed: a signed note, minutes that were attended, a valid credential.

What stands against the rest is told too, so that nobody has to search for it at the end of the month.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from services.scheduling.domain.groups import FEWEST_IN_GROUP
from shared.contracts.scheduling import BILLING_GAPS, FAMILY_FORMS, ServiceDelivered

#: Fewest credited minutes that count as a session, by kind; payers count a group from 45 minutes, an
#: individual session from 16 and one with the family from 26 (brief 7: 90853, 90832, 90846, 90847).
LEAST_MINUTES = {"INDIVIDUAL": 16, "FAMILY": 26}
LEAST_MINUTES_OF_GROUP = 45


@dataclass(frozen=True, kw_only=True)
class Held:
    """One session of a day at which the patient or the family was there, with what billing asks about it."""

    seat_id: str
    starts_at: datetime
    credited_minutes: int
    kind: str
    #: What the session did, one of MODALITIES.
    modality: str
    #: Whether the patient stands in a signed note.
    noted: bool
    #: Whether whoever led it had an unexpired credential on that day that is enough for its kind, and may
    #: treat the patient where they were.
    credential_valid: bool
    #: How many patients were there, or had their family seen.
    people: int
    #: Whether the family was seen without the patient; the minutes are theirs then.
    family_alone: bool = False

    @cached_property
    def gaps(self) -> set[str]:
        """What stands against billing it, each of BILLING_GAPS."""
        least = LEAST_MINUTES.get(self.kind, LEAST_MINUTES_OF_GROUP)
        holds = (
            not self.noted,
            self.credited_minutes < least,
            not self.credential_valid,
            self.kind not in LEAST_MINUTES and self.people < FEWEST_IN_GROUP,
        )
        return {gap for gap, held in zip(BILLING_GAPS, holds, strict=True) if held}

    @property
    def counts(self) -> bool:
        """Whether it may be billed."""
        return not self.gaps

    @property
    def family_form(self) -> str | None:
        """How it was held with the family, one of FAMILY_FORMS; None where it was no session with one."""
        if self.family_alone:
            return "WITHOUT_PATIENT"
        if self.kind != "FAMILY":
            return None
        return "SEVERAL_FAMILIES" if self.people > 1 else "WITH_PATIENT"


@dataclass(eq=False, kw_only=True)
class ServiceDay:
    """What others were told of one patient's day."""

    delivery_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    site_id: str
    served_on: date
    kinds: list[str] = field(default_factory=list)
    minutes: list[int] = field(default_factory=list)
    attended_minutes: int = 0
    gaps: list[str] = field(default_factory=list)
    modalities: list[str] = field(default_factory=list)
    family_forms: list[str] = field(default_factory=list)
    family_alone_minutes: int = 0
    revision: int = 0
    tenant_id: str = ""

    def tell(self, held: Iterable[Held], *, now: datetime) -> ServiceDelivered | None:
        """Return what is to be told now; nothing when others know it already.

        :param held: the sessions of the day at which the patient was there, or the family without them.
        """
        seen = sorted(held, key=lambda one: (one.starts_at, one.seat_id))
        there = [one for one in seen if not one.family_alone]
        kinds = [one.kind for one in there if one.counts]
        minutes = [one.credited_minutes for one in there if one.counts]
        attended_minutes = sum(one.credited_minutes for one in there)
        gaps = [gap for gap in BILLING_GAPS if any(gap in one.gaps for one in seen)]
        modalities = [one.modality for one in there if one.counts]
        held_as = {one.family_form for one in seen if one.counts}
        family_forms = [form for form in FAMILY_FORMS if form in held_as]
        family_alone_minutes = sum(one.credited_minutes for one in seen if one.family_alone)
        news = (kinds, minutes, attended_minutes, gaps, modalities, family_forms, family_alone_minutes)
        if news == self._known():
            return None
        self.kinds, self.minutes = kinds, minutes
        self.attended_minutes, self.gaps, self.modalities = attended_minutes, gaps, modalities
        self.family_forms, self.family_alone_minutes = family_forms, family_alone_minutes
        self.revision += 1
        return ServiceDelivered(
            patient_id=self.patient_id,
            episode_id=self.episode_id,
            journey_id=self.journey_id,
            delivery_id=self.delivery_id,
            site_id=self.site_id,
            served_on=self.served_on,
            kinds=tuple(kinds),
            minutes=tuple(minutes),
            revision=self.revision,
            told_at=now,
            attended_minutes=attended_minutes,
            gaps=tuple(gaps),
            modalities=tuple(modalities),
            family_forms=tuple(family_forms),
            family_alone_minutes=family_alone_minutes,
        )

    def _known(self) -> tuple[object, ...]:
        return (
            self.kinds,
            self.minutes,
            self.attended_minutes,
            self.gaps,
            self.modalities,
            self.family_forms,
            self.family_alone_minutes,
        )
