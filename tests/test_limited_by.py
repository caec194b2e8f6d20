"""Why the vehicle does not get more current."""

from typing import Any

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.control.limits import Limits, Source
from custom_components.nexblue_local.limited_by import LimitedBy, limited_by
from custom_components.nexblue_local.modbus.enums import (
    ChargePointState as Status,
    ChargerErrors,
    StartStop,
    WaitingReasons as Reason,
)
from custom_components.nexblue_local.modbus.registers import (
    Clock,
    Identity,
    Reading,
    Settings,
)
from custom_components.nexblue_local.modbus.snapshot import Snapshot
from simulator import Car, Simulator
from tests.commands import PREFIX, START, STOP, number
from tests.test_init import poll, state

PAUSED = Reason.LOW_SEVERITY_ERROR_OR_OCPP_PAUSE

CHARGING: dict[str, Any] = {
    "status": Status.CHARGING,
    "current_l1": 15.6,
    "current_l2": 0.0,
    "app_max_current": 32.0,
    "errors": ChargerErrors(0),
    "waiting_reasons": Reason(0),
    "current_limit": 16.0,
    "start_stop": StartStop.START,
}


def snapshot(**values: Any) -> Snapshot:
    """Return what was read of a charger, one that charges with 16 A."""
    values = CHARGING | values
    names = set(Settings.registers)
    return Snapshot(
        identity=Identity(),
        clock=Clock(),
        clock_offset=None,
        reading=Reading(**{k: v for k, v in values.items() if k not in names}),
        session_energy_read=None,
        settings=Settings(**{k: v for k, v in values.items() if k in names}),
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "current_limit"),
        ({"status": Status.AVAILABLE}, "none"),
        ({"status": Status.PREPARING}, "none"),
        ({"status": Status.SUSPENDED_EV}, "vehicle"),
        ({"current_l1": 9.7}, "vehicle"),
        ({"current_l1": 9.7, "current_l3": 15.1}, "current_limit"),
        ({"current_l1": None, "current_l2": None}, "vehicle"),
        ({"app_max_current": 16.0}, "app_maximum"),
        ({"app_max_current": None}, "current_limit"),
        ({"app_max_current": 10.0, "current_l1": 9.7}, "app_maximum"),
        ({"current_limit": None, "app_max_current": 16.0}, "app_maximum"),
        ({"current_limit": 0.0, "status": Status.SUSPENDED_EVSE}, "paused"),
        ({"current_limit": 5.9, "status": Status.AVAILABLE}, "paused"),
        ({"start_stop": StartStop.STOP}, "current_limit"),
        ({"start_stop": StartStop.STOP, "status": Status.AVAILABLE}, "stopped"),
        ({"status": Status.FINISHING}, "stopped"),
        ({"status": Status.FAULTED}, "fault"),
        ({"errors": ChargerErrors.PP}, "fault"),
        # A bit that is not documented, or nothing that explains a pause.
        ({"status": Status.AVAILABLE, "waiting_reasons": Reason(1 << 9)}, None),
        ({"status": Status.AVAILABLE, "waiting_reasons": None}, None),
        ({"status": Status.SUSPENDED_EVSE}, None),
        ({"status": Status.INOPERATIVE}, None),
        ({"status": None}, None),
    ],
)
def test_causes(values: dict[str, Any], expected: str | None) -> None:
    """Each cause is told from what was read."""
    assert limited_by(snapshot(**values), Limits(), None) == expected


# Each holds beside all that follow it.
IN_ORDER: dict[str, dict[str, Any]] = {
    "fault": {"errors": ChargerErrors.PP},
    "stopped": {"status": Status.FINISHING},
    "fallback": {"waiting_reasons": Reason(0b1111111)},
    "load_shedding": {"waiting_reasons": Reason(0b0111111)},
    "main_unit_offline": {"waiting_reasons": Reason(0b0011111)},
    "ct_offline": {"waiting_reasons": Reason(0b0011101)},
    "host_not_responding": {"waiting_reasons": Reason(0b0011100)},
    "minor_error_or_ocpp_pause": {"waiting_reasons": Reason(0b0001100)},
    "paused": {"current_limit": 5.0, "waiting_reasons": Reason.HOST_REDUCES_CURRENT},
    "app_maximum": {
        "app_max_current": 16.0,
        "waiting_reasons": Reason.HOST_REDUCES_CURRENT,
    },
    "host_reduces_current": {"waiting_reasons": Reason.HOST_REDUCES_CURRENT},
    "current_limit": {},
    "vehicle": {"current_l1": 6.0},
}


@pytest.mark.parametrize(("expected", "values"), IN_ORDER.items())
def test_order(expected: str, values: dict[str, Any]) -> None:
    """The first cause that applies is the one that is shown."""
    later = list(IN_ORDER)[list(IN_ORDER).index(expected) :]
    mixed = dict(pair for key in reversed(later) for pair in IN_ORDER[key].items())
    if expected in ("current_limit", "host_reduces_current", "app_maximum"):
        mixed["current_l1"] = 15.6
    assert limited_by(snapshot(**(mixed | values)), Limits(), None) == expected


def user_limit(limit: float, *, is_held: bool = False) -> Limits:
    """Return the limits of a user's one."""
    limits = Limits()
    limits.set(Source.USER, limit)
    limits.phases.is_awaited = is_held
    return limits


@pytest.mark.parametrize(
    ("values", "has_transaction", "expected"),
    [
        ({"status": Status.PREPARING}, False, "no_transaction"),
        ({"status": Status.SUSPENDED_EVSE}, False, "no_transaction"),
        ({"status": Status.AVAILABLE}, False, "none"),
        ({"status": Status.FINISHING}, False, "stopped"),
        ({"status": Status.PREPARING}, True, "none"),
        ({"waiting_reasons": PAUSED}, True, "minor_error"),
        ({"waiting_reasons": PAUSED}, None, "minor_error_or_ocpp_pause"),
        ({"status": Status.PREPARING}, None, "none"),
    ],
)
def test_ocpp(
    values: dict[str, Any], has_transaction: bool | None, expected: str
) -> None:
    """What the charger leaves open is told by whether a transaction runs."""
    state = limited_by(
        snapshot(**values), Limits(), None, has_transaction=has_transaction
    )
    assert state == expected


def test_the_limit_that_was_requested_counts() -> None:
    """A charger may read back less than that, which is no pause."""
    idle = snapshot(status=Status.AVAILABLE, current_limit=0.0)
    assert limited_by(idle, user_limit(16.0), None) == "none"


def test_held_until_the_phases_are_restored() -> None:
    """Only a limit that is set is held."""
    held = limited_by(snapshot(), user_limit(16.0, is_held=True), None)
    assert held == "phase_switch_pending"
    assert limited_by(snapshot(), user_limit(5.0, is_held=True), None) == "paused"
    alone = Limits()
    alone.phases.is_awaited = True
    assert limited_by(snapshot(), alone, None) == "current_limit"


def test_it_does_not_alternate() -> None:
    """A vehicle whose current varies by an ampere has one state."""
    shown: LimitedBy | None = None
    seen = []
    for current in (14.9, 15.1, 14.9, 14.2, 15.0, 13.9, 14.9, 14.2, 15.1):
        shown = limited_by(snapshot(current_l1=current), Limits(), shown)
        seen.append(shown)
    assert seen == ["vehicle"] + 4 * ["current_limit"] + 3 * ["vehicle"] + [
        "current_limit"
    ]


async def test_in_home_assistant(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A pause has its cause, which is ours or the charger's."""
    limited = f"sensor.{PREFIX}_limited_by"
    assert state(hass, limited) == "none"
    simulator.charger.plug_in(Car())
    await number("current_limit", 0, 1000).give(hass)
    await poll(hass, entry)
    assert state(hass, limited) == "paused"
    # The charger takes a moment to end the pause.
    simulator.overrides[100] = Status.SUSPENDED_EVSE
    await poll(hass, entry)
    await number("current_limit", 10, 1000).give(hass)
    await poll(hass, entry)
    assert state(hass, limited) == "paused"
    await poll(hass, entry)
    assert state(hass, limited) == "unknown"
    del simulator.overrides[100]
    await STOP.give(hass)
    await poll(hass, entry)
    assert state(hass, limited) == "stopped"
    await START.give(hass)
    simulator.overrides[402] = Reason.LOAD_SHEDDING
    await poll(hass, entry)
    assert state(hass, limited) == "load_shedding"
