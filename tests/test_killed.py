"""Home Assistant is killed while it works: a real process, and -9."""

import asyncio
from collections.abc import AsyncIterator, Mapping
import contextlib
import os
from pathlib import Path
import signal
from typing import Any

import pytest

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.modbus.codec import FLOAT32, Layout
from scripts.home_assistant import HomeAssistantProcess, stored_charger
from simulator import Car, Fault, FaultKind, SimulatedCharger, Simulator
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


SERIALS = ("NB10SIM00001", "NB10SIM00002")


async def entity_ids(home: HomeAssistantProcess) -> dict[str, str]:
    """Return the IDs of the entities by unique ID."""
    registry = await home.call("config/entity_registry/list")
    return {
        each["unique_id"]: each["entity_id"]
        for each in registry
        if each["platform"] == DOMAIN
    }


def limits_written(simulator: Simulator) -> list[float | None]:
    """Return the current limits in A that were written."""
    return [
        FLOAT32.decode(request.words, Layout.DCBA)
        for request in simulator.log
        if request.words and request.address == 1000
    ]


async def until_limits_are(simulators: list[Simulator], least: float) -> None:
    """Wait until all chargers have a current limit of at least so many A."""
    async with asyncio.timeout(60):
        while True:
            limits = [each.charger.settings["current_limit"] for each in simulators]
            if min(limits) >= least:
                return
            await asyncio.sleep(0.1)


async def until_modes_are(home: HomeAssistantProcess, modes: Mapping[str, str]) -> None:
    """Wait until the chargers are set up in their charge modes."""
    async with asyncio.timeout(40):
        while True:
            if modes.items() <= (await home.states(DOMAIN)).items():
                return
            await asyncio.sleep(0.3)


@contextlib.asynccontextmanager
async def meters(
    home: HomeAssistantProcess, simulators: list[Simulator], sun: float
) -> AsyncIterator[None]:
    """Let the meters of a house with a sun in W report once a second."""

    async def report() -> None:
        while True:
            chargers = [each.charger for each in simulators]
            for charger in chargers:
                charger.advance()
            values = {"grid": (sum(sum(c.powers) for c in chargers) - sun, "W")}
            for phase in range(3):
                amps = sum(charger.currents[phase] for charger in chargers)
                values[f"current_l{phase + 1}"] = (amps, "A")
            for name, (value, unit) in values.items():
                attributes = {"unit_of_measurement": unit}
                data = {"state": f"{value:.1f}", "attributes": attributes}
                await home.post(f"/api/states/sensor.{name}", data)
            await asyncio.sleep(1.0)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("sun", "fuse", "modes", "most"),
    [
        pytest.param(40_000.0, {}, ("solar", "solar_min"), (0.0, 6.0), id="in the sun"),
        pytest.param(
            0.0,
            {
                "main_fuse": 50,
                **{f"house_current_l{n}": f"sensor.current_l{n}" for n in (1, 2, 3)},
            },
            ("fast", "manual"),
            (6.0, 6.0),
            id="at night",
        ),
    ],
)
async def test_killed_while_charging(
    socket_enabled: None,
    tmp_path: Path,
    unused_tcp_port: int,
    sun: float,
    fuse: dict[str, Any],
    modes: tuple[str, str],
    most: tuple[float, float],
) -> None:
    """Until the site has reported after the restart, the chargers get little."""
    folder = tmp_path / "config"
    async with contextlib.AsyncExitStack() as stack:
        simulators = [
            await stack.enter_async_context(
                Simulator(
                    charger=SimulatedCharger(
                        serial_number=serial, read_back_delay=0.0, car=Car()
                    ),
                    slot_release=0.1,
                )
            )
            for serial in SERIALS
        ]
        entries = []
        for simulator, serial in zip(simulators, SERIALS, strict=True):
            stored = stored_charger(simulator.port, serial)
            (entry,) = stored["core.config_entries"]["entries"]
            entries.append(entry | {"entry_id": serial})
        answers = {"grid_power": "sensor.grid", "fuse": fuse}
        site = {"entry_id": "SITE", "unique_id": "site", "data": {"site": answers}}
        entries.append(entries[0] | site | {"disabled_by": "user"})
        storage = {"core.config_entries": {"entries": entries}}
        chosen = {
            f"{serial}_charge_mode": mode
            for serial, mode in zip(SERIALS, modes, strict=True)
        }
        async with HomeAssistantProcess(
            folder, unused_tcp_port, storage=storage
        ) as home:
            async with meters(home, simulators, sun):
                await home.call(
                    "config_entries/disable", entry_id="SITE", disabled_by=None
                )
                await until_modes_are(home, dict.fromkeys(chosen, "manual"))
                ids = await entity_ids(home)
                for unique_id, mode in chosen.items():
                    entity = {"entity_id": ids[unique_id]}
                    await home.post(
                        "/api/services/select/select_option", entity | {"option": mode}
                    )
                for serial in SERIALS:
                    entity = {"entity_id": ids[f"{serial}_current_limit"]}
                    await home.post(
                        "/api/services/number/set_value", entity | {"value": 15}
                    )
                await until_limits_are(simulators, 15.0)
            os.kill(home.pid, signal.SIGKILL)
        for simulator in simulators:
            simulator.log.clear()

        async with HomeAssistantProcess(folder, unused_tcp_port, fresh=False) as home:
            await until_modes_are(home, chosen)
            # The meters are silent; decisions are made every 5 s.
            await asyncio.sleep(6.0)
            for simulator, amps in zip(simulators, most, strict=True):
                written = limits_written(simulator)
                assert written
                assert all(value is not None and value <= amps for value in written)
            async with meters(home, simulators, sun):
                await until_limits_are(simulators, 6.0)
