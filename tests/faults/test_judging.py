"""How redeliveries are judged, with deliveries made by hand."""

import pytest

from chaos.faults import finished_before
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
