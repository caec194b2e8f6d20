"""The intent, and the writes that restore it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
import math
from typing import Any

import pytest

from custom_components.nexblue_local.control.control import Control, Rejected, in_steps
from custom_components.nexblue_local.control.keep_alive import longest_silence, period
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.phase_budget import INTERVAL
from custom_components.nexblue_local.control.session import Session
from custom_components.nexblue_local.modbus.enums import (
    ChargePointState,
    PhaseMode,
    StartStop,
)
from custom_components.nexblue_local.modbus.registers import (
    CURRENT_LIMIT,
    FALLBACK_LIMIT,
    FALLBACK_TIMEOUT,
    PHASE_MODE,
    START_STOP,
    Reading,
    Settings,
)

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
AFTER_POWER_ON = Settings(
    current_limit=16.0,
    fallback_limit=6.0,
    fallback_timeout=300,
    start_stop=StartStop.START,
    phase_mode=PhaseMode.ADAPTIVE,
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
        result.confirm(Settings.registers[name], value)
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
    assert longest_silence(timeout) == (timeout or 30) - seconds


def test_nothing_is_restored_that_was_not_asked_for() -> None:
    """Without an intent nothing is written."""
    assert Control().restoration(AFTER_POWER_ON, NOW) == []
    assert names(control(fallback_limit=8.0).restoration(AFTER_POWER_ON, NOW)) == [
        ("fallback_limit", 8.0)
    ]


def test_order_of_restoration() -> None:
    """Safest first: STOP, timeout and fallback, phases, limit; START is last.

    Before the phases the limit is written as well, held down.
    """
    stopped = control(**ASKED, start_stop=StartStop.STOP)
    assert names(stopped.restoration(AFTER_POWER_ON, NOW)) == [
        ("start_stop", StartStop.STOP),
        ("current_limit", 12.0),  # Before the timeout is lowered.
        ("fallback_timeout", 60),
        ("fallback_limit", 8.0),
        ("current_limit", 12.0),
        ("phase_mode", PhaseMode.SINGLE_PHASE),
        ("current_limit", 12.0),
    ]
    started = control(**ASKED, start_stop=StartStop.START)
    assert names(started.restoration(AFTER_POWER_ON, NOW))[-1] == (
        "start_stop",
        StartStop.START,
    )
    # Until the phase mode is seen to be there, all of these are held down.
    assert started.on_the_wire(CURRENT_LIMIT, 12.0) == 6.0
    started.phase_mode_shown(PhaseMode.ADAPTIVE)
    assert started.limit == 6.0
    started.phase_mode_shown(PhaseMode.SINGLE_PHASE)
    assert started.limit == started.on_the_wire(CURRENT_LIMIT, 12.0) == 12.0


def test_what_is_there_is_not_written_again() -> None:
    """A connection that is lost often does not wear the charger's memory out."""
    there = replace(AFTER_POWER_ON, **ASKED)
    kept = control(**ASKED, start_stop=StartStop.STOP)
    assert names(kept.restoration(there, NOW)) == [
        ("start_stop", StartStop.STOP),
        ("current_limit", 12.0),
    ]


def test_timeout_that_is_raised() -> None:
    """Only before the timeout is lowered is the limit written."""
    raised = control(current_limit=12.0, fallback_timeout=600)
    assert names(raised.restoration(AFTER_POWER_ON, NOW)) == [
        ("fallback_timeout", 600),
        ("current_limit", 12.0),
    ]
    lowers = control(current_limit=12.0)
    before = lowers.before(FALLBACK_TIMEOUT, 60, AFTER_POWER_ON)
    assert names(before) == [("current_limit", 12.0)]
    assert control().before(FALLBACK_TIMEOUT, 60, AFTER_POWER_ON) == []
    # Where nobody knows what the timeout was, it may be lowered.
    unknown = lowers.before(FALLBACK_TIMEOUT, 60, Settings())
    assert names(unknown) == [("current_limit", 12.0)]


def test_phase_mode_over_budget() -> None:
    """Until the phases may be switched the limit is 6 A at the most."""
    waiting = control(**ASKED)
    waiting.budget.record(NOW - timedelta(minutes=2), in_session=False)
    writes = names(waiting.restoration(AFTER_POWER_ON, NOW))
    assert ("phase_mode", PhaseMode.SINGLE_PHASE) not in writes
    assert writes[-1] == ("current_limit", 12.0)
    assert waiting.on_the_wire(CURRENT_LIMIT, 12.0) == 6.0
    assert (waiting.limit, waiting.intent.current_limit) == (6.0, 12.0)

    later = NOW + timedelta(minutes=8)
    assert names(waiting.restoration(AFTER_POWER_ON, later))[-2:] == [
        ("phase_mode", PhaseMode.SINGLE_PHASE),
        ("current_limit", 12.0),
    ]
    assert waiting.limit == 6.0
    waiting.phase_mode_shown(PhaseMode.SINGLE_PHASE)
    assert waiting.limit == 12.0


def test_phase_mode_once_the_budget_allows_it() -> None:
    """It is restored without another reconnect, and lifts the limit."""
    waiting = control(**ASKED)
    waiting.budget.record(NOW - timedelta(minutes=2), in_session=False)
    waiting.restoration(AFTER_POWER_ON, NOW)
    assert waiting.phase_restoration(NOW) == []
    later = NOW + timedelta(minutes=8)
    assert names(waiting.phase_restoration(later)) == [
        ("current_limit", 12.0),
        ("phase_mode", PhaseMode.SINGLE_PHASE),
        ("current_limit", 12.0),
    ]
    waiting.phase_mode_shown(PhaseMode.SINGLE_PHASE)
    assert waiting.phase_restoration(later + timedelta(days=1)) == []


def test_the_limit_waits_for_the_phase_mode_that_was_asked_for() -> None:
    """Neither another one nor one that nobody could read will do."""
    waiting = control(**ASKED)
    charging = Reading(status=ChargePointState.CHARGING)
    waiting.restoration(replace(AFTER_POWER_ON, phase_mode=None), NOW)
    assert waiting.limit == 6.0
    waiting.observe(charging, AFTER_POWER_ON, 1.0, NOW)
    assert waiting.limit == 6.0
    restored = replace(AFTER_POWER_ON, phase_mode=PhaseMode.SINGLE_PHASE)
    waiting.observe(charging, restored, 1.0, NOW)
    assert waiting.limit == 12.0


def test_the_phase_mode_that_is_there_is_no_switch() -> None:
    """Restoring what is there costs no switch."""
    same = control(phase_mode=PhaseMode.ADAPTIVE)
    assert same.restoration(AFTER_POWER_ON, NOW) == []
    same.check(Settings(phase_mode=PhaseMode.ADAPTIVE), NOW)
    assert not same.is_switch(PHASE_MODE, PhaseMode.ADAPTIVE)


def test_phase_commands_spend_the_budget() -> None:
    """Over budget a switch is rejected."""
    result = control()
    result.check(Settings(phase_mode=PhaseMode.SINGLE_PHASE), NOW)
    assert result.is_switch(PHASE_MODE, PhaseMode.SINGLE_PHASE)
    result.count_switch(NOW)
    assert result.budget.left(NOW) == 1
    result.confirm(PHASE_MODE, PhaseMode.SINGLE_PHASE)
    with pytest.raises(Rejected) as rejected:
        result.check(Settings(phase_mode=PhaseMode.ADAPTIVE), NOW)
    assert rejected.value.key == "phase_budget"
    assert rejected.value.allowed_from == NOW + timedelta(minutes=10)
    result.budget.in_session = 6
    with pytest.raises(Rejected) as rejected:
        result.check(Settings(phase_mode=PhaseMode.ADAPTIVE), NOW)
    assert rejected.value.key == "phase_budget_of_session"


def test_switches_of_others_count() -> None:
    """A phase mode that changed without us is a switch as well."""
    result = Control()
    reading = Reading(status=ChargePointState.CHARGING)
    result.observe(reading, AFTER_POWER_ON, 1.0, NOW)
    assert result.budget.left(NOW) == 2
    changed = replace(AFTER_POWER_ON, phase_mode=PhaseMode.THREE_PHASE)
    assert result.observe(reading, changed, 1.0, NOW)
    assert result.budget.left(NOW) == 1
    assert not result.observe(reading, changed, 1.0, NOW)
    # What was asked for before is not what is there.
    result.confirm(PHASE_MODE, PhaseMode.SINGLE_PHASE)
    result.observe(reading, changed, 1.0, NOW)
    with pytest.raises(Rejected):
        result.check(Settings(phase_mode=PhaseMode.SINGLE_PHASE), NOW)


@pytest.mark.parametrize("value", [0.1, 5.9])
def test_fallback_limit_between(value: float) -> None:
    """What the charger would turn to 0 in silence is rejected."""
    with pytest.raises(Rejected) as rejected:
        control().check(Settings(fallback_limit=value), NOW)
    assert rejected.value.key == "fallback_limit_between"


@pytest.mark.parametrize("value", [0.0, 6.0, 16.0])
def test_fallback_limit(value: float) -> None:
    """The rest is not."""
    control().check(Settings(fallback_limit=value), NOW)


@pytest.mark.parametrize(
    ("limit", "order"),
    [
        (20.0, ["fallback_timeout", "fallback_limit", "phase_mode", "current_limit"]),
        (12.0, ["current_limit", "fallback_timeout", "fallback_limit", "phase_mode"]),
    ],
)
def test_order_of_commands(limit: float, order: list[str]) -> None:
    """A limit that is lowered comes first, one that is raised last."""
    wanted = Settings(**(ASKED | {"current_limit": limit}))
    writes = control().commands(wanted, AFTER_POWER_ON)
    assert names(writes) == [(name, getattr(wanted, name)) for name in order]
    assert names(control().commands(wanted, Settings()))[0][0] == "current_limit"


def test_steps() -> None:
    """Limits are written in tenths of amperes and whole seconds."""
    wanted: dict[str, Any] = {"current_limit": 10.06, "fallback_timeout": 60.4}
    assert in_steps(Settings(**wanted)) == Settings(
        current_limit=10.1, fallback_timeout=60
    )
    # What is no number at all is refused later, with a reason.
    wrong = Settings(fallback_limit=math.inf)
    assert in_steps(wrong) == wrong


def leased(limit: float, seconds: float, safe_limit: float) -> Control:
    """Return a control whose limit has to be renewed."""
    valid_for = timedelta(seconds=seconds)
    result = control()
    lease = Lease(NOW + valid_for, valid_for, safe_limit)
    result.confirm(CURRENT_LIMIT, limit, lease)
    return result


def test_lease() -> None:
    """A limit that is not renewed gives way to the safe one, once."""
    result = leased(16.0, 100, 6.0)
    assert not result.expire(NOW + timedelta(seconds=99))
    assert result.limit == 16.0
    assert result.expire(NOW + timedelta(seconds=100))
    assert (result.limit, result.lease) == (6.0, None)
    assert not result.expire(NOW + timedelta(seconds=101))


def test_lease_is_renewed_or_ends_with_the_next_limit() -> None:
    """It belongs to the limit that it came with."""
    result = leased(16.0, 100, 6.0)
    result.confirm(FALLBACK_LIMIT, 8.0)
    assert result.lease is not None
    result.confirm(CURRENT_LIMIT, 10.0)
    assert not result.expire(NOW + timedelta(days=1))
    assert result.limit == 10.0
    released = leased(16.0, 100, 6.0)
    released.release()
    assert not released.expire(NOW + timedelta(days=1))


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(seconds=-50)])
def test_lease_and_a_clock_that_jumps_back(jump: timedelta) -> None:
    """It never lasts longer than it was given, from when that is noticed."""
    result = leased(16.0, 100, 6.0)
    assert not result.expire(NOW + jump)
    assert result.expire(NOW + jump + timedelta(seconds=100))


def test_start_belongs_to_its_session() -> None:
    """START is restored within its session, and forgotten with it."""
    result = control(start_stop=StartStop.START)
    charging = Reading(status=ChargePointState.CHARGING)
    result.observe(charging, AFTER_POWER_ON, 1.0, NOW)
    assert names(result.restoration(AFTER_POWER_ON, NOW)) == [
        ("start_stop", StartStop.START)
    ]
    available = Reading(status=ChargePointState.AVAILABLE)
    assert result.observe(available, AFTER_POWER_ON, 1.0, NOW)
    assert result.intent.start_stop is None
    assert result.restoration(AFTER_POWER_ON, NOW) == []


def test_stop_outlives_its_session() -> None:
    """A charger that was stopped stays so until it is started."""
    result = control(start_stop=StartStop.STOP)
    for status in (ChargePointState.CHARGING, ChargePointState.AVAILABLE):
        result.observe(Reading(status=status), AFTER_POWER_ON, 1.0, NOW)
    assert names(result.restoration(AFTER_POWER_ON, NOW)) == [
        ("start_stop", StartStop.STOP)
    ]


def test_switches_without_a_car_count_by_the_hour_only() -> None:
    """A session begins with all its switches; those in it count to its end."""
    result = control()
    available = Reading(status=ChargePointState.AVAILABLE)
    charging = Reading(status=ChargePointState.CHARGING)
    modes = (PhaseMode.THREE_PHASE, PhaseMode.SINGLE_PHASE)

    def switch_six_times(reading: Reading, start: datetime) -> None:
        for hour in range(6):
            switched = replace(AFTER_POWER_ON, phase_mode=modes[hour % 2])
            result.observe(reading, switched, None, start + timedelta(hours=hour))

    switch_six_times(available, NOW)
    evening = NOW + timedelta(hours=8)
    assert result.budget.left(evening) == 2
    switch_six_times(charging, evening)
    night = evening + timedelta(hours=8)
    assert result.budget.left(night) == 0
    assert result.budget.allowed_from(night) is None
    # An energy that is less than before may be a misread.
    for _ in range(3):
        result.observe(charging, Settings(), 5.0, night)
        result.observe(charging, Settings(), 0.0, night, at_once=True)
    assert result.budget.left(night) == 0
    result.observe(available, Settings(), None, night)
    assert result.budget.left(night) == 2


def test_a_lost_phase_mode_comes_back_without_a_car() -> None:
    """However often it was lost before."""
    result = control(phase_mode=PhaseMode.SINGLE_PHASE)
    reading = Reading(status=ChargePointState.AVAILABLE)
    now = NOW
    for _ in range(10):
        now += timedelta(hours=2)
        result.observe(reading, AFTER_POWER_ON, None, now)
        later = now + INTERVAL
        assert names(result.restoration(AFTER_POWER_ON, later)) == [
            ("phase_mode", PhaseMode.SINGLE_PHASE)
        ]
        result.phase_mode_shown(PhaseMode.SINGLE_PHASE)


def test_what_is_stored_changes_rarely() -> None:
    """The energy of a session is no reason to write to the disk with each poll."""
    result = control()
    changes = 0
    for step in range(101):
        reading = Reading(status=ChargePointState.CHARGING)
        changes += result.observe(reading, AFTER_POWER_ON, step / 100, NOW)
    assert changes == 3  # The session, and twice half a kilowatt-hour.


def test_release() -> None:
    """Nothing is asked for any more; what was switched still counts."""
    result = control(**ASKED, start_stop=StartStop.START)
    result.budget.record(NOW, in_session=False)
    result.release()
    assert result.limit is None
    assert result.restoration(AFTER_POWER_ON, NOW) == []
    assert result.budget.left(NOW) == 1


def test_stored_and_back() -> None:
    """What is stored is all that is needed after a restart."""
    result = control(**ASKED)
    result.budget.record(NOW, in_session=False)
    # A session other than the first, open, with energy, and with its START.
    for status, energy in (("CHARGING", 3.0), ("AVAILABLE", 3.0), ("CHARGING", 2.0)):
        reading = Reading(status=ChargePointState[status])
        result.observe(reading, AFTER_POWER_ON, energy, NOW)
    result.confirm(START_STOP, StartStop.START)
    assert result.started_in == 1
    restored = Control.from_dict(result.as_dict())
    assert restored == result
    assert Control.from_dict(Control().as_dict()) == Control()
    limited = leased(16.0, 100, 6.0)
    assert Control.from_dict(limited.as_dict()) == limited


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
        pytest.param(
            [("CHARGING", energy) for energy in (3.0, 0.0, 3.1, 0.0, 3.2)],
            0,
            id="two misreads",
        ),
        pytest.param([("CHARGING", 3.0), ("FAULTED", 3.0)], 0, id="a fault"),
        pytest.param(
            [("CHARGING", 3.0), ("INOPERATIVE", 0.0), ("INOPERATIVE", 0.0)],
            0,
            id="no word",
        ),
        pytest.param([("CHARGING", 3.0), ("CHARGING", None)], 0, id="energy unknown"),
        pytest.param(
            [("CHARGING", 3.0), ("CHARGING", 0.0)]
            + 2 * [("CHARGING", None), ("CHARGING", 0.0)],
            0,
            id="misread, with energies unknown between",
        ),
        pytest.param([("AVAILABLE", 3.0), ("AVAILABLE", 0.0)], 0, id="none"),
    ],
)
def test_sessions(observations: list[tuple[str, float | None]], number: int) -> None:
    """A session runs from leaving Available to returning to it."""
    session = Session()
    for status, energy in observations:
        session.observe(Reading(status=ChargePointState[status]), energy)
    assert session.number == number


def test_a_session_outlives_a_restart() -> None:
    """What is stored of its energy is never more than it was."""
    session = Session()
    charging = Reading(status=ChargePointState.CHARGING)
    session.observe(charging, 2.4)
    restored = Session.from_dict(session.as_dict())
    assert not restored.observe(charging, 2.4, at_once=True)


def test_an_unseen_session_known_at_once() -> None:
    """After a reconnect one read has to do."""
    session = Session()
    charging = Reading(status=ChargePointState.CHARGING)
    session.observe(charging, 3.0)
    assert session.observe(charging, 0.5, at_once=True)
    assert not session.observe(charging, 0.6, at_once=True)
    assert session.number == 1
