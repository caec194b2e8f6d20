"""What control knows of a charger."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
import json
from typing import Any

import pytest

from custom_components.nexblue_local.control.errors import Rejected
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.limits import LimitStep
from custom_components.nexblue_local.control.link import Status
from custom_components.nexblue_local.control.phases import Phases
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
)
from custom_components.nexblue_local.control.state import ControlState, DamagedRecord
from tests.control.fakes import DEFAULTS
from tests.control.test_plan import NOW, REQUESTED, charging, requested, restoration

SINGLE, THREE = PhaseMode.SINGLE_PHASE, PhaseMode.THREE_PHASE
START, STOP = StartStop.START, StartStop.STOP


def leased(limit: float = 16.0, seconds: float = 100) -> ControlState:
    """Return a state whose current limit has to be renewed, or is 6 A."""
    valid_for = timedelta(seconds=seconds)
    state = requested()
    state.confirm(Setting.CURRENT_LIMIT, limit, Lease(NOW + valid_for, valid_for, 6.0))
    return state


def observe(
    state: ControlState,
    status: Status = Status.CHARGING,
    mode: PhaseMode | None = None,
    energy: float | None = None,
    **options: Any,
) -> bool:
    """Have a state see a charger; return whether what is stored changed."""
    settings = replace(DEFAULTS, phase_mode=mode)
    observation = replace(charging(settings), status=status, session_energy=energy)
    defaults: dict[str, Any] = {"now": NOW, "phases_settled": True}
    return state.observe(observation, **(defaults | options))


def test_phase_commands_spend_the_budget() -> None:
    """Over budget a switch is rejected."""
    state = requested()
    state.check_phase_budget(SINGLE, NOW)
    state.phases.budget.record(NOW, in_session=False)
    state.confirm(Setting.PHASE_MODE, SINGLE)
    with pytest.raises(Rejected) as rejected:
        state.check_phase_budget(PhaseMode.ADAPTIVE, NOW)
    assert rejected.value.key == "phase_budget"
    assert rejected.value.allowed_from == NOW + timedelta(minutes=10)
    state.phases.budget.in_session = 6
    with pytest.raises(Rejected) as rejected:
        state.check_phase_budget(PhaseMode.ADAPTIVE, NOW)
    assert rejected.value.key == "phase_budget_of_session"
    # What is there is no switch.
    state.check_phase_budget(SINGLE, NOW)
    state.check_phase_budget(None, NOW)


def test_switches_of_others_count() -> None:
    """A phase mode that somebody else changed is a switch as well."""
    state = ControlState()
    observe(state, mode=PhaseMode.ADAPTIVE)
    assert state.phases.budget.left(NOW) == 2
    assert observe(state, mode=THREE)
    assert state.phases.budget.left(NOW) == 1
    assert not observe(state, mode=THREE)
    # What was requested before is not what is there.
    state.confirm(Setting.PHASE_MODE, SINGLE)
    observe(state, mode=THREE)
    with pytest.raises(Rejected):
        state.check_phase_budget(SINGLE, NOW)


def test_phases_that_have_not_settled_are_no_switch() -> None:
    """After a switch the charger may still show the mode from before it."""
    state = requested()
    observe(state, mode=SINGLE, phases_settled=False)
    assert state.phases.seen is PhaseMode.ADAPTIVE
    assert state.phases.budget.left(NOW) == 2


def test_switches_without_a_car_count_by_the_hour_only() -> None:
    """A session begins with all its switches; those in it count to its end."""
    state = requested()

    def switch_six_times(status: Status, start: float) -> None:
        for hour in range(6):
            now = NOW + timedelta(hours=start + hour)
            observe(state, status, (THREE, SINGLE)[hour % 2], now=now)

    budget = state.phases.budget
    switch_six_times(Status.AVAILABLE, 0)
    evening, night = NOW + timedelta(hours=8), NOW + timedelta(hours=16)
    assert budget.left(evening) == 2
    switch_six_times(Status.CHARGING, 8)
    assert budget.left(night) == 0
    assert budget.allowed_from(night) is None
    # An energy that is lower than before may be a misread.
    for _ in range(3):
        observe(state, energy=5.0, now=night)
        observe(state, energy=0.0, now=night, at_once=True)
    assert budget.left(night) == 0
    observe(state, Status.AVAILABLE, now=night)
    assert budget.left(night) == 2


@pytest.mark.parametrize("value", [0.1, 5.9])
def test_fallback_limit_between(value: float) -> None:
    """A value that the charger would treat as 0 is rejected."""
    with pytest.raises(Rejected) as rejected:
        requested().check(Settings(fallback_limit=value))
    assert rejected.value.key == "fallback_limit_between"


@pytest.mark.parametrize(
    ("wanted", "safe_limit", "key", "low", "high"),
    [
        ({"current_limit": 32.1}, None, "current_limit", 0, 32),
        ({"current_limit": -0.1}, None, "current_limit", 0, 32),
        ({"current_limit": float("nan")}, None, "current_limit", 0, 32),
        ({"fallback_limit": 16.1}, None, "fallback_limit", 0, 16),
        ({"fallback_timeout": 29}, None, "fallback_timeout", 30, 1800),
        ({"fallback_timeout": 1801}, None, "fallback_timeout", 30, 1800),
        ({"current_limit": 10.0}, 33.0, "safe_limit", 0, 32),
    ],
)
def test_values_out_of_range(
    wanted: dict[str, Any], safe_limit: float | None, key: str, low: float, high: float
) -> None:
    """They are rejected with the range."""
    with pytest.raises(Rejected) as rejected:
        requested().check(Settings(**wanted), safe_limit)
    assert rejected.value.key == f"{key}_out_of_range"
    assert (rejected.value.low, rejected.value.high) == (low, high)


@pytest.mark.parametrize(
    "wanted",
    [
        {"current_limit": 0.0, "fallback_limit": 0.0, "fallback_timeout": 30},
        {"current_limit": 32.0, "fallback_limit": 16.0, "fallback_timeout": 1800},
        {"fallback_limit": 6.0},
    ],
)
def test_values_in_range(wanted: dict[str, Any]) -> None:
    """The ends of the ranges are valid."""
    requested().check(Settings(**wanted))


def test_lease() -> None:
    """A limit that is not renewed is replaced by the safe one, once."""
    state = leased()
    assert not state.expire(NOW + timedelta(seconds=99))
    assert state.limits.effective == 16.0
    assert state.expire(NOW + timedelta(seconds=100))
    assert (state.limits.effective, state.lease) == (6.0, None)
    assert state.desired.current_limit == 6.0
    assert not state.expire(NOW + timedelta(seconds=101))


def test_lease_is_renewed_or_ends_with_the_next_limit() -> None:
    """It belongs to the limit that it came with."""
    state = leased()
    state.confirm(Setting.FALLBACK_LIMIT, 8.0)
    assert state.lease is not None
    state.confirm(Setting.CURRENT_LIMIT, 10.0)
    assert not state.expire(NOW + timedelta(days=1))
    assert state.limits.effective == 10.0
    released = leased()
    released.release()
    assert not released.expire(NOW + timedelta(days=1))
    assert not released.is_in_control


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(seconds=-50)])
def test_lease_and_a_clock_that_jumps_back(jump: timedelta) -> None:
    """It never lasts longer than its duration, from when the jump is noticed."""
    state = leased()
    assert not state.expire(NOW + jump)
    assert state.expire(NOW + jump + timedelta(seconds=100))


def test_start_belongs_to_its_session() -> None:
    """START is restored within its session, and dropped with it."""
    state = requested(start_stop=START)
    observe(state, energy=1.0)
    assert restoration(state) == [(Setting.START_STOP, START)]
    assert observe(state, Status.AVAILABLE, energy=1.0)
    assert state.desired.start_stop is None
    assert restoration(state) == []


def test_stop_belongs_to_its_session() -> None:
    """A vehicle that comes later is not stopped by what was meant for another."""
    state = requested(start_stop=STOP)
    observe(state)
    assert restoration(state) == [(Setting.START_STOP, STOP)]
    observe(state, Status.AVAILABLE)
    assert state.desired.start_stop is None


def test_stop_without_a_car_waits_for_one() -> None:
    """It belongs to the session that begins next."""
    state = requested()
    observe(state, Status.AVAILABLE)
    state.confirm(Setting.START_STOP, STOP)
    observe(state, Status.AVAILABLE)
    observe(state)
    assert state.desired.start_stop is STOP


@pytest.mark.parametrize(("command", "kept"), [(START, None), (STOP, STOP)])
def test_a_session_whose_end_was_not_seen(
    command: StartStop, kept: StartStop | None
) -> None:
    """START is dropped then; STOP is kept, because the end may be a misread."""
    state = requested()
    observe(state, energy=3.0)
    state.confirm(Setting.START_STOP, command)
    observe(state, energy=0.5, at_once=True)
    assert state.desired.start_stop is kept
    observe(state, Status.AVAILABLE)
    assert state.desired.start_stop is None


def test_what_is_stored_changes_rarely() -> None:
    """The energy of a session is no reason to write to the disk with each poll."""
    state = requested()
    changes = sum(
        observe(state, mode=PhaseMode.ADAPTIVE, energy=step / 100)
        for step in range(101)
    )
    assert changes == 3  # The session, and twice half a kilowatt-hour.


def full_state() -> ControlState:
    """Return a state in which everything that is stored has a value."""
    state = leased()
    for name, value in REQUESTED.items():
        state.confirm(Setting(name), value, state.lease)
    state.phases.budget.record(NOW, in_session=True)
    # A session other than the first, open, with energy, and with its START.
    for status, energy in (
        (Status.CHARGING, 3.0),
        (Status.AVAILABLE, 3.0),
        (Status.CHARGING, 2.0),
    ):
        observe(state, status, energy=energy)
    state.phases.budget.record(NOW, in_session=True)
    state.confirm(Setting.START_STOP, START)
    state.limits.step = LimitStep(version="1.0", step=0.5, shows_offered=True)
    state.phases.found = PhaseMode.THREE_PHASE
    return state


def stored(state: ControlState) -> Any:
    """Return what is on the disk."""
    return json.loads(json.dumps(state.as_dict()))


@pytest.mark.parametrize("make", [full_state, leased, requested, ControlState])
def test_stored_and_back(make: Callable[[], ControlState]) -> None:
    """What is stored is all that is needed after a restart."""
    state = make()
    record = stored(state)
    restored = ControlState.from_dict(record)
    assert stored(restored) == record
    assert restored.desired == state.desired
    assert restored.lease == state.lease
    assert restored.session == state.session
    assert restored.phases.budget == state.phases.budget
    assert restored.limits.effective == state.limits.effective
    assert restored.is_in_control is state.is_in_control
    assert restoration(restored) == restoration(state)


def test_everything_that_is_stored() -> None:
    """The full state has a value in each field, as the tests of damage need."""
    record = stored(full_state())
    assert record == {
        "desired": {
            "current_limit": 12.0,
            "fallback_limit": 8.0,
            "fallback_timeout": 60,
            "phase_mode": "single_phase",
            "start_stop": "start",
        },
        "budget": {"switches": [[NOW.isoformat()] * 2] * 2, "in_session": 1},
        "session": {"number": 1, "is_open": True, "energy": 2.0},
        "phase_mode_seen": "single_phase",
        "phase_mode_found": "three_phase",
        "learned": {"version": "1.0", "limit_step": 0.5, "shows_offered": True},
        "lease": {
            "until": (NOW + timedelta(seconds=100)).isoformat(),
            "valid_for": 100.0,
            "safe_limit": 6.0,
        },
    }


def test_only_the_limit_of_the_user_is_stored() -> None:
    """What another source decides is no request."""
    state = requested(current_limit=12.0)
    before = stored(state)
    state.limits.set("surplus", 8.0)
    assert state.limits.effective == 8.0
    assert stored(state) == before
    assert ControlState.from_dict(before).limits.effective == 12.0


FIELDS = [
    "desired",
    "budget",
    "budget.switches",
    "budget.in_session",
    "session",
    "session.number",
    "session.is_open",
    "session.energy",
    "phase_mode_seen",
    "learned",
    "learned.version",
    "learned.limit_step",
    "learned.shows_offered",
    "lease",
    "lease.until",
    "lease.valid_for",
    "lease.safe_limit",
]
NAIVE = "2026-06-01T12:00:00"


def damaged(path: str, value: Any = None, *, is_missing: bool = False) -> Any:
    """Return a record with a damaged field."""
    record = stored(full_state())
    *parents, name = path.split(".")
    parent = record
    for key in parents:
        parent = parent[key]
    assert name in parent
    if is_missing:
        del parent[name]
    else:
        parent[name] = value
    return record


@pytest.mark.parametrize("path", FIELDS)
def test_a_record_without_a_field(path: str) -> None:
    """A record with a missing field is damaged."""
    with pytest.raises(DamagedRecord):
        ControlState.from_dict(damaged(path, is_missing=True))


WRONG: dict[str, list[Any]] = {
    "desired": [None, [], "x", 1, {"unknown": 1}],
    "desired.current_limit": [None, "10", [], True, 32.5, float("nan")],
    "desired.fallback_limit": [None, "8", 17.0],
    "desired.fallback_timeout": [None, "60", 60.5, 5],
    "desired.phase_mode": [None, "two_phase", 1],
    "desired.start_stop": [None, "restart", 1],
    "budget": [None, [], 1],
    "budget.switches": [None, 1, [1], [["x", "x"]], [[NAIVE, NAIVE]], [[NAIVE]]],
    "budget.in_session": [None, "1", 1.5],
    "session": [None, [], 1],
    "session.number": [None, "1", 1.5, True],
    "session.is_open": [None, "yes", 1],
    "session.energy": [None, "1", float("inf")],
    "phase_mode_seen": ["two_phase", 1],
    "learned": [None, [], 1],
    "learned.version": [1, []],
    "learned.limit_step": ["1", True, float("nan"), 0.3],
    "learned.shows_offered": [None, 1, "yes"],
    "lease": [[], "x", 1],
    "lease.until": [None, 1, "soon", NAIVE],
    "lease.valid_for": [None, "100", 1e300],
    "lease.safe_limit": [None, "6", 33.0],
}


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path in WRONG for value in WRONG[path]]
)
def test_a_record_with_a_wrong_value(path: str, value: Any) -> None:
    """So is one with a field of a wrong type, or out of range."""
    with pytest.raises(DamagedRecord):
        ControlState.from_dict(damaged(path, value))


def test_a_record_that_is_none() -> None:
    """So is whatever is no record at all."""
    wrong: Any
    for wrong in ([], "x", {}):
        with pytest.raises(DamagedRecord):
            ControlState.from_dict(wrong)


def test_a_lost_phase_mode_has_an_end() -> None:
    """After some attempts, the limit applies with the phases that are there."""
    state = requested(**REQUESTED)
    restoration(state)
    for _ in range(3):
        assert state.limits.effective == 6.0
        assert not state.phases.is_given_up
        state.phases.attempted(PhaseMode.ADAPTIVE, SINGLE)
    assert state.phases.is_given_up
    assert state.limits.effective == 12.0
    assert (Setting.PHASE_MODE, SINGLE) not in restoration(state)
    # A new request of the phases ends that.
    state.confirm(Setting.PHASE_MODE, THREE)
    assert not state.phases.is_given_up


def test_phases_that_were_never_seen() -> None:
    """The mode that is seen first is no switch."""
    state = ControlState(phases=Phases())
    observe(state, mode=THREE)
    assert state.phases.seen is THREE
    assert state.phases.budget.switches == []
