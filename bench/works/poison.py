"""Poison: how long ordinary events take beside others whose reaction fails each time, and without them."""

import dataclasses
from collections.abc import Callable, Iterator

from bench.parts import Parts
from bench.rows import HOMEWARD, Row, spread
from bench.works.events import EVEN_RATE, Side, side_of

#: The works, as they are called in the results.
WITHOUT = f"announce to effect at {EVEN_RATE} events/s, nothing fails"
BESIDE_ONE = f"announce to effect at {EVEN_RATE} events/s, beside one that fails each time"
BESIDE_MANY = f"announce to effect at {EVEN_RATE} events/s, beside two more a second that fail each time"


@dataclasses.dataclass(frozen=True)
class Amounts:
    """How often each is measured, in turn, and for how long each time."""

    rounds: int
    seconds: int


FULL = Amounts(2, 22)
QUICK = Amounts(1, 4)


def measure(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    """Announce evenly, in turn with and without events that fail; only the others are measured.

    What fails is tried again after 1, 5 and 21 seconds, and waits in between.
    """
    tell("ordinary events, without poison and beside it")
    number = EVEN_RATE * amounts.seconds
    poison_at = {WITHOUT: [], BESIDE_ONE: [0], BESIDE_MANY: list(range(0, number, EVEN_RATE // 2))}
    latencies: dict[str, list[float]] = {work: [] for work in poison_at}
    for _ in range(amounts.rounds):
        for work, places in poison_at.items():
            # In a place of its own: what failed in the round before is tried again for hours.
            with side_of(parts, HOMEWARD) as side:
                latencies[work] += announce_evenly(side, number, poison_at=places)
    for work, found in latencies.items():
        yield Row(work=work, system=HOMEWARD, **spread(found))


def announce_evenly(side: Side, number: int, *, poison_at: list[int]) -> list[float]:
    """Announce so many ordinary events and return the milliseconds that each took.

    :param poison_at: the places of those after which one more is announced, which fails.
    """
    with side.consumer(), side.producer() as producer:
        # So that connections are open and queries compiled.
        producer.ask(number=50)
        side.wait_for(50, seconds=30)
        side.begin_anew()
        producer.ask(seconds=120, number=number, per_second=EVEN_RATE, poison_at=poison_at)
        side.wait_for(number, seconds=60)
        return side.latencies()
