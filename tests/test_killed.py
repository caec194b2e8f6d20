"""Home Assistant is killed in the middle of a write: a real process, and -9."""

import asyncio
import contextlib
import os
from pathlib import Path
import signal

import pytest

from custom_components.nexblue_local.const import DOMAIN
from scripts.home_assistant import HomeAssistantProcess, stored_charger
from simulator import Fault, FaultKind, Simulator
from tests.conftest import SERIAL

OLD, NEW = 9.0, 12.0
LIMIT = "number.nexblue_delta_max_charging_current_limit"


async def shown_limit(home: HomeAssistantProcess) -> float:
    """Return the current limit once the charger is set up."""
    async with asyncio.timeout(40):
        while True:
            shown = (await home.states(DOMAIN)).get(f"{SERIAL}_current_limit", "")
            with contextlib.suppress(ValueError):
                return float(shown)
            await asyncio.sleep(0.3)


async def set_limit(home: HomeAssistantProcess, value: float) -> None:
    """Command a current limit."""
    await home.post(
        "/api/services/number/set_value", {"entity_id": LIMIT, "value": value}
    )


@pytest.mark.timeout(180)
@pytest.mark.parametrize("executed", [False, True])
async def test_killed_in_a_write(
    simulator: Simulator, tmp_path: Path, unused_tcp_port: int, executed: bool
) -> None:
    """After the restart the intent is the old or the new, and the charger agrees."""
    folder = tmp_path / "config"
    storage = stored_charger(simulator.port, SERIAL)
    async with HomeAssistantProcess(folder, unused_tcp_port, storage=storage) as home:
        await shown_limit(home)
        await set_limit(home, OLD)
        assert simulator.charger.settings["current_limit"] == OLD

        simulator.faults.append(
            Fault(kind=FaultKind.MUTE, function=0x10, executed=executed)
        )
        simulator.log.clear()
        command = asyncio.create_task(set_limit(home, NEW))
        async with asyncio.timeout(10):
            while True:
                if any(request.words for request in simulator.log):
                    break
                await asyncio.sleep(0.01)
        os.kill(home.pid, signal.SIGKILL)
        command.cancel()
        with pytest.raises(asyncio.CancelledError):
            await command
    found = simulator.charger.settings["current_limit"]
    assert found == (NEW if executed else OLD)

    simulator.faults.clear()
    async with HomeAssistantProcess(folder, unused_tcp_port, fresh=False) as home:
        shown = await shown_limit(home)
        # The command was never confirmed, so the old intent stands.
        assert shown == OLD
        assert simulator.charger.settings["current_limit"] == OLD
