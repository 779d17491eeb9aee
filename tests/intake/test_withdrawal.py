"""The withdrawal gate: its table, row by row, and what it never does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import withdrawal
from shared.contracts.event import Actor
from shared.contracts.intake import LEVELS_OF_CARE, WITHDRAWAL_GATES
from shared.errors import Forbidden, InvalidInput


def weigh(**signs: Any) -> withdrawal.Gate:
    return withdrawal.weigh(withdrawal.Signs(rated_by="OBSERVER", **signs))


class TestWeigh:
    @pytest.mark.parametrize(
        ("signs", "disposition", "holds", "least_level"),
        [
            ({}, "CLEAR", False, None),
            ({"ciwa_ar": 9, "pawss": 3, "last_drink_hours": 200}, "CLEAR", False, None),
            ({"ciwa_ar": 9, "pawss": 3, "last_drink_hours": 20}, "RECHECK_DAILY", False, None),
            ({"ciwa_ar": 9, "last_drink_hours": 20}, "MEDICAL_EVALUATION", True, None),
            ({"last_drink_hours": 119}, "RECHECK_DAILY", False, None),
            ({"last_drink_hours": 120}, "CLEAR", False, None),
            ({"last_drink_hours": 72}, "MEDICAL_EVALUATION", True, None),
            ({"last_drink_hours": 73}, "RECHECK_DAILY", False, None),
            ({"ciwa_ar": 10}, "MEDICAL_EVALUATION", True, "2.5"),
            ({"ciwa_ar": 18}, "MEDICAL_EVALUATION", True, "2.5"),
            ({"pawss": 4}, "MEDICAL_EVALUATION", True, "2.5"),
            ({"seizure_or_dt_history": True}, "MEDICAL_EVALUATION", True, "2.5"),
            ({"daily_benzodiazepine": True}, "MEDICAL_EVALUATION", True, None),
            ({"ciwa_ar": 19}, "EMERGENCY", True, "4"),
            ({"seizure_or_dt_now": True}, "EMERGENCY", True, "4"),
            ({"hallucinations": True}, "EMERGENCY", True, "4"),
            ({"cows": 4}, "CLEAR", False, None),
            ({"cows": 5}, "MOUD_EVALUATION", False, None),
            ({"cows": 12}, "MOUD_EVALUATION", False, None),
            ({"cows": 13}, "MOUD_INDUCTION", True, "2.5"),
            ({"cows": 24}, "MOUD_INDUCTION", True, "2.5"),
            ({"cows": 25}, "INPATIENT_EVALUATION", True, "3.7"),
            ({"pregnant_withdrawing": True}, "INPATIENT_EVALUATION", True, "3.7"),
            ({"overdose_last_72h": True}, "SAFETY_EVALUATION", True, None),
            ({"cows": 30, "ciwa_ar": 20}, "EMERGENCY", True, "4"),
        ],
    )
    def test_follows_the_table(
        self, signs: dict[str, Any], disposition: str, holds: bool, least_level: str | None
    ) -> None:
        gate = weigh(**signs)

        assert (gate.disposition, gate.holds, gate.least_level) == (disposition, holds, least_level)

    def test_asks_for_naloxone_before_leaving_after_an_overdose(self) -> None:
        (finding,) = weigh(overdose_last_72h=True).findings

        assert finding.act_within == "SAME_VISIT"
        assert "DISPENSE_NALOXONE_BEFORE_LEAVING" in finding.actions

    def test_is_opened_by_a_prescriber_where_a_prescriber_can_tell(self) -> None:
        gate = weigh(pawss=6, daily_benzodiazepine=True, medically_cleared=True)

        assert (gate.disposition, gate.holds, gate.least_level, gate.cleared) == ("CLEAR", False, None, True)
        assert len(gate.findings) == 2

    def test_holds_an_emergency_whoever_clears_it(self) -> None:
        assert weigh(hallucinations=True, medically_cleared=True).holds

    @given(
        ciwa_ar=st.none() | st.integers(0, 66),
        cows=st.none() | st.integers(0, 47),
        pawss=st.none() | st.integers(0, 9),
        scale=st.sampled_from(["ciwa_ar", "cows", "pawss"]),
    )
    def test_never_opens_for_a_worse_score(
        self, ciwa_ar: int | None, cows: int | None, pawss: int | None, scale: str
    ) -> None:
        signs = {"ciwa_ar": ciwa_ar, "cows": cows, "pawss": pawss}
        worse = {**signs, scale: (signs[scale] or 0) + 1}

        better_gate, worse_gate = weigh(**signs), weigh(**worse)

        assert _rank(worse_gate.disposition) >= _rank(better_gate.disposition)
        assert _level(worse_gate.least_level) >= _level(better_gate.least_level)


class TestCheckRated:
    @pytest.mark.parametrize("scale", ["ciwa_ar", "cows"])
    @pytest.mark.parametrize("rated_by", ["SELF", None])
    def test_refuses_a_scale_that_nobody_observed(self, scale: str, rated_by: str | None) -> None:
        with pytest.raises(withdrawal.SelfReportRefused) as refused:
            withdrawal.check_rated(withdrawal.Signs(rated_by=rated_by, **{scale: 0}))

        assert refused.value.problems[0]["field"] == "withdrawal.rated_by"
        assert isinstance(refused.value, InvalidInput)

    def test_takes_pawss_from_the_person_alone(self) -> None:
        withdrawal.check_rated(withdrawal.Signs(rated_by="SELF", pawss=3))


class TestCheckClearance:
    def test_refuses_a_counselor(self) -> None:
        with pytest.raises(Forbidden):
            withdrawal.check_clearance(
                withdrawal.Signs(medically_cleared=True),
                actor=Actor(actor_id="nora", role="counselor", credential="LPC"),
            )

    def test_takes_a_nurse_practitioner(self) -> None:
        withdrawal.check_clearance(
            withdrawal.Signs(medically_cleared=True),
            actor=Actor(actor_id="omar", role="clinician", credential="NP"),
        )


class TestConcerns:
    @pytest.mark.parametrize(
        ("signs", "concerns"),
        [
            ({"ciwa_ar": 9}, []),
            ({"ciwa_ar": 10}, [("WITHDRAWAL_EVALUATION", "E3")]),
            ({"cows": 13}, [("WITHDRAWAL_EVALUATION", "E3")]),
            ({"cows": 25}, [("WITHDRAWAL_EMERGENCY", "E4")]),
            ({"ciwa_ar": 19, "hallucinations": True}, [("WITHDRAWAL_EMERGENCY", "E4")]),
            ({"overdose_last_72h": True}, [("OVERDOSE", "E4")]),
            ({"overdose_last_72h": True, "medically_cleared": True}, [("OVERDOSE", "E4")]),
            ({"pawss": 5}, []),
        ],
    )
    def test_tells_a_human_what_cannot_wait(
        self, signs: dict[str, Any], concerns: list[tuple[str, str]]
    ) -> None:
        assert withdrawal.concerns(withdrawal.Signs(**signs)) == concerns


def _rank(disposition: str) -> int:
    return WITHDRAWAL_GATES.index(disposition)


def _level(level: str | None) -> int:
    return -1 if level is None else LEVELS_OF_CARE.index(level)
