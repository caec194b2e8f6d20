"""A strange charger for minutes: `python -m benchmarks.soak --minutes 10 --profile strange`.

A real Home Assistant process controls a simulated charger over sockets. Commands, power
cuts, cut connections and cars come at random. After power cuts and at the end the charger
has to get what was asked of it, nothing else may have been written, and its fallback must not have
engaged: the power is never off for as long as the shortest fallback timeout.

With `--site`, the charger belongs to a site, its charge mode changes, and the meter is
silent or unavailable at times. Tasks, sockets, threads and memory are counted at the
beginning and at the end.

The phase mode is left out, because it may be restored only after ten minutes; the
simulated weeks of `tests/control/test_weeks.py` have it.
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
import contextlib
from pathlib import Path
import random
import sys
from typing import Any

from scripts.home_assistant import (
    ROOT,
    HomeAssistantProcess,
    charger_data,
    stored_entries,
    stored_entry,
)
from simulator import Car, Habits, SimulatedCharger, Simulator, load_profile

from .judge import Judge
from .meter import site_data

DOMAIN = "nexblue_local"
FOLDER = ROOT / ".benchmark" / "soak"
PORT = 18126
START_TIMEOUT = 60.0
"""Seconds for the first values."""

SETTLE = 150.0
"""Seconds in which the charger has to get what is desired, if it is left alone."""

LONGEST_PAUSE = 4.0
"""Longest time in s between two events."""


NUMBERS: Mapping[str, float] = {
    "current_limit": 1,
    "fallback_limit": 1,
    "fallback_timeout": 60,
}
"""Settings that are numbers, with the unit of the entity in that of the register."""

VALUES: Mapping[str, Sequence[float]] = {
    "current_limit": (0.0, *(tenths / 10 for tenths in range(60, 161))),
    "fallback_limit": (0.0, 6.0, 8.0, 10.0, 16.0),
    "fallback_timeout": (30, 60, 300),
    "start_stop": (0, 1),
}
"""What is asked for, by setting, in the unit of its register."""

MODES: Sequence[str] = ("solar", "solar_min", "fast", "manual", "off")
METER_STATES: Sequence[str] = ("on", "on", "silent", "unavailable")


class Soak:
    """A Home Assistant and a charger to which things happen."""

    def __init__(
        self,
        home: HomeAssistantProcess,
        simulator: Simulator,
        *,
        seed: int,
        longest_pause: float,
        has_site: bool = False,
    ) -> None:
        """Initialize from a seed; the longest pause between two events is in s."""
        self.judge = Judge(simulator.charger, simulator.log, has_site=has_site)
        self.resources: list[dict[str, float]] = []
        """What Home Assistant had at the beginning and at the end."""
        self._has_site = has_site
        self.events: Counter[str] = Counter()
        self._home = home
        self._simulator = simulator
        self._random = random.Random(seed)
        self._longest_pause = longest_pause
        self._entities: dict[str, str] = {}

    async def run(self, seconds: float) -> None:
        """Let things happen, then check that the charger is as desired."""
        await self._wait_for_values()
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        events = (
            *(self._command,) * 6,
            *(self._cut, self._cut, self._power_cut, self._car),
            *(self._mode, self._meter, self._meter) * self._has_site,
        )
        while self._has_site and None in self.judge.expected["current_limit"]:
            # A site may do what it likes below it; the charger may refuse it at first.
            await self._command_value("current_limit", 16.0)
        await self._count()
        while loop.time() < end:
            happen = self._random.choice(events)
            await happen()
            await asyncio.sleep(self._random.uniform(0.1, self._longest_pause))
            await self._look()
        await self._wait_until_desired()
        await self._look()
        await self._count()
        self._simulator.charger.advance()
        self.judge.check_writes()

    async def _wait_until_desired(self) -> None:
        """Wait until the charger has what is desired; what it does not get is lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLE):
                await self._poll_settings()
        self.judge.lost += self.judge.missing()

    async def _poll_settings(self) -> None:
        while True:
            if not self.judge.missing():
                return
            await asyncio.sleep(0.5)

    async def _wait_for_values(self) -> None:
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                states = await self._home.states(DOMAIN)
                if states.get(self._key("current_limit"), "unknown") not in (
                    "unknown",
                    "unavailable",
                ):
                    break
                await asyncio.sleep(0.3)
        for entity in await self._home.call("config/entity_registry/list"):
            if entity["platform"] == DOMAIN:
                self._entities[entity["unique_id"]] = entity["entity_id"]

    def _key(self, name: str) -> str:
        return f"{self._simulator.charger.serial_number}_{name}"

    async def _look(self) -> None:
        """Look at the entities, as somebody at a dashboard does."""
        states = await self._home.states(DOMAIN)
        self.events["looks"] += 1
        if states[self._key("power")] == "unavailable":
            self.events["looks while unavailable"] += 1
        for setting, unit in NUMBERS.items():
            with contextlib.suppress(ValueError):
                self.judge.check_shown(
                    setting, float(states[self._key(setting)]) * unit
                )
        self.judge.check_writes()

    async def _command(self) -> None:
        setting = self._random.choice((*VALUES, "current_limit", "current_limit"))
        await self._command_value(setting, self._random.choice(VALUES[setting]))

    async def _command_value(self, setting: str, value: float) -> None:
        data: dict[str, Any] = {}
        if setting in NUMBERS:
            domain, service, entity = "number", "set_value", setting
            data["value"] = value / NUMBERS[setting]
        else:
            domain, entity = "switch", "charging"
            service = "turn_on" if value else "turn_off"
        data["entity_id"] = self._entities[self._key(entity)]
        self.judge.commanded(setting, value)
        error = None
        try:
            await self._home.call(
                "call_service", domain=domain, service=service, service_data=data
            )
        except RuntimeError as failure:
            error = failure.args[0].get("translation_key") or str(failure)
        self.judge.answered(setting, value, error)

    async def _count(self) -> None:
        """Count what Home Assistant has open."""
        if not self._has_site:
            return
        found = await self._home.call(
            "call_service", domain="benchmark", service="look", return_response=True
        )
        memory = {"memory, MiB": round(self._home.memory())}
        self.resources.append(found["response"] | memory)

    async def _mode(self) -> None:
        mode = self._random.choice(MODES)
        self.events[f"mode {mode}"] += 1
        await self._home.call(
            "call_service",
            domain="select",
            service="select_option",
            service_data={
                "option": mode,
                "entity_id": self._entities[self._key("charge_mode")],
            },
        )

    async def _meter(self) -> None:
        state = self._random.choice(METER_STATES)
        self.events[f"meter {state}"] += 1
        await self._home.call(
            "call_service",
            domain="benchmark",
            service="meter",
            service_data={"state": state},
        )

    async def _cut(self) -> None:
        self.events["connections cut"] += 1
        self.judge.link_cut()
        self._simulator.cut()

    async def _power_cut(self) -> None:
        self.events["power cuts"] += 1
        self.judge.link_cut()
        await self._simulator.power_cycle(self._random.uniform(0.0, 8.0))
        # Otherwise the next commands may come while settings are being restored, and
        # replace them.
        if self._random.choice((True, False)):
            await self._wait_until_desired()

    async def _car(self) -> None:
        charger = self._simulator.charger
        if charger.car is None:
            charger.plug_in(Car(charge=0.0))
            self.events["cars"] += 1
        else:
            self.judge.session_ended()
            charger.unplug()


async def soak(
    seconds: float,
    habits: Habits,
    *,
    seed: int = 1,
    scan_interval: int = 12,
    longest_pause: float = LONGEST_PAUSE,
    folder: Path = FOLDER,
    port: int = PORT,
    has_site: bool = False,
) -> Soak:
    """Run a soak, and return it with what it found."""
    charger = SimulatedCharger(habits=habits)
    charger.plug_in(Car(charge=0.0))
    async with Simulator(charger=charger) as simulator:
        entry = stored_entry(
            "Charger",
            charger.serial_number,
            charger_data(simulator.port),
            scan_interval=scan_interval,
            switch_phases=False,
        )
        site = stored_entry("Site", "site", site_data(1))
        home = HomeAssistantProcess(
            folder,
            port,
            storage=stored_entries(*([site] if has_site else []), entry),
            module="benchmarks.watched" if has_site else "homeassistant",
        )
        async with home:
            run = Soak(
                home,
                simulator,
                seed=seed,
                longest_pause=longest_pause,
                has_site=has_site,
            )
            await run.run(seconds)
            return run


def report(run: Soak) -> str:
    """Return what was found."""
    judge = run.judge
    promises: tuple[tuple[str, int], ...] = (
        ("unasked writes", len(judge.unasked)),
        ("lost desired states", len(judge.lost)),
        ("fallbacks while the link was up", judge.broken_fallbacks),
    )
    cut_off = len(judge.fallbacks) - judge.broken_fallbacks
    counts = {
        "fallbacks while it was cut repeatedly": cut_off,
        "commands done": judge.done,
        **run.events,
    }
    errors = {f"error: {key}": count for key, count in judge.errors.most_common()}
    first, last = run.resources or ({}, {})
    return "\n".join(
        [
            *(
                f"{name:36} {count:5}"
                for name, count in (*promises, *counts.items(), *errors.items())
            ),
            *(f"{name:36} {first[name]:5} -> {last[name]}" for name in first),
            *judge.unasked,
            *judge.lost,
        ]
    )


def main() -> None:
    """Read the options, run, and print what was found; exit with 1 if a promise broke."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long")
    parser.add_argument(
        "--profile",
        type=load_profile,
        default="strange",
        help="habits: a name or a TOML file",
    )
    parser.add_argument(
        "--site", action="store_true", help="with a site and faults of its meter"
    )
    parser.add_argument("--seed", type=int, default=1, help="of what happens")
    # Longer than the strange charger keeps an idle connection.
    parser.add_argument(
        "--scan-interval", type=int, default=12, help="seconds between polls"
    )
    options = parser.parse_args()
    run = asyncio.run(
        soak(
            options.minutes * 60,
            options.profile,
            seed=options.seed,
            scan_interval=options.scan_interval,
            has_site=options.site,
        )
    )
    print(report(run))
    sys.exit(0 if run.judge.is_satisfied else 1)


if __name__ == "__main__":
    main()
