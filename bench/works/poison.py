"""Poison: how long ordinary events take beside others whose reaction fails each time, and without them."""

import dataclasses
from collections.abc import Callable, Iterator

from bench.parts import Parts, Program
from bench.rows import HOMEWARD, Row, spread
from bench.stretches import in_turn, medians
from bench.works.events import EVEN_RATE, Side, side_of

#: The works, as they are called in the results.
WITHOUT = f"announce to effect at {EVEN_RATE} events/s, nothing fails"
BESIDE_ONE = f"announce to effect at {EVEN_RATE} events/s, beside one that fails each time"
BESIDE_MANY = f"announce to effect at {EVEN_RATE} events/s, beside two more a second that fail each time"

#: Ordinary events before the first that fails: what emptying the tables costs is over by then.
FIRST_POISON_AT = EVEN_RATE // 4


@dataclasses.dataclass(frozen=True)
class Amounts:
    """In how many stretches each is measured, in turn, and for how many seconds each time."""

    stretches: int
    seconds: int


#: Long enough for the tries after 1 and 5 seconds: in a longer stretch there were fewer of them in a second.
FULL = Amounts(7, 7)
QUICK = Amounts(3, 3)


def measure(parts: Parts, amounts: Amounts, tell: Callable[[str], None]) -> Iterator[Row]:
    """Announce evenly, in turn with and without events that fail; only the others are measured.

    All stretches are run by the same two processes, there and back, so that what differs from process to
    process or changes slowly is the same for all. What a row tells is the median of its stretches: the
    slowest hundredth of one is a few events, which anything else on the machine can be to blame for.

    What fails is tried again after 1 and 5 seconds, and is forgotten with the stretch.
    """
    tell("ordinary events, without poison and beside it")
    number = EVEN_RATE * amounts.seconds
    poison_at = {
        WITHOUT: [],
        BESIDE_ONE: [FIRST_POISON_AT],
        BESIDE_MANY: list(range(FIRST_POISON_AT, number, EVEN_RATE // 2)),
    }
    with side_of(parts, HOMEWARD) as side, side.consumer(), side.producer() as producer:
        # So that connections are open and queries compiled, those that note a failure among them.
        producer.ask(number=2 * FIRST_POISON_AT, per_second=EVEN_RATE, poison_at=[0])
        side.wait_for(2 * FIRST_POISON_AT, seconds=30)

        def stretch(work: str) -> Row:
            taken = announce_evenly(side, producer, number, poison_at=poison_at[work])
            return Row(work=work, system=HOMEWARD, **spread(taken))

        yield from medians(stretch(work) for work in in_turn(tuple(poison_at), amounts.stretches))


def announce_evenly(side: Side, producer: Program, number: int, *, poison_at: list[int]) -> list[float]:
    """Announce so many ordinary events and return the milliseconds that each took.

    :param poison_at: the places of those after which one more is announced, which fails.
    """
    side.begin_anew()
    producer.ask(seconds=120, number=number, per_second=EVEN_RATE, poison_at=poison_at)
    side.wait_for(number, seconds=60)
    return side.latencies()
