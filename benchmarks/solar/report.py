"""The results as tables."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from .cases import Result
from .score import Score, total
from .strategies import ORACLE

TOO_LITTLE = 1.0  # kWh; a share of less says nothing

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


def share(score: Score, oracle: Score, seeds: int) -> float | None:
    """Return a net as a share of the oracle's, None where that is too little."""
    return score.net / oracle.net if oracle.net > TOO_LITTLE * seeds else None


def days(results: Sequence[Result], *, totals: bool) -> str:
    """Return a table of each day and of all days, per seed on average."""
    names = dict.fromkeys(result.day for result in results)
    groups = {
        name: [result for result in results if result.day == name] for name in names
    }
    if totals:
        groups.clear()
    if len(groups) != 1:
        groups["all days"] = list(results)
    return _table("day", groups, results[0].scores)


def variants(groups: Mapping[str, Sequence[Result]]) -> str:
    """Return a table of all days, for each variant and the strategies of all."""
    names = set.intersection(*(set(group[0].scores) for group in groups.values()))
    return _table("variant", groups, names)


def _table(
    title: str, groups: Mapping[str, Sequence[Result]], names: Collection[str]
) -> str:
    lines = [
        f"| {title} | strategy | {' | '.join(COLUMNS)} |",
        f"| --- | --- |{' ---: |' * len(COLUMNS)}",
    ]
    for name, results in groups.items():
        seeds = len({result.seed for result in results})
        scores = sums(results)
        first = name
        for strategy, score in scores.items():
            if strategy not in names:
                continue
            cells = _cells(strategy, score, scores[ORACLE], seeds)
            lines.append(f"| {first} | {strategy} | {' | '.join(cells)} |")
            first = ""
    return "\n".join(lines)


def _cells(strategy: str, score: Score, oracle: Score, seeds: int) -> Iterable[str]:
    part = share(score, oracle, seeds)
    has_limit = strategy != ORACLE
    return (
        f"{score.solar / seeds:.2f}",
        f"{score.grid / seeds:.2f}",
        f"{score.stops / seeds:.1f}",
        f"{score.switches / seeds:.1f}",
        f"{score.refused / seeds:.0f}" if has_limit else "",
        f"{score.changes_an_hour:.0f}" if has_limit else "",
        f"{score.worst_hour}" if has_limit else "",
        f"{score.net / seeds:.2f}",
        "" if part is None else f"{part:.1%}",
    )
