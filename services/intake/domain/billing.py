"""Days that were attended, and what stands against billing each: every reason that holds, not the first.

A day becomes billable by a signed note, minutes that were attended, a valid credential, an authorised
unit where the payer wants one, and a diagnosis (brief section 7). The first three are scheduling's
word; the others are known here. What is not billable was care all the same.

A claim tells the payer that somebody is a patient. So none is made where the person does not use their
cover, asked that their plan not be told and was promised it, or never agreed to it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.intake.domain.coverage import APPROVED, USED, Authorization, Coverage, Unit
from services.intake.domain.restrictions import Restriction

#: Longest stretch of days that one list or file spans: a quarter and a little. Design default.
MOST_DAYS = 100

#: Procedure (HCPCS Level II) and revenue code (UB-04) of a day, by level of care: one unit a day. Brief
#: section 7. Other levels are billed by session and have no code of a day.
CODES_OF_LEVEL = {"2.1": ("H0015", "0906"), "2.5": ("H0035", "0912")}

#: Procedure (CPT) of a session with one patient's family, by how it was held. Brief section 7; a session of
#: several families has no code there.
CODES_OF_FAMILY_SESSION = {"WITH_PATIENT": "90847", "WITHOUT_PATIENT": "90846"}
#: Revenue code (UB-04) of a session with the family. Brief section 7.
FAMILY_REVENUE_CODE = "0916"

#: What can stand against billing a day, beside what scheduling tells.
NO_ACTIVE_COVER = "NO_ACTIVE_COVER"
DAY_NOT_AUTHORIZED = "DAY_NOT_AUTHORIZED"
NO_UNIT_LEFT = "NO_UNIT_LEFT"
NO_DIAGNOSIS = "NO_DIAGNOSIS"
#: Nobody close to the patient may know of the treatment: of a day of the family alone.
NO_FAMILY_CONSENT = "NO_FAMILY_CONSENT"
#: The same, where a payer must not be told (42 CFR 2.13, 2.26, 2.31).
COVER_NOT_USED = "COVER_NOT_USED"
RESTRICTED_BY_PATIENT = "RESTRICTED_BY_PATIENT"
NO_CONSENT_TO_BILL = "NO_CONSENT_TO_BILL"

#: What a claim tells: a restriction of any of them keeps it in, and a consent has to name the first.
CLAIM_CLASSES = ("BILLING", "DIAGNOSES", "ATTENDANCE")


@dataclass(frozen=True, kw_only=True)
class AttendedDay:
    """What scheduling told of one patient's day; ``minutes`` are those that may be billed, by kind."""

    delivery_id: str
    site_id: str
    patient_id: str
    episode_id: str
    served_on: date
    minutes: Mapping[str, int]
    attended_minutes: int
    gaps: tuple[str, ...]
    #: How family sessions that may be billed were held, each of FAMILY_FORMS once.
    family_forms: tuple[str, ...] = ()
    #: Minutes for which the family was seen without the patient.
    family_alone_minutes: int = 0

    @property
    def is_of_family_alone(self) -> bool:
        """Whether the family came and the patient to nothing: no day of the program, and no unit of it."""
        return self.family_alone_minutes > 0 and not self.attended_minutes

    @property
    def has_service(self) -> bool:
        """Whether a session of it may be billed."""
        return bool(self.minutes) or (self.is_of_family_alone and "WITHOUT_PATIENT" in self.family_forms)


@dataclass(frozen=True, kw_only=True)
class Payment:
    """What is known of who pays for somebody: covers, authorisations with their units, level, diagnoses."""

    level: str
    #: ICD-10-CM, the most severe problem first.
    diagnoses: tuple[str, ...] = ()
    covers: tuple[Coverage, ...] = ()
    authorizations: tuple[Authorization, ...] = ()
    #: By authorisation.
    units: Mapping[str, tuple[Unit, ...]] = field(default_factory=dict)
    #: From which days on the person uses no cover, though there may be one; each with the day from which on
    #: they use it again, where there is one.
    days_without_cover: tuple[tuple[date, date | None], ...] = ()
    #: What the person was promised that somebody is not told.
    restrictions: tuple[Restriction, ...] = ()
    #: First and last day of each consent to bill; no last day while it stands.
    consented: tuple[tuple[date, date | None], ...] = ()

    def uses_cover(self, day: date) -> bool:
        """Tell whether a payer is asked to pay for a day at all."""
        return not any(
            first <= day and (used_from is None or day < used_from)
            for first, used_from in self.days_without_cover
        )

    def is_kept_from(self, cover: Coverage) -> bool:
        """Tell whether the person was promised that a payer is told less than a claim tells."""
        return any(
            one.keeps_claim_in(CLAIM_CLASSES, coverage_id=cover.coverage_id) for one in self.restrictions
        )

    def has_consent(self, day: date) -> bool:
        """Tell whether a payer may be told of a day.

        A consent that stands counts for earlier days as well. One that was taken back counts for the days on
        which care was given in reliance on it (42 CFR 2.31(a)(6)).
        """
        return any(last is None or first <= day <= last for first, last in self.consented)


@dataclass(frozen=True, kw_only=True)
class JudgedDay:
    """A day with every reason against billing it; none makes it billable."""

    day: AttendedDay
    level: str
    reasons: tuple[str, ...]
    diagnoses: tuple[str, ...]
    payer: str | None = None
    coverage_id: str | None = None
    authorization_id: str | None = None
    #: Whether a consent for people close to the patient stood on the day.
    family_consent: bool = False

    @property
    def is_billable(self) -> bool:
        """Whether nothing stands against it."""
        return not self.reasons

    def line(self) -> dict[str, Any]:
        """Return the day as ids and codes."""
        day = self.day
        procedure, revenue = CODES_OF_LEVEL.get(self.level, (None, None))
        if day.is_of_family_alone:
            procedure, revenue = CODES_OF_FAMILY_SESSION["WITHOUT_PATIENT"], FAMILY_REVENUE_CODE
        codes = sorted(
            CODES_OF_FAMILY_SESSION[form] for form in day.family_forms if form in CODES_OF_FAMILY_SESSION
        )
        alone = 0
        if self.family_consent and "WITHOUT_PATIENT" in day.family_forms:
            alone = day.family_alone_minutes
        return {
            "delivery_id": day.delivery_id,
            "served_on": day.served_on,
            "site_id": day.site_id,
            "patient_id": day.patient_id,
            "episode_id": day.episode_id,
            "level": self.level,
            "attended_minutes": day.attended_minutes,
            "billable_minutes": sum(day.minutes.values()) + alone,
            "kinds": sorted({*day.minutes, *(("FAMILY",) if alone else ())}),
            "payer": self.payer,
            "coverage_id": self.coverage_id,
            "authorization_id": self.authorization_id,
            "diagnoses": list(self.diagnoses),
            "procedure_code": procedure,
            "revenue_code": revenue,
            "units": 1,
            "family_codes": codes if self.family_consent else [],
            "family_codes_withheld": [] if self.family_consent else codes,
            "family_alone_minutes": day.family_alone_minutes,
            "reasons": list(self.reasons),
        }


def judge(day: AttendedDay, payment: Payment, *, family_consent: bool = False) -> JudgedDay:
    """Return a day with every reason that stands against billing it.

    A gap of one session does not hold back a day that another session makes billable.

    :param family_consent: whether a consent for people close to the patient stood on the day: no session with
        them is billed without one (brief section 7), though it was held.
    """
    reasons = () if day.has_service else day.gaps
    cover, authorization, against = _paid_by(day, payment)
    if against:
        reasons = (*reasons, against)
    if cover is not None and payment.is_kept_from(cover):
        reasons = (*reasons, RESTRICTED_BY_PATIENT)
    if cover is not None and not payment.has_consent(day.served_on):
        reasons = (*reasons, NO_CONSENT_TO_BILL)
    if not payment.diagnoses:
        reasons = (*reasons, NO_DIAGNOSIS)
    if day.is_of_family_alone and not family_consent:
        reasons = (*reasons, NO_FAMILY_CONSENT)
    return JudgedDay(
        day=day,
        level=payment.level,
        reasons=reasons,
        diagnoses=payment.diagnoses,
        payer=cover.payer if cover else None,
        coverage_id=cover.coverage_id if cover else None,
        authorization_id=authorization.authorization_id if authorization else None,
        family_consent=family_consent,
    )


def _paid_by(day: AttendedDay, payment: Payment) -> tuple[Coverage | None, Authorization | None, str | None]:
    """Return the cover and the authorisation that pay for a day, or what stands against both.

    A cover that asks for no authorisation pays before one that does.
    """
    if not payment.uses_cover(day.served_on):
        return None, None, COVER_NOT_USED
    active = {one.coverage_id: one for one in payment.covers if one.paid_on(day.served_on)}
    if not active:
        return None, None, NO_ACTIVE_COVER
    free = next((one for one in active.values() if not one.needs_authorization), None)
    if free is not None:
        return free, None, None
    deciding = [
        one
        for one in payment.authorizations
        if one.coverage_id in active
        and one.decision == APPROVED
        and one.first_on <= day.served_on <= one.last_on
    ]
    for one in deciding:
        # A unit is a day of the program, and is the patient's own.
        if day.is_of_family_alone:
            return active[one.coverage_id], one, None
        units = payment.units.get(one.authorization_id, ())
        own = next((unit for unit in units if unit.served_on == day.served_on), None)
        # A day that is not delivered yet will take its unit, its own or one that is left.
        still = not day.minutes and (own is not None or one.count_units(units).remaining > 0)
        if still or (own is not None and own.state == USED):
            return active[one.coverage_id], one, None
    first = next(iter(active.values()))
    return first, None, NO_UNIT_LEFT if deciding else DAY_NOT_AUTHORIZED


def diagnoses_of(found: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the ICD-10-CM codes of an assessment's diagnoses, in its order."""
    return tuple(one["icd10_code"] for one in found if one["icd10_code"])
