"""Every chance in the simulation comes from here, named by whose it is and what for.

A draw depends on the seed, the case, what is drawn and its number, and on nothing else: not on
ids that the server made up, not on the order in which things happened to be answered.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Draws:
    """The chances of one case under one seed."""

    seed: int
    case_id: str

    def source(self, what: str, n: int | str = 0) -> random.Random:
        """Return a fresh source of chance for one purpose; the same purpose gives the same again."""
        # A str seeds by its SHA-512, the same in every process and on every machine; nothing here is secret.
        return random.Random(f"{self.seed}|{self.case_id}|{what}|{n}")  # noqa: S311

    def happens(self, probability: float, what: str, n: int | str = 0) -> bool:
        """Draw whether something with this probability happens."""
        return self.source(what, n).random() < probability

    def one_of(self, weights: Mapping[T, float], what: str, n: int | str = 0) -> T:
        """Draw one key by its weight; weights need not add up to one."""
        return self.source(what, n).choices(list(weights), weights=list(weights.values()))[0]

    def rating(self, weights: Sequence[float], what: str, n: int | str = 0) -> int:
        """Draw a rating of 0, 1, 2, … by the weight at its place."""
        return self.source(what, n).choices(range(len(weights)), weights=weights)[0]

    def between(self, low: int, high: int, what: str, n: int | str = 0) -> int:
        """Draw a whole number from *low* to *high*, both included."""
        return self.source(what, n).randint(low, high)

    def around(self, median: float, spread: float, what: str, n: int | str = 0) -> float:
        """Draw a positive number, log-normal around *median* with *spread* on the log scale."""
        return median * self.source(what, n).lognormvariate(0.0, spread)
