"""How often the phases may be switched."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.nexblue_local.control.phase_budget import PhaseBudget
from custom_components.nexblue_local.control.phases import Phases
from custom_components.nexblue_local.control.state import ControlState

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def minutes(*values: float) -> list[datetime]:
    """Return times in minutes before or after noon."""
    return [NOW + timedelta(minutes=value) for value in values]


def stored_and_back(budget: PhaseBudget) -> PhaseBudget:
    """Return the budget after a restart."""
    record = ControlState(phases=Phases(budget)).as_dict()
    return ControlState.from_dict(record).phases.budget


@pytest.mark.parametrize(
    ("switches", "in_session", "left", "allowed_from"),
    [
        pytest.param([], 0, 2, 0, id="none"),
        pytest.param([-5], 1, 1, 5, id="ten minutes between two"),
        pytest.param([-10], 1, 1, 0, id="ten minutes are enough"),
        pytest.param([-40, -20], 2, 0, 20, id="two in an hour"),
        pytest.param([-59, -1], 2, 0, 9, id="both limits, the later decides"),
        pytest.param([-60, -20], 2, 1, 0, id="an hour is over"),
        pytest.param([-50], 5, 1, 0, id="one left in the session"),
        pytest.param([-50], 6, 0, None, id="none left in the session"),
        pytest.param([-50, -40, -30], 3, 0, 20, id="somebody made more than two"),
        pytest.param([600], 1, 1, 10, id="the future counts as now"),
    ],
)
def test_limits(
    switches: list[float], in_session: int, left: int, allowed_from: float | None
) -> None:
    """The scarcest limit decides."""
    times = minutes(*switches)
    budget = PhaseBudget(list(zip(times, times, strict=True)), in_session)
    expected = None if allowed_from is None else minutes(allowed_from)[0]
    assert budget.allowed_from(NOW) == expected
    assert budget.left(NOW) == left
    assert budget.is_allowed(NOW) == (allowed_from == 0)
    assert stored_and_back(budget) == budget


def test_a_session() -> None:
    """A new session has a budget of its own; the hour goes on."""
    budget = PhaseBudget()
    now = NOW
    for _ in range(6):
        assert budget.is_allowed(now)
        budget.record(now, in_session=True)
        now += timedelta(minutes=31)
    assert budget.allowed_from(now) is None
    budget.in_session = 0
    assert budget.is_allowed(now)
    assert budget.left(now) == 1


def test_without_a_session() -> None:
    """A switch while no vehicle is there counts for the hour alone."""
    budget = PhaseBudget()
    for count in range(10):
        budget.record(NOW + timedelta(minutes=31 * count), in_session=False)
    now = NOW + timedelta(minutes=31 * 10)
    assert budget.in_session == 0
    assert budget.left(now) == 1


@pytest.mark.parametrize(
    ("behind", "after", "left"),
    [
        pytest.param(63, 3, 1, id="behind at the start, then set"),
        pytest.param(63, 61, 2, id="the same, an hour later"),
        pytest.param(1440, -1440 + 59, 1, id="set back for good"),
        pytest.param(1440, -1440 + 60, 2, id="the same, an hour later"),
    ],
)
def test_a_clock_that_jumps(behind: float, after: float, left: int) -> None:
    """A switch counts for an hour, whatever the clock showed meanwhile."""
    budget = PhaseBudget()
    budget.record(NOW, in_session=False)
    assert budget.left(NOW - timedelta(minutes=behind)) == 1
    budget = stored_and_back(budget)
    now = NOW + timedelta(minutes=after)
    assert budget.left(now) == left
    assert budget.is_allowed(now) == (abs(after) > 10)
