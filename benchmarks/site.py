"""What a report of the meter costs with many chargers: `python -m benchmarks.site`.

One Home Assistant with a site and chargers on real sockets, which are simulated in a
process of their own. Measured are the time from a report of the meter until all limits
are decided, and how late the event loop is.
"""

# The test helpers of Home Assistant can be imported only after it.
import tests.early  # noqa: F401

# isort: split
import argparse
import asyncio
from contextlib import AsyncExitStack
import math
import multiprocessing
from multiprocessing.connection import Connection
import tempfile
import time
from typing import Any, Final
from unittest.mock import patch

from homeassistant import loader
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_test_home_assistant,
)

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.site import Site
from simulator import Car, SimulatedCharger, Simulator

MOST_MS: Final = 5.0
"""ms that a report of the meter may take."""
MOST_STALL_MS: Final = 20.0
"""ms that the event loop may be late, at the 99.9th percentile."""
PROBE: Final = 0.002
"""Seconds between two looks at how late the event loop is."""
SENSORS: Final = ("grid", "l1", "l2", "l3")


def serve(chargers: int, pipe: Connection) -> None:
    """Simulate chargers until the pipe is closed."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            addresses = []
            for number in range(chargers):
                charger = SimulatedCharger(
                    serial_number=f"NB10SIM{number:05}", car=Car()
                )
                simulator = await stack.enter_async_context(Simulator(charger=charger))
                addresses.append(
                    (charger.serial_number, simulator.port, simulator.unit_id)
                )
            pipe.send(addresses)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


def report(hass: HomeAssistant, number: int) -> None:
    """Let the meter report: a sun that comes and goes, and a house that varies."""
    watts = 8_000 * math.sin(number / 20) + 300 * math.sin(number * 1.7)
    hass.states.async_set("sensor.grid", f"{watts:.0f}", {"unit_of_measurement": "W"})
    for phase in SENSORS[1:]:
        amps = 150 + 60 * math.sin(number / 7 + len(phase))
        entity_id = f"sensor.{phase}"
        hass.states.async_set(entity_id, f"{amps:.1f}", {"unit_of_measurement": "A"})


async def set_up(
    hass: HomeAssistant, addresses: list[tuple[str, int, int]]
) -> MockConfigEntry:
    """Set up the chargers and the site; return the entry of the site."""
    hass.data.pop(loader.DATA_CUSTOM_COMPONENTS)
    entries = []
    for serial_number, port, unit_id in addresses:
        address = {"host": "127.0.0.1", "port": port, "unit_id": unit_id}
        entry = MockConfigEntry(
            domain=DOMAIN, unique_id=serial_number, data={"modbus": address}
        )
        entry.add_to_hass(hass)
        entries.append(entry)
    site = MockConfigEntry(
        domain=DOMAIN,
        unique_id="site",
        data={
            "site": {
                "grid_power": "sensor.grid",
                "fuse": {
                    "main_fuse": 250,
                    **{
                        f"house_current_{phase}": f"sensor.{phase}"
                        for phase in SENSORS[1:]
                    },
                },
            }
        },
    )
    site.add_to_hass(hass)
    report(hass, 0)
    assert await hass.config_entries.async_setup(site.entry_id)
    await hass.async_block_till_done()
    modes = ("solar", "solar_min", "fast")
    for number, entry in enumerate(entries):
        charging = entry.runtime_data.controller.charging
        await charging.async_set_mode(type(charging.mode)(modes[number % 3]))
    return site


async def measure(
    hass: HomeAssistant, reports: int, interval: float
) -> tuple[list[float], list[float]]:
    """Return the times of decisions and the delays of the event loop, in ms."""
    decisions: list[float] = []
    delays: list[float] = []
    decide = Site.async_decide

    def timed(site: Site) -> None:
        start = time.perf_counter()
        decide(site)
        decisions.append(1000 * (time.perf_counter() - start))

    async def probe() -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(PROBE)
            delays.append(1000 * (time.perf_counter() - start - PROBE))

    task = asyncio.create_task(probe())
    with patch.object(Site, "async_decide", timed):
        for number in range(reports):
            report(hass, number)
            await asyncio.sleep(interval)
    task.cancel()
    return decisions, delays


def percentile(values: list[float], part: float) -> float:
    """Return the value that a part of all values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


async def run(arguments: argparse.Namespace, addresses: Any) -> bool:
    """Measure, print the figures, and return whether they are good enough."""
    with tempfile.TemporaryDirectory() as folder:
        async with async_test_home_assistant(config_dir=folder) as hass:
            asyncio.get_running_loop().set_debug(False)
            await set_up(hass, addresses)
            decisions, delays = await measure(
                hass, arguments.reports, arguments.interval
            )
            await hass.async_stop(force=True)
    typical, worst = percentile(decisions, 0.5), percentile(decisions, 0.99)
    stall = percentile(delays, 0.999)
    print(f"{len(addresses)} chargers, {len(decisions)} decisions")
    print(f"a decision: {typical:.2f} ms, 99th percentile {worst:.2f} ms")
    print(f"event loop: 99.9th percentile {stall:.1f} ms late, {len(delays)} looks")
    return typical < MOST_MS and stall < MOST_STALL_MS


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chargers", type=int, default=50)
    parser.add_argument("--reports", type=int, default=60)
    parser.add_argument("--interval", type=float, default=1.0, help="seconds")
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(arguments.chargers, theirs))
    process.start()
    try:
        is_good = asyncio.run(run(arguments, ours.recv()))
    finally:
        ours.send(None)
        process.join(10)
    raise SystemExit(not is_good)


if __name__ == "__main__":
    main()
