"""A house with a roof, a meter and chargers on real sockets, whose time is driven."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
import math
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import site
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.ledger import recorder
from simulator import Simulator

from .commands import core

GRID = "sensor.grid"
CURRENTS = ("sensor.current_l1", "sensor.current_l2", "sensor.current_l3")
POWERS = ("sensor.power_l1", "sensor.power_l2", "sensor.power_l3")
"""Those of the same phases, which the site finds if they are on one device."""
STEP = 10.0
"""Seconds between two reports of the meter."""


class Clock:
    """The time of the site and of the simulated chargers, in s."""

    def __init__(self) -> None:
        """Begin long after the start of the machine."""
        self.t = 10_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.t


@contextmanager
def driven(clock: Clock) -> Iterator[None]:
    """Have sites use a clock that is driven, and sessions begin at once."""
    with (
        patch.object(site, "monotonic", clock),
        patch.object(recorder, "SETTLE", timedelta(0)),
        patch.object(recorder, "SETTLE_READS", 2),
    ):
        yield


def site_entry(**answers: Any) -> MockConfigEntry:
    """Return the entry of a site with one meter."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Solar and main fuse",
        unique_id="site",
        data={"site": {"grid_power": GRID, **answers}},
    )


def with_fuse(main_fuse: float = 25.0) -> dict[str, Any]:
    """Return the answers about a fuse whose three phases are measured."""
    names = ("house_current_l1", "house_current_l2", "house_current_l3")
    return {"fuse": {"main_fuse": main_fuse, **dict(zip(names, CURRENTS, strict=True))}}


def entity_id(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> str:
    """Return the ID of an entity of an entry."""
    unique_id = f"{entry.unique_id}_{key}"
    found = [
        entity.entity_id
        for entity in er.async_get(hass).entities.values()
        if entity.platform == DOMAIN and entity.unique_id == unique_id
    ]
    assert len(found) == 1, (key, found)
    return found[0]


def state(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> str:
    """Return the state of an entity of an entry."""
    found = hass.states.get(entity_id(hass, entry, key))
    assert found is not None
    return found.state


async def choose(
    hass: HomeAssistant, entry: MockConfigEntry, mode: str, key: str = "charge_mode"
) -> None:
    """Choose the charge mode of a charger."""
    await hass.services.async_call(
        "select",
        "select_option",
        {"entity_id": entity_id(hass, entry, key), "option": mode},
        blocking=True,
    )


async def set_number(
    hass: HomeAssistant, entry: MockConfigEntry, key: str, value: float
) -> None:
    """Set a number of an entry."""
    await hass.services.async_call(
        "number",
        "set_value",
        {"entity_id": entity_id(hass, entry, key), "value": value},
        blocking=True,
    )


def limit_writes(simulator: Simulator) -> int:
    """Return how often the current limit was written."""
    return sum(r.address == 1000 and bool(r.words) for r in simulator.log)


def limit(simulator: Simulator) -> float:
    """Return the current limit that a charger has, in A."""
    value = simulator.charger.settings["current_limit"]
    assert isinstance(value, float)
    return value


@dataclass(kw_only=True)
class Home:
    """A house that reports every few seconds."""

    hass: HomeAssistant
    clock: Clock
    entries: list[MockConfigEntry]
    simulators: list[Simulator]
    site: MockConfigEntry = field(init=False)
    sun: float = 0.0
    """W."""
    house_w: float = 0.0
    house_a: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """A of each phase, without the cars; measured if the site has sensors for it."""
    is_unsigned: bool = False
    """Whether the sensors of the phases show no direction."""
    grid: Any = None
    """What the grid meter says instead."""
    reports: bool = True
    others: dict[str, tuple[Any, str]] = field(default_factory=dict)
    """Values and units of other sensors."""

    @property
    def cars(self) -> float:
        """Return the power of the cars in W."""
        return sum(sum(each.charger.powers) for each in self.simulators)

    def report(self) -> None:
        """Let the meters report."""
        say = self.hass.states.async_set
        grid = self.house_w + self.cars - self.sun if self.grid is None else self.grid
        say(GRID, str(grid), {"unit_of_measurement": "W"})
        currents = list(self.house_a)
        for simulator in self.simulators:
            currents = [
                a + b for a, b in zip(currents, simulator.charger.currents, strict=True)
            ]
        for sensor, power, amps in zip(CURRENTS, POWERS, currents, strict=True):
            shown = abs(amps) if self.is_unsigned else amps
            say(sensor, f"{shown:.2f}", {"unit_of_measurement": "A"})
            say(power, f"{amps * 230:.0f}", {"unit_of_measurement": "W"})
        for sensor, (value, unit) in self.others.items():
            say(sensor, str(value), {"unit_of_measurement": unit})

    async def step(self) -> None:
        """Let a few seconds pass."""
        self.clock.t += STEP
        for simulator in self.simulators:
            simulator.charger.advance()
        for entry in self.entries:
            await entry.runtime_data.coordinator.async_refresh()
        if self.reports:
            self.report()
        await settle()
        async with asyncio.timeout(5):
            # A machine that is busy takes its time.
            while any(self._is_due(entry) for entry in self.entries):
                await settle()

    @staticmethod
    def _is_due(entry: MockConfigEntry) -> bool:
        """Return whether a limit has to be written at once."""
        control = core(entry)
        is_due = math.isinf(control._writer.limit_written_at)
        return control.state.is_in_control and is_due

    async def run(self, seconds: float) -> None:
        """Let some time pass."""
        end = self.clock.t + seconds
        while self.clock.t < end:
            await self.step()


async def settle() -> None:
    """Let decisions be made, and written."""
    await asyncio.sleep(0.03)
