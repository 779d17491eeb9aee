"""The patient's daily word, and what a dangerous answer sets off at once."""

from dataclasses import dataclass
from datetime import datetime

from services.monitoring.domain.risk import CheckInFact

#: Craving from which on help is shown with the answer.
CRAVING_NEEDS_HELP_FROM = 7

#: Substances whose return to use can kill after abstinence: opioids, benzodiazepines, unknown pills,
#: and stimulants, which are likely to hold fentanyl. Safety rule: E3 at once, weekends included.
LETHAL_RETURN = ("OPIOID", "SEDATIVE", "UNKNOWN", "COCAINE", "STIMULANT")


@dataclass(eq=False, kw_only=True)
class CheckIn:
    """What a patient told on one occasion; scales run from 0 to 10."""

    check_in_id: str
    episode_id: str
    checked_in_at: datetime
    craving: int
    mood: int
    stress: int
    sleep_hours: float
    used: bool
    substance: str | None = None
    risky_situation: bool = False
    coping_skill_used: bool = False
    confidence: int | None = None
    want_call: bool = False
    danger: bool = False
    tenant_id: str = ""

    def fact(self) -> CheckInFact:
        """Return what the risk index counts."""
        return CheckInFact(
            at=self.checked_in_at,
            craving=self.craving,
            mood=self.mood,
            sleep_hours=self.sleep_hours,
            used=self.used,
            skill_used=self.coping_skill_used,
        )

    @property
    def carries_risk(self) -> bool:
        """Whether the answer must show where help is."""
        return self.used or self.danger or self.want_call or self.craving >= CRAVING_NEEDS_HELP_FROM

    def concerns(self) -> list[tuple[str, str]]:
        """Return the safety concerns that the answers raise, each with its level."""
        found = []
        if self.danger:
            found.append(("DANGER_ANSWER", "E4"))
        if self.used and self.substance in LETHAL_RETURN:
            found.append(("RETURN_TO_USE", "E3"))
        return found
