"""Install a release into an empty Home Assistant and add a charger: scripts/release."""

import asyncio
from pathlib import Path
import sys
import tempfile
import zipfile

from homeassistant.const import __version__

from custom_components.nexblue_local.const import DOMAIN
from simulator import Car, SimulatedCharger, Simulator

from .demo_set_up import add_by_address
from .home_assistant import HomeAssistantProcess, StartFailed, first, free_port

TIMEOUT = 60.0
"""Seconds in which the charger's states have to be known."""


async def try_release(archive: Path, folder: Path) -> dict[str, str]:
    """Install an archive, add a charger, and return the states of its entities."""
    components = folder / "custom_components"
    with zipfile.ZipFile(archive) as content:
        content.extractall(components / DOMAIN)
    async with (
        Simulator(charger=SimulatedCharger(), port=free_port(5030)) as simulator,
        HomeAssistantProcess(
            folder / "config", free_port(8130), components=components
        ) as home,
    ):
        simulator.charger.plug_in(Car())
        result = await add_by_address(home, simulator.port)
        if result["type"] != "create_entry":
            raise StartFailed(f"the charger was not added: {result}")

        async def charging() -> dict[str, str] | None:
            states = await home.states(DOMAIN)
            return states if "charging" in states.values() else None

        states = await first(charging, TIMEOUT)
        if states is None:
            raise StartFailed(f"the charger is not shown: {await home.states(DOMAIN)}")
        return states


def main() -> None:
    """Try the release that is named on the command line."""
    with tempfile.TemporaryDirectory() as folder:
        states = asyncio.run(try_release(Path(sys.argv[1]), Path(folder)))
    known = sum(state not in ("unknown", "unavailable") for state in states.values())
    print(
        f"==> Home Assistant {__version__}: installed, set up, and the car charges;"
        f" {known} of {len(states)} entities are known"
    )


if __name__ == "__main__":
    main()
