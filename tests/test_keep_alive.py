"""The current limit is written again and again, on real sockets."""

import asyncio
from itertools import pairwise
import time
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import keeper
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.modbus.enums import PhaseMode, StartStop
from custom_components.nexblue_local.modbus.registers import Settings
from custom_components.nexblue_local.modbus.session import Session
from simulator import Fault, FaultKind, Simulator
from tests.commands import (
    COMMANDS,
    LIMIT,
    PERIOD,
    STOP,
    age_keep_alive,
    intent,
    is_kept_alive,
    number,
    wake_keep_alive,
    writes,
)
from tests.conftest import entry_for
from tests.test_init import poll

pytestmark = pytest.mark.usefixtures("quick_commands")


@pytest.fixture
async def rarely_polled(hass: HomeAssistant, simulator: Simulator) -> MockConfigEntry:
    """Return the entry of a charger in control, which no poll disturbs."""
    entry = entry_for(simulator, scan_interval=60)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await LIMIT.give(hass)
    return entry


async def test_keep_alive(simulator: Simulator, rarely_polled: MockConfigEntry) -> None:
    """The current limit is written again and again, however rare the polls are."""
    simulator.log.clear()
    with patch(PERIOD, lambda self, timeout: 0.2):
        wake_keep_alive(rarely_polled)
        await asyncio.sleep(1.1)
    assert 4 <= len(writes(simulator)) <= 6
    assert set(writes(simulator)) == {(0x10, 1000)}
    assert all(r.words == (0x0000, 0x2841) for r in simulator.log)


async def test_keep_alive_is_not_put_off_by_polls(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Reads do not count, neither for the charger nor for us."""
    await LIMIT.give(hass)
    simulator.log.clear()
    with patch(PERIOD, lambda self, timeout: 0.4):
        wake_keep_alive(entry)
        for _ in range(10):
            await asyncio.sleep(0.1)
            await poll(hass, entry)
    assert writes(simulator).count((0x10, 1000)) >= 2


async def test_keep_alive_counts_from_before_the_write(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The charger may have counted from when it was sent; a failed one is none."""
    controller = entry.runtime_data.controller
    simulator.faults.append(
        Fault(kind=FaultKind.SLOW, function=0x10, seconds=0.25, times=1)
    )
    start = time.monotonic()
    await LIMIT.give(hass)
    written_at = controller._limit_written_at
    assert written_at - start < 0.2
    simulator.faults.append(Fault(kind=FaultKind.EXCEPTION, function=0x10))
    with patch(PERIOD, lambda self, timeout: 0.1):
        wake_keep_alive(entry)
        await asyncio.sleep(0.3)
    assert simulator.log[-1].function == 0x10
    assert controller._limit_written_at == written_at


async def test_keep_alive_restores_the_rest(
    hass: HomeAssistant, simulator: Simulator, rarely_polled: MockConfigEntry
) -> None:
    """On a new connection it is not the limit alone that has to be written."""
    await STOP.give(hass)
    await simulator.power_cycle()
    with (
        patch(PERIOD, lambda self, timeout: 0.2),
        patch.object(keeper, "RETRY_AFTER", 0.1),
    ):
        wake_keep_alive(rarely_polled)
        await asyncio.sleep(0.8)
    assert simulator.charger.settings["start_stop"] is StartStop.STOP


async def test_keep_alive_tries_again_soon(
    simulator: Simulator, rarely_polled: MockConfigEntry
) -> None:
    """After a failure it does not wait for a whole period."""
    controller = rarely_polled.runtime_data.controller
    with (
        patch(PERIOD, lambda self, timeout: 1.5),
        patch.object(keeper, "RETRY_AFTER", 0.1),
    ):
        await simulator.stop()
        age_keep_alive(entry, 1.5)
        wake_keep_alive(entry)
        await asyncio.sleep(0.3)
        await simulator.start()
        simulator.log.clear()
        await asyncio.sleep(0.6)
    assert (0x10, 1000) in writes(simulator)


async def test_keep_alive_that_ended_begins_anew(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Whatever ended it, the next occasion starts it again."""
    await LIMIT.give(hass)
    controller = entry.runtime_data.controller
    ended = controller._keeper
    ended.cancel()
    await asyncio.wait([ended])
    wake_keep_alive(entry)
    assert not controller._keeper.done()


async def test_keep_alive_reconnects(
    simulator: Simulator, rarely_polled: MockConfigEntry
) -> None:
    """It does not wait for a poll to notice that the connection is gone."""
    simulator.log.clear()
    with patch(PERIOD, lambda self, timeout: 0.2):
        wake_keep_alive(rarely_polled)
        simulator.cut()
        await asyncio.sleep(1.0)
    # Whoever connects is identified first; all writes came after that.
    order = [(r.function, r.address) for r in simulator.log]
    assert (0x10, 1000) in order[order.index((4, 0)) :]


async def test_keep_alive_goes_on_after_an_outage(
    simulator: Simulator, rarely_polled: MockConfigEntry
) -> None:
    """A charger that is gone is tried again and again, however rare the polls are."""
    with (
        patch(PERIOD, lambda self, timeout: 0.2),
        patch.object(keeper, "RETRY_AFTER", 0.1),
    ):
        wake_keep_alive(rarely_polled)
        await simulator.stop()
        await asyncio.sleep(0.6)
        await simulator.start()
        simulator.log.clear()
        await asyncio.sleep(0.6)
    assert (0x10, 1000) in writes(simulator)


async def test_keep_alive_notices_another_timeout(
    simulator: Simulator, rarely_polled: MockConfigEntry
) -> None:
    """A timeout that somebody else lowered counts from the poll that reads it."""
    data = rarely_polled.runtime_data
    with patch(PERIOD, lambda self, timeout: 0.2 if timeout == 60 else 60.0):
        wake_keep_alive(entry)
        await asyncio.sleep(0.1)
        simulator.log.clear()
        simulator.charger.change("fallback_timeout", 60)
        await data.coordinator.async_refresh()
        await asyncio.sleep(0.5)
    assert (0x10, 1000) in writes(simulator)


async def test_keep_alive_survives_what_nobody_expects(
    simulator: Simulator, rarely_polled: MockConfigEntry
) -> None:
    """A fault of our own does not end it."""
    controller = rarely_polled.runtime_data.controller
    simulator.log.clear()
    with (
        patch(PERIOD, lambda self, timeout: 0.2),
        patch.object(keeper, "RETRY_AFTER", 0.1),
        patch.object(controller, "_write_limit_if_due", side_effect=KeyError),
    ):
        wake_keep_alive(entry)
        await asyncio.sleep(0.3)
    with patch(PERIOD, lambda self, timeout: 0.2):
        await asyncio.sleep(0.5)
    assert (0x10, 1000) in writes(simulator)


async def test_keep_alive_leaves_another_client_alone(
    simulator: Simulator, rarely_polled: MockConfigEntry
) -> None:
    """While another program is connected, it is tried more rarely."""
    simulator.log.clear()
    with (
        patch(PERIOD, lambda self, timeout: 0.2),
        patch.object(keeper, "RETRY_AFTER", 0.1),
        patch.object(keeper, "LEAVE_ALONE", 1.0),
    ):
        simulator.occupy(0.5)
        wake_keep_alive(rarely_polled)
        await asyncio.sleep(0.9)
        assert simulator.log == []
        await asyncio.sleep(0.6)
    assert (0x10, 1000) in writes(simulator)


async def test_keep_alive_does_not_hold_commands_up(
    simulator: Simulator, rarely_polled: MockConfigEntry
) -> None:
    """While the charger is gone it makes one attempt, not one of seconds."""
    patience: list[bool] = []
    original = rarely_polled.runtime_data.modbus.connect

    async def connect(*, patient: bool = True) -> Session:
        patience.append(patient)
        session: Session = await original(patient=patient)
        return session

    with (
        patch(PERIOD, lambda self, timeout: 0.2),
        patch.object(rarely_polled.runtime_data.modbus, "connect", connect),
    ):
        wake_keep_alive(rarely_polled)
        await asyncio.sleep(0.5)
        by_itself = len(patience)
        # The same goes for what restores after a poll.
        await rarely_polled.runtime_data.coordinator.async_refresh()
    assert 0 < by_itself < len(patience)
    assert not any(patience)


async def test_keep_alive_does_not_wait_for_a_slow_command(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """It goes on while the charger takes its time to show what was commanded."""
    await LIMIT.give(hass)
    simulator.charger.read_back_delay = 0.5
    simulator.log.clear()
    with patch(PERIOD, lambda self, timeout: 0.2):
        await COMMANDS[1].give(hass)
    assert writes(simulator)[0] == (0x10, 1002)
    assert writes(simulator).count((0x10, 1000)) >= 2


async def test_keep_alive_leaves_a_slow_limit_alone(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The old limit is not written over the new one that takes its time to show."""
    await LIMIT.give(hass)
    simulator.charger.read_back_delay = 0.5
    simulator.log.clear()
    with patch(PERIOD, lambda self, timeout: 0.1):
        await number("current_limit", 0, 1000).give(hass)
    assert intent(entry) == {"current_limit": 0}
    assert {r.words for r in simulator.log if r.words} == {(0, 0)}


async def test_keep_alive_between_slow_commands(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A call of many settings over a slow network is no silence."""
    await LIMIT.give(hass)
    loop = asyncio.get_running_loop()
    written_at: list[float] = []
    original = simulator.charger._set

    def look(name: str, value: Any) -> None:
        if name == "current_limit":
            written_at.append(loop.time())
        original(name, value)

    with (
        patch(PERIOD, lambda self, timeout: 0.4),
        patch.object(simulator.charger, "_set", look),
    ):
        wake_keep_alive(entry)
        await asyncio.sleep(0.5)
        simulator.faults.append(Fault(kind=FaultKind.SLOW, seconds=0.1))
        await entry.runtime_data.controller.async_set(
            Settings(
                current_limit=16.0,
                fallback_limit=8.0,
                fallback_timeout=400,
                phase_mode=PhaseMode.SINGLE_PHASE,
            )
        )
    assert max(after - before for before, after in pairwise(written_at)) < 3 * 0.4


async def test_keep_alive_ends_with_a_release_that_is_cancelled(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """What is asked for no more is not kept, whoever cancelled what."""
    await LIMIT.give(hass)
    controller = entry.runtime_data.controller
    original = controller._store.async_save
    saving = asyncio.Event()

    async def save(data: dict[str, Any]) -> None:
        if not data["desired"]:
            saving.set()
            await asyncio.Event().wait()
        await original(data)

    with patch.object(controller._store, "async_save", save):
        release = asyncio.create_task(controller.async_release())
        await saving.wait()
        release.cancel()
        with pytest.raises(asyncio.CancelledError):
            await release
    assert not is_kept_alive(entry)


async def test_keep_alive_ends_with_the_entry(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A command that is under way is seen through; what waits for it fails."""
    await LIMIT.give(hass)
    controller = entry.runtime_data.controller
    simulator.charger.read_back_delay = 0.5
    command = asyncio.create_task(COMMANDS[1].give(hass))
    await asyncio.sleep(0.1)
    waiting = asyncio.create_task(COMMANDS[2].give(hass))
    await asyncio.sleep(0)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert command.done()
    await command
    with pytest.raises(HomeAssistantError):
        await waiting
    assert controller.control.intent.fallback_limit == COMMANDS[1].value
    assert not is_kept_alive(entry)


@pytest.mark.parametrize("ending", ["reload", "removal"])
async def test_a_command_that_is_saved_slowly(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
    ending: str,
) -> None:
    """A reload finds what was confirmed; a removal leaves nothing of it."""
    store = entry.runtime_data.controller._store
    original = store.async_save
    saving = asyncio.Event()

    async def slow(data: dict[str, Any]) -> None:
        saving.set()
        await asyncio.sleep(0.3)
        await original(data)

    with patch.object(store, "async_save", slow):
        command = asyncio.create_task(LIMIT.give(hass))
        await saving.wait()
        if ending == "removal":
            await hass.config_entries.async_remove(entry.entry_id)
        else:
            assert await hass.config_entries.async_reload(entry.entry_id)
        await command
    if ending == "removal":
        assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
    else:
        assert intent(entry) == {"current_limit": 10.5}
        assert is_kept_alive(entry)


async def test_nothing_is_kept_alive_unasked(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Without a limit that was commanded, nothing is written."""
    simulator.charger.read_back_delay = 0.2
    with patch(PERIOD, lambda self, timeout: 0):
        for command in COMMANDS[1:]:
            await command.give(hass)
    assert (0x10, 1000) not in writes(simulator)
    assert not is_kept_alive(entry)
