"""Runs every strategy on every day, on all processor cores."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from .days import Day
from .oracle import solve
from .replay import Replay
from .score import Score
from .strategies import EVCC_FREE, ORACLE, REPLAY, STRATEGIES
from .world import Setup, simulate


@dataclass(frozen=True, slots=True)
class Case:
    """A day in a home, with one seed of random loads."""

    day: Day
    seed: int
    setup: Setup

    def at_home(self) -> Day:
        """Return the day as the home has it."""
        return self.day.in_home(self.setup.phases, self.seed, self.setup.flicker)


@dataclass(frozen=True, slots=True)
class Result:
    """The scores of all strategies on one day."""

    day: str
    seed: int
    setup: Setup
    scores: dict[str, Score]


def run(case: Case) -> Result:
    """Run all strategies on a day."""
    day, setup = case.at_home(), case.setup
    scores = {}
    for name, entry in STRATEGIES.items():
        if name == EVCC_FREE and setup.phases == 1:
            continue
        strategy = entry.make(setup.site)
        scores[name] = simulate(day, strategy, setup, limited=entry.limited).score
    best = solve(day, setup)
    scores[REPLAY] = simulate(day, Replay(best.plan, day, setup), setup).score
    scores[ORACLE] = best.score
    return Result(day.name, case.seed, setup, scores)


def run_all(cases: Iterable[Case]) -> Iterator[Result]:
    """Run cases on all processor cores, and yield their results in order."""
    with ProcessPoolExecutor() as pool:
        yield from pool.map(run, cases)
