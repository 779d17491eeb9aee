"""The weekly plan as a CP-SAT model. Only the solver's own process imports this module.

Equal problems give equal answers: one worker, a fixed seed, and a limit counted in steps of the
search instead of in time.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from ortools.sat.python import cp_model

from services.scheduling.domain.problem import BLOCK, HOUR, Option, Problem

#: Steps of the search after which the best week found so far is taken. In the solver's own unit, about
#: a second; weeks take some hundredths of it. Design default.
DETERMINISTIC_LIMIT = 4.0

#: Any number, as long as it stays the same.
SEED = 20260202

#: How much of the model the search also sees as linear inequalities: all of it. Weeks are full of "at most
#: one of these", from which the relaxation learns in one step what the search would try out one by one.
LINEARIZATION_LEVEL = 2

_STATUSES_WITH_WEEK = (cp_model.OPTIMAL, cp_model.FEASIBLE)

#: A sum over variables, or a plain number.
Terms = Any


class LimitReached(Exception):
    """Raised when the search ended with neither a week nor the proof that there is none."""


def solve(problem: Problem) -> list[int] | None:
    """Return the places of the chosen options, or None when no choice meets the hard rules.

    Two steps: first what matters to the patient, then, among weeks that are equally good for the
    patient, what matters to the program.

    :raises LimitReached: when the search gave up.
    """
    week = _Week(problem)
    first = week.best(week.for_the_patient())
    if first is None:
        return None
    return week.best(week.for_the_program(), from_here=first) or first


class _Week:
    """The variables of one week and its hard rules."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.model = cp_model.CpModel()
        self.chosen = [self.model.new_bool_var(f"option {place}") for place in range(len(problem.options))]
        self._hint: list[int] | None = None
        self._keep_hard_rules()

    def _where(self, wanted: Iterable[bool]) -> list[cp_model.IntVar]:
        return [variable for variable, yes in zip(self.chosen, wanted, strict=True) if yes]

    def _keep_hard_rules(self) -> None:
        problem, options, model = self.problem, self.problem.options, self.model
        model.add_exactly_one(self._where(option.role == HOUR for option in options))
        self.blocks = self._where(option.role == BLOCK for option in options)
        for day in range(7):
            model.add_at_most_one(
                self._where(option.role == BLOCK and option.day == day for option in options)
            )
        model.add(sum(self.blocks) >= problem.fewest_days)
        model.add(sum(self.blocks) <= problem.most_days)
        minutes = sum(
            option.minutes * variable for option, variable in zip(options, self.chosen, strict=True)
        )
        model.add(minutes >= problem.floor)
        model.add(minutes < problem.ceiling)
        model.add(
            sum(option.counselling * variable for option, variable in zip(options, self.chosen, strict=True))
            >= problem.fewest_counselling
        )
        for kind in problem.must_provide:
            model.add_bool_or(self._where(kind in option.provides for option in options))
        # Nobody is in two places: of all that goes on at the moment when something begins, one.
        for moment in sorted({option.begins for option in options}):
            model.add_at_most_one(self._where(option.begins <= moment < option.ends for option in options))

    # --- What one week is better for --------------------------------------------------------------

    def for_the_patient(self) -> list[tuple[Terms, int]]:
        """Return what counts for the patient, the weightiest first, each with its largest value."""
        options, problem = self.problem.options, self.problem
        wished: list[Terms] = [self._missing(kind) for kind in problem.may_provide]
        wished += self._where(option.unwished for option in options)
        if problem.wants_remote:
            wished += self._where(not option.remote for option in options)
        kept = sum(option.kept for option in options)
        held = sum(option.kept * variable for option, variable in zip(options, self.chosen, strict=True))
        tracks = {option.track for option in options if option.track >= 0}
        prompt = self._where(option.prompt for option in options)
        late = self.model.new_bool_var("late")
        self.model.add_bool_or([late, *prompt])
        return [
            (sum(self._missing(code) for code in problem.should_provide), len(problem.should_provide)),
            (kept - held, kept),
            (sum(wished), len(problem.may_provide) + 2 * 7 * 3),
            (sum(self._where(option.role not in (BLOCK, HOUR) for option in options)), 7),
            (self._beyond(len(self.blocks), self.problem.preferred_blocks), 7),
            (sum(self._where(option.role == BLOCK and not option.counselling for option in options)), 7),
            (
                sum(self._used(option.track == track for option in options) for track in sorted(tracks)),
                len(tracks),
            ),
            (late, 1),
            (self._trips(within=self.problem.one_trip_within), 7 * 3),
            # Nobody likes to wait between two sessions either.
            (self._trips(within=0), 7 * 3),
        ]

    def for_the_program(self) -> list[tuple[Terms, int]]:
        """Return what counts among weeks that are equally good for the patient.

        A track later in the day, so that the evening is left to those who work; people who stay
        together over the week; meetings with few places left, so that the days fill evenly; days on
        end without treatment; and the order of the options, so that there is one best week.
        """
        options = self.problem.options
        groups = sorted({group for option in options for group in option.groups})
        days = [
            self._used(option.role == BLOCK and option.day == day for option in options) for day in range(7)
        ]
        beside = []
        for day in range(7):
            both = self.model.new_bool_var(f"days {day} and {day + 1}")
            self.model.add_bool_or([both, days[day].negated(), days[(day + 1) % 7].negated()])
            beside.append(both)
        return [
            (self._weighed(max(0, option.track) for option in options), 7 * 3),
            (
                sum(self._used(group in option.groups for option in options) for group in groups),
                min(len(groups), 7 * 3),
            ),
            (self._weighed(option.fullness for option in options), 7 * 12 * 2),
            (sum(beside), 7),
            (self._weighed(range(len(options))), 7 * 2 * len(options)),
        ]

    def _weighed(self, weights: Iterable[int]) -> Terms:
        return sum(weight * variable for weight, variable in zip(weights, self.chosen, strict=True))

    def _missing(self, code: str) -> cp_model.IntVar:
        missing = self.model.new_bool_var(f"without {code}")
        self.model.add_bool_or([missing, *self._where(code in option.provides for option in self._options)])
        return missing

    @property
    def _options(self) -> tuple[Option, ...]:
        return self.problem.options

    def _used(self, wanted: Iterable[bool]) -> cp_model.IntVar:
        used = self.model.new_bool_var("used")
        for variable in self._where(wanted):
            self.model.add_implication(variable, used)
        return used

    def _beyond(self, most: int, preferred: int) -> cp_model.IntVar:
        beyond = self.model.new_int_var(0, max(most, 1), "blocks beyond")
        self.model.add(beyond >= sum(self.blocks) - preferred)
        return beyond

    def _trips(self, *, within: int) -> Terms:
        """Return how often the patient leaves home for treatment.

        :param within: minutes between a block and something else up to which they are one trip.
        """
        options = self.problem.options
        # Who does not wish to stay at home is not kept there for the sake of fewer trips.
        at_home = [option.remote and self.problem.wants_remote for option in options]
        trips: list[Terms] = self._where(
            option.role == BLOCK and not home for option, home in zip(options, at_home, strict=True)
        )
        for place, option in enumerate(options):
            if option.role == BLOCK or at_home[place]:
                continue
            near = self._where(
                other.role == BLOCK
                and not home
                and other.day == option.day
                and max(other.begins - option.ends, option.begins - other.ends) <= within
                for other, home in zip(options, at_home, strict=True)
            )
            extra = self.model.new_bool_var(f"trip for {place}")
            self.model.add_bool_or([extra, self.chosen[place].negated(), *near])
            trips.append(extra)
        return sum(trips)

    # --- Searching --------------------------------------------------------------------------------

    def best(
        self, levels: Sequence[tuple[Terms, int]], *, from_here: list[int] | None = None
    ) -> list[int] | None:
        """Return the choice that is best on the first level, then on the second, and so on.

        What is reached here holds for every later search.

        :param from_here: a choice that meets the hard rules, to begin at.
        """
        weight, total = 1, 0
        for terms, largest in reversed(levels):
            total = total + weight * terms
            weight *= largest + 1
        if from_here is not None:
            chosen = set(from_here)
            for place, variable in enumerate(self.chosen):
                self.model.add_hint(variable, place in chosen)
        self.model.minimize(total)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = SEED
        solver.parameters.max_deterministic_time = DETERMINISTIC_LIMIT
        solver.parameters.linearization_level = LINEARIZATION_LEVEL
        status = solver.solve(self.model)
        if status == cp_model.INFEASIBLE:
            return None
        if status not in _STATUSES_WITH_WEEK:
            if from_here is not None:
                return from_here
            raise LimitReached(solver.status_name(status))
        self.model.add(total <= int(solver.objective_value))
        self.model.clear_hints()
        return [place for place, variable in enumerate(self.chosen) if solver.boolean_value(variable)]
