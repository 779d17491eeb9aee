"""Referrals: who sent whom, when, and what the admission data set records of them."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from services.intake import teds
from services.intake.domain.episodes import Episode, EpisodeAlreadyOpen
from services.intake.domain.people import Patient, check_birth_date
from services.intake.domain.sites import Site
from shared.contracts.event import Event
from shared.contracts.intake import ReferralReceived
from shared.errors import InvalidInput

#: How far back a referral may lie. Design default: longer ago, and the date is a slip.
OLDEST_REFERRAL = timedelta(days=20 * 365)

#: Referral source of somebody who comes back after a lapse.
REENTRY = "REENTRY"


@dataclass(eq=False, kw_only=True)
class Referral:
    """One referral of one person to one site.

    ``teds`` maps fields of the admission data set to codes; missing ones are left out.
    ``recorded_service`` is what the source recorded as SERVICES: for comparison, in no rule.
    ``asked_at`` is when the person first asked for help themselves, where they did so before.
    """

    referral_id: str
    patient_id: str
    episode_id: str
    journey_id: str
    site_id: str
    referral_source: str
    known_patient: bool
    received_at: datetime
    teds: dict[str, Any] = field(default_factory=dict)
    recorded_service: int | None = None
    asked_at: datetime | None = None
    tenant_id: str = ""

    @property
    def waits_since(self) -> datetime:
        """When help was first asked for: the clocks of the law count from then."""
        return min(self.asked_at or self.received_at, self.received_at)

    @property
    def urgent(self) -> bool:
        """Whether an assessment is due within a day: opioids, injecting, or pregnant. Brief 1.9."""
        return self.names_opioid or self.injecting or self.pregnant

    @property
    def pregnant(self) -> bool:
        """Whether the person is pregnant, as far as the codes tell."""
        return teds.tells_pregnancy(self.teds)

    @property
    def injecting(self) -> bool:
        """Whether the person injects, as far as the codes tell."""
        return teds.tells_injecting(self.teds)

    @property
    def names_opioid(self) -> bool:
        """Whether a substance at admission is an opioid."""
        return any(self.teds.get(name) in teds.OPIOIDS for name in ("SUB1", "SUB2", "SUB3"))


def read_teds(values: dict[str, Any]) -> tuple[dict[str, Any], int | None]:
    """Check admission fields against the code book; return codes and, apart, the recorded service.

    Numbers may come as digits; -9, an empty text and None mean missing.

    :raises InvalidInput: naming each field that is unknown or holds no code of its own.
    """
    codes: dict[str, Any] = {}
    problems = []
    for name, value in values.items():
        if name != teds.STATE_FIELD and name not in teds.CODES:
            problems.append({"field": f"teds.{name}"[:64], "rule": "no field of the admission data set"})
            continue
        if value is None or str(value).strip() in ("", str(teds.MISSING)):
            continue
        code = _code(name, value)
        if code is None:
            problems.append({"field": f"teds.{name}", "rule": _allowed(name)})
        else:
            codes[name] = code
    state = teds.STATES.get(codes.get("STFIPS", 0))
    if state and codes.get(teds.STATE_FIELD, state) != state:
        problems.append({"field": f"teds.{teds.STATE_FIELD}", "rule": "names another state than STFIPS"})
    if problems:
        raise InvalidInput("The admission data are not usable.", problems=tuple(problems))
    return codes, codes.pop(teds.RECORDED_SERVICE, None)


def _code(name: str, value: Any) -> int | str | None:
    text = str(value).strip()
    if name == teds.STATE_FIELD:
        return text if text in teds.STATES.values() else None
    # Only plain ASCII digits: int() would also read other scripts, signs and underscores.
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= 4):
        return None
    return int(text) if int(text) in teds.CODES[name] else None


def _allowed(name: str) -> str:
    allowed = teds.STATES.values() if name == teds.STATE_FIELD else teds.CODES[name]
    return f"one of {', '.join(str(code) for code in allowed)}, or -9 for missing"


def check_received(received_at: datetime, *, born_on: date, site: Site, now: datetime) -> None:
    """Refuse a referral that cannot have happened.

    :raises InvalidInput: when it lies in the future or too far back, or the birth date is impossible
        by then.
    """
    if received_at > now:
        raise InvalidInput(
            "The referral lies in the future.", field="received_at", rule="may not be in the future"
        )
    if received_at < now - OLDEST_REFERRAL:
        raise InvalidInput(
            "The referral lies too far back.", field="received_at", rule="at most twenty years back"
        )
    check_birth_date(born_on, today=site.local_day(received_at))


def refer(
    *,
    patient: Patient,
    known_patient: bool,
    open_episode: Episode | None,
    site: Site,
    referral_id: str,
    episode_id: str,
    referral_source: str,
    teds_codes: dict[str, Any],
    recorded_service: int | None,
    received_at: datetime,
    asked_at: datetime | None = None,
) -> tuple[Referral, Episode, list[Event]]:
    """Open an episode for somebody who was referred.

    :param asked_at: when they first asked for help themselves, where they did so before.
    :raises EpisodeAlreadyOpen: when the person has an open episode.
    """
    if open_episode is not None:
        raise EpisodeAlreadyOpen(
            "The person has an open episode.", field="patient", rule="one open episode per person"
        )
    referral = Referral(
        referral_id=referral_id,
        patient_id=patient.patient_id,
        episode_id=episode_id,
        journey_id=patient.journey_id,
        site_id=site.site_id,
        referral_source=referral_source,
        known_patient=known_patient,
        received_at=received_at,
        teds=teds_codes,
        recorded_service=recorded_service,
        asked_at=asked_at,
    )
    episode = Episode(
        episode_id=episode_id,
        patient_id=patient.patient_id,
        journey_id=patient.journey_id,
        site_id=site.site_id,
        referral_id=referral_id,
        opened_at=received_at,
        minor=patient.is_minor_on(site.local_day(received_at)),
    )
    return referral, episode, [received(referral)]


def received(referral: Referral) -> ReferralReceived:
    """Return the news of a referral."""
    return ReferralReceived(
        patient_id=referral.patient_id,
        episode_id=referral.episode_id,
        journey_id=referral.journey_id,
        referral_id=referral.referral_id,
        site_id=referral.site_id,
        referral_source=referral.referral_source,
        known_patient=referral.known_patient,
        received_at=referral.received_at,
    )
