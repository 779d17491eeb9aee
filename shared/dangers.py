"""What somebody tells that a human must hear of at once: pairs of concern and level, by where it is told.

The service that takes an answer raises what is found here. While it is away, or refuses the answer, the
gateway finds the same and raises it in its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.ids import derived_id
from shared.instruments import Pack, newest, score

#: A concern, one of CONCERNS, and the level of the escalation that it asks for.
Concern = tuple[str, str]

#: Substances whose return to use can kill after abstinence: opioids, benzodiazepines, unknown pills,
#: and stimulants, which are likely to hold fentanyl. Safety rule: E3 at once, weekends included.
LETHAL_RETURN = ("OPIOID", "SEDATIVE", "UNKNOWN", "COCAINE", "STIMULANT")
#: What was used where somebody asks for help before using.
NO_USE = "NONE"

#: What a patient's report is that nobody could read: it may have told of a danger, so that somebody asks what
#: it was. Design default: as soon as after a wish for help.
UNREAD: Concern = ("UNREAD_REPORT", "E2")

#: Level of each answer about suicide that is a danger. Design default: intent to act is a crisis; passive
#: thoughts need a human within the hour.
SUICIDE_LEVELS = {"ACTIVE": "E4", "PASSIVE": "E3"}
#: Level of a threat of violence. Design default.
VIOLENCE_LEVEL = "E4"

#: A rating of imminent danger in an assessment that tells of no other. Design default: a human within the
#: hour, as somebody sits with the person.
RATED_IMMINENT: Concern = ("DANGER_ANSWER", "E3")

#: Level of each answer at check-out that tells of danger: as grave as the same word in a daily check-in.
#: Safety rule (brief 4.5 and 13b.1); that doubt is a danger too is ours.
CHECK_OUT_LEVELS = {"NOT_SAFE": "E4", "UNSURE": "E3"}

#: Bands of a withdrawal scale's total that are an emergency, and those that need a physician the same day.
#: Design default, after the scales' published bands.
WITHDRAWAL_EMERGENCIES = {"CIWA_AR": ("SEVERE",), "COWS": ("MODERATELY_SEVERE", "SEVERE")}
WITHDRAWAL_EVALUATIONS = {"CIWA_AR": ("MODERATE",), "COWS": ("MODERATE",)}


def in_check_in(*, danger: bool | None, used: bool, substance: str | None) -> list[Concern]:
    """Return what the answers of a check-in tell."""
    found = []
    if danger:
        found.append(("DANGER_ANSWER", "E4"))
    if used and substance in LETHAL_RETURN:
        found.append(("RETURN_TO_USE", "E3"))
    return found


def in_drug_test(positives: Iterable[str]) -> list[Concern]:
    """Return what a drug test tells by what it was positive for and nobody had prescribed."""
    return [("RETURN_TO_USE", "E3")] if any(found in LETHAL_RETURN for found in positives) else []


def in_lapse(*, substance: str, danger: bool, overdose: bool, need_help: bool = False) -> list[Concern]:
    """Return what the report of a lapse tells; a wish for help as well, where nothing graver was told."""
    found = []
    if danger:
        found.append(("DANGER_ANSWER", "E4"))
    if overdose:
        found.append(("OVERDOSE", "E4"))
    if substance in LETHAL_RETURN:
        found.append(("RETURN_TO_USE", "E3"))
    if not found and (need_help or substance == NO_USE):
        found.append(("HELP_WANTED", "E2"))
    return found


def in_check_out(answer: str) -> list[Concern]:
    """Return what the answer to whether somebody is safe tells."""
    level = CHECK_OUT_LEVELS.get(answer)
    return [("DANGER_ANSWER", level)] if level is not None else []


def in_pre_screen(
    *,
    suicidal_intent: str | None,
    overdose_last_72h: bool,
    withdrawing_now: bool,
    seizure_or_dt_history: bool,
    pregnant: bool,
) -> list[Concern]:
    """Return what the answers before the first talk tell."""
    found = []
    if suicidal_intent in SUICIDE_LEVELS:
        found.append(("DANGER_ANSWER", SUICIDE_LEVELS[suicidal_intent]))
    if overdose_last_72h:
        # As in the withdrawal gate: an overdose is a crisis. Brief 4.5.
        found.append(("OVERDOSE", "E4"))
    if withdrawing_now:
        grave = seizure_or_dt_history or pregnant
        found.append(("WITHDRAWAL_EMERGENCY", "E4") if grave else ("WITHDRAWAL_EVALUATION", "E3"))
    return found


def in_assessment(*, suicidal_intent: str | None, violence_threat: bool) -> list[Concern]:
    """Return what an assessment tells of danger to oneself and others."""
    found = []
    if suicidal_intent in SUICIDE_LEVELS:
        found.append(("DANGER_ANSWER", SUICIDE_LEVELS[suicidal_intent]))
    if violence_threat:
        found.append(("VIOLENCE", VIOLENCE_LEVEL))
    return found


def is_rated_imminent(dimensions: Sequence[Any], subdimensions: Mapping[str, Any]) -> bool:
    """Tell whether an assessor rates somebody's body or mind as in imminent danger.

    :param dimensions: severities of the 3rd edition of the ASAM criteria, of which 1 to 3 are about that.
    :param subdimensions: codes of the 4th edition, of which only those about that can be "4".
    """
    return 4 in dimensions[:3] or "4" in subdimensions.values()


def with_rating(found: list[Concern], *, imminent: bool) -> list[Concern]:
    """Return what an assessment tells; where it tells of nothing else, the imminent danger that it rates."""
    return [RATED_IMMINENT] if imminent and not found else found


def in_withdrawal(
    *,
    ciwa_ar: int | None,
    cows: int | None,
    complicated_now: bool,
    pregnant_withdrawing: bool,
    overdose_last_72h: bool,
) -> list[Concern]:
    """Return what the signs of withdrawal tell.

    :param ciwa_ar: total of the CIWA-Ar, 0 to 67.
    :param cows: total of the COWS, 0 to 48.
    :param complicated_now: seizures, delirium or hallucinations in this withdrawal.
    """
    bands = {name: _band(name, total) for name, total in (("CIWA_AR", ciwa_ar), ("COWS", cows))}
    found: list[Concern] = []
    is_emergency = any(band in WITHDRAWAL_EMERGENCIES[name] for name, band in bands.items())
    if is_emergency or complicated_now or pregnant_withdrawing:
        found.append(("WITHDRAWAL_EMERGENCY", "E4"))
    if overdose_last_72h:
        found.append(("OVERDOSE", "E4"))
    if any(band in WITHDRAWAL_EVALUATIONS[name] for name, band in bands.items()):
        found.append(("WITHDRAWAL_EVALUATION", "E3"))
    return found


def _band(instrument: str, total: int | None) -> str | None:
    return None if total is None else newest(instrument).score_rule("TOTAL").band_of(total).band


def in_answers(pack: Pack, answers: Mapping[str, int | None]) -> list[Concern]:
    """Return what the possible ones among the answers to an instrument tell."""
    possible = {
        name: answer
        for name, answer in answers.items()
        if name in pack.items and type(answer) is int and answer in pack.items[name].answers
    }
    return [(danger.concern, danger.level) for danger in score(pack, possible).dangers]


def gravest(found: Iterable[Concern]) -> list[Concern]:
    """Return each concern once, at its gravest level."""
    levels: dict[str, str] = {}
    for concern, level in found:
        levels[concern] = max(levels.get(concern, ""), level)
    return list(levels.items())


def somebody(command_id: str) -> str:
    """Return the id that stands for whom a command told of, until the service that knows them names them."""
    return derived_id(command_id, "somebody")
