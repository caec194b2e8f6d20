"""A charger that takes only part of what is restored, on real sockets."""

import asyncio
import logging
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.modbus.enums import StartStop
from simulator import Car, Fault, FaultKind, Ocpp, Simulator
from tests.commands import (
    COMMANDS,
    LIMIT,
    PERIOD,
    PREFIX,
    SINGLE,
    START,
    STOP,
    control_events,
    intent,
    number,
    wake_keep_alive,
    writes,
)
from tests.test_init import poll, state

pytestmark = pytest.mark.usefixtures("quick_commands")


def busy(address: int, times: int | None = None) -> Fault:
    """Return the fault of a charger that is too busy to have a register written."""
    function = 0x06 if address >= 1006 else 0x10
    return Fault(
        kind=FaultKind.EXCEPTION,
        function=function,
        address=address,
        code=6,
        times=times,
    )


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was warned of when something was restored."""
    return [
        record.message
        for record in caplog.records
        if record.levelno >= logging.WARNING and "restored" in record.message
    ]


async def lose_start(simulator: Simulator) -> None:
    """Cut the power of a charger that waits to be started after that."""
    await simulator.stop()
    simulator.charger.power_on()
    simulator.charger.change("start_stop", StartStop.STOP)
    await simulator.start()


async def test_start_stop_is_refused_on_restoring(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What is refused is shown and passed over; the limit is restored all the same."""
    await LIMIT.give(hass)
    await STOP.give(hass)
    simulator.charger.ocpp = Ocpp.REFUSE
    await simulator.power_cycle()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 10.5
    assert simulator.charger.settings["start_stop"] is StartStop.START
    assert intent(entry)["start_stop"] is StartStop.STOP
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "on"


async def test_a_charger_that_is_busy_is_restored_a_little_later(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """It is not taken for one that refuses."""
    await STOP.give(hass)
    await simulator.power_cycle()
    simulator.faults.append(busy(1006, times=1))
    await poll(hass, entry)
    await poll(hass, entry)
    assert simulator.charger.settings["start_stop"] is StartStop.STOP
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "off"


async def test_a_register_that_stays_busy_holds_nothing_up(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The rest is restored and kept alive, commands are taken, and it comes last."""
    await LIMIT.give(hass)
    await STOP.give(hass)
    simulator.faults.append(busy(1006))
    await simulator.power_cycle()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 10.5
    simulator.log.clear()
    with patch(PERIOD, lambda self, timeout: 0.2):
        wake_keep_alive(entry)
        await asyncio.sleep(0.5)
    assert (0x10, 1000) in writes(simulator)
    assert state(hass, f"sensor.{PREFIX}_controlled_by") == "home_assistant"
    await number("current_limit", 0, 1000).give(hass)
    assert simulator.charger.settings["current_limit"] == 0
    simulator.faults.clear()
    await poll(hass, entry)
    assert simulator.charger.settings["start_stop"] is StartStop.STOP
    simulator.log.clear()
    await poll(hass, entry)
    assert writes(simulator) == []


async def test_stop_that_is_ignored_on_restoring(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """It is shown as refused until it is restored, and told as restored only then."""
    events = control_events(hass)
    await STOP.give(hass)
    simulator.charger.ocpp = Ocpp.IGNORE
    await simulator.power_cycle()
    await poll(hass, entry)
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "on"
    assert events == []
    simulator.charger.ocpp = Ocpp.NONE
    await simulator.power_cycle()
    await poll(hass, entry)
    assert simulator.charger.settings["start_stop"] is StartStop.STOP
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "off"
    assert len(events) == 1


@pytest.mark.parametrize("code", [6, 4])
async def test_no_start_without_its_limit(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
    code: int,
) -> None:
    """A car that was paused does not charge before the pause is restored."""
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    await number("current_limit", 0, 1000).give(hass)
    await START.give(hass)
    await lose_start(simulator)
    refused = busy(1000)
    refused.code = code
    simulator.faults.append(refused)
    simulator.log.clear()
    await poll(hass, entry)
    await poll(hass, entry)
    assert set(writes(simulator)) == {(0x10, 1000)}
    assert len(warnings(caplog)) == (code == 4)
    simulator.faults.clear()
    await poll(hass, entry)
    assert simulator.charger.settings["current_limit"] == 0
    assert simulator.charger.settings["start_stop"] is StartStop.START


async def test_a_busy_limit_is_tried_again_soon(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """It does not wait for the next poll."""
    await LIMIT.give(hass)
    await simulator.power_cycle()
    simulator.faults.append(busy(1000, times=1))
    await poll(hass, entry)
    await asyncio.sleep(0.2)
    assert simulator.charger.settings["current_limit"] == 10.5


async def test_no_shorter_timeout_without_the_limit(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The fallback would fire at once."""
    await LIMIT.give(hass)
    await COMMANDS[2].give(hass)
    simulator.charger.change("fallback_timeout", 300)
    simulator.cut()
    await asyncio.sleep(0.2)
    simulator.faults.append(busy(1000, times=2))
    simulator.log.clear()
    await poll(hass, entry)
    await poll(hass, entry)
    order = [address for _, address in writes(simulator)]
    assert order[:2] == [1000, 1000]
    assert order.index(1004) > 2
    assert simulator.charger.settings["fallback_timeout"] == 60


async def test_no_other_phases_without_the_limit(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The phases are not switched at more than 6 A."""
    await LIMIT.give(hass)
    await SINGLE.give(hass)
    entry.runtime_data.controller.state.phases.budget.switches.clear()
    await simulator.stop()
    # By somebody else, so that the phases may be switched at once.
    entry.runtime_data.controller.state.phases.seen = None
    simulator.charger.power_on()
    await simulator.start()
    simulator.faults.append(busy(1000, times=1))
    limits: list[float] = []
    original = simulator.charger._set

    def look(name: str, value: Any) -> None:
        if name == "phase_mode":
            limits.append(simulator.charger.settings["current_limit"])
        original(name, value)

    with patch.object(simulator.charger, "_set", look):
        await poll(hass, entry)
        await poll(hass, entry)
    assert limits == [6.0]
    assert simulator.charger.settings["current_limit"] == 10.5


async def test_only_what_is_left_is_tried_again(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What was taken belongs to whoever changes it next."""
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    await START.give(hass)
    await COMMANDS[1].give(hass)
    await simulator.power_cycle()
    simulator.faults.append(busy(1002))
    await poll(hass, entry)
    simulator.charger.change("start_stop", StartStop.STOP)
    simulator.log.clear()
    await poll(hass, entry)
    assert writes(simulator) == [(0x10, 1002)]
    # A command takes its place, and is not preceded by what is left.
    simulator.faults.clear()
    simulator.log.clear()
    await number("fallback_limit", 10, 1002).give(hass)
    await poll(hass, entry)
    assert writes(simulator) == [(0x10, 1002)]
    assert simulator.charger.settings["fallback_limit"] == 10


async def test_what_is_left_of_a_session_goes_with_it(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """START is not tried again for the next car."""
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    await LIMIT.give(hass)
    await START.give(hass)
    await lose_start(simulator)
    simulator.faults.append(busy(1006))
    await poll(hass, entry)
    simulator.charger.unplug()
    await poll(hass, entry)
    simulator.faults.clear()
    simulator.log.clear()
    await poll(hass, entry)
    await poll(hass, entry)
    assert writes(simulator) == []


async def test_it_is_told_once(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither events nor warnings repeat with each try."""
    events = control_events(hass)
    for command in (LIMIT, COMMANDS[1], STOP):
        await command.give(hass)
    original = simulator.charger._set

    def clamp(name: str, value: Any) -> None:
        original(name, min(value, 8.0) if name == "current_limit" else value)

    simulator.charger.ocpp = Ocpp.REFUSE
    await simulator.power_cycle()
    simulator.faults.append(busy(1002))
    with patch.object(simulator.charger, "_set", clamp):
        for _ in range(4):
            await poll(hass, entry)
    assert len(events) == 1
    assert len(warnings(caplog)) == 1


async def test_refused_is_shown_while_it_lasts(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A START that was ignored is of no concern once its session is over."""
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    await START.give(hass)
    simulator.charger.ocpp = Ocpp.IGNORE
    await lose_start(simulator)
    await poll(hass, entry)
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "on"
    simulator.charger.unplug()
    await poll(hass, entry)
    assert intent(entry) == {}
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "off"


async def test_refused_is_not_shown_for_what_is_late(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A STOP that shows later than it should was obeyed all the same."""
    await STOP.give(hass)
    await simulator.power_cycle()
    simulator.charger.read_back_delay = 0.9
    await poll(hass, entry)
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "on"
    await asyncio.sleep(0.5)
    await poll(hass, entry)
    assert state(hass, f"binary_sensor.{PREFIX}_start_and_stop_refused") == "off"


async def test_no_start_for_a_car_that_has_gone(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Also when it goes while the phases before it take their time."""
    simulator.charger.plug_in(Car())
    await poll(hass, entry)
    await START.give(hass)
    await SINGLE.give(hass)
    controller = entry.runtime_data.controller
    controller.state.phases.budget.switches.clear()
    controller.state.phases.seen = None
    await lose_start(simulator)
    simulator.charger.read_back_delay = 0.4
    simulator.log.clear()

    async def restore() -> None:
        async with controller._lock:
            await controller._ready()

    restoring = asyncio.create_task(restore())
    async with asyncio.timeout(5):
        while True:
            if (0x06, 1007) in writes(simulator):
                break
            await asyncio.sleep(0.01)
    simulator.charger.unplug()
    await poll(hass, entry)
    assert "start_stop" not in intent(entry)
    await restoring
    assert (0x06, 1006) not in writes(simulator)
