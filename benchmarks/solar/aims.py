"""What the surplus controller aims at, and whether it gets there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .cases import Result
from .report import TOO_LITTLE, sums
from .score import Score
from .strategies import EVCC, EVCC_FINE, ORACLE, OURS
from .variants import LATE_METER, RARE_METER

SHARES = {1: 0.83, 3: 0.90}  # of the oracle's net, by phases of the home
MORE_GRID = 0.3  # kWh a day
CHANGES_AN_HOUR = 60
WORST_HOUR = 100
LOST = 0.02  # share of net
DECISION = 50.0  # microseconds


@dataclass(frozen=True, slots=True)
class Aim:
    """An aim, what was measured, and whether that is enough."""

    text: str
    measured: str
    holds: bool


def table(aims: Iterable[Aim]) -> str:
    """Return a table of aims."""
    lines = ["| aim | measured | holds |", "| --- | --- | --- |"]
    lines += [
        f"| {aim.text} | {aim.measured} | {'yes' if aim.holds else '**no**'} |"
        for aim in aims
    ]
    return "\n".join(lines)


def aims(results: Sequence[Result]) -> Iterable[Aim]:
    """Return the aims for one home, and what its results say."""
    scores = sums(results)
    ours, oracle = scores[OURS], scores[ORACLE]
    yield _better_each_day(results)
    for other in (EVCC, EVCC_FINE):
        yield _better_in_total(ours, scores[other], other)
    least = SHARES[results[0].setup.phases]
    share = ours.net / oracle.net
    yield Aim(
        f"at least {least:.0%} of the oracle's net", f"{share:.1%}", share >= least
    )
    yield _grid(results)
    yield Aim(
        "no phase switch over the limits", f"{ours.refused} refused", not ours.refused
    )
    yield Aim(
        f"at most {CHANGES_AN_HOUR} changes an hour, {WORST_HOUR} in any",
        f"{ours.changes_an_hour:.0f}, {ours.worst_hour}",
        ours.changes_an_hour <= CHANGES_AN_HOUR and ours.worst_hour <= WORST_HOUR,
    )
    yield Aim(
        f"a decision within {DECISION:g} µs",
        f"{ours.decision:.0f} µs",
        ours.decision <= DECISION,
    )


def _better_each_day(results: Sequence[Result]) -> Aim:
    worse = []
    count = 0
    for result in results:
        if result.scores[ORACLE].net <= TOO_LITTLE:
            continue
        count += 1
        gain = result.scores[OURS].net - result.scores[EVCC].net
        if gain <= 0:
            worse.append(f"{result.day}, seed {result.seed}: {gain:+.2f} kWh")
    return Aim(
        "each day and seed: more net than evcc",
        f"{count - len(worse)} of {count}"
        + (f" ({'; '.join(worse)})" if worse else ""),
        not worse,
    )


def _better_in_total(ours: Score, theirs: Score, name: str) -> Aim:
    return Aim(
        f"in total: more solar, less grid and no more stops than {name}",
        f"{ours.solar - theirs.solar:+.1f} kWh, {ours.grid - theirs.grid:+.1f} kWh, "
        f"{ours.stops - theirs.stops:+d} stops",
        ours.solar > theirs.solar
        and ours.grid < theirs.grid
        and ours.stops <= theirs.stops,
    )


def _grid(results: Sequence[Result]) -> Aim:
    more, where = max(
        (
            result.scores[OURS].grid - result.scores[EVCC].grid,
            f"{result.day}, seed {result.seed}",
        )
        for result in results
    )
    return Aim(
        f"no day's grid energy more than {MORE_GRID} kWh above evcc's",
        f"at most {more:+.2f} kWh ({where})",
        more <= MORE_GRID,
    )


def meters(
    usual: Sequence[Result], variants: Mapping[str, Sequence[Result]]
) -> Iterable[Aim]:
    """Return the aims for a rare and for a late meter."""
    net = sums(usual)[OURS].net
    for name in (RARE_METER, LATE_METER):
        lost = 1 - sums(variants[name])[OURS].net / net
        yield Aim(
            f"{name}: at most {LOST:.0%} of net lost", f"{lost:.1%}", lost <= LOST
        )
