"""Facility records as SAMHSA's locator writes them, read into what a search can ask for.

A record has name1, name2, street1, street2, city, state, zip, phone, website, latitude, longitude, and
its services in groups: f1 names the group, f2 is the group's code, f3 lists the services, parted by
semicolons. The letters of the codes differ between years, so services are known by their words. What a
record says is the facility's own answer to a survey: it verifies nothing.
"""

import hashlib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from services.intake import teds
from shared.errors import InvalidInput
from shared.ids import derived_id

#: Longest text of one field of a record, in characters. Design default.
LONGEST_FIELD = 200
#: Most groups of services in a record, and most characters in one group. Design default.
MOST_GROUPS = 60
LONGEST_GROUP = 4000

#: Where the states and territories lie, generously: degrees of latitude and longitude. A place beyond
#: is a slip, often a swap of the two or a missing minus. Design default.
LATITUDES = (-15.0, 72.0)
LONGITUDES = (-180.0, -64.0)
#: Guam and the Northern Marianas lie on the other side of the date line.
PACIFIC_LONGITUDES = (140.0, 150.0)

#: What the locator's words mean to a search: the code of what is offered, by the words in small letters.
#: The vocabulary is the National Substance Use and Mental Health Services Survey's.
OFFERED_BY_WORDS = {
    "regular outpatient treatment": "LEVEL:1",
    "intensive outpatient treatment": "LEVEL:2.1",
    "outpatient day treatment or partial hospitalization": "LEVEL:2.5",
    "short-term residential": "LEVEL:3.5",
    "long-term residential": "LEVEL:3.1",
    "residential detoxification": "LEVEL:3.7",
    "hospital inpatient treatment": "LEVEL:4",
    "hospital inpatient/24-hour hospital inpatient": "LEVEL:4",
    "medicaid": "PAYER:MEDICAID",
    "medicare": "PAYER:MEDICARE",
    "private health insurance": "PAYER:PRIVATE",
    "state-financed health insurance plan other than medicaid": "PAYER:STATE",
    "federal military insurance (e.g., tricare)": "PAYER:MILITARY",
    "federal military insurance": "PAYER:MILITARY",
    "ihs/tribal/urban (itu) funds": "PAYER:TRIBAL",
    "federal, or any government funding for substance use treatment programs": "PAYER:GOVERNMENT",
    "cash or self-payment": "PAYER:SELF_PAY",
    "sliding fee scale (fee is based on income and other factors)": "PAYER:SLIDING_FEE",
    "sliding fee scale": "PAYER:SLIDING_FEE",
    "payment assistance (check with facility for details)": "PAYER:ASSISTANCE",
    "payment assistance": "PAYER:ASSISTANCE",
    "no payment accepted": "PAYER:FREE",
    "free treatment for all clients": "PAYER:FREE",
    "cognitive behavioral therapy": "APPROACH:CBT",
    "dialectical behavior therapy": "APPROACH:DBT",
    "motivational interviewing": "APPROACH:MI",
    "contingency management/motivational incentives": "APPROACH:CONTINGENCY_MANAGEMENT",
    "relapse prevention": "APPROACH:RELAPSE_PREVENTION",
    "12-step facilitation": "APPROACH:TWELVE_STEP_FACILITATION",
    "matrix model": "APPROACH:MATRIX",
    "community reinforcement plus vouchers": "APPROACH:COMMUNITY_REINFORCEMENT",
    "buprenorphine used in treatment": "NEED:BUPRENORPHINE",
    "buprenorphine with naloxone": "NEED:BUPRENORPHINE",
    "methadone used in treatment": "NEED:METHADONE",
    "methadone": "NEED:METHADONE",
    "naltrexone used in treatment": "NEED:NALTREXONE",
    "extended-release, injectable naltrexone": "NEED:NALTREXONE",
    "detoxification": "NEED:WITHDRAWAL",
    "telemedicine/telehealth therapy": "NEED:TELEHEALTH",
    "clients with co-occurring mental and substance use disorders": "NEED:CO_OCCURRING",
    "persons with co-occurring mental and substance use disorders": "NEED:CO_OCCURRING",
    "pregnant/postpartum women": "NEED:PREGNANCY",
    "adult women": "NEED:WOMEN",
    "adult men": "NEED:MEN",
    "adolescents": "NEED:ADOLESCENTS",
    "seniors or older adults": "NEED:SENIORS",
    "veterans": "NEED:VETERANS",
    "active duty military": "NEED:VETERANS",
    "lesbian, gay, bisexual, transgender, or queer/questioning (lgbtq)": "NEED:LGBTQ",
    "criminal justice (other than dui/dwi)/forensic clients": "NEED:JUSTICE",
    "clients who have experienced trauma": "NEED:TRAUMA",
    "child care for clients' children": "NEED:CHILDCARE",
    "transportation assistance": "NEED:TRANSPORT",
    "gambling disorder treatment": "NEED:GAMBLING",
    "arabic": "LANGUAGE:AR",
    "any chinese language": "LANGUAGE:ZH",
    "french": "LANGUAGE:FR",
    "german": "LANGUAGE:DE",
    "greek": "LANGUAGE:EL",
    "hebrew": "LANGUAGE:HE",
    "hindi": "LANGUAGE:HI",
    "hmong": "LANGUAGE:HMN",
    "italian": "LANGUAGE:IT",
    "japanese": "LANGUAGE:JA",
    "korean": "LANGUAGE:KO",
    "polish": "LANGUAGE:PL",
    "portuguese": "LANGUAGE:PT",
    "russian": "LANGUAGE:RU",
    "spanish": "LANGUAGE:ES",
    "tagalog": "LANGUAGE:TL",
    "vietnamese": "LANGUAGE:VI",
    "sign language services for the deaf and hard of hearing": "LANGUAGE:ASE",
}
#: Medications any of which treats opioid use disorder.
_OPIOID_MEDICATIONS = {"NEED:BUPRENORPHINE", "NEED:METHADONE", "NEED:NALTREXONE"}

_TERRITORIES = ("PR", "VI", "GU", "AS", "MP", "FM", "MH", "PW")
STATES = frozenset((*teds.STATES.values(), *_TERRITORIES))

#: Mean radius of the earth in miles.
EARTH_MILES = 3958.8

_ZIP = re.compile(r"[0-9]{5}(-[0-9]{4})?\Z")
#: A web site's address as the locator has it, often without its scheme; never one that runs something.
_WEBSITE = re.compile(r"(https?://)?[\w-]+(\.[\w-]+)+([:/?#]\S*)?\Z", re.IGNORECASE)
_PHONE = re.compile(r"\+?[0-9(][0-9 ()./x-]{6,30}\Z")
_COUNTED = ("name1", "street1", "city", "state", "zip")


@dataclass(frozen=True, kw_only=True)
class Facility:
    """A record that can be listed. ``offers`` holds codes such as ``LEVEL:2.1`` or ``PAYER:MEDICAID``."""

    name: str
    second_name: str | None
    street: str
    second_street: str | None
    city: str
    state: str
    zip_code: str
    phone: str | None
    website: str | None
    latitude: float
    longitude: float
    services: list[dict[str, Any]]
    offers: list[str]

    @property
    def zip5(self) -> str:
        """The five digits of the ZIP code."""
        return self.zip_code[:5]

    @property
    def city_key(self) -> str:
        """The city's name as places are compared."""
        return _folded(self.city)

    def program_id(self, *, tenant_id: str) -> str:
        """Return the id of the listing: the same for the same name, street and place of a tenant."""
        return derived_id("facility", tenant_id, *map(_folded, (self.name, self.street, self.zip_code[:5])))

    def digest(self) -> bytes:
        """Return what tells this record from a changed one."""
        return hashlib.sha256(repr(self).encode()).digest()


def read_facility(row: Any) -> Facility:
    """Read one record.

    :raises InvalidInput: naming each field that is missing or cannot be.
    """
    if not isinstance(row, dict):
        raise InvalidInput("The row is no facility.", field="row", rule="an object with name1 and street1")
    problems: list[dict[str, str]] = []
    texts = {
        name: _text(row, name, problems)
        for name in ("name1", "name2", "street1", "street2", "city", "state", "zip", "phone", "website")
    }
    problems += [
        {"field": name, "rule": "needed"}
        for name in _COUNTED
        if not texts[name] and not any(problem["field"] == name for problem in problems)
    ]
    state = (texts["state"] or "").upper()
    if state and state not in STATES:
        problems.append({"field": "state", "rule": "two letters of a state or territory"})
    if texts["zip"] and not _ZIP.match(texts["zip"]):
        problems.append({"field": "zip", "rule": "five digits, or nine with a hyphen"})
    if texts["phone"] and not _PHONE.match(texts["phone"]):
        problems.append({"field": "phone", "rule": "a telephone number"})
    if texts["website"] and not _WEBSITE.match(texts["website"]):
        problems.append({"field": "website", "rule": "the address of a web site"})
    latitude, longitude = _degrees(row, "latitude", problems), _degrees(row, "longitude", problems)
    services = _services(row.get("services"), problems)
    if problems:
        raise InvalidInput("The record is not usable.", problems=tuple(problems))
    return Facility(
        name=texts["name1"] or "",
        second_name=texts["name2"],
        street=texts["street1"] or "",
        second_street=texts["street2"],
        city=texts["city"] or "",
        state=state,
        zip_code=texts["zip"] or "",
        phone=texts["phone"],
        website=texts["website"],
        latitude=latitude,
        longitude=longitude,
        services=services,
        offers=offers_of(services),
    )


def offers_of(services: Iterable[dict[str, Any]]) -> list[str]:
    """Return the codes of what a record's services offer, in order."""
    found = {
        OFFERED_BY_WORDS[words]
        for group in services
        for item in group["f3"]
        if (words := _folded(item)) in OFFERED_BY_WORDS
    }
    if found & _OPIOID_MEDICATIONS:
        found.add("NEED:MOUD")
    return sorted(found)


def miles_from(latitude: float, longitude: float) -> Callable[[float, float], float]:
    """Return what tells the great-circle distance of other places from one, in miles."""
    here = math.radians(latitude)
    narrowing = math.cos(here)

    def miles(other_latitude: float, other_longitude: float) -> float:
        there = math.radians(other_latitude)
        half_up = math.sin((there - here) / 2)
        half_along = math.sin(math.radians(other_longitude - longitude) / 2)
        part = half_up * half_up + narrowing * math.cos(there) * half_along * half_along
        return 2 * EARTH_MILES * math.asin(min(1.0, math.sqrt(part)))

    return miles


def cosine(degrees: float) -> float:
    """Return the cosine of an angle in degrees."""
    return math.cos(math.radians(degrees))


def _text(row: dict[str, Any], name: str, problems: list[dict[str, str]]) -> str | None:
    value = row.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        problems.append({"field": name, "rule": "a text"})
        return None
    # What a spreadsheet leaves in a cell is no part of the text.
    text = " ".join(value.split())
    if len(text) > LONGEST_FIELD:
        problems.append({"field": name, "rule": f"at most {LONGEST_FIELD} characters"})
        return None
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        problems.append({"field": name, "rule": "no control characters"})
        return None
    return text or None


def _degrees(row: dict[str, Any], name: str, problems: list[dict[str, str]]) -> float:
    value = row.get(name)
    number = math.nan
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
    least, most = LATITUDES if name == "latitude" else LONGITUDES
    pacific = name == "longitude" and PACIFIC_LONGITUDES[0] <= number <= PACIFIC_LONGITUDES[1]
    if not (least <= number <= most or pacific):
        problems.append({"field": name, "rule": "degrees within the United States and territories"})
        return 0.0
    return round(number, 6)


def _services(value: Any, problems: list[dict[str, str]]) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = []
    if value is None:
        return groups
    if not isinstance(value, list) or len(value) > MOST_GROUPS:
        problems.append({"field": "services", "rule": f"a list of at most {MOST_GROUPS} groups"})
        return groups
    for place, group in enumerate(value):
        parts = [group.get(name) for name in ("f1", "f2", "f3")] if isinstance(group, dict) else []
        texts = [part for part in parts if isinstance(part, str) and len(part) <= LONGEST_GROUP]
        if len(texts) != 3 or any(unicodedata.category(c) in ("Cc", "Cs") for text in texts for c in text):
            problems.append({"field": f"services.{place}", "rule": "f1, f2 and f3, each a text"})
            continue
        f1, f2, f3 = texts
        items = [" ".join(item.split()) for item in f3.split(";")]
        groups.append({"f1": f1.strip(), "f2": f2.strip(), "f3": [item for item in items if item]})
    return groups


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
