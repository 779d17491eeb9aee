"""How redeliveries and other figures of a fault are judged, with figures made by hand."""

from collections import Counter
from typing import Any

import pytest

from chaos.__main__ import broken_promises
from chaos.faults import finished_before
from chaos.judge import Told, asked_for
from chaos.load import Fact
from chaos.pages import Dangers
from chaos.relays import Delivery


@pytest.mark.parametrize(
    ("deliveries", "done_at", "counted"),
    [
        pytest.param([(1.0, False), (3.0, True)], 2.0, 1, id="finished, and delivered once more"),
        pytest.param([(1.0, False), (3.0, True)], 3.2, 0, id="put back before it was finished"),
        pytest.param([(3.0, True)], 2.0, 1, id="finished before anybody watched"),
        pytest.param(
            [(1.0, False), (3.0, False), (4.0, True)], 2.0, 0, id="a second message about it was put back"
        ),
        pytest.param([(3.0, False), (4.0, True)], 2.0, 0, id="the same, the first before anybody watched"),
        pytest.param([(1.0, False), (3.0, True), (5.0, True)], 2.0, 1, id="counted once"),
        pytest.param([(1.0, False), (3.0, True), (5.0, True)], 3.5, 1, id="finished the second time"),
        pytest.param([(1.0, False)], 2.0, 0, id="delivered once"),
    ],
)
def test_an_effect_counts_for_the_delivery_before_it(
    deliveries: list[tuple[float, bool]], done_at: float, counted: int
) -> None:
    assert finished_before([Delivery(*one) for one in deliveries], done_at=done_at) == counted


@pytest.mark.parametrize(
    ("details", "broken"),
    [
        pytest.param({"seconds_to_first_send": 3.0, "seconds_to_drain": 9.9}, [], id="in time"),
        pytest.param({"seconds_to_drain": 13.6}, ["13.6 seconds_to_drain"], id="drained too late"),
        pytest.param({"seconds_to_first_send": 5.1}, ["5.1 seconds_to_first_send"], id="began too late"),
        pytest.param({"failed_requests": 1}, ["1 failed_requests"], id="a request failed"),
        pytest.param({"waiting": 10_000}, [], id="a figure that promises nothing"),
    ],
)
def test_a_figure_above_what_is_promised_is_told(details: dict[str, Any], broken: list[str]) -> None:
    assert broken_promises(details) == broken


def told_by(*services: str) -> list[Told]:
    return [
        Told(f"event-{number}", "safety_concern_raised", "c", None, service, None)
        for number, service in enumerate(services)
    ]


@pytest.mark.parametrize(
    ("refused", "services", "counted"),
    [
        pytest.param({"202": 2}, ["gateway", "monitoring"], ["monitoring"], id="heard, then taken"),
        pytest.param({"202": 1}, ["gateway"], ["gateway"], id="heard, and never taken"),
        pytest.param({}, ["gateway", "monitoring"], ["gateway", "monitoring"], id="heard without a word"),
        pytest.param(
            {"202": 1}, ["gateway"] * 2 + ["monitoring"], ["gateway"] * 2 + ["monitoring"], id="twice"
        ),
        pytest.param({"202": 1}, ["gateway"] + ["monitoring"] * 2, ["monitoring"] * 2, id="taken twice"),
        pytest.param({"503": 1}, ["monitoring"], ["monitoring"], id="away for a while"),
        pytest.param({"between": 1}, ["gateway", "intake"], ["intake"], id="heard, then taken elsewhere"),
    ],
)
def test_what_the_gateway_heard_is_not_what_the_service_took(
    refused: dict[str, int], services: list[str], counted: list[str]
) -> None:
    fact = Fact("c", "page", "none", {"safety_concern_raised": 1}, 0.0, refused=Counter(refused))
    fact.tried_between = "between" in refused

    assert [told.service for told in asked_for(fact, told_by(*services))] == counted


class LoadWithOldList:
    """Answers with a list that is older than what it tells of each escalation."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.sent: list[str] = []

    def request(self, method: str, path: str, *, role: str) -> tuple[int, dict[str, Any]]:
        if "?" in path:
            return 200, {"items": [{"escalation_id": "1", "patient_id": "p", "state": "OPEN"}]}
        return 200, {"state": self.state, "pages": [{"outcome": "SENT"}]}

    def send(self, kind: str, *arguments: Any, **options: Any) -> None:
        self.sent.append(kind)


@pytest.mark.parametrize(("state", "taken"), [("OPEN", ["acknowledgement", "closure"]), ("CLOSED", [])])
def test_who_was_closed_since_the_list_was_made_is_not_taken_again(state: str, taken: list[str]) -> None:
    load: Any = LoadWithOldList(state)
    house: Any = None
    mail: Any = None

    Dangers(house, load, mail)._answer_pages()

    assert load.sent == taken
