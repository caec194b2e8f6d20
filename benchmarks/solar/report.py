"""The results as tables."""

from collections.abc import Iterable, Sequence

from .cases import Result
from .score import Score, total
from .strategies import ORACLE

TOO_LITTLE = 1.0  # kWh that the oracle's net must exceed for a share of it

COLUMNS = (
    "solar kWh",
    "grid kWh",
    "stops",
    "switches",
    "refused",
    "changes an hour",
    "worst hour",
    "net kWh",
    "of the oracle's net",
)


def sums(results: Iterable[Result]) -> dict[str, Score]:
    """Return the sum of each strategy's scores."""
    scores: dict[str, list[Score]] = {}
    for result in results:
        for name, score in result.scores.items():
            scores.setdefault(name, []).append(score)
    return {name: total(parts) for name, parts in scores.items()}


def share(score: Score, oracle: Score) -> float | None:
    """Return a net as a share of the oracle's, None where that is too little."""
    return score.net / oracle.net if oracle.net > TOO_LITTLE else None


def table(results: Sequence[Result]) -> str:
    """Return a table of each day and of all days, per seed on average."""
    seeds = len({result.seed for result in results})
    lines = [
        f"| day | strategy | {' | '.join(COLUMNS)} |",
        f"| --- | --- |{' ---: |' * len(COLUMNS)}",
    ]
    days = dict.fromkeys(result.day for result in results)
    for day in days:
        of_day = sums(result for result in results if result.day == day)
        lines += _rows(day, of_day, seeds)
    if len(days) > 1:
        lines += _rows("**all days**", sums(results), seeds)
    return "\n".join(lines)


def _rows(day: str, scores: dict[str, Score], seeds: int) -> Iterable[str]:
    for name, score in scores.items():
        part = share(score, scores[ORACLE])
        no_limits = name == ORACLE
        cells = (
            f"{score.solar / seeds:.2f}",
            f"{score.grid / seeds:.2f}",
            f"{score.stops / seeds:.1f}",
            f"{score.switches / seeds:.1f}",
            "" if no_limits else f"{score.refused / seeds:.1f}",
            "" if no_limits else f"{score.changes_an_hour:.0f}",
            "" if no_limits else f"{score.worst_hour}",
            f"{score.net / seeds:.2f}",
            "" if part is None else f"{part:.1%}",
        )
        yield f"| {day} | {name} | {' | '.join(cells)} |"
        day = ""
