"""The writes of commands and restorations."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.nexblue_local.control import plan
from custom_components.nexblue_local.control.link import Observation, Status
from custom_components.nexblue_local.control.phase_budget import INTERVAL
from custom_components.nexblue_local.control.phases import Phases
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
)
from custom_components.nexblue_local.control.state import ControlState
from tests.control.fakes import DEFAULTS

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SINGLE = PhaseMode.SINGLE_PHASE
LIMIT = (Setting.CURRENT_LIMIT, 12.0)
HELD = (Setting.CURRENT_LIMIT, 6.0)
REQUESTED: dict[str, Any] = {
    "current_limit": 12.0,
    "fallback_limit": 8.0,
    "fallback_timeout": 60,
    "phase_mode": SINGLE,
}


def requested(**values: Any) -> ControlState:
    """Return the state of a charger for which settings were requested."""
    state = ControlState(phases=Phases(seen=PhaseMode.ADAPTIVE))
    for name, value in values.items():
        state.confirm(Setting(name), value)
    return state


def restoration(
    state: ControlState, found: Settings = DEFAULTS, now: datetime = NOW
) -> list[plan.Write]:
    """Return the writes after a connect."""
    state.phases.await_mode(found.phase_mode, state.desired.phase_mode)
    return plan.restoration(state, found, now)


def charging(settings: Settings) -> Observation:
    """Return the observation of a charger with a vehicle."""
    return Observation(
        status=Status.CHARGING,
        settings=settings,
        session_energy=1.0,
        is_fallback_active=False,
    )


def test_nothing_is_restored_that_was_not_asked_for() -> None:
    """Without a request nothing is written."""
    assert restoration(ControlState()) == []
    assert restoration(requested(fallback_limit=8.0)) == [(Setting.FALLBACK_LIMIT, 8.0)]


def test_order_of_restoration() -> None:
    """Safest first: STOP, timeout and fallback, limit, phases; START is last.

    The limit is held before the phases are switched.
    """
    stopped = requested(**REQUESTED, start_stop=StartStop.STOP)
    assert restoration(stopped) == [
        (Setting.START_STOP, StartStop.STOP),
        HELD,  # Before the timeout is lowered.
        (Setting.FALLBACK_TIMEOUT, 60),
        (Setting.FALLBACK_LIMIT, 8.0),
        HELD,
        (Setting.PHASE_MODE, SINGLE),
        HELD,
    ]
    started = requested(**REQUESTED, start_stop=StartStop.START)
    assert restoration(started)[-1] == (Setting.START_STOP, StartStop.START)
    # Until the phase mode is seen, the limit is held.
    assert started.limits.capped(12.0) == 6.0
    started.phases.attempted(PhaseMode.ADAPTIVE, SINGLE)
    assert started.limits.effective == 6.0
    started.phases.attempted(SINGLE, SINGLE)
    assert started.limits.effective == started.limits.capped(12.0) == 12.0


def test_what_is_there_is_not_written_again() -> None:
    """A connection that is lost often does not wear the charger's memory out."""
    there = replace(DEFAULTS, **REQUESTED)
    state = requested(**REQUESTED, start_stop=StartStop.STOP)
    assert restoration(state, there) == [(Setting.START_STOP, StartStop.STOP), LIMIT]


def test_timeout_that_is_raised() -> None:
    """The limit is written before the timeout only if that is lowered."""
    raised = requested(current_limit=12.0, fallback_timeout=600)
    assert restoration(raised) == [(Setting.FALLBACK_TIMEOUT, 600), LIMIT]
    limited = requested(current_limit=12.0)
    timeout = Setting.FALLBACK_TIMEOUT
    assert plan.before(limited, timeout, 60, DEFAULTS) == [LIMIT]
    assert plan.before(limited, timeout, 600, DEFAULTS) == []
    assert plan.before(limited, Setting.FALLBACK_LIMIT, 8.0, DEFAULTS) == []
    assert plan.before(requested(), timeout, 60, DEFAULTS) == []
    # An unknown timeout may be lowered.
    assert plan.before(limited, timeout, 60, Settings()) == [LIMIT]


def test_phase_mode_over_budget() -> None:
    """Until the phases may be switched the limit is at most 6 A."""
    state = requested(**REQUESTED)
    state.phases.budget.record(NOW - timedelta(minutes=2), in_session=False)
    writes = restoration(state)
    assert (Setting.PHASE_MODE, SINGLE) not in writes
    assert writes[-1] == HELD
    assert state.limits.effective == state.limits.capped(12.0) == 6.0
    assert state.desired.current_limit == 12.0

    later = NOW + timedelta(minutes=8)
    assert restoration(state, now=later)[-2:] == [(Setting.PHASE_MODE, SINGLE), HELD]
    assert state.limits.effective == 6.0
    state.phases.attempted(SINGLE, SINGLE)
    assert state.limits.effective == 12.0


def test_phase_mode_once_the_budget_allows_it() -> None:
    """It is restored without another connect, which ends the hold."""
    state = requested(**REQUESTED)
    state.phases.budget.record(NOW - timedelta(minutes=2), in_session=False)
    restoration(state)
    assert plan.phase_restoration(state, NOW) == []
    later = NOW + timedelta(minutes=8)
    assert plan.phase_restoration(state, later) == [
        HELD,
        (Setting.PHASE_MODE, SINGLE),
        HELD,
    ]
    state.phases.attempted(SINGLE, SINGLE)
    assert plan.phase_restoration(state, later + timedelta(days=1)) == []


def test_the_limit_waits_for_the_phase_mode_that_was_asked_for() -> None:
    """Neither another mode nor an unknown one ends the hold."""
    state = requested(**REQUESTED)
    restoration(state, replace(DEFAULTS, phase_mode=None))
    assert state.limits.effective == 6.0
    state.observe(charging(DEFAULTS), NOW, phases_settled=True)
    assert state.limits.effective == 6.0
    restored = charging(replace(DEFAULTS, phase_mode=SINGLE))
    state.observe(restored, NOW, phases_settled=False)
    assert state.limits.effective == 6.0
    state.observe(restored, NOW, phases_settled=True)
    assert state.limits.effective == 12.0


def test_the_phase_mode_that_is_there_is_no_switch() -> None:
    """Restoring what is there costs no switch."""
    state = requested(phase_mode=PhaseMode.ADAPTIVE)
    assert restoration(state) == []
    assert not state.phases.is_awaited


def test_a_lost_phase_mode_comes_back_without_a_car() -> None:
    """However often it was lost before."""
    state = requested(phase_mode=SINGLE)
    now = NOW
    for _ in range(10):
        now += timedelta(hours=2)
        state.observe(
            replace(charging(DEFAULTS), status=Status.AVAILABLE),
            now,
            phases_settled=True,
        )
        later = now + INTERVAL
        assert restoration(state, now=later) == [(Setting.PHASE_MODE, SINGLE)]
        state.phases.attempted(SINGLE, SINGLE)


@pytest.mark.parametrize(
    ("limit", "order"),
    [
        (20.0, ["fallback_timeout", "fallback_limit", "phase_mode", "current_limit"]),
        (12.0, ["current_limit", "fallback_timeout", "fallback_limit", "phase_mode"]),
    ],
)
def test_order_of_commands(limit: float, order: list[str]) -> None:
    """A limit that is lowered comes first, one that is raised last."""
    wanted = Settings(**(REQUESTED | {"current_limit": limit}))
    assert [setting for setting, _ in plan.commands(wanted, DEFAULTS)] == order
    assert sorted(plan.commands(wanted, DEFAULTS)) == sorted(wanted)
    # A limit that may be lowered comes first as well.
    assert plan.commands(wanted, Settings())[0][0] is Setting.CURRENT_LIMIT


def test_what_a_charger_cannot_do_is_not_restored() -> None:
    """Whatever was requested before."""
    state = requested(**REQUESTED, start_stop=StartStop.STOP)
    state.phases.await_mode(DEFAULTS.phase_mode, SINGLE)
    can = {Setting.CURRENT_LIMIT, Setting.START_STOP}
    writes = plan.restoration(state, DEFAULTS, NOW, can)
    assert {setting for setting, _ in writes} == can


def test_release() -> None:
    """Nothing is requested any more; switches that were made still count."""
    state = requested(**REQUESTED, start_stop=StartStop.START)
    state.phases.budget.record(NOW, in_session=False)
    state.release()
    assert state.limits.effective is None
    assert not state.is_in_control
    assert restoration(state) == []
    assert state.phases.budget.left(NOW) == 1
