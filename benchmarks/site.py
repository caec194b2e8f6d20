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
import tempfile
import time
from typing import Final
from unittest.mock import patch

from homeassistant import loader
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_test_home_assistant,
)

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.site import Site
from scripts.home_assistant import charger_data

from .chargers import simulated
from .lateness import lateness, percentile
from .meter import report, site_data

MOST_MS: Final = 5.0
"""ms that a report of the meter may take."""
MOST_STALL_MS: Final = 20.0
"""ms that the event loop may be late, at the 99.9th percentile."""


async def set_up(
    hass: HomeAssistant, addresses: list[tuple[str, int]]
) -> MockConfigEntry:
    """Set up the chargers and the site; return the entry of the site."""
    hass.data.pop(loader.DATA_CUSTOM_COMPONENTS)
    entries = []
    for serial_number, port in addresses:
        entry = MockConfigEntry(
            domain=DOMAIN, unique_id=serial_number, data=charger_data(port)
        )
        entry.add_to_hass(hass)
        entries.append(entry)
    site = MockConfigEntry(
        domain=DOMAIN, unique_id="site", data=site_data(len(addresses))
    )
    site.add_to_hass(hass)
    report(hass, 0, len(addresses))
    assert await hass.config_entries.async_setup(site.entry_id)
    await hass.async_block_till_done()
    modes = ("solar", "solar_min", "fast")
    for number, entry in enumerate(entries):
        charging = entry.runtime_data.controller.charging
        await charging.async_set_mode(type(charging.mode)(modes[number % 3]))
    return site


async def measure(
    hass: HomeAssistant, chargers: int, reports: int, interval: float
) -> tuple[list[float], list[float]]:
    """Return the times of decisions and the delays of the event loop, in ms."""
    decisions: list[float] = []
    decide = Site.async_decide

    def timed(site: Site) -> None:
        start = time.perf_counter()
        decide(site)
        decisions.append(1000 * (time.perf_counter() - start))

    with patch.object(Site, "async_decide", timed), lateness() as delays:
        for number in range(reports):
            report(hass, number, chargers)
            await asyncio.sleep(interval)
    return decisions, delays


async def run(arguments: argparse.Namespace, addresses: list[tuple[str, int]]) -> bool:
    """Measure, print the figures, and return whether they are good enough."""
    with tempfile.TemporaryDirectory() as folder:
        async with async_test_home_assistant(config_dir=folder) as hass:
            asyncio.get_running_loop().set_debug(False)
            await set_up(hass, addresses)
            decisions, delays = await measure(
                hass, len(addresses), arguments.reports, arguments.interval
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
    with simulated(arguments.chargers) as chargers:
        is_good = asyncio.run(run(arguments, chargers.addresses))
    raise SystemExit(not is_good)


if __name__ == "__main__":
    main()
