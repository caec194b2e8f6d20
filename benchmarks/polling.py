"""What polling costs and how fresh it is: `python -m benchmarks.polling`.

Three Home Assistant processes at the same time: one with this integration, one
with the vendor's YAML package, and one with neither, whose CPU time and memory
are what Home Assistant needs by itself. The first two poll the same simulated
charger, each over a connection of its own.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
import contextlib
from dataclasses import asdict, dataclass, field
import random
import sqlite3
import statistics
import time
from typing import Any

from custom_components.nexblue_local.modbus.codec import Layout
from custom_components.nexblue_local.modbus.enums import WaitingReasons
from custom_components.nexblue_local.modbus.registers import Reading
from scripts.home_assistant import HOST, ROOT, HomeAssistantProcess, stored_charger
from simulator import Car, SimulatedCharger, Simulator

from . import yaml_package

FOLDER = ROOT / ".benchmark"
BASE_CONFIGURATION = "recorder:\n"
SETTLE = 45.0  # s after the start before measuring begins
COMMIT = 8.0  # s until the recorder has written everything
KINDS = {
    "measurements": ("current_l", "voltage_l", "power"),
    "limits": ("app_max_current",),
    "energy": ("session_energy", "lifetime_energy"),
    "bitsets": ("waiting_reasons",),
}
# By how much a state may differ from what it shows; half a watt-hour otherwise.
TOLERANCES = {
    "app_max_current": 0.075,
    "session_energy": 0.0075,
    "power": 0.75,
    **{f"current_l{phase}": 0.075 for phase in (1, 2, 3)},
    **{f"voltage_l{phase}": 0.75 for phase in (1, 2, 3)},
    **{f"power_l{phase}": 0.75 for phase in (1, 2, 3)},
}
SERIAL_NUMBER = SimulatedCharger().serial_number
LIFETIME_WH = SimulatedCharger().lifetime_energy
METER_UPDATE = 2.0  # s between two updates of the meter, on average
LIMIT_CHANGE = 30.0  # s between two changes of limit and bitset, on average


class MeteredCharger(SimulatedCharger):
    """A charger whose meter updates its registers at random times.

    Between two updates the registers stand still, so that each value has a
    time at which it came up. Currents and voltages jitter as measured ones do.
    """

    def start(self) -> None:
        """Plug a car in and read the meter for the first time."""
        self.plug_in(Car(ramp=1000.0, battery=1000.0))
        self.history: dict[str, list[tuple[float, float]]] = {}
        self._offsets = self.mains.offsets
        self._words: dict[int, int] = {}
        self.update()

    def update(self) -> None:
        """Read the meter."""
        jitter = random.gauss
        first, second, third = (o + jitter(0, 0.2) for o in self._offsets)
        self.mains.offsets = (first, second, third)
        assert self.car is not None
        self.car.max_current = self.app_max_current + jitter(0, 0.02)
        self._words = super().input_words()
        now = time.time()
        reading = Reading.decode(self._words, Layout.DCBA)
        for name, value in asdict(reading).items():
            seen = self.history.setdefault(name, [])
            if value is not None and (not seen or seen[-1][1] != float(value)):
                seen.append((now, float(value)))

    def input_words(self) -> dict[int, int]:
        """Return the words of the last meter update."""
        return dict(self._words)

    def age(
        self, name: str, shown: float, tolerance: float, now: float
    ) -> float | None:
        """Return for how long the meter had shown a value at a time."""
        for since, value in reversed(self.history.get(name, [])):
            if since <= now and abs(value - shown) <= tolerance:
                return now - since
        return None


async def live(charger: MeteredCharger) -> None:
    """Let the charger's world go on."""
    change_limit_at = time.monotonic() + LIMIT_CHANGE
    while True:
        await asyncio.sleep(random.expovariate(1 / METER_UPDATE))
        if time.monotonic() > change_limit_at:
            change_limit_at += random.expovariate(1 / LIMIT_CHANGE)
            charger.app_max_current = random.randint(60, 160) / 10
            charger.fallback_active = not charger.fallback_active
        charger.update()


@dataclass
class Candidate:
    """One Home Assistant that is measured."""

    name: str
    home: HomeAssistantProcess
    simulator: Simulator | None
    keys: dict[str, str] = field(default_factory=dict)
    ages: dict[str, list[float]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)

    def rows(self, query: str, *values: float) -> list[tuple[Any, ...]]:
        """Query the recorder's database for states of the charger's entities."""
        path = self.home.folder / "home-assistant_v2.db"
        with contextlib.closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        ) as db:
            return db.execute(
                f"{query} FROM states JOIN states_meta USING (metadata_id)"
                " WHERE entity_id LIKE 'sensor.%' OR entity_id LIKE 'binary_sensor.%'"
                " OR entity_id LIKE 'switch.%'",
                values,
            ).fetchall()

    async def learn_keys(self) -> None:
        """Ask which entity shows which register."""
        for entity in await self.home.call("config/entity_registry/list"):
            if entity["platform"] in ("nexblue_local", "modbus"):
                key = entity["unique_id"].removeprefix(f"{SERIAL_NUMBER}_")
                self.keys[entity["entity_id"]] = key

    def states(self) -> list[tuple[str, str, float]]:
        """Return entity, state and time of all rows of the charger's entities."""
        path = self.home.folder / "home-assistant_v2.db"
        with contextlib.closing(
            sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        ) as db:
            rows: list[tuple[str, str, float]] = db.execute(
                "SELECT states_meta.entity_id, state, last_updated_ts"
                " FROM states JOIN states_meta USING (metadata_id)"
            ).fetchall()
        return [row for row in rows if row[0] in self.keys]


@contextlib.asynccontextmanager
async def candidates(charger: MeteredCharger) -> AsyncIterator[list[Candidate]]:
    """Start all that are compared."""
    async with contextlib.AsyncExitStack() as stack:
        ours = await stack.enter_async_context(Simulator(charger=charger))
        theirs = await stack.enter_async_context(Simulator(charger=charger))
        homes = {
            "this integration": HomeAssistantProcess(
                FOLDER / "integration",
                18123,
                configuration=BASE_CONFIGURATION,
                storage=stored_charger(ours.port, SERIAL_NUMBER),
            ),
            "YAML package": HomeAssistantProcess(
                FOLDER / "yaml",
                18124,
                configuration=BASE_CONFIGURATION
                + yaml_package.configuration(HOST, theirs.port),
            ),
            "neither": HomeAssistantProcess(
                FOLDER / "neither", 18125, configuration=BASE_CONFIGURATION
            ),
        }
        simulators = [ours, theirs, None]
        result = []
        for (name, home), simulator in zip(homes.items(), simulators, strict=True):
            print(f"==> Starting Home Assistant with {name}", flush=True)
            await stack.enter_async_context(home)
            result.append(Candidate(name, home, simulator))
        yield result


def measure_ages(
    candidate: Candidate, charger: MeteredCharger, since: float, until: float
) -> None:
    """Enter how old values were when they became states."""
    for entity_id, state, when in candidate.states():
        if not since <= when <= until:
            continue
        name, shown = candidate.keys[entity_id], state
        if name == "fallback_active":
            name = "waiting_reasons"
            shown = str(WaitingReasons.MODBUS_FALLBACK * (state == "on"))
        kind = next((k for k, names in KINDS.items() if name.startswith(names)), None)
        if kind is None:
            continue
        with contextlib.suppress(ValueError):
            value, tolerance = float(shown), TOLERANCES.get(name, 0.5)
            if name == "lifetime_energy":
                # Shown in kWh by this integration, in Wh by the package.
                value = value * 1000 if value < LIFETIME_WH / 10 else value
            age = charger.age(name, value, tolerance, when)
            if age is not None:
                candidate.ages.setdefault(kind, []).append(age)


async def measure(minutes: float) -> list[Candidate]:
    """Run all and measure."""
    charger = MeteredCharger(app_max_current=16.0)
    charger.start()
    world = asyncio.create_task(live(charger))
    try:
        async with candidates(charger) as compared:
            print(f"==> Letting them settle for {SETTLE:g} s", flush=True)
            await asyncio.sleep(SETTLE)
            print(f"==> Measuring for {minutes:g} minutes", flush=True)
            since = time.time()
            cpu = {c.name: c.home.cpu_seconds() for c in compared}
            for candidate in compared:
                if candidate.simulator:
                    candidate.simulator.log.clear()
            await asyncio.sleep(minutes * 60)
            until = time.time()
            span = (until - since) / 60
            for candidate in compared:
                candidate.figures = {
                    "cpu": (candidate.home.cpu_seconds() - cpu[candidate.name]) / span,
                    "memory": candidate.home.memory(),
                }
                if candidate.simulator:
                    log = candidate.simulator.log
                    candidate.figures |= {
                        "requests": len(log) / span,
                        "registers": sum(r.count for r in log) / span,
                    }
            await asyncio.sleep(COMMIT)
            for candidate in compared[:2]:
                await candidate.learn_keys()
                rows = candidate.states()
                first: dict[str, float] = {}
                for entity_id, state, when in rows:
                    # An event has no value until it happens.
                    is_event = entity_id.startswith("event.")
                    if state not in ("unknown", "unavailable") and not is_event:
                        first[entity_id] = min(when, first.get(entity_id, when))
                in_span = [row for row in rows if since <= row[2] <= until]
                candidate.figures |= {
                    "rows": len(in_span) / span * 60,
                    "start": max(first.values()) - candidate.home.started_at,
                    "entities": len(first),
                }
                measure_ages(candidate, charger, since, until)
            return compared
    finally:
        world.cancel()


def report(compared: list[Candidate]) -> str:
    """Return the table."""
    ours, theirs, neither = compared

    def line(label: str, key: str, digits: int) -> str:
        cells = [
            f"{c.figures[key]:.{digits}f}" if key in c.figures else ""
            for c in (ours, theirs, neither)
        ]
        ratio = (
            f"{ours.figures[key] / theirs.figures[key]:.2f}"
            if theirs.figures.get(key) and key in ours.figures
            else ""
        )
        return f"| {label} | {' | '.join(cells)} | {ratio} |"

    for candidate in (ours, theirs):
        candidate.figures["own cpu"] = max(
            0.0, candidate.figures["cpu"] - neither.figures["cpu"]
        )
    lines = [
        f"| | {' | '.join(c.name for c in compared)} | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
        line("entities with a value", "entities", 0),
        line("requests a minute", "requests", 1),
        line("registers a minute", "registers", 0),
        line("CPU seconds a minute, whole process", "cpu", 3),
        line("CPU seconds a minute, beyond Home Assistant's own", "own cpu", 3),
        line("memory, MiB", "memory", 0),
        line("seconds from start to all values known", "start", 1),
        line("rows an hour in the recorder's database", "rows", 0),
    ]
    for kind in KINDS:
        for label, pick in (
            ("median", statistics.median),
            (
                "95th percentile",
                lambda ages: statistics.quantiles(ages, n=20, method="inclusive")[18],
            ),
            ("worst", max),
        ):
            key = f"{kind} {label}"
            for candidate in (ours, theirs):
                if len(ages := candidate.ages.get(kind, [])) > 1:
                    candidate.figures[key] = pick(ages)
            lines.append(line(f"age of {kind}, {label}, s", key, 2))
    return "\n".join(lines)


def main() -> None:
    """Read the options, measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.polling", description=__doc__
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="how long")
    parser.add_argument("--seed", type=int, default=1, help="of the charger's world")
    options = parser.parse_args()
    random.seed(options.seed)
    print(report(asyncio.run(measure(options.minutes))))


if __name__ == "__main__":
    main()
