"""The intent, and the writes that restore it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.nexblue_local.charger.enums import (
    ChargePointState,
    PhaseMode,
    StartStop,
)
from custom_components.nexblue_local.charger.registers import Reading, Settings
from custom_components.nexblue_local.control.control import Control, Rejected
from custom_components.nexblue_local.control.keep_alive import period
from custom_components.nexblue_local.control.session import Session

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
AFTER_POWER_ON = Settings(
    {
        "current_limit": 16.0,
        "fallback_limit": 6.0,
        "fallback_timeout": 300,
        "start_stop": StartStop.START,
        "phase_mode": PhaseMode.ADAPTIVE,
    }
)
ASKED: dict[str, Any] = {
    "current_limit": 12.0,
    "fallback_limit": 8.0,
    "fallback_timeout": 60,
    "phase_mode": PhaseMode.SINGLE_PHASE,
}


def control(**asked: Any) -> Control:
    """Return a control that was asked for some things."""
    result = Control(phase_mode_seen=PhaseMode.ADAPTIVE)
    for name, value in asked.items():
        result.confirm(getattr(Settings, name), value)
    return result


def names(writes: list[Any]) -> list[tuple[str, Any]]:
    """Return writes by the names of their registers."""
    return [(register.name, value) for register, value in writes]


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(30, 10), (60, 20), (180, 60), (300, 60), (1800, 60), (None, 10)],
)
def test_keep_alive_period(timeout: int | None, seconds: float) -> None:
    """A third of the timeout, never more than a minute."""
    assert period(timeout) == seconds


def test_nothing_is_restored_that_was_not_asked_for() -> None:
    """Without an intent nothing is written."""
    assert Control().restoration(AFTER_POWER_ON, NOW) == []
    assert names(control(fallback_limit=8.0).restoration(AFTER_POWER_ON, NOW)) == [
        ("fallback_limit", 8.0)
    ]


def test_order_of_restoration() -> None:
    """Safest first: STOP, timeout and fallback, phases, limit; START is last."""
    stopped = control(**ASKED, start_stop=StartStop.STOP)
    assert names(stopped.restoration(AFTER_POWER_ON, NOW)) == [
        ("start_stop", StartStop.STOP),
        ("current_limit", 6.0),  # Before the timeout is lowered.
        ("fallback_timeout", 60),
        ("fallback_limit", 8.0),
        ("phase_mode", PhaseMode.SINGLE_PHASE),
        ("current_limit", 12.0),
    ]
    started = control(**ASKED, start_stop=StartStop.START)
    assert names(started.restoration(AFTER_POWER_ON, NOW))[-1] == (
        "start_stop",
        StartStop.START,
    )


def test_timeout_that_is_raised() -> None:
    """Only before the timeout is lowered is the limit written."""
    raised = control(current_limit=12.0, fallback_timeout=600)
    assert names(raised.restoration(AFTER_POWER_ON, NOW)) == [
        ("fallback_timeout", 600),
        ("current_limit", 12.0),
    ]
    lowers = control(current_limit=12.0)
    before = lowers.before(Settings.fallback_timeout, 60, AFTER_POWER_ON)
    assert names(before) == [("current_limit", 12.0)]
    assert control().before(Settings.fallback_timeout, 60, AFTER_POWER_ON) == []


def test_phase_mode_over_budget() -> None:
    """Until the phases may be switched the limit is 6 A at the most."""
    waiting = control(**ASKED)
    waiting.budget.record(NOW - timedelta(minutes=2))
    writes = names(waiting.restoration(AFTER_POWER_ON, NOW))
    assert ("phase_mode", PhaseMode.SINGLE_PHASE) not in writes
    assert writes[-1] == ("current_limit", 6.0)
    assert (waiting.limit, waiting.intent.current_limit) == (6.0, 12.0)

    later = NOW + timedelta(minutes=8)
    assert names(waiting.restoration(AFTER_POWER_ON, later))[-2:] == [
        ("phase_mode", PhaseMode.SINGLE_PHASE),
        ("current_limit", 12.0),
    ]
    assert waiting.limit == 12.0


def test_the_phase_mode_that_is_there_is_no_switch() -> None:
    """Restoring what is there costs no switch."""
    same = control(phase_mode=PhaseMode.ADAPTIVE)
    assert same.restoration(AFTER_POWER_ON, NOW) == []
    assert same.budget.left(NOW) == 2
    same.command(Settings.phase_mode, PhaseMode.ADAPTIVE, NOW)
    assert same.budget.left(NOW) == 2


def test_phase_commands_spend_the_budget() -> None:
    """A switch is counted before it is written; over budget it is rejected."""
    result = control()
    result.command(Settings.phase_mode, PhaseMode.SINGLE_PHASE, NOW)
    assert result.budget.left(NOW) == 1
    result.confirm(Settings.phase_mode, PhaseMode.SINGLE_PHASE)
    with pytest.raises(Rejected) as rejected:
        result.command(Settings.phase_mode, PhaseMode.ADAPTIVE, NOW)
    assert rejected.value.key == "phase_budget"
    assert rejected.value.allowed_from == NOW + timedelta(minutes=10)
    result.budget.in_session = 6
    with pytest.raises(Rejected) as rejected:
        result.command(Settings.phase_mode, PhaseMode.ADAPTIVE, NOW)
    assert rejected.value.key == "phase_budget_of_session"


def test_switches_of_others_count() -> None:
    """A phase mode that changed without us is a switch as well."""
    result = Control()
    reading = Reading({"status": ChargePointState.CHARGING})
    result.observe(reading, AFTER_POWER_ON, 1.0, NOW)
    assert result.budget.left(NOW) == 2
    changed = AFTER_POWER_ON.replace(phase_mode=PhaseMode.THREE_PHASE)
    assert result.observe(reading, changed, 1.0, NOW)
    assert result.budget.left(NOW) == 1
    assert not result.observe(reading, changed, 1.0, NOW)


@pytest.mark.parametrize("value", [0.1, 5.9])
def test_fallback_limit_between(value: float) -> None:
    """What the charger would turn to 0 in silence is rejected."""
    with pytest.raises(Rejected) as rejected:
        control().command(Settings.fallback_limit, value, NOW)
    assert rejected.value.key == "fallback_limit_between"


@pytest.mark.parametrize("value", [0.0, 6.0, 16.0])
def test_fallback_limit(value: float) -> None:
    """The rest is not."""
    control().command(Settings.fallback_limit, value, NOW)


def test_start_belongs_to_its_session() -> None:
    """START is restored within its session, and forgotten with it."""
    result = control(start_stop=StartStop.START)
    charging = Reading({"status": ChargePointState.CHARGING})
    result.observe(charging, AFTER_POWER_ON, 1.0, NOW)
    assert names(result.restoration(AFTER_POWER_ON, NOW)) == [
        ("start_stop", StartStop.START)
    ]
    available = Reading({"status": ChargePointState.AVAILABLE})
    assert result.observe(available, AFTER_POWER_ON, 1.0, NOW)
    assert result.intent.start_stop is None
    assert result.restoration(AFTER_POWER_ON, NOW) == []


def test_stop_outlives_its_session() -> None:
    """A charger that was stopped stays so until it is started."""
    result = control(start_stop=StartStop.STOP)
    for status in (ChargePointState.CHARGING, ChargePointState.AVAILABLE):
        result.observe(Reading({"status": status}), AFTER_POWER_ON, 1.0, NOW)
    assert names(result.restoration(AFTER_POWER_ON, NOW)) == [
        ("start_stop", StartStop.STOP)
    ]


def test_release() -> None:
    """Nothing is asked for any more; what was switched still counts."""
    result = control(**ASKED, start_stop=StartStop.START)
    result.budget.record(NOW)
    result.release()
    assert result.limit is None
    assert result.restoration(AFTER_POWER_ON, NOW) == []
    assert result.budget.left(NOW) == 1


def test_stored_and_back() -> None:
    """What is stored is all that is needed after a restart."""
    result = control(**ASKED, start_stop=StartStop.STOP)
    result.budget.record(NOW)
    restored = Control.from_dict(result.as_dict())
    assert restored == result
    assert Control.from_dict(Control().as_dict()) == Control()


@pytest.mark.parametrize(
    ("observations", "number"),
    [
        pytest.param([("CHARGING", 1.0), ("CHARGING", 2.0)], 0, id="one session"),
        pytest.param([("CHARGING", 1.0), ("AVAILABLE", 1.0)], 1, id="unplugged"),
        pytest.param(
            [("CHARGING", 3.0), ("CHARGING", 0.5), ("CHARGING", 0.6)], 1, id="unseen"
        ),
        pytest.param(
            [("CHARGING", 3.0), ("CHARGING", 0.0), ("CHARGING", 3.1)], 0, id="misread"
        ),
        pytest.param([("CHARGING", 3.0), ("FAULTED", 3.0)], 0, id="a fault"),
        pytest.param([("CHARGING", 3.0), ("INOPERATIVE", 0.0)], 0, id="no word"),
        pytest.param([("CHARGING", 3.0), ("CHARGING", None)], 0, id="energy unknown"),
        pytest.param([("AVAILABLE", 3.0), ("AVAILABLE", 0.0)], 0, id="none"),
    ],
)
def test_sessions(observations: list[tuple[str, float | None]], number: int) -> None:
    """A session runs from leaving Available to returning to it."""
    session = Session()
    for status, energy in observations:
        session.observe(Reading({"status": ChargePointState[status]}), energy)
    assert session.number == number


def test_an_unseen_session_known_at_once() -> None:
    """After a reconnect one read has to do."""
    session = Session()
    charging = Reading({"status": ChargePointState.CHARGING})
    session.observe(charging, 3.0)
    assert session.observe(charging, 0.5, at_once=True)
    assert not session.observe(charging, 0.6, at_once=True)
    assert session.number == 1
