"""Whether an aim of the surplus controller holds."""

from dataclasses import replace

import pytest

from benchmarks.solar.aims import aims, meters
from benchmarks.solar.cases import Result
from benchmarks.solar.score import Score
from benchmarks.solar.strategies import EVCC, EVCC_FINE, ORACLE, OURS
from benchmarks.solar.variants import LATE_METER, RARE_METER
from benchmarks.solar.world import Setup

GOOD = Score(solar=5.2, grid=0.1, stops=2, changes=60, charging=3600, worst_hour=100)


def result(ours: Score) -> Result:
    """Return what a day brought."""
    evcc = Score(solar=5.0, grid=0.2, stops=2)
    scores = {OURS: ours, EVCC: evcc, EVCC_FINE: evcc, ORACLE: Score(solar=5.6)}
    return Result("a day", 0, Setup(), scores)


def missed(ours: Score) -> set[str]:
    """Return the aims that are missed on the second of two days."""
    results = [result(GOOD), replace(result(ours), day="another day")]
    return {aim.text for aim in aims(results) if not aim.holds}


def test_all_hold() -> None:
    """A good day misses nothing."""
    assert not missed(GOOD)


@pytest.mark.parametrize(
    ("ours", "aim"),
    [
        (replace(GOOD, solar=4.8), "each day and seed"),
        (replace(GOOD, solar=4.7), "in total"),
        (replace(GOOD, grid=0.4), "in total"),
        (replace(GOOD, stops=3), "in total"),
        (replace(GOOD, solar=4.5), "of the oracle's net"),
        (replace(GOOD, grid=0.6), "no day's grid energy"),
        (replace(GOOD, refused=1), "no phase switch over the limits"),
        (replace(GOOD, changes=61), "changes an hour"),
        (replace(GOOD, worst_hour=101), "changes an hour"),
        (replace(GOOD, decisions=1, decision_time=51e-6), "a decision within"),
    ],
)
def test_each_is_missed(ours: Score, aim: str) -> None:
    """Each aim is missed when its figure is worse."""
    assert any(aim in text for text in missed(ours))


def test_meters() -> None:
    """A rare or late meter may cost 2 % of the net."""
    little = [result(replace(GOOD, solar=GOOD.solar - 0.09))]
    much = [result(replace(GOOD, solar=GOOD.solar - 0.11))]
    found = meters([result(GOOD)], {RARE_METER: little, LATE_METER: much})
    assert [aim.holds for aim in found] == [True, False]
