"""What 1 to 100 chargers cost, and how fast they are: `python -m benchmarks.scale`.

One Home Assistant process with a site, its meter and the chargers, which another process
simulates. It is started anew for each number of chargers, and once without any, to know
what Home Assistant and the site need by themselves.
"""

import argparse
import asyncio
from collections.abc import Sequence
import time
from typing import Any, Final

from scripts.home_assistant import (
    ROOT,
    HomeAssistantProcess,
    charger_data,
    stored_entries,
    stored_entry,
)

from .chargers import SimulatedChargers, simulated
from .lateness import lateness, percentile
from .meter import site_data

DOMAIN: Final = "nexblue_local"
FOLDER: Final = ROOT / ".benchmark" / "scale"
PORT: Final = 18127
START_TIMEOUT: Final = 180.0
SETTLE: Final = 30.0
"""Seconds after the start before measuring begins."""
AFTER_ACTION: Final = 5.0
"""Seconds after the action in which the event loop is still watched."""
MODES: Final = ("solar", "solar_min", "fast")
LIMIT: Final = 8.0
"""A that all chargers are set to."""

type Figures = dict[str, float]


class Watched:
    """A Home Assistant with a site and chargers, which measures itself."""

    def __init__(self, home: HomeAssistantProcess, chargers: SimulatedChargers) -> None:
        """Initialize with the process that was started."""
        self.home = home
        self.chargers = chargers
        self._serial_numbers = [serial for serial, _ in chargers.addresses]
        self._entities: dict[str, str] = {}

    async def wait_until_set_up(self) -> None:
        """Wait until all chargers have been read and have entities."""
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                entries = await self.home.call("config_entries/get", domain=DOMAIN)
                if all(entry["state"] == "loaded" for entry in entries):
                    break
                await asyncio.sleep(0.5)
        for entity in await self.home.call("config/entity_registry/list"):
            if entity["platform"] == DOMAIN:
                self._entities[entity["unique_id"]] = entity["entity_id"]

    async def choose_modes(self) -> None:
        """Give each charger one of the charge modes."""
        for number, mode in enumerate(MODES):
            if serials := self._serial_numbers[number :: len(MODES)]:
                await self._act(
                    "select.select_option",
                    [f"{serial}_charge_mode" for serial in serials],
                    option=mode,
                )

    async def set_limits(self) -> Figures:
        """Set a limit at all chargers; return the seconds until all have confirmed it.

        A charger that does not confirm it, or has more after that, failed.
        """
        began_at = time.monotonic()
        keys = [f"{serial}_power" for serial in self._serial_numbers]
        try:
            await self._act(f"{DOMAIN}.set_limits", keys, current_limit=LIMIT)
        except RuntimeError as error:
            print(error.args[0]["message"])
        seconds = time.monotonic() - began_at
        limits = [settings["current_limit"] for settings, _, _ in self.chargers.look()]
        return {"action": seconds, "failed": sum(limit > LIMIT for limit in limits)}

    async def _act(self, action: str, keys: Sequence[str], **data: Any) -> None:
        domain, service = action.split(".")
        await self.home.call(
            "call_service",
            domain=domain,
            service=service,
            service_data=data,
            target={"entity_id": [self._entities[key] for key in keys]},
        )

    async def begin(self, *, looks: bool) -> None:
        """Begin to measure; `looks` is whether at delays and ages."""
        await self.home.call(
            "call_service",
            domain="benchmark",
            service="begin",
            service_data={"looks": looks},
        )

    async def end(self) -> dict[str, Any]:
        """Return what was measured."""
        result = await self.home.call(
            "call_service", domain="benchmark", service="end", return_response=True
        )
        measured: dict[str, Any] = result["response"]
        return measured


async def measure(watched: Watched, minutes: float) -> Figures:
    """Measure with the chargers that there are."""
    home, chargers = watched.home, watched.chargers
    await watched.wait_until_set_up()
    figures = {"start": time.time() - home.started_at}
    await watched.choose_modes()
    await asyncio.sleep(SETTLE)
    requests = sum(count for _, count, _ in chargers.look())
    await watched.begin(looks=False)
    await asyncio.sleep(60 * minutes)
    measured = await watched.end()
    figures |= {
        "set up": measured["set_up"],
        "cpu": measured["cpu"] / minutes,
        "memory": home.memory(),
        "requests": sum(count for _, count, _ in chargers.look()) - requests,
        "collection": measured.get("collections", {}).get("1.0", 0.0),
    }
    figures["requests"] /= minutes
    if not chargers.addresses:
        return figures
    with lateness() as idle:
        await watched.begin(looks=True)
        await asyncio.sleep(60 * minutes)
        measured = await watched.end()
    delays, ages = measured["delays"], measured["ages"]
    figures |= {
        "idle": percentile(idle, 0.999),
        "idle worst": max(idle),
        "delay": delays["0.999"],
        "worst delay": delays["1.0"],
        "age": ages["0.5"],
        "old age": ages["0.99"],
        "oldest age": ages["1.0"],
    }
    await watched.begin(looks=True)
    figures |= await watched.set_limits()
    await asyncio.sleep(AFTER_ACTION)
    figures["action delay"] = (await watched.end())["delays"]["1.0"]
    figures["fallbacks"] = sum(count for _, _, count in chargers.look())
    return figures


async def run(count: int, minutes: float) -> Figures:
    """Start Home Assistant with a number of chargers, and measure."""
    print(f"==> {count} chargers", flush=True)
    with simulated(count) as chargers:
        entries = [
            stored_entry(f"Charger {number}", serial_number, charger_data(port))
            for number, (serial_number, port) in enumerate(chargers.addresses, 1)
        ]
        home = HomeAssistantProcess(
            FOLDER,
            PORT,
            configuration="recorder:\n",
            storage=stored_entries(
                stored_entry("Site", "site", site_data(count)), *entries
            ),
            module="benchmarks.watched",
        )
        async with home:
            return await measure(Watched(home, chargers), minutes)


ROWS: Final[Sequence[tuple[str, str, int]]] = (
    ("CPU seconds a minute, a charger", "cpu each", 3),
    ("memory a charger, MiB", "memory each", 2),
    ("requests a minute, a charger", "requests each", 1),
    ("seconds from start to all chargers set up", "start", 1),
    ("seconds from the first charger's set-up to the last one's", "set up", 1),
    ("event loop late, 99.9th percentile, ms", "delay", 1),
    ("event loop late, worst, ms", "worst delay", 1),
    ("the same in an idle process, 99.9th percentile, ms", "idle", 1),
    ("the same in an idle process, worst, ms", "idle worst", 1),
    ("longest garbage collection, ms", "collection", 1),
    ("`set_limits` for all: seconds until all confirmed", "action", 2),
    ("chargers with more than that limit after it", "failed", 0),
    ("event loop late meanwhile, worst, ms", "action delay", 1),
    ("age of the values shown, median, s", "age", 2),
    ("age of the values shown, 99th percentile, s", "old age", 2),
    ("age of the values shown, worst, s", "oldest age", 2),
    ("fallbacks", "fallbacks", 0),
)
"""Label, key and digits of each row of the table."""


def table(alone: Figures, measured: dict[int, Figures]) -> str:
    """Return the table; `alone` is without chargers."""
    for count, figures in measured.items():
        for key in ("cpu", "memory", "requests"):
            figures[f"{key} each"] = (figures[key] - alone[key]) / count
    return "\n".join(
        [
            f"| chargers | {' | '.join(map(str, measured))} |",
            f"| --- |{' ---: |' * len(measured)}",
            *(
                f"| {label} | "
                + " | ".join(f"{each[key]:.{digits}f}" for each in measured.values())
                + " |"
                for label, key, digits in ROWS
            ),
            "",
            "Home Assistant and the site without chargers:",
            f"{alone['cpu']:.3f} CPU seconds a minute, {alone['memory']:.0f} MiB.",
        ]
    )


async def main_async(counts: Sequence[int], minutes: float) -> str:
    """Measure each number of chargers, and return the table."""
    alone = await run(0, minutes)
    return table(alone, {count: await run(count, minutes) for count in counts})


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=__doc__
    )
    parser.add_argument("--chargers", type=int, nargs="+", default=[1, 10, 50, 100])
    parser.add_argument(
        "--minutes", type=float, default=2.0, help="how long each is measured, twice"
    )
    options = parser.parse_args()
    print(asyncio.run(main_async(options.chargers, options.minutes)))


if __name__ == "__main__":
    main()
