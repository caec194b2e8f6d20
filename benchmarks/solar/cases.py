"""Runs every strategy on every day, on all processor cores."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from .days import Day
from .oracle import Best, solve
from .replay import Replay
from .score import Score
from .strategies import ORACLE, REPLAY, STRATEGIES
from .world import Setup, simulate


@dataclass(frozen=True, slots=True)
class Case:
    """A day with one seed of random loads, and the homes in which to simulate it."""

    day: Day
    seed: int
    setups: tuple[Setup, ...]
    strategies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """The scores of all strategies on one day."""

    day: str
    seed: int
    setup: Setup
    scores: dict[str, Score]


def run(case: Case) -> list[Result]:
    """Run strategies and the oracle on a day, in each home."""
    solved: dict[Setup, Best] = {}
    results = []
    for setup in case.setups:
        day = case.day.in_home(setup.phases, case.seed, setup.flicker)
        # The oracle does not need a meter.
        known = replace(setup, meter_interval=1, meter_lag=1, noise=0.0)
        if known not in solved:
            solved[known] = solve(day, known)
        best = solved[known]
        scores = {}
        for name in case.strategies:
            if name == REPLAY:
                replay = Replay(best.plan, day, setup)
                scores[name] = simulate(day, replay, setup).score
                continue
            entry = STRATEGIES[name]
            if entry.limited or setup.site.can_switch:
                strategy = entry.make(setup.site)
                outcome = simulate(day, strategy, setup, limited=entry.limited)
                scores[name] = outcome.score
        scores[ORACLE] = best.score
        results.append(Result(day.name, case.seed, setup, scores))
    return results


def run_all(cases: Iterable[Case]) -> Iterator[Result]:
    """Run cases on all processor cores, and yield their results in order."""
    with ProcessPoolExecutor() as pool:
        for results in pool.map(run, cases):
            yield from results
