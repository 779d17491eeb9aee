"""The words of the instruments whose licences allow them, as the published forms have them."""

from collections.abc import Sequence

import pytest

from shared.instruments import newest
from shared.instruments.packs import Item

TWO_WEEKS = {0: "Not at all", 1: "Several days", 2: "More than half the days", 3: "Nearly every day"}
FREQUENCY = {0: "Never", 1: "Less than monthly", 2: "Monthly", 3: "Weekly", 4: "Daily or almost daily"}
LAST_YEAR = {0: "No", 2: "Yes, but not in the last year", 4: "Yes, during the last year"}
DAYS = {0: "0 days", 1: "1 to 3 days", 2: "4 to 8 days", 3: "9 to 15 days", 4: "16 to 30 days"}

#: The interview version of the WHO manual, second edition.
AUDIT = (
    "How often do you have a drink containing alcohol?",
    "How many drinks containing alcohol do you have on a typical day when you are drinking?",
    "How often do you have six or more drinks on one occasion?",
    (
        "How often during the last year have you found that you were not able to stop drinking"
        " once you had started?"
    ),
    (
        "How often during the last year have you failed to do what was normally expected from you"
        " because of drinking?"
    ),
    (
        "How often during the last year have you needed a first drink in the morning to get yourself going"
        " after a heavy drinking session?"
    ),
    "How often during the last year have you had a feeling of guilt or remorse after drinking?",
    (
        "How often during the last year have you been unable to remember what happened the night before"
        " because you had been drinking?"
    ),
    "Have you or someone else been injured as a result of your drinking?",
    (
        "Has a relative or friend or a doctor or another health worker been concerned about your drinking"
        " or suggested you cut down?"
    ),
)
PHQ9 = (
    "Little interest or pleasure in doing things",
    "Feeling down, depressed, or hopeless",
    "Trouble falling or staying asleep, or sleeping too much",
    "Feeling tired or having little energy",
    "Poor appetite or overeating",
    "Feeling bad about yourself — or that you are a failure or have let yourself or your family down",
    "Trouble concentrating on things, such as reading the newspaper or watching television",
    (
        "Moving or speaking so slowly that other people could have noticed? Or the opposite — being so"
        " fidgety or restless that you have been moving around a lot more than usual"
    ),
    "Thoughts that you would be better off dead or of hurting yourself in some way",
    (
        "If you checked off any problems, how difficult have these problems made it for you to do your"
        " work, take care of things at home, or get along with other people?"
    ),
)
GAD7 = (
    "Feeling nervous, anxious or on edge",
    "Not being able to stop or control worrying",
    "Worrying too much about different things",
    "Trouble relaxing",
    "Being so restless that it is hard to sit still",
    "Becoming easily annoyed or irritable",
    "Feeling afraid as if something awful might happen",
)
#: The appendix of Prins and others, 2016; each follows "In the past month, have you".
PC_PTSD_5 = (
    "Had nightmares about the event(s) or thought about the event(s) when you did not want to?",
    (
        "Tried hard not to think about the event(s) or went out of your way to avoid situations that"
        " reminded you of the event(s)?"
    ),
    "Been constantly on guard, watchful, or easily startled?",
    "Felt numb or detached from people, activities, or your surroundings?",
    (
        "Felt guilty or unable to stop blaming yourself or others for the event(s) or any problems the"
        " event(s) may have caused?"
    ),
)


def items(instrument: str) -> list[Item]:
    return list(newest(instrument).items.values())


def words(instrument: str) -> Sequence[str]:
    return tuple(item.label for item in items(instrument))


class TestWords:
    def test_of_the_audit_are_those_of_its_interview(self) -> None:
        assert words("AUDIT") == AUDIT
        assert words("AUDIT_C") == AUDIT[:3]
        answers = [dict(item.answers) for item in items("AUDIT")]
        assert answers[0] == {
            0: "Never",
            1: "Monthly or less",
            2: "2 to 4 times a month",
            3: "2 to 3 times a week",
            4: "4 or more times a week",
        }
        assert answers[1] == {0: "1 or 2", 1: "3 or 4", 2: "5 or 6", 3: "7, 8, or 9", 4: "10 or more"}
        assert answers[2:] == [FREQUENCY] * 6 + [LAST_YEAR] * 2

    def test_of_the_phq9_follow_one_stem(self) -> None:
        assert words("PHQ9") == PHQ9
        assert newest("PHQ9").stem == (
            "Over the last 2 weeks, how often have you been bothered by any of the following problems?"
        )
        assert [dict(item.answers) for item in items("PHQ9")[:9]] == [TWO_WEEKS] * 9

    def test_of_the_gad7_follow_one_stem(self) -> None:
        assert words("GAD7") == GAD7
        assert newest("GAD7").stem == (
            "Over the last 2 weeks, how often have you been bothered by the following problems?"
        )
        assert [dict(item.answers) for item in items("GAD7")] == [TWO_WEEKS] * 7

    def test_of_the_ptsd_screen_are_those_of_its_authors(self) -> None:
        asked = tuple(f"In the past month, have you: {text}" for text in PC_PTSD_5)

        assert words("PC_PTSD_5")[1:] == asked

    @pytest.mark.parametrize("item", ["2", "3", "4", "5", "6", "10", "11", "13", "16"])
    def test_of_the_bam_count_days_of_thirty_in_its_five_steps(self, item: str) -> None:
        assert dict(newest("BAM30").items[item].answers) == DAYS

    @pytest.mark.parametrize("instrument", ["BAM30", "BAM7"])
    def test_of_the_bam_know_only_yes_and_no_about_income(self, instrument: str) -> None:
        assert dict(newest(instrument).items["14"].answers) == {0: "No", 4: "Yes"}

    def test_that_could_not_be_confirmed_are_neutral_labels(self) -> None:
        neutral = {name for name, item in newest("BAM30").items.items() if item.label.startswith("BAM item")}

        assert neutral == {"7A", "7B", "7C", "7D", "7E", "7F", "7G", "9", "16"}
        assert not newest("BAM7").texts_included
