"""The charge mode of a charger: how it is stored, and what follows from it."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
import json
from typing import Any

import pytest

from custom_components.nexblue_local.charging import ChargeSettings, Charging
from custom_components.nexblue_local.control.errors import CommandFailed
from custom_components.nexblue_local.control.limits import Source
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
)
from custom_components.nexblue_local.control.state import DamagedRecord
from custom_components.nexblue_local.modbus.registers import Reading
from custom_components.nexblue_local.site_config import ChargerConfig
from custom_components.nexblue_local.surplus.decision import ChargerDecision, Reason
from custom_components.nexblue_local.surplus.settings import (
    Mode,
    PhaseMode as SurplusPhaseMode,
)
from tests.control.fakes import Fault, Rig
from tests.control.virtual_time import in_virtual_time

SETTINGS = ChargeSettings(
    mode=Mode.SOLAR_MIN,
    is_fast_until_unplugged=True,
    stop_after_energy=7.5,
    has_fuse=True,
    found_limit=13.0,
)


def test_stored() -> None:
    """It is read as it was written."""
    record = json.loads(json.dumps({"charging": SETTINGS.as_dict()}))
    assert ChargeSettings.from_record(record) == SETTINGS
    with pytest.raises(DamagedRecord):
        ChargeSettings.from_record({"desired": {}})


@pytest.mark.parametrize(
    "damage",
    [
        {"mode": "sun"},
        {"mode": None},
        {"is_fast_until_unplugged": 1},
        {"stop_after_energy": "x"},
        {"stop_after_energy": float("nan")},
        {"has_fuse": None},
        {"found_limit": True},
    ],
)
def test_damaged(damage: dict[str, Any]) -> None:
    """A record that cannot be understood is an error, like any of control."""
    with pytest.raises(DamagedRecord):
        ChargeSettings.from_record({"charging": SETTINGS.as_dict() | damage})
    for missing in damage:
        record = SETTINGS.as_dict()
        del record[missing]
        with pytest.raises(DamagedRecord):
            ChargeSettings.from_record({"charging": record})


# What it does with decisions


CONFIG = ChargerConfig(
    supply_phases=None,
    rotation=(1, 2, 3),
    min_current=6.0,
    priority=50,
    switch_phases=True,
)


class Subject:
    """The charge mode of a fake charger, and what it calls."""

    def __init__(self, limit: float | None = None, **settings: Any) -> None:
        """Initialize with a limit in A of the user."""
        self.rig = Rig()
        self.decided = self.changed = 0
        self.rig.state.desired = Settings(current_limit=limit)
        self.rig.link.settings = self.rig.charger.settings
        self.start(ChargeSettings(**settings))

    def start(self, settings: ChargeSettings) -> None:
        """Set up the charger with what was stored."""
        self.charging = Charging(
            self.rig.controller,
            settings,
            CONFIG,
            now=self.rig.wall,
            start_task=self.rig.run_task,
            on_change=self.change,
        )

    def decide(self) -> None:
        """Count a decision."""
        self.decided += 1

    def change(self) -> None:
        """Count a change."""
        self.changed += 1

    async def join(self, *, has_fuse: bool = False) -> None:
        """Have a site."""
        await self.charging.async_join(self.decide, has_fuse=has_fuse)

    async def poll(self, energy: float = 0.0, app: float | None = None) -> None:
        """Read the charger."""
        await self.rig.poll()
        # What control stores itself does not count.
        self.rig.stored = None
        reading = Reading(session_energy=energy, app_max_current=app)
        await self.charging.async_observe(reading)

    def apply(self, current: float | None = None, **decision: Any) -> None:
        """Apply a decision of the site."""
        next_change = decision.pop("next_change", None)
        self.changed += self.charging.apply(
            ChargerDecision(
                **{
                    "id": "a",
                    "current_a": current,
                    "fuse_a": None,
                    "phase_mode": None,
                    "reason": Reason.SUN,
                    "next_change_at": None,
                    "next_transition_at": None,
                    **decision,
                }
            ),
            next_change,
        )

    def mode(self) -> Mode:
        """Return the mode that applies."""
        return self.charging.mode

    def ceiling(self) -> float | None:
        """Return the limit in A of the user."""
        return self.charging.ceiling

    def settings(self) -> ChargeSettings:
        """Return what would be stored."""
        return self.charging.settings

    def next_change(self) -> datetime | None:
        """Return when something changes next."""
        return self.charging.next_change

    def has_stored(self) -> bool:
        """Return whether something was stored since the last call."""
        stored, self.rig.stored = self.rig.stored, None
        return stored is not None

    def limits(self) -> tuple[float | None, float | None, float | None]:
        """Return the limits of the mode, the fuse and the energy."""
        values = self.rig.state.limits._values
        surplus, fuse, energy = (
            values.get(source)
            for source in (Source.SURPLUS, Source.FUSE, Source.ENERGY)
        )
        return surplus, fuse, energy


@pytest.mark.parametrize(
    ("mode", "waiting", "lost"),
    [
        (Mode.MANUAL, (None, 6.0), (None, 0.0)),
        (Mode.FAST, (None, 6.0), (None, 0.0)),
        (Mode.SOLAR, (0.0, 6.0), (0.0, 0.0)),
        (Mode.SOLAR_MIN, (6.0, 6.0), (6.0, 0.0)),
        (Mode.OFF, (0.0, None), (0.0, None)),
    ],
)
@pytest.mark.parametrize("has_fuse", [False, True])
@in_virtual_time
async def test_without_a_decision(
    mode: Mode,
    waiting: tuple[float | None, float | None],
    lost: tuple[float | None, float | None],
    has_fuse: bool,
) -> None:
    """What holds at the start, and when the site has been gone for a minute."""
    subject = Subject(16.0, mode=mode, has_fuse=has_fuse)
    charging = subject.charging
    starting = None if mode is Mode.MANUAL else Reason.STARTING
    assert charging.reason is starting
    assert subject.limits()[:2] == (waiting[0], waiting[1] if has_fuse else None)
    is_delegated = subject.rig.state.phases.is_delegated
    assert is_delegated is (mode in (Mode.FAST, Mode.SOLAR, Mode.SOLAR_MIN))
    await subject.join(has_fuse=has_fuse)
    subject.apply(10.0, fuse_a=12.0)
    before = subject.limits()
    charging.leave()
    await asyncio.sleep(59)
    assert (subject.limits(), charging.reason) == (before, Reason.SUN)
    changes = subject.changed
    await asyncio.sleep(2)
    assert subject.limits()[:2] == (lost[0], lost[1] if has_fuse else None)
    is_free = mode is Mode.MANUAL and not has_fuse
    assert charging.reason is (None if is_free else Reason.METER_LOST)
    assert subject.changed == changes + 1


@pytest.mark.parametrize("end", ["join", "end", "stop"])
@in_virtual_time
async def test_site_that_is_back(end: str) -> None:
    """The minute is over then; the limits of a charger that ends stay."""
    subject = Subject(16.0, mode=Mode.FAST, has_fuse=True)
    await subject.join(has_fuse=True)
    subject.apply(16.0, fuse_a=12.0)
    subject.charging.leave()
    if end == "join":
        await subject.join(has_fuse=True)
    elif end == "end":
        await subject.charging.async_end()
    else:
        subject.charging.stop()
    before = (subject.limits(), subject.changed)
    await asyncio.sleep(100)
    assert (subject.limits(), subject.changed) == before


@in_virtual_time
async def test_what_is_stored() -> None:
    """Something new is, and nothing that is stored already."""
    subject = Subject(16.0, mode=Mode.SOLAR, is_fast_until_unplugged=True)
    await subject.join()
    assert not subject.has_stored()
    await subject.join(has_fuse=True)
    assert subject.has_stored()
    assert subject.settings().has_fuse
    subject.changed = 0
    await subject.charging.async_end()
    assert subject.has_stored()
    assert subject.settings() == ChargeSettings()
    assert subject.limits() == (None, None, None)
    assert subject.changed == 1
    await subject.charging.async_end()
    assert not subject.has_stored()
    assert subject.changed == 1


@in_virtual_time
async def test_end_of_a_session() -> None:
    """Fast charging and the energy end with the session."""
    subject = Subject(16.0, mode=Mode.SOLAR, is_fast_until_unplugged=True)
    subject.settings().stop_after_energy = 5.0
    await subject.join()
    subject.rig.charger.plug_in()
    await subject.poll(energy=0.0)
    await subject.poll(energy=4.9)
    assert subject.limits()[2] is None
    await subject.poll(energy=5.0)
    assert subject.limits()[2] == 0.0
    assert subject.mode() is Mode.FAST
    subject.decided = 0
    subject.rig.charger.unplug()
    await subject.poll(energy=5.0)
    assert subject.mode() is Mode.SOLAR
    assert (subject.decided, subject.limits()[2]) == (1, None)
    assert subject.has_stored()
    await subject.poll(energy=0.0)
    assert subject.decided == 1
    assert not subject.has_stored()


@pytest.mark.parametrize("is_cut", [True, False])
@in_virtual_time
async def test_end_of_a_session_between_two_polls(is_cut: bool) -> None:
    """Fast charging ends also if the keep-alive or a command sees it first."""
    subject = Subject(16.0, mode=Mode.SOLAR, is_fast_until_unplugged=True)
    await subject.join()
    rig = subject.rig
    await rig.set(current_limit=16.0)
    rig.charger.plug_in()
    await subject.poll()
    assert subject.mode() is Mode.FAST
    rig.charger.unplug()
    if is_cut:
        rig.link.cut()
        await asyncio.sleep(120)
    else:
        await rig.controller.set(Settings(start_stop=StartStop.STOP))
    assert not rig.state.session.is_open
    await subject.poll()
    assert subject.mode() is Mode.SOLAR


@in_virtual_time
async def test_energy_of_the_session_before() -> None:
    """A charger may show it until the next vehicle charges, which must not keep it from that."""
    subject = Subject(16.0, stop_after_energy=10.0)
    charger = subject.rig.charger
    charger.plug_in()
    await subject.poll(energy=4.0)
    await subject.poll(energy=10.1)
    assert subject.limits()[2] == 0.0
    subject.start(subject.settings())
    await subject.poll(energy=10.1)
    assert subject.limits()[2] == 0.0
    charger.unplug()
    await subject.poll(energy=10.1)
    charger.plug_in()
    for _ in range(3):
        await subject.poll(energy=10.1)
        assert subject.limits()[2] is None
    await subject.poll(energy=0.1)
    await subject.poll(energy=10.0)
    assert subject.limits()[2] == 0.0


@in_virtual_time
async def test_no_energy_to_stop_after() -> None:
    """0 is for never, also before the car has charged."""
    subject = Subject(16.0)
    subject.rig.charger.plug_in()
    await subject.poll(energy=0.0)
    assert subject.limits()[2] is None


@pytest.mark.parametrize(
    ("read", "found", "app", "adopted"),
    [
        (13.0, None, None, 13.0),
        (13.0, None, 10.0, 10.0),
        (0.0, None, None, 6.0),
        (None, None, None, 6.0),
        (6.0, 15.0, None, 15.0),
        (6.0, 15.0, 4.0, 6.0),
    ],
)
@in_virtual_time
async def test_ceiling_that_nobody_asked_for(
    read: float | None, found: float | None, app: float | None, adopted: float
) -> None:
    """A mode makes the limit that was read, or found by the fuse, the user's."""
    subject = Subject(found_limit=found)
    await subject.poll(app=app)
    subject.rig.link.settings = Settings(current_limit=read)
    await subject.charging.async_set_mode(Mode.MANUAL)
    assert subject.ceiling() is None
    await subject.charging.async_set_mode(Mode.FAST)
    assert subject.ceiling() == adopted
    assert subject.settings().found_limit is None


@in_virtual_time
async def test_energy_needs_a_ceiling() -> None:
    """Without one nothing could be written; then the fuse limits it as well."""
    subject = Subject(has_fuse=True)
    assert subject.limits() == (None, None, None)
    await subject.charging.async_set_stop_after_energy(5.0)
    assert subject.ceiling() == 16.0
    assert subject.limits() == (None, 6.0, None)
    assert subject.changed == 1


@in_virtual_time
async def test_choice_of_the_user() -> None:
    """It applies at once, is stored, and replaces fast charging of a session."""
    subject = Subject(16.0, mode=Mode.SOLAR)
    await subject.charging.async_set_fast_until_unplugged(is_on=True)
    assert (subject.mode(), subject.limits()[0]) == (Mode.FAST, None)
    subject.rig.save_takes = 5.0
    choice = asyncio.create_task(subject.charging.async_set_mode(Mode.OFF))
    await asyncio.sleep(1)
    assert subject.limits()[0] == 0.0
    await choice
    assert subject.has_stored()
    assert subject.mode() is Mode.OFF
    assert not subject.rig.state.phases.is_delegated


@pytest.mark.parametrize("may_switch", [False, True])
@in_virtual_time
async def test_phases_that_are_not_switched(may_switch: bool) -> None:
    """The user can have the phases left alone in any mode."""
    subject = Subject(16.0)
    subject.charging.config = replace(CONFIG, switch_phases=may_switch)
    await subject.charging.async_set_mode(Mode.FAST)
    assert subject.rig.state.phases.is_delegated is may_switch


@in_virtual_time
async def test_fuse_where_nothing_was_asked_for() -> None:
    """What it found is kept until the user asks for a limit."""
    subject = Subject(has_fuse=True)
    await subject.join(has_fuse=True)
    subject.apply(fuse_a=20.0)
    assert subject.limits()[1] is None
    subject.apply(9.0, fuse_a=9.0)
    await asyncio.sleep(1)
    assert subject.limits()[1] == 9.0
    assert subject.has_stored()
    subject.rig.link.settings = Settings(current_limit=9.0)
    subject.apply(8.0, fuse_a=8.0)
    assert subject.settings().found_limit == 16.0
    subject.apply(fuse_a=20.0)
    assert subject.limits()[1] == 16.0
    # A restart.
    subject.start(subject.settings())
    assert subject.limits()[1] == 6.0
    await subject.rig.set(current_limit=12.0)
    await subject.poll()
    assert subject.settings().found_limit is None
    subject.apply(fuse_a=20.0)
    assert subject.limits()[1] == 20.0


@in_virtual_time
async def test_next_change() -> None:
    """It is shown anew if it moves by more than 10 s and a tenth of the time left."""
    subject = Subject(16.0, mode=Mode.SOLAR)
    await subject.join()
    now = subject.rig.wall()
    # Expected in how many seconds, and what is shown.
    for expected, shown in (
        (50, 50),
        (60, 50),
        (40, 50),
        (61, 61),
        (300, 300),
        (329, 300),
        (271, 300),
        (331, 331),
        (None, None),
        (20, 20),
    ):
        at = None if expected is None else now + timedelta(seconds=expected)
        subject.apply(8.0, next_change=at)
        at = None if shown is None else now + timedelta(seconds=shown)
        assert subject.next_change() == at
    # Another reason, and a time that has passed.
    at = now + timedelta(seconds=22)
    subject.apply(8.0, reason=Reason.PAUSING_SOON, next_change=at)
    assert subject.next_change() == at
    await asyncio.sleep(22)
    at += timedelta(seconds=5)
    subject.apply(8.0, reason=Reason.PAUSING_SOON, next_change=at)
    assert subject.next_change() == at


@in_virtual_time
async def test_decisions() -> None:
    """They limit the charger, and tell when their reason is another one."""
    subject = Subject(16.0, mode=Mode.SOLAR)
    await subject.join()
    subject.changed = 0
    subject.apply(8.0, fuse_a=9.0)
    assert subject.limits() == (8.0, 9.0, None)
    assert subject.changed == 1
    subject.apply(0.0, reason=Reason.WAITING_FOR_SUN)
    assert subject.changed == 2
    await subject.charging.async_set_mode(Mode.OFF)
    subject.apply(0.0, fuse_a=6.0)
    # It would seem to be the fuse that pauses.
    assert subject.limits() == (0.0, None, None)


@in_virtual_time
async def test_phases_are_switched_once() -> None:
    """A switch that is not done, and one that is, are not begun again."""
    subject = Subject(16.0, mode=Mode.SOLAR)
    await subject.join()
    await subject.poll()
    subject.rig.link.latency = 2.0
    tasks = len(subject.rig.tasks)
    for _ in range(3):
        subject.apply(8.0, phase_mode=SurplusPhaseMode.ONE)
        await asyncio.sleep(1)
    assert len(subject.rig.tasks) == tasks + 1
    await asyncio.sleep(60)
    assert subject.rig.written(Setting.PHASE_MODE) == [PhaseMode.SINGLE_PHASE]
    tasks = len(subject.rig.tasks)
    subject.apply(8.0, phase_mode=SurplusPhaseMode.ONE)
    assert len(subject.rig.tasks) == tasks
    await subject.charging.async_set_mode(Mode.MANUAL)
    subject.apply()
    assert not subject.rig.state.phases.is_delegated


@in_virtual_time
async def test_return_of_control() -> None:
    """Only the fuse limits the charger meanwhile, and then nothing is asked for."""
    subject = Subject(16.0, mode=Mode.SOLAR, has_fuse=True)
    await subject.join(has_fuse=True)
    await subject.poll()
    subject.apply(8.0, fuse_a=20.0)
    await asyncio.sleep(1)
    subject.rig.link.latency = 2.0
    subject.rig.charger.writes.clear()
    subject.decided = 0
    release = asyncio.create_task(subject.charging.async_release(None))
    await asyncio.sleep(1)
    subject.apply(fuse_a=20.0)
    await asyncio.sleep(1)
    assert subject.limits() == (8.0, 20.0, None)
    await release
    assert subject.decided == 1
    assert subject.rig.written(Setting.CURRENT_LIMIT) == []
    assert subject.settings() == ChargeSettings(has_fuse=True)
    assert subject.rig.desired == Settings()


@in_virtual_time
async def test_return_of_control_that_fails() -> None:
    """The mode stays; if the end could not be stored, it is manual all the same."""
    subject = Subject(16.0, mode=Mode.SOLAR, has_fuse=True)
    await subject.poll()
    subject.rig.link.lasting_faults[Setting.FALLBACK_LIMIT] = Fault.REFUSED
    with pytest.raises(CommandFailed):
        await subject.charging.async_release(None)
    assert subject.mode() is Mode.SOLAR
    subject.apply(8.0)
    assert subject.limits()[0] == 8.0
    subject.rig.state.desired = Settings()
    subject.start(subject.settings())
    assert subject.settings() == ChargeSettings(has_fuse=True)


@pytest.mark.parametrize("seconds", [1, 61])
@in_virtual_time
async def test_a_choice_without_the_site(seconds: float) -> None:
    """It raises no limit, neither while they are kept nor after that."""
    subject = Subject(16.0, mode=Mode.FAST, has_fuse=True)
    await subject.join(has_fuse=True)
    subject.apply(0.0, fuse_a=0.0)
    subject.charging.leave()
    await asyncio.sleep(seconds)
    await subject.charging.async_set_mode(Mode.MANUAL)
    assert subject.limits()[1] == 0.0
    await asyncio.sleep(3600)
    assert subject.limits()[1] == 0.0
