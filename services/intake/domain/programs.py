"""Listings of the directory, and what their profiles tell."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from shared.contracts import roles
from shared.errors import Conflict, NotFound

#: Where a listing comes from: this program itself, or an import of facility records.
OWN, IMPORTED = "OWN", "IMPORTED"

#: How far back the modalities of a profile go. Brief S52.
DELIVERED_WITHIN = timedelta(days=90)

#: What an offer of a level of care begins with.
LEVEL_OFFER = "LEVEL:"

#: Classes of credentials that a profile counts staff by. Brief section 9.
CREDENTIAL_CLASSES = {
    "THERAPIST": (*roles.THERAPIST_CREDENTIALS, "LMSW"),
    "ADDICTION_COUNSELOR": ("LADC", "LCADC", "CADC", "CADC_I", "CADC_II", "CADC_III", "CAC", "MAC"),
    "MEDICAL": ("MD", "DO", "NP", "PA", "RN"),
    "PEER": ("CRPS", "CPRS", "PEER"),
}
#: Credentials of physicians, whose presence a profile tells.
PHYSICIANS = ("MD", "DO")


class NoSuchProgram(NotFound):
    """Raised when a program is named that is not listed."""


class ProgramListedAlready(Conflict):
    """Raised when a listing is made for a site that has one."""


def city_key(city: str) -> str:
    """Return a city's name as places are compared: small letters, single spaces."""
    return " ".join(city.casefold().split())


def is_verified(since: datetime | None, until: datetime | None, *, now: datetime) -> bool:
    """Tell whether a moment lies within what a program's licences come to."""
    return since is not None and until is not None and since <= now < until


@dataclass(eq=False, kw_only=True)
class Program:
    """A program or site that people can find.

    ``verified_from`` and ``verified_until`` are what its licences come to; a search compares them with
    the moment, so an expiry hides it at once.
    """

    program_id: str
    origin: str
    site_id: str | None
    name: str
    second_name: str | None
    street: str
    second_street: str | None
    city: str
    state: str
    zip_code: str
    zip5: str
    city_key: str
    phone: str | None
    website: str | None
    latitude: float
    longitude: float
    services: list[dict[str, Any]]
    offers: list[str]
    approaches: int
    listed_at: datetime
    changed_at: datetime
    digest: bytes
    accredited_until: datetime | None = None
    verified_from: datetime | None = None
    verified_until: datetime | None = None
    tenant_id: str = ""

    def is_verified(self, *, now: datetime) -> bool:
        """Tell whether a verified licence holds now."""
        return is_verified(self.verified_from, self.verified_until, now=now)

    def follow(
        self, *, name: str, levels: Iterable[str], address: dict[str, Any] | None, now: datetime
    ) -> None:
        """Say of a site of ours what it is called now, which levels it may give, and where it is.

        :param address: where the site told that it is; as it is listed, when it did not.
        """
        others = (offer for offer in self.offers if not offer.startswith(LEVEL_OFFER))
        self.offers = sorted({*others, *(f"{LEVEL_OFFER}{level}" for level in levels)})
        self.name = name
        if address is not None:
            for place, told in address.items():
                setattr(self, place, told)
            self.zip5, self.city_key = self.zip_code[:5], city_key(self.city)
        self.changed_at = now


@dataclass(eq=False, kw_only=True)
class StaffMember:
    """A clinician of one of our sites as scheduling tells of them: credentials, no name."""

    clinician_id: str
    site_id: str
    #: ``{"kind": "LCSW", "expires_on": "2027-01-31"}`` each.
    credentials: list[dict[str, Any]]
    #: Grows with each news of the clinician, so that the newest wins in any order.
    revision: int
    tenant_id: str = ""


@dataclass(frozen=True, kw_only=True)
class StaffMix:
    """How many people of which class of credential work somewhere."""

    by_class: dict[str, int] = field(default_factory=dict)
    people: int = 0
    licensed: int = 0
    physician_present: bool = False

    @property
    def percent_licensed(self) -> int | None:
        """Share of people with a licence in force, rounded; None where nobody is."""
        return round(100 * self.licensed / self.people) if self.people else None


def staff_mix(staff: Iterable[StaffMember], *, today: date) -> StaffMix:
    """Count people by the classes of their credentials in force today; one person may be in several."""
    by_class = dict.fromkeys(CREDENTIAL_CLASSES, 0)
    people = licensed = 0
    physician = False
    for member in staff:
        people += 1
        valid = {
            credential["kind"]
            for credential in member.credentials
            if date.fromisoformat(credential["expires_on"]) >= today
        }
        licensed += any(kind in roles.LICENSED_CREDENTIALS for kind in valid)
        physician = physician or any(kind in PHYSICIANS for kind in valid)
        for name, kinds in CREDENTIAL_CLASSES.items():
            by_class[name] += any(kind in kinds for kind in valid)
    return StaffMix(by_class=by_class, people=people, licensed=licensed, physician_present=physician)
