"""The patient's daily word, and what a dangerous answer sets off at once."""

from dataclasses import dataclass
from datetime import datetime

from services.monitoring.domain.risk import CheckInFact

#: Craving from which on help is shown with the answer.
CRAVING_NEEDS_HELP_FROM = 7

#: Substances whose return to use can kill after abstinence: opioids, benzodiazepines, unknown pills,
#: and stimulants, which are likely to hold fentanyl. Safety rule: E3 at once, weekends included.
LETHAL_RETURN = ("OPIOID", "SEDATIVE", "UNKNOWN", "COCAINE", "STIMULANT")

#: The questions of a check-in, each with the field that takes its answer.
QUESTIONS = {
    "craving": "How strong was your craving today, from 0 to 10?",
    "mood": "How was your mood, from 0 (worst) to 10?",
    "stress": "How much stress did you have, from 0 to 10?",
    "sleep_hours": "How many hours did you sleep last night?",
    "used": "Have you used anything since the last check-in?",
    "substance": "If so, what was it?",
    "risky_situation": "Were you in a risky situation?",
    "coping_skill_used": "Did you use one of your coping skills?",
    "confidence": "How confident are you for tonight, from 0 to 10?",
    "want_call": "Would you like us to call you?",
    "danger": "Are you in danger, or thinking of ending your life?",
}

#: Questions that nobody is asked while nobody is there to act on the answer. Safety rule.
SAFETY_QUESTIONS = ("danger",)

#: What is said plainly while nobody has the duty. Safety rule.
NOBODY_ON_DUTY = (
    "Nobody of the staff is on duty right now. If you are in danger or thinking of ending your life,"
    " call or text 988, or call 911."
)


def questions(*, staff_on_duty: bool) -> dict[str, str]:
    """Return the questions that may be asked right now; an answer that comes anyway is taken."""
    return {
        field: text for field, text in QUESTIONS.items() if staff_on_duty or field not in SAFETY_QUESTIONS
    }


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
