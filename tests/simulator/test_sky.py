"""The script of a morning shows what it says, with the integration's own controller."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise
import json
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components.nexblue_local.modbus.enums import PhaseMode
from custom_components.nexblue_local.surplus.controller import Controller
from custom_components.nexblue_local.surplus.decision import Reason
from custom_components.nexblue_local.surplus.readings import (
    ChargerReading,
    Reading,
    Status,
)
from custom_components.nexblue_local.surplus.settings import (
    ChargerSettings,
    Fuse,
    PhaseMode as SurplusPhaseMode,
    Settings,
)
from simulator import SimulatedCharger, Simulator
from simulator.controls import WorldControls
from simulator.house import House, Roof
from simulator.meter import Meter
from simulator.sky import DURATION, SCRIPT, SUNRISE, ScriptedRoof, play

ENGLISH: dict[str, Any] = json.loads(
    (
        Path(__file__).parents[2]
        / "custom_components"
        / "nexblue_local"
        / "translations"
        / "en.json"
    ).read_text()
)["entity"]["sensor"]
INTERVAL = 5
"""Seconds between two reports of the meter, and two reads of the charger."""
MODES = {
    PhaseMode.SINGLE_PHASE: SurplusPhaseMode.ONE,
    PhaseMode.THREE_PHASE: SurplusPhaseMode.THREE,
}
PHASE_MODES = {shown: mode for mode, shown in MODES.items()}


@dataclass(frozen=True)
class Second:
    """What is seen in a second."""

    t: float
    sun: float  # W
    house: float  # W
    car: float  # W
    offered: float  # A
    mode: PhaseMode
    reason: Reason


@dataclass
class World:
    """A house in which the integration's controller charges a car, in virtual time."""

    meter_delay: int  # s by which the meter reports after a whole interval
    t: float = 1000.0
    seen: list[Second] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    meter: Meter = field(init=False)
    began_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Initialize a charger that is set to one phase, and paused."""
        self.charger = SimulatedCharger(clock=lambda: self.t)
        self.charger.change("phase_mode", PhaseMode.SINGLE_PHASE)
        self.charger.change("current_limit", 0.0)
        self._controller = Controller(
            Settings(chargers=(ChargerSettings(id="charger"),), fuse=Fuse(main_a=20.0))
        )
        self._reading = Reading(t=0.0)

    async def sleep(self, seconds: float) -> None:
        """Let some time pass."""
        for _ in range(round(seconds)):
            self.t += 1
            self._pass_second()

    def _pass_second(self) -> None:
        charger, meter = self.charger, self.meter
        measured = meter.measure()
        chargers, grid_w = self._reading.chargers, self._reading.grid_w
        house_a, at = self._reading.house_a, self._reading.grid_at
        if is_read := self.t % INTERVAL == 0:
            chargers = (self._read(),)
        if is_reported := self.t % INTERVAL == self.meter_delay:
            is_on = meter.is_listening
            a, b, c = (measured[f"current_l{n}"] for n in (1, 2, 3))
            house_a = (a, b, c) if is_on else None
            grid_w, at = (measured["grid_power"] if is_on else None), self.t
        if not is_read and not is_reported:
            return
        self._reading = Reading(
            t=self.t,
            grid_w=grid_w,
            grid_at=at,
            house_a=house_a,
            house_at=at,
            chargers=chargers,
        )
        if not chargers:
            return
        (decision,) = self._controller.decide(self._reading).chargers
        if decision.current_a is not None:
            charger.change("current_limit", decision.current_a)
        if decision.phase_mode is not None:
            charger.change("phase_mode", PHASE_MODES[decision.phase_mode])
        self.seen.append(
            Second(
                t=self.t - self.began_at,
                sun=measured["solar_power"],
                house=sum(meter.house.flow.house),
                car=sum(charger.powers),
                offered=charger.settings["current_limit"],
                mode=charger.settings["phase_mode"],
                reason=decision.reason,
            )
        )

    def _read(self) -> ChargerReading:
        charger = self.charger
        charger.advance()
        return ChargerReading(
            id="charger",
            at=self.t,
            status=Status(charger.state.name.lower()),
            power_w=charger.powers,
            current_a=charger.currents,
            voltage_v=charger.voltages,
            offered_a=charger.settings["current_limit"],
            phase_mode=MODES[charger.settings["phase_mode"]],
        )

    def during(self, title: str) -> list[Second]:
        """Return what is seen from one step until the next one."""
        (index,) = (n for n, step in enumerate(SCRIPT) if step.title == title)
        ends = [*(step.at for step in SCRIPT[1:]), DURATION]
        start = SCRIPT[index].at
        return [each for each in self.seen if start < each.t <= ends[index]]


@pytest.fixture(params=range(INTERVAL))
async def world(
    request: pytest.FixtureRequest, socket_enabled: None
) -> AsyncIterator[World]:
    """Return the world after the script was played, at one of five times of reports."""
    world = World(meter_delay=request.param)
    house = House(roof=SUNRISE, started_at=world.t)
    async with (
        Simulator(charger=world.charger) as simulator,
        Meter(house=house, simulator=simulator) as meter,
    ):
        world.meter = meter
        world.began_at = world.t
        controls = WorldControls(simulator, meter=meter)
        await play(controls, meter, world.said.append, world.sleep)
        yield world


async def test_script(world: World) -> None:
    """Each step shows what it tells to watch."""
    plugged = world.during("Plug in")
    assert {each.car for each in plugged} == {0.0}
    assert plugged[-1].reason is Reason.WAITING_FOR_SUN

    started = world.during("Start")
    assert started[0].car == 0
    assert started[-1].car > 1_300
    assert started[-1].mode is PhaseMode.SINGLE_PHASE

    followed = world.during("Follow")
    assert followed[-1].car > started[-1].car + 800
    # The sun rises by 75 W within an interval, and the car follows in steps.
    assert all(abs(_grid(each)) < 450 for each in followed)

    switched = world.during("Phase switch")
    assert any(
        each.reason is Reason.CEILING and each.offered == 16.0 for each in switched
    )
    assert switched[0].mode is PhaseMode.SINGLE_PHASE
    assert 60 < _since(switched, PhaseMode.THREE_PHASE) < 120
    assert switched[-1].car > 7_000
    modes = [each.mode for each in world.seen]
    assert sum(a is not b for a, b in pairwise(modes)) == 1

    kettle, boiled = world.during("Kettle on"), world.during("Kettle off")
    assert kettle[-1].car == pytest.approx(switched[-1].car - 2_000, abs=500)
    assert boiled[-1].car == pytest.approx(switched[-1].car, abs=500)

    cloud = world.during("Cloud")
    assert cloud[-1].offered == 6.0
    assert cloud[-1].reason is Reason.PAUSING_SOON
    assert min(each.car for each in cloud) > 3_500
    assert world.during("Cloud gone")[-1].car > 7_000

    lost = world.during("Meter lost")
    assert {each.reason for each in lost[2:]} == {Reason.METER_LOST}
    assert lost[5].offered == 6.0
    assert lost[-1].car == 0

    back = world.during("Meter back")
    assert any(each.reason is Reason.FUSE for each in back)
    assert back[-1].car > 7_000


def _grid(second: Second) -> float:
    return second.house + second.car - second.sun


def _since(seconds: list[Second], mode: PhaseMode) -> float:
    """Return after how many s a phase mode is seen."""
    return next(each.t for each in seconds if each.mode is mode) - seconds[0].t


async def test_end(world: World) -> None:
    """Every step is said, and afterwards the usual day goes on where the script ends."""
    assert all(any(step.title in line for line in world.said) for step in SCRIPT)
    house = world.meter.house
    assert isinstance(house.roof, Roof)
    assert world.meter.is_listening
    assert not house.kettle_is_on
    assert not house.is_overcast
    before = world.seen[-1].sun
    await world.sleep(INTERVAL)
    assert world.seen[-1].sun == pytest.approx(before, rel=0.02)


def test_names() -> None:
    """What is in quotation marks is the name of an entity, or its state, on the dashboard."""
    limited_by = ENGLISH["limited_by"]["state"].values()
    known = {*limited_by, *(sensor["name"] for sensor in ENGLISH.values())}
    named = {name for step in SCRIPT for name in re.findall('"([^"]+)"', step.watch)}
    assert named >= {"Limited by", "Next change expected"}
    assert named <= known


def test_scripted_roof() -> None:
    """Between two points the power is a straight line, outside of them the nearest."""
    roof = ScriptedRoof(((10, 100), (20, 300), (40, 200)))

    def power(time: float) -> float:
        return roof.power(time, is_overcast=False)

    assert [power(time) for time in (0, 10, 15, 20, 30, 40, 99)] == [
        *(100, 100, 200, 300, 250, 200, 200)
    ]
    assert roof.power(20, is_overcast=True) == pytest.approx(45)
