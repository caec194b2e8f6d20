"""Simulated weeks of control: the real classes, on a virtual clock."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
import random

import pytest

from custom_components.nexblue_local.control.errors import CommandFailed, Rejected
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.control.reconciler import ReconcileState
from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
    Value,
    agrees,
)
from simulator import Habits, load_profile
from simulator.habits import AS_DOCUMENTED
from tests.control.fakes import FakeCharger, Fault, Rig, now
from tests.control.virtual_time import run

SAFE = 7.0  # A
TIMEOUTS = (30, 60, 300, 1800)
OUTAGES = (20.0, 100.0, 400.0, 2000.0, 8000.0)
SOURCE = "test"
VALUES: dict[Setting, Sequence[Value]] = {
    Setting.CURRENT_LIMIT: (0.0, 6.0, 9.7, 10.5, 32.0),
    Setting.FALLBACK_LIMIT: (0.0, 5.0, 6.0, 16.0),
    Setting.FALLBACK_TIMEOUT: TIMEOUTS,
    Setting.PHASE_MODE: tuple(PhaseMode),
    Setting.START_STOP: tuple(StartStop),
}


class Week:
    """A rig to which things happen, and what has to hold meanwhile."""

    def __init__(self, seed: int, habits: Habits) -> None:
        """Initialize from a seed, with a charger that has habits."""
        self.random = random.Random(seed)  # noqa: S311 (no secret)
        self.rig = Rig(
            FakeCharger(
                step=habits.limit_step,
                rounds_up=habits.limit_rounds_up,
                shows_offered=habits.shows_offered,
                starts_when_unplugged=habits.starts_when_unplugged,
            )
        )
        shares = {Fault.REFUSED: habits.refuses, Fault.BUSY: habits.busy}
        self.rig.link.chance = lambda: next(
            (f for f, share in shares.items() if self.random.random() < share), None
        )
        self.reached: Counter[str] = Counter()
        self.gone_since: float | None = None
        self.running = True
        self.up_at = self.start_at = 0.0
        self.was_active = False
        self.asked: dict[Setting, set[object]] = {setting: set() for setting in Setting}
        self.leased_at = 0.0
        self.session_switches = 0
        self.switches: list[float] = []
        self.mode = PhaseMode.ADAPTIVE
        self.seen_writes = 0
        self.source_limit: float | None = None

    def check(self) -> None:
        """Check what must hold at any time."""
        rig, charger = self.rig, self.rig.charger
        state = rig.state
        for at, setting, value in charger.writes[self.seen_writes :]:
            # What was never requested is never written.
            assert self.is_asked(setting, value), (setting, value)
            if setting is Setting.PHASE_MODE and value is not self.mode:
                assert isinstance(value, PhaseMode)
                self.mode = value
                self.switches.append(at)
                self.reached["phase switches"] += 1
                self.session_switches += charger.has_car
        self.seen_writes = len(charger.writes)
        if not rig.wall_offset:
            for index, switch in enumerate(self.switches):
                hour = [s for s in self.switches if switch <= s < switch + 3600]
                assert len(hour) <= 2
                assert not index or switch - self.switches[index - 1] >= 600
            assert self.session_switches <= 6
            if self.running and state.lease is not None:
                assert now() - self.leased_at <= 191 + 7
        timeout = charger.settings.fallback_timeout
        assert timeout is not None
        if charger.is_fallback_active and not self.was_active and state.is_in_control:
            self.reached["fallbacks"] += 1
            assert self.gone_since is not None
            gone = now() - self.gone_since
            assert gone >= timeout - min(timeout / 3, 60) - 2 * 7, (gone, timeout)
        self.was_active = charger.is_fallback_active

    def is_asked(self, setting: Setting, value: Value) -> bool:
        """Return whether a value was requested, or follows from what was."""
        if value in self.asked[setting]:
            return True
        if not isinstance(value, float) or setting is Setting.FALLBACK_TIMEOUT:
            return False
        asked = [v for v in self.asked[setting] if isinstance(v, float)]
        if setting is Setting.CURRENT_LIMIT:
            asked += [6.0, SAFE, self.source_limit or SAFE]
        step = self.rig.charger.step if setting is Setting.CURRENT_LIMIT else 0.0
        # A charger that took half of it is what has to be kept then. One that rounds
        # gets the next lower step, or one less if it rounds up.
        return any(
            v - 2 * step <= value <= v or abs(value - round(v / 2, 1)) <= step
            for v in asked
        )

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, with a poll every few seconds."""
        end = now() + seconds
        while now() < end:
            await asyncio.sleep(min(7.0, end - now()))
            rig = self.rig
            rig.link.is_up = now() >= self.up_at
            if not self.running and now() >= self.start_at:
                self.running = True
                rig.start()
                await rig.controller.start()
            is_there = self.running and rig.link.is_up
            if not is_there:
                self.gone_since = now() if self.gone_since is None else self.gone_since
            # A fallback is judged by what was before this poll.
            self.check()
            if is_there:
                self.gone_since = None
                await rig.poll()
            self.reached[rig.controller.reconciler.state] += 1
            self.check()

    async def command(self) -> None:
        """Request something, sometimes with a fault."""
        rig, choose = self.rig, self.random.choice
        if not self.running:
            return
        setting = choose([*Setting, Setting.CURRENT_LIMIT])
        value = choose(VALUES[setting])
        lease = None
        if setting is Setting.CURRENT_LIMIT and choose((True, False)):
            valid_for = timedelta(minutes=3)
            lease = Lease(rig.wall() + valid_for, valid_for, SAFE)
            self.leased_at = now()
        rig.link.faults.append(choose((None, None, None, *Fault)))
        self.asked[setting].add(value)
        before = rig.desired
        try:
            await rig.controller.set(Settings().with_value(setting, value), lease)
        except Rejected as error:
            self.reached[f"rejected: {error.key}"] += 1
            assert rig.desired[setting] == before[setting]
        except CommandFailed as error:
            self.reached[f"failed: {error.key}"] += 1
        else:
            self.reached["commands done"] += 1
            assert rig.desired[setting] == value
            assert rig.stored is not None
            assert rig.stored["desired"][setting] == value
        rig.link.faults.clear()

    async def burst(self) -> None:
        """Request several limits at once, the last of which is a pause."""
        if not self.running:
            return
        values = [10.5, 32.0, 6.0, 0.0]
        self.asked[Setting.CURRENT_LIMIT].update(values)
        results = await asyncio.gather(
            *(self.rig.controller.set(Settings(current_limit=v)) for v in values),
            return_exceptions=True,
        )
        if not any(results):
            self.reached["bursts"] += 1
            assert self.rig.desired.current_limit == 0.0
            assert self.rig.charger.settings.current_limit == 0.0

    async def cancelled(self) -> None:
        """Cancel a command while it is executed."""
        if not self.running:
            return
        self.asked[Setting.CURRENT_LIMIT].add(9.0)
        command = asyncio.create_task(
            self.rig.controller.set(Settings(current_limit=9.0))
        )
        await asyncio.sleep(self.random.choice((0.0, 0.005, 0.015, 0.025)))
        command.cancel()
        with suppress(asyncio.CancelledError, CommandFailed):
            await command
        self.reached["commands cancelled"] += 1

    async def link_goes(self) -> None:
        """The network is gone for a while."""
        self.up_at = now() + self.random.choice(OUTAGES)
        self.rig.link.is_up = False
        self.rig.link.cut()
        self.gone_since = now() if self.gone_since is None else self.gone_since

    async def home_assistant_goes(self) -> None:
        """Home Assistant is killed, and starts again after a while."""
        self.running = False
        self.start_at = now() + self.random.choice(OUTAGES)
        self.rig.kill()
        self.gone_since = now() if self.gone_since is None else self.gone_since

    async def power_cycle(self) -> None:
        """The charger loses its settings, and is gone for a while."""
        await self.link_goes()
        self.rig.charger.power_cycle()
        self.mode = PhaseMode.ADAPTIVE
        self.was_active = False

    async def release(self) -> None:
        """Control is released."""
        if not self.running:
            return
        with suppress(CommandFailed, Rejected):
            limit = self.rig.charger.settings.fallback_limit
            assert limit is not None
            self.asked[Setting.FALLBACK_LIMIT].update((limit, 0.0))
            await self.rig.controller.release()
            self.reached["releases"] += 1
            assert not self.rig.desired

    async def source(self) -> None:
        """Another source sets a limit, or removes it."""
        if not self.running or self.rig.desired.current_limit is None:
            return
        self.source_limit = self.random.choice((None, 8.0))
        self.rig.controller.set_limits({SOURCE: self.source_limit})
        await asyncio.sleep(0.1)
        lowest = self.rig.state.limits.lowest
        if lowest is not None and lowest[1] == SOURCE and self.rig.link.is_up:
            self.reached["limits of another source"] += 1
        assert self.rig.stored is None or SOURCE not in str(self.rig.stored)
        self.rig.controller.set_limits({SOURCE: None})

    async def clock_jumps(self) -> None:
        """The wall clock is set."""
        if not self.rig.wall_offset:
            self.rig.wall_offset = self.random.choice(
                (-86400.0, -600.0, 600.0, 86400.0)
            )

    async def car_comes(self) -> None:
        """A vehicle is plugged in."""
        if not self.rig.charger.has_car:
            self.rig.charger.plug_in()

    async def car_goes(self) -> None:
        """The vehicle is unplugged, which is seen if somebody looks."""
        if self.rig.charger.has_car:
            self.rig.charger.unplug()
            self.session_switches = 0
            if self.running:
                await self.rig.poll()

    async def live(self, steps: int) -> None:
        """Let things happen, then wait until everything is well."""
        events = (
            *(self.command,) * 6,
            *(self.burst, self.cancelled, self.link_goes, self.home_assistant_goes),
            *(self.power_cycle, self.source, self.car_comes, self.car_goes),
        )
        rare = (self.release, self.clock_jumps)
        await self.rig.controller.start()
        for _ in range(steps):
            event = self.random.choice(events if self.random.random() < 0.95 else rare)
            await event()
            await self.pass_time(self.random.choice((5.0, 31.0, 200.0, 900.0, 4000.0)))
        self.up_at = self.start_at = 0.0
        if self.rig.charger.has_car:
            self.rig.charger.unplug()
        await self.pass_time(2 * 3600 + 60)
        assert self.rig.controller.reconciler.state is ReconcileState.SYNCED
        found = self.rig.charger.settings
        for setting, value in self.rig.desired:
            if setting is Setting.CURRENT_LIMIT and isinstance(value, float):
                limit = found.current_limit
                assert limit is not None
                assert abs(limit - value) <= self.rig.charger.step + 0.05
            else:
                assert agrees(found[setting], value), setting
        assert self.rig.state.lease is None
        self.rig.kill()


def live(seed: int, steps: int, habits: Habits) -> Counter[str]:
    """Live through a week; return what was reached."""

    async def main() -> Counter[str]:
        week = Week(seed, habits)
        try:
            await week.live(steps)
        finally:
            week.rig.kill()
        return week.reached

    return run(main())


def missed(reached: Counter[str], expected: dict[str, int]) -> dict[str, int]:
    """Return what was reached too rarely."""
    return {k: reached[k] for k, least in expected.items() if reached[k] < least}


STATES = ("synced", "pending", "unsynced")


@pytest.mark.timeout(300)
def test_weeks() -> None:
    """Each promise holds in weeks that come to what they are meant to test."""
    reached: Counter[str] = Counter()
    for seed in range(100):
        reached += live(seed, 40, AS_DOCUMENTED)
    expected = {
        "commands done": 300,
        "commands cancelled": 100,
        "bursts": 100,
        "rejected: phase_budget": 5,
        "failed: refused": 50,
        "failed: not_taken": 20,
        "failed: not_executed": 20,
        "failed: clamped": 3,
        "fallbacks": 5,
        "phase switches": 50,
        "limits of another source": 20,
        "releases": 20,
        **dict.fromkeys(STATES, 100),
    }
    assert missed(reached, expected) == {}


@pytest.mark.timeout(300)
def test_strange_weeks() -> None:
    """The same with a charger that rounds, refuses and shows what it offers."""
    reached: Counter[str] = Counter()
    for seed in range(15):
        reached += live(seed, 40, load_profile("strange"))
    expected = {
        "commands done": 50,
        "bursts": 10,
        "phase switches": 5,
        "releases": 2,
        **dict.fromkeys(STATES, 10),
    }
    assert missed(reached, expected) == {}
