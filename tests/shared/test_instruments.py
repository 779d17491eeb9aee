"""The instruments: every published vector and every trap, and the laws that hold over all packs."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidInput
from shared.instruments import (
    COMPLETE,
    INCOMPLETE,
    INTAKE,
    OBSERVER,
    PRORATED,
    SELF,
    TREATMENT,
    Given,
    NoSuchInstrument,
    Pack,
    Scored,
    all_packs,
    check,
    due_now,
    newest,
    pack_of,
    score,
)
from shared.instruments.packs import FOLLOW_UP, PackInvalid, read_pack

PACKS = [pack for versions in all_packs().values() for pack in versions]
NOW = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)


def answers_of(instrument: str, *values: int | None) -> dict[str, int | None]:
    """Give the answers in the order of the items; the rest is left out."""
    return dict(zip(newest(instrument).items, values, strict=False))


def scored(instrument: str, *values: int | None, sex: str = "UNKNOWN") -> Scored:
    pack, answers = newest(instrument), answers_of(instrument, *values)
    check(pack, answers, rated_by=OBSERVER)
    return score(pack, answers, sex=sex)


def total(instrument: str, *values: int | None, sex: str = "UNKNOWN") -> tuple[int, str, bool]:
    found = scored(instrument, *values, sex=sex).score("TOTAL")
    assert found is not None
    return found.value, found.band, found.positive


def risk_of(answers: dict[str, int]) -> str:
    found = score(newest("CSSRS"), answers).score("RISK")
    assert found is not None
    return found.band


class TestAudit:
    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ([4] * 10, (40, "ZONE_IV_LIKELY_DEPENDENCE", True)),
            ([0] * 10, (0, "ZONE_I_LOW", False)),
            ([1] * 8 + [0, 0], (8, "ZONE_II_HAZARDOUS", True)),
            ([1] * 7 + [0, 0, 0], (7, "ZONE_I_LOW", False)),
            ([1] * 7 + [0, 4, 4], (15, "ZONE_II_HAZARDOUS", True)),
            ([1] * 8 + [4, 4], (16, "ZONE_III_HARMFUL", True)),
            ([2] * 7 + [1, 4, 0], (19, "ZONE_III_HARMFUL", True)),
            ([2] * 8 + [4, 0], (20, "ZONE_IV_LIKELY_DEPENDENCE", True)),
        ],
    )
    def test_adds_up_into_four_zones(self, values: list[int], told: tuple[int, str, bool]) -> None:
        assert total("AUDIT", *values) == told

    @pytest.mark.parametrize(("item", "answer"), [("9", 1), ("9", 3), ("10", 1), ("1", 5), ("1", -1)])
    def test_refuses_what_an_item_does_not_have(self, item: str, answer: int) -> None:
        with pytest.raises(InvalidInput) as refused:
            check(newest("AUDIT"), {item: answer}, rated_by=SELF)

        assert refused.value.problems[0]["field"] == f"answers.{item}"

    def test_has_the_codes_of_the_whole_and_of_each_item(self) -> None:
        pack = newest("AUDIT")

        assert (pack.loinc_panel, pack.scores[0].loinc) == ("72110-0", "75624-7")
        assert [item.loinc for item in pack.items.values()][:2] == ["68518-0", "68519-8"]
        assert all(item.loinc for item in pack.items.values())


class TestAuditC:
    @pytest.mark.parametrize(
        ("values", "sex", "positive"),
        [
            ((3, 0, 0), "MALE", False),
            ((3, 0, 0), "FEMALE", True),
            ((3, 0, 0), "UNKNOWN", True),
            ((3, 0, 0), "OTHER", True),
            ((2, 0, 0), "FEMALE", False),
            ((2, 1, 1), "MALE", True),
        ],
    )
    def test_uses_the_lower_cut_off_unless_it_is_a_man(
        self, values: tuple[int, ...], sex: str, positive: bool
    ) -> None:
        assert total("AUDIT_C", *values, sex=sex)[2] == positive

    def test_asks_for_a_review_when_all_points_come_from_the_first_question(self) -> None:
        assert scored("AUDIT_C", 3, 0, 0, sex="FEMALE").reviews == ("ALL_POINTS_FROM_FIRST_QUESTION",)
        assert scored("AUDIT_C", 3, 0, 0, sex="MALE").reviews == ()
        assert scored("AUDIT_C", 2, 1, 0, sex="FEMALE").reviews == ()

    def test_is_severe_from_eight(self) -> None:
        assert total("AUDIT_C", 3, 2, 2)[1] == "BELOW_SEVERE"
        assert total("AUDIT_C", 4, 2, 2)[1] == "SEVERE"


class TestDast10:
    @pytest.mark.parametrize(
        ("values", "value", "band"),
        [
            ([0] * 10, 1, "LOW"),
            ([1] * 10, 9, "SEVERE"),
            ([1, 1, 0] + [1] * 7, 10, "SEVERE"),
            ([0, 0, 1] + [0] * 7, 0, "NONE"),
            ([1, 1, 0] + [0] * 7, 3, "MODERATE"),
            ([1, 1, 0, 1, 1, 1] + [0] * 4, 6, "SUBSTANTIAL"),
        ],
    )
    def test_counts_a_no_to_the_third_item(self, values: list[int], value: int, band: str) -> None:
        assert total("DAST10", *values)[:2] == (value, band)

    def test_ships_off_and_without_its_words(self) -> None:
        pack = newest("DAST10")

        assert not pack.ships_on
        assert not pack.texts_included


class TestPhq9:
    def test_finds_danger_in_the_ninth_item_whatever_the_sum_is(self) -> None:
        found = scored("PHQ9", *[0] * 8, 1)

        assert total("PHQ9", *[0] * 8, 1) == (1, "MINIMAL", False)
        assert [(danger.concern, danger.level, danger.then) for danger in found.dangers] == [
            ("PHQ9_I9", "E3", "CSSRS")
        ]

    @pytest.mark.parametrize("answer", [2, 3])
    def test_is_immediate_from_more_than_half_the_days_on(self, answer: int) -> None:
        (danger,) = scored("PHQ9", *[0] * 8, answer).dangers

        assert danger.level == "E4"

    def test_leaves_the_question_about_difficulty_out_of_the_sum(self) -> None:
        assert total("PHQ9", *[3] * 9, 3) == (27, "SEVERE", True)
        assert total("PHQ9", *[3] * 9) == (27, "SEVERE", True)

    @pytest.mark.parametrize(
        ("value", "band", "positive"),
        [
            (4, "MINIMAL", False),
            (5, "MILD", False),
            (9, "MILD", False),
            (10, "MODERATE", True),
            (14, "MODERATE", True),
            (15, "MODERATELY_SEVERE", True),
            (19, "MODERATELY_SEVERE", True),
            (20, "SEVERE", True),
        ],
    )
    def test_falls_into_five_bands(self, value: int, band: str, positive: bool) -> None:
        values = [min(3, max(0, value - 3 * place)) for place in range(8)]

        assert total("PHQ9", *values, 0) == (value, band, positive)

    def test_makes_up_for_one_missing_answer_and_says_so(self) -> None:
        found = scored("PHQ9", None, 2, 2, 2, 2, 2, 2, 2, 0)

        assert found.status == PRORATED
        assert found.missing == ("1",)
        # 14 of eight answers, for nine: 15.75.
        assert found.scores[0].value == 16

    def test_has_no_score_with_two_missing(self) -> None:
        found = scored("PHQ9", None, None, 2, 2, 2, 2, 2, 2, 0)

        assert (found.status, found.scores, found.missing) == (INCOMPLETE, (), ("1", "2"))

    def test_is_not_complete_without_the_ninth_item(self) -> None:
        found = scored("PHQ9", 1, 1, 1, 1, 1, 1, 1, 1, None)

        assert (found.status, found.missing) == (INCOMPLETE, ("9",))

    def test_acts_on_the_ninth_item_of_an_unfinished_form(self) -> None:
        assert score(newest("PHQ9"), {"9": 3}).dangers[0].level == "E4"


class TestGad7:
    def test_falls_into_four_bands(self) -> None:
        assert total("GAD7", *[2] * 7) == (14, "MODERATE", True)
        assert total("GAD7", *[2] * 4, 1, 0, 0) == (9, "MILD", False)
        assert total("GAD7", *[2] * 6, 3) == (15, "SEVERE", True)
        assert total("GAD7", *[0] * 7) == (0, "MINIMAL", False)

    def test_makes_up_for_one_missing_answer(self) -> None:
        assert scored("GAD7", 3, 3, 3, 3, 3, 3, None).scores[0].value == 21


class TestPcPtsd5:
    def test_stops_at_the_gate(self) -> None:
        assert scored("PC_PTSD_5", 0).status == COMPLETE
        assert total("PC_PTSD_5", 0, 1, 1, 1, 1, 1) == (0, "LOW", False)

    @pytest.mark.parametrize(
        ("count", "sex", "positive"),
        [
            (3, "MALE", False),
            (3, "FEMALE", True),
            (3, "UNKNOWN", False),
            (4, "MALE", True),
            (2, "FEMALE", False),
        ],
    )
    def test_has_a_lower_cut_off_for_women(self, count: int, sex: str, positive: bool) -> None:
        values = [1] * count + [0] * (5 - count)

        assert total("PC_PTSD_5", 1, *values, sex=sex)[::2] == (count, positive)

    def test_is_not_complete_while_the_gate_is_open(self) -> None:
        assert scored("PC_PTSD_5", 1, 1, 1).missing == ("3", "4", "5")

    def test_invents_no_code(self) -> None:
        assert newest("PC_PTSD_5").loinc_panel is None


@pytest.mark.parametrize("instrument", ["BAM30", "BAM7"])
class TestBam:
    def answers(self, instrument: str, **given_: int) -> dict[str, int]:
        every = {item.item: 0 for item in newest(instrument).items.values() if not item.optional}
        return every | {name.removeprefix("i"): value for name, value in given_.items()}

    def flags(self, instrument: str, **given_: int) -> dict[str, tuple[int, bool]]:
        found = score(newest(instrument), self.answers(instrument, **given_))
        return {one.score: (one.value, one.positive) for one in found.scores}

    def test_has_three_scales_and_no_total(self, instrument: str) -> None:
        assert list(self.flags(instrument)) == ["USE", "RISK", "PROTECTIVE"]

    def test_flags_any_use(self, instrument: str) -> None:
        assert self.flags(instrument, i6=1)["USE"] == (1, True)
        assert self.flags(instrument)["USE"] == (0, False)

    def test_flags_risk_from_twelve_and_protection_up_to_twelve(self, instrument: str) -> None:
        risky = self.flags(instrument, i1=4, i2=4, i3=4)
        careful = self.flags(instrument, i1=4, i2=4, i3=3)
        protected = self.flags(instrument, i9=4, i10=4, i12=4)
        well_protected = self.flags(instrument, i9=4, i10=4, i12=4, i13=1)

        assert (risky["RISK"], careful["RISK"]) == ((12, True), (11, False))
        assert (protected["PROTECTIVE"], well_protected["PROTECTIVE"]) == ((12, True), (13, False))

    def test_leaves_items_seven_and_seventeen_out(self, instrument: str) -> None:
        found = self.flags(instrument, i7A=4, i7G=4, i17=4)

        assert [value for value, _ in found.values()] == [0, 0, 0]

    def test_has_scales_of_twelve_and_twice_twenty_four(self, instrument: str) -> None:
        full = {f"i{name}": 4 for name in self.answers(instrument)}

        assert [value for value, _ in self.flags(instrument, **full).values()] == [12, 24, 24]


class TestBamDays:
    def test_days_become_answers_by_the_length_of_the_look_back(self) -> None:
        month, week = newest("BAM30").items["4"].answers, newest("BAM7").items["4"].answers

        assert list(month.values()) == [
            "0 days",
            "1 to 3 days",
            "4 to 8 days",
            "9 to 15 days",
            "16 to 30 days",
        ]
        assert list(week.values())[-1] == "4 to 7 days"


class TestCssrs:
    @pytest.mark.parametrize(
        ("answers", "band"),
        [
            ({"1": 0, "2": 0, "6A": 0}, "NONE"),
            ({"1": 1, "2": 0, "6A": 0}, "LOW"),
            ({"1": 1, "2": 1, "3": 0, "4": 0, "5": 0, "6A": 0}, "LOW"),
            ({"1": 1, "2": 1, "3": 1, "4": 0, "5": 0, "6A": 0}, "MODERATE"),
            ({"1": 0, "2": 0, "6A": 1, "6B": 0}, "MODERATE"),
            ({"1": 1, "2": 1, "3": 0, "4": 1, "5": 0, "6A": 0}, "HIGH"),
            ({"1": 1, "2": 1, "3": 0, "4": 0, "5": 1, "6A": 0}, "HIGH"),
            ({"1": 0, "2": 0, "6A": 1, "6B": 1}, "HIGH"),
        ],
    )
    def test_takes_the_gravest_answer(self, answers: dict[str, int], band: str) -> None:
        assert risk_of(answers) == band

    def test_skips_to_the_sixth_question_when_the_second_is_a_no(self) -> None:
        assert score(newest("CSSRS"), {"1": 0, "2": 0}).missing == ("6A",)
        assert score(newest("CSSRS"), {"1": 0, "2": 1}).missing == ("3", "4", "5", "6A")

    def test_acts_on_a_grave_answer_of_an_unfinished_form(self) -> None:
        found = score(newest("CSSRS"), {"4": 1})

        assert found.status == INCOMPLETE
        assert [(danger.concern, danger.level) for danger in found.dangers] == [("CSSRS_HIGH", "E4")]

    def test_tells_moderate_from_high(self) -> None:
        found = score(newest("CSSRS"), {"1": 1, "2": 1, "3": 1, "4": 0, "5": 0, "6A": 0})

        assert [(danger.concern, danger.level) for danger in found.dangers] == [("CSSRS_MODERATE", "E3")]

    def test_has_codes_and_no_words_of_its_own(self) -> None:
        pack = newest("CSSRS")

        assert (pack.loinc_panel, pack.scores[0].loinc) == ("93373-9", "93374-7")
        assert not pack.texts_included


class TestCssrsSinceLastContact:
    @pytest.mark.parametrize(
        ("answers", "band"),
        [
            ({"1": 0, "2": 0, "6": 0}, "NONE"),
            ({"1": 1, "2": 0, "6": 0}, "LOW"),
            ({"1": 0, "2": 1, "3": 0, "4": 0, "5": 0, "6": 0}, "LOW"),
            ({"1": 0, "2": 1, "3": 1, "4": 0, "5": 0, "6": 0}, "MODERATE"),
            ({"1": 0, "2": 1, "3": 0, "4": 1, "5": 0, "6": 0}, "HIGH"),
            ({"1": 0, "2": 1, "3": 0, "4": 0, "5": 1, "6": 0}, "HIGH"),
            ({"1": 0, "2": 0, "6": 1}, "HIGH"),
        ],
    )
    def test_takes_the_gravest_answer(self, answers: dict[str, int], band: str) -> None:
        found = score(newest("CSSRS_SINCE_LAST_CONTACT"), answers).score("RISK")

        assert found is not None
        assert found.band == band

    def test_never_asks_about_the_whole_life(self) -> None:
        pack = newest("CSSRS_SINCE_LAST_CONTACT")

        assert list(pack.items) == ["1", "2", "3", "4", "5", "6"]
        assert score(pack, {"1": 0, "2": 0}).missing == ("6",)

    def test_has_no_words_and_no_codes_that_nobody_has_checked(self) -> None:
        pack = newest("CSSRS_SINCE_LAST_CONTACT")

        assert not pack.texts_included
        assert pack.loinc_panel is None
        assert not any(item.loinc for item in pack.items.values())


class TestReadiness:
    def test_has_a_score_for_each_ruler_and_no_total(self) -> None:
        found = scored("READINESS", 3, 6, 7)

        assert [(one.score, one.value, one.band) for one in found.scores] == [
            ("IMPORTANCE", 3, "LOW"),
            ("CONFIDENCE", 6, "AMBIVALENT"),
            ("READINESS", 7, "HIGH"),
        ]


class TestWithdrawalScales:
    @pytest.mark.parametrize(
        ("value", "band"), [(9, "MILD"), (10, "MODERATE"), (18, "MODERATE"), (19, "SEVERE"), (67, "SEVERE")]
    )
    def test_ciwa_ar_falls_into_three_bands(self, value: int, band: str) -> None:
        values = [min(7, max(0, value - 7 * place)) for place in range(9)]
        rest = value - sum(values)

        assert total("CIWA_AR", *values, rest)[:2] == (value, band)

    @pytest.mark.parametrize(
        ("value", "band"),
        [
            (4, "NONE"),
            (5, "MILD"),
            (12, "MILD"),
            (13, "MODERATE"),
            (24, "MODERATE"),
            (25, "MODERATELY_SEVERE"),
            (36, "MODERATELY_SEVERE"),
            (37, "SEVERE"),
        ],
    )
    def test_cows_falls_into_five_bands(self, value: int, band: str) -> None:
        assert newest("COWS").scores[0].band_of(value).band == band

    def test_cows_reaches_48(self) -> None:
        most = [max(item.answers) for item in newest("COWS").items.values()]

        assert total("COWS", *most) == (48, "SEVERE", True)

    def test_pawss_is_high_from_four(self) -> None:
        assert total("PAWSS", *[1] * 3, *[0] * 7) == (3, "LOW", False)
        assert total("PAWSS", *[1] * 4, *[0] * 6) == (4, "HIGH", True)

    @pytest.mark.parametrize("instrument", ["CIWA_AR", "COWS"])
    def test_refuse_a_self_report(self, instrument: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            check(newest(instrument), answers_of(instrument, 0), rated_by=SELF)

        assert refused.value.problems[0]["field"] == "rated_by"

    def test_an_unfinished_rating_that_is_severe_already_is_an_emergency(self) -> None:
        found = scored("CIWA_AR", 7, 7, 7)

        assert found.status == INCOMPLETE
        assert {(danger.concern, danger.level) for danger in found.dangers} == {
            ("WITHDRAWAL_EVALUATION", "E3"),
            ("WITHDRAWAL_EMERGENCY", "E4"),
        }


class TestOthers:
    def test_aware_turns_five_items_round(self) -> None:
        least = [7 if place in (8, 14, 20, 24, 26) else 1 for place in range(1, 29)]

        assert total("AWARE", *[1] * 28)[0] == 58
        assert total("AWARE", *[4] * 28)[0] == 112
        assert total("AWARE", *least)[0] == 28
        assert total("AWARE", *(8 - answer for answer in least))[0] == 196

    def test_aware_warns_from_98(self) -> None:
        rule = newest("AWARE").scores[0]

        assert (rule.band_of(97).positive, rule.band_of(98).positive) == (False, True)

    def test_barc_10_goes_with_remission_from_47(self) -> None:
        assert total("BARC10", *[5] * 4, *[4] * 6)[:2] == (44, "BELOW_REMISSION_LEVEL")
        assert total("BARC10", *[5] * 7, *[4] * 3)[:2] == (47, "REMISSION_LEVEL")

    def test_pacs_is_high_from_20(self) -> None:
        assert total("PACS", 4, 4, 4, 4, 3)[:2] == (19, "BELOW_HIGH")
        assert total("PACS", 4, 4, 4, 4, 4)[:2] == (20, "HIGH")


class TestEveryPack:
    def test_is_there(self) -> None:
        assert set(all_packs()) == {
            "AUDIT",
            "AUDIT_C",
            "AWARE",
            "BAM30",
            "BAM7",
            "BARC10",
            "CIWA_AR",
            "COWS",
            "CSSRS",
            "CSSRS_SINCE_LAST_CONTACT",
            "DAST10",
            "GAD7",
            "PACS",
            "PAWSS",
            "PC_PTSD_5",
            "PHQ9",
            "READINESS",
        }

    def test_ships_on_but_for_what_has_no_clear_licence(self) -> None:
        assert [pack.instrument for pack in PACKS if not pack.ships_on] == ["DAST10"]

    @pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.instrument)
    def test_says_where_it_comes_from(self, pack: Pack) -> None:
        assert pack.licence
        assert pack.source
        assert pack.min_age == 18
        assert len(pack.digest) == 64
        assert pack_of(pack.instrument, pack.version) is pack

    @pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.instrument)
    def test_has_neutral_labels_where_the_words_belong_to_somebody(self, pack: Pack) -> None:
        owned = ("CSSRS", "CSSRS_SINCE_LAST_CONTACT", "DAST10", "PAWSS", "AWARE", "BARC10", "PACS", "BAM7")
        if pack.instrument in owned:
            name = pack.instrument.replace("10", "").replace("BAM7", "BAM").replace("CSSRS", "C-SSRS")
            name = name.partition("_")[0]
            assert all(item.label.startswith(name) for item in pack.items.values())

    def test_of_an_unknown_name_or_version_is_refused(self) -> None:
        for instrument, version in (("HOROSCOPE", None), ("AUDIT", 99)):
            with pytest.raises(NoSuchInstrument):
                pack_of(instrument, version)

    @given(data=st.data())
    def test_scores_any_possible_answers_and_gives_every_score_a_band(self, data: Any) -> None:
        pack = data.draw(st.sampled_from(PACKS))
        answers = {
            name: data.draw(st.sampled_from([None, *item.answers])) for name, item in pack.items.items()
        }
        check(pack, answers, rated_by=OBSERVER)

        found = score(pack, answers)

        assert (found.status == INCOMPLETE) == (not found.scores)
        assert {one.score for one in found.scores} <= {rule.score for rule in pack.scores}
        assert all(one.band for one in found.scores)
        assert score(pack, answers) == found

    @given(data=st.data())
    def test_a_worse_answer_about_danger_never_takes_a_danger_away(self, data: Any) -> None:
        pack = data.draw(st.sampled_from([pack for pack in PACKS if pack.safety_items]))
        answers = {name: data.draw(st.sampled_from(list(item.answers))) for name, item in pack.items.items()}
        name = data.draw(st.sampled_from(pack.safety_items))

        before = score(pack, answers).dangers
        after = score(pack, answers | {name: max(pack.items[name].answers)}).dangers

        worst = {danger.concern: danger.level for danger in after}
        assert all(worst.get(danger.concern, "") >= danger.level for danger in before)
        assert after

    @given(
        value=st.one_of(
            st.booleans(),
            st.floats(),
            st.text(max_size=5),
            st.integers(max_value=-1),
            st.integers(min_value=11),
        )
    )
    def test_refuses_what_is_no_answer(self, value: Any) -> None:
        for pack in PACKS:
            name = next(iter(pack.items))
            with pytest.raises(InvalidInput):
                check(pack, {name: value}, rated_by=OBSERVER)

    def test_refuses_an_item_that_it_does_not_have_without_repeating_its_name(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            check(newest("GAD7"), {"my secret": 1}, rated_by=SELF)

        assert refused.value.problems[0]["field"] == "answers"
        assert "secret" not in str(refused.value.problems)


class TestReadPack:
    """A pack that contradicts itself scores nothing."""

    def told(self, **changes: Any) -> bytes:
        told = {
            "code": "MADE_UP",
            "version": 1,
            "title": "Made up",
            "licence": {"terms": "ours", "texts_included": True, "ships_on": True},
            "source": "nowhere",
            "locale": "en-US",
            "min_age": 18,
            "lookback_days": 7,
            "rated_by": ["SELF"],
            "loinc": {},
            "offered": [],
            "choices": {"yes_no": [[0, "No"], [1, "Yes"]]},
            "items": [{"id": name, "label": name, "choices": "yes_no"} for name in "ab"],
            "scores": [{"code": "TOTAL", "sum": ["a", "b"], "bands": [self.band(0, 0), self.band(1, 2)]}],
            "prorated_when_missing": 0,
            "never_prorated": [],
            "safety_rules": [],
        }
        return orjson.dumps(told | changes)

    @staticmethod
    def band(least: int, most: int) -> dict[str, Any]:
        return {"from": least, "to": most, "band": f"FROM_{least}", "positive": least > 0}

    def test_reads_one_that_holds_together(self) -> None:
        assert read_pack(self.told()).instrument == "MADE_UP"

    @pytest.mark.parametrize(
        "bands",
        [[(0, 1)], [(1, 2)], [(0, 0), (2, 2)], [(0, 1), (1, 2)], []],
        ids=["too short", "too late", "a gap", "an overlap", "none"],
    )
    def test_refuses_bands_that_leave_something_out(self, bands: list[tuple[int, int]]) -> None:
        made = [{"code": "TOTAL", "sum": ["a", "b"], "bands": [self.band(*one) for one in bands]}]

        with pytest.raises(PackInvalid):
            read_pack(self.told(scores=made))

    @pytest.mark.parametrize(
        "changes",
        [
            {"items": [{"id": name, "label": name, "choices": "yes_no"} for name in "aab"]},
            {"items": [{"id": name, "label": name, "choices": "maybe"} for name in "ab"]},
            {"choices": {"yes_no": [[-1, "No"], [1, "Yes"]]}},
            {"rated_by": []},
            {"rated_by": ["THE_CAT"]},
            {"never_prorated": ["z"]},
            {"offered": [{"place": "BREAKFAST"}]},
            {"safety_rules": [{"item": "z", "at_least": 1, "concern": "PHQ9_I9", "level": "E3"}]},
            {"safety_rules": [{"item": "a", "at_least": 1, "concern": "BOREDOM", "level": "E3"}]},
            {"safety_rules": [{"item": "a", "at_least": 1, "concern": "PHQ9_I9", "level": "E1"}]},
            {"safety_rules": [{"score": "MEAN", "at_least": 1, "concern": "PHQ9_I9", "level": "E3"}]},
            {"licence": None},
        ],
    )
    def test_refuses_what_names_something_that_is_not_there(self, changes: dict[str, Any]) -> None:
        with pytest.raises(PackInvalid):
            read_pack(self.told(**changes))


def was_given(instrument: str, days_ago: float, **answers: int) -> Given:
    pack = newest(instrument)
    every = {name: min(item.answers) for name, item in pack.items.items()} | answers
    return Given(instrument=instrument, given_at=NOW - timedelta(days=days_ago), scored=score(pack, every))


def due(place: str, *given_: Given, days: float = 0) -> list[str]:
    found = due_now(
        [newest(name) for name in all_packs()],
        place=place,
        since=NOW - timedelta(days=days),
        given=given_,
        now=NOW,
    )
    return [one.pack.instrument for one in found]


class TestDueNow:
    def test_at_intake_each_is_due_once(self) -> None:
        before = due(INTAKE)
        after = due(INTAKE, was_given("PHQ9", 0), was_given("AUDIT", 0))

        assert {"PHQ9", "GAD7", "AUDIT", "CSSRS", "PC_PTSD_5", "READINESS", "BAM30"} <= set(before)
        assert not {"PHQ9", "AUDIT", "AUDIT_C"} & set(after)

    def test_what_was_given_in_an_earlier_episode_is_due_again(self) -> None:
        assert "PHQ9" in due(INTAKE, was_given("PHQ9", 300), days=2)

    def test_a_dangerous_answer_asks_for_the_next_instrument_at_once(self) -> None:
        dangerous = was_given("PHQ9", 0, **{"9": 1})

        assert due(TREATMENT, dangerous)[0] == "CSSRS"
        assert "CSSRS" not in due(TREATMENT, dangerous, was_given("CSSRS", 0))

    def test_an_unfinished_answer_to_it_leaves_it_due(self) -> None:
        unfinished = Given(
            instrument="CSSRS", given_at=NOW, scored=score(newest("CSSRS"), {"1": 0, "2": None})
        )

        assert due(TREATMENT, was_given("PHQ9", 0.01, **{"9": 1}), unfinished)[0] == "CSSRS"

    def test_an_earlier_answer_to_it_does_not_count(self) -> None:
        assert due(TREATMENT, was_given("CSSRS", 2), was_given("PHQ9", 1, **{"9": 1}))[0] == "CSSRS"

    def test_during_treatment_they_come_back_after_their_days(self) -> None:
        assert "BAM7" not in due(TREATMENT, was_given("BAM7", 6.9), days=20)
        assert "BAM7" in due(TREATMENT, was_given("BAM7", 7), days=20)

    def test_a_low_phq_9_comes_back_more_rarely(self) -> None:
        low, raised = was_given("PHQ9", 15), was_given("PHQ9", 15, **{"1": 3, "2": 3})

        assert "PHQ9" not in due(TREATMENT, low, days=40)
        assert "PHQ9" in due(TREATMENT, raised, days=40)

    def test_rulers_come_weekly_for_four_weeks_and_monthly_then(self) -> None:
        assert "READINESS" in due(TREATMENT, was_given("READINESS", 8), days=20)
        assert "READINESS" not in due(TREATMENT, was_given("READINESS", 8), days=40)
        assert "READINESS" in due(TREATMENT, was_given("READINESS", 31), days=40)

    @pytest.mark.parametrize(
        ("days", "is_due"), [(22, False), (23, True), (37, True), (38, False), (83, True)]
    )
    def test_follow_ups_have_a_window(self, days: int, is_due: bool) -> None:
        assert ("AUDIT_C" in due(FOLLOW_UP, days=days)) == is_due

    def test_a_follow_up_is_asked_once_in_its_window(self) -> None:
        assert "AUDIT_C" not in due(FOLLOW_UP, was_given("AUDIT_C", 2), days=32)

    def test_is_overdue_when_its_time_has_passed(self) -> None:
        def overdue(days: float) -> bool:
            (one,) = due_now(
                [newest("PACS")], place=TREATMENT, since=NOW - timedelta(days=days), given=[], now=NOW
            )
            return one.overdue

        assert (overdue(3), overdue(8)) == (False, True)

    @given(
        days=st.integers(0, 400),
        place=st.sampled_from([INTAKE, TREATMENT, FOLLOW_UP]),
        marks=st.lists(st.tuples(st.sampled_from(sorted(all_packs())), st.integers(0, 400)), max_size=6),
    )
    def test_offers_each_instrument_once_and_what_is_urgent_first(
        self, days: int, place: str, marks: list[tuple[str, int]]
    ) -> None:
        found = due_now(
            [newest(name) for name in all_packs()],
            place=place,
            since=NOW - timedelta(days=days),
            given=[was_given(name, ago) for name, ago in marks],
            now=NOW,
        )

        names = [one.pack.instrument for one in found]
        assert len(names) == len(set(names))
        assert all(earlier.urgent or not later.urgent for earlier, later in itertools.pairwise(found))
        assert all(one.urgent or one.due_at <= NOW + timedelta(days=30) for one in found)
