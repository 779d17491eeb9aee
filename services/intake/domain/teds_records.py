"""The record of an admission in codes of the Treatment Episode Data Set (TEDS-A), as a state asks for it.

What was recorded for the episode counts; what the program itself knows better (age, wait, service, who
referred) is worked out; what follows from other fields follows; and what nobody collected is -9, as the
code book writes it. A record tells beside its codes which fields were not collected and which of them
contradict each other: nothing is put right in silence.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.intake import teds
from services.intake.domain.admissions import WEEKLY_MINUTES, Admission
from services.intake.domain.assessments import Assessment
from services.intake.domain.people import Patient
from services.intake.domain.referrals import Referral
from services.intake.domain.sites import Site
from shared.ids import derived_id

#: Ages in years from which AGE is 1, 2 and so on to 12. TEDS code book; under twelve nothing is reported.
AGES_FROM = (12, 15, 18, 21, 25, 30, 35, 40, 45, 50, 55, 65)
#: Days from which DAYWAIT is 1, 2, 3 and 4. TEDS code book: 0, 1 to 7, 8 to 14, 15 to 30, 31 or more.
WAITS_FROM = (1, 8, 15, 31)
#: SERVICES of each outpatient level. TEDS counts day treatment as intensive outpatient: two hours or more
#: on three days or more a week.
SERVICE_OF_LEVEL = {level: 7 if level.startswith("1") else 6 for level in WEEKLY_MINUTES}
#: GENDER of a recorded sex; of any other, none is reported.
GENDER_OF_SEX = {"MALE": 1, "FEMALE": 2}
#: LIVARAG of where somebody lives, with family or friends counted as a private home. TEDS code book.
LIVING_OF_HOUSING = {
    "STREET": 1,
    "SHELTER": 1,
    "TRANSITIONAL": 2,
    "RECOVERY_RESIDENCE": 2,
    "OWN_OR_RENT": 3,
    "FAMILY_OR_FRIENDS": 3,
}
#: Code among SUB1 to SUB3 of a problem that names one substance; others name several, and none is reported.
SUBSTANCE_OF_PROBLEM = {"ALCOHOL": 2, "COCAINE": 3, "CANNABIS": 4, "INHALANT": 17}
#: DSMCRIT of an ICD-10-CM category: of dependence (".2") and of abuse (".1"). TEDS code book.
DSM_OF_CATEGORY = {"F10": (4, 9), "F11": (5, 12), "F14": (6, 13), "F12": (7, 10)}
#: The same for every other substance.
DSM_OF_OTHERS = (8, 11)
#: SUB of none and of alcohol.
NO_SUBSTANCE, ALCOHOL = 1, 2
#: PSOURCE of a court or the like; only then is there a DETCRIM. EMPLOY of whoever is not in the labour
#: force; only then is there a DETNLF. TEDS code book.
COURT, NOT_IN_LABOUR_FORCE = 7, 4

Codes = dict[str, int | str]


@dataclass(frozen=True, kw_only=True)
class TedsRecord:
    """One admission in TEDS codes: every field of the data set, -9 where nothing is known."""

    admission_id: str
    patient_id: str
    episode_id: str
    admitted_at: datetime
    values: Codes
    #: Fields that hold -9.
    not_collected: tuple[str, ...]
    #: What the code book does not allow, as ``{"field", "rule"}`` each.
    problems: tuple[dict[str, str], ...]


def record_of(
    *,
    admission: Admission,
    referral: Referral,
    patient: Patient,
    site: Site,
    assessment: Assessment | None,
    state: str | None,
) -> TedsRecord:
    """Return the record of an admission.

    :param state: postal abbreviation of the state in which the site is, where it is known.
    """
    told: Codes = dict(referral.teds)
    found: Codes = {**_from_assessment(assessment, told=told), **told} if assessment else told
    found |= _known_here(admission=admission, referral=referral, patient=patient, site=site)
    _place(found, state=state)
    found = {**_from_substances(found), **found}
    values: Codes = {
        "CASEID": case_id(admission.admission_id),
        **{name: found.get(name, teds.MISSING) for name in teds.FIELDS if name != "CASEID"},
    }
    return TedsRecord(
        admission_id=admission.admission_id,
        patient_id=admission.patient_id,
        episode_id=admission.episode_id,
        admitted_at=admission.admitted_at,
        values=values,
        not_collected=tuple(name for name, value in values.items() if value == teds.MISSING),
        problems=tuple(check(values)),
    )


def case_id(admission_id: str) -> str:
    """Return the number of an admission's record: always the same, and nobody's id anywhere else."""
    return str(int(derived_id(admission_id, "TEDS case").replace("-", ""), 16) % 10**18)


def check(values: Mapping[str, int | str]) -> list[dict[str, str]]:
    """Return what of a record the code book does not allow: codes it lacks, and fields at odds."""
    return [{"field": name, "rule": rule} for name, rule in (*_unknown_codes(values), *_at_odds(values))]


def _known_here(*, admission: Admission, referral: Referral, patient: Patient, site: Site) -> Codes:
    """Return what the program knows better than whoever told the codes: it counts from its own record."""
    admitted_on = site.local_day(admission.admitted_at)
    known: Codes = {
        "ADMYR": admitted_on.year,
        "SERVICES": SERVICE_OF_LEVEL[admission.level],
        "DAYWAIT": bisect_right(WAITS_FROM, (admitted_on - site.local_day(referral.waits_since)).days),
    }
    age = bisect_right(AGES_FROM, patient.age_on(admitted_on))
    known["AGE"] = age or teds.MISSING
    if referral.referral_source.isdigit():
        known["PSOURCE"] = int(referral.referral_source)
    if patient.sex in GENDER_OF_SEX:
        known["GENDER"] = GENDER_OF_SEX[patient.sex]
    return known


def _from_assessment(assessment: Assessment, *, told: Codes) -> Codes:
    """Return what an assessment found, for fields that nobody told in codes."""
    found: Codes = {}
    # What was not found may not have been asked: only a yes is one.
    if assessment.findings.get("co_occurring"):
        found["PSYPROB"] = 1
    if assessment.findings.get("pregnant"):
        found["PREG"] = 1
    housing = (assessment.findings.get("home") or {}).get("housing")
    if housing in LIVING_OF_HOUSING:
        found["LIVARAG"] = LIVING_OF_HOUSING[housing]
    diagnoses = [one for one in assessment.diagnoses if one["severity"] != "NONE"]
    if not {"SUB1", "SUB2", "SUB3"} & set(told):
        used = [one["problem"] for one in diagnoses if one["problem"] not in ("GAMBLING", "NICOTINE")]
        # A substance that codes cannot name keeps its place, so that no other is taken for the first.
        for place, problem in enumerate(used[:3], start=1):
            if problem in SUBSTANCE_OF_PROBLEM:
                found[f"SUB{place}"] = SUBSTANCE_OF_PROBLEM[problem]
    dsm = next((code for one in diagnoses if (code := _dsm_of(one["icd10_code"]))), None)
    if dsm:
        found["DSMCRIT"] = dsm
    return found


def _dsm_of(icd10_code: str) -> int | None:
    category, _, kind = icd10_code.partition(".")
    if not category.startswith("F1") or kind[:1] not in ("1", "2"):
        return None
    dependence, abuse = DSM_OF_CATEGORY.get(category, DSM_OF_OTHERS)
    return dependence if kind[0] == "2" else abuse


def _place(found: Codes, *, state: str | None) -> None:
    """Complete the state by its number or its letters, and the division and region that it lies in."""
    numbers = {letters: number for number, letters in teds.STATES.items()}
    letters = found.get(teds.STATE_FIELD) or teds.STATES.get(int(found.get("STFIPS", 0))) or state
    number = numbers.get(str(letters))
    if number is not None:
        found |= {"STFIPS": number, teds.STATE_FIELD: str(letters)}
        found["DIVISION"] = teds.DIVISION_OF_STATE[number]
        found["REGION"] = teds.REGION_OF_DIVISION[teds.DIVISION_OF_STATE[number]]


def _from_substances(found: Codes) -> Codes:
    """Return what follows from the substances and how they are taken; nothing while none is named."""
    used = _used(found)
    if "SUB1" not in found:
        return {}
    following: Codes = {flag: int(code in used) for flag, code in teds.FLAGS.items()}
    following["ALCDRUG"] = int(ALCOHOL in used) + 2 * bool(used - {ALCOHOL})
    routes = [found.get(f"ROUTE{place}") for place in (1, 2, 3)]
    named = [found.get(f"SUB{place}", NO_SUBSTANCE) != NO_SUBSTANCE for place in (1, 2, 3)]
    if teds.INJECTION in routes:
        following["IDU"] = 1
    elif used and all(route is not None for route, is_named in zip(routes, named, strict=True) if is_named):
        following["IDU"] = 0
    return following


def _used(values: Mapping[str, int | str]) -> set[int]:
    codes = {int(values.get(name, teds.MISSING)) for name in ("SUB1", "SUB2", "SUB3")}
    return codes - {teds.MISSING, NO_SUBSTANCE}


def _unknown_codes(values: Mapping[str, int | str]) -> list[tuple[str, str]]:
    allowed: dict[str, tuple[int, ...]] = {**teds.CODES, **teds.FOLLOWING}
    states = teds.STATES.values()
    found = []
    for name, value in values.items():
        if value == teds.MISSING or name in ("CASEID", "ADMYR"):
            continue
        if value not in (states if name == teds.STATE_FIELD else allowed[name]):
            found.append((name, "a code of the code book, or -9"))
    return found


def _at_odds(values: Mapping[str, int | str]) -> list[tuple[str, str]]:
    """Return fields that the code book does not let stand beside each other."""

    def code(name: str) -> int:
        return int(values.get(name, teds.MISSING))

    used = _used(values)
    rules = [
        ("DETCRIM", code("DETCRIM") > 0 and code("PSOURCE") not in (COURT, teds.MISSING), "PSOURCE is 7"),
        (
            "DETNLF",
            code("DETNLF") > 0 and code("EMPLOY") not in (NOT_IN_LABOUR_FORCE, teds.MISSING),
            "EMPLOY is 4",
        ),
        ("PREG", code("PREG") == 1 and code("GENDER") == 1, "GENDER is not 1"),
        (
            "IDU",
            code("IDU") == 0 and teds.INJECTION in [code(f"ROUTE{n}") for n in (1, 2, 3)],
            "no ROUTE is 4",
        ),
        (
            "ALCDRUG",
            code("ALCDRUG") >= 0
            and code("SUB1") > 0
            and code("ALCDRUG") != int(ALCOHOL in used) + 2 * bool(used - {ALCOHOL}),
            "agrees with SUB1 to SUB3",
        ),
    ]
    for place in (1, 2, 3):
        substance = code(f"SUB{place}")
        told = [f"{name}{place}" for name in ("ROUTE", "FREQ", "FRSTUSE") if code(f"{name}{place}") > 0]
        rules += [(name, substance == NO_SUBSTANCE, f"SUB{place} names a substance") for name in told]
        # The bands of ages at first use begin one below those of ages now.
        began = code(f"FRSTUSE{place}")
        rules.append(
            (f"FRSTUSE{place}", began > 0 and 0 < code("AGE") < began - 1, "not after the present age")
        )
    return [(name, rule) for name, broken, rule in rules if broken]
