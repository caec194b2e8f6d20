"""Weeks of control over a charger, in any order of events.

The charger is the simulated one, on a driven clock; what is written to it is
what `control/` says, carried out the way the controller does.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
import math
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
import pytest

from custom_components.nexblue_local.control.control import (
    Control,
    Rejected,
    Write,
    agrees,
)
from custom_components.nexblue_local.control.keep_alive import period
from custom_components.nexblue_local.control.lease import Lease
from custom_components.nexblue_local.modbus.codec import Layout
from custom_components.nexblue_local.modbus.enums import PhaseMode, StartStop
from custom_components.nexblue_local.modbus.model import Register
from custom_components.nexblue_local.modbus.registers import (
    CURRENT_LIMIT,
    FALLBACK_LIMIT,
    FALLBACK_TIMEOUT,
    PHASE_MODE,
    START_STOP,
    Reading,
    Settings,
)
from simulator import Car, SimulatedCharger

OUTCOMES = st.sampled_from(["done", "done", "done", "lost before", "lost after"])
OUTAGES = st.sampled_from([20.0, 100.0, 400.0, 2000.0, 8000.0])  # s

EPOCH = datetime(2026, 6, 1, tzinfo=UTC)
SAFE = 7.0  # A
STEP = 7.0  # s between two looks of the driver; no period is a multiple of it
TIMEOUTS = (30, 60, 300, 1800)

REACHED: Counter[str] = Counter()
"""How often the weeks came to what they are meant to test."""


def longest_silence(timeout: int) -> float:
    """Return the seconds without a write that control may allow itself."""
    return min(timeout / 3, 60.0)


class World(RuleBasedStateMachine):
    """A charger, a link that comes and goes, and Home Assistant."""

    @initialize(
        limit=st.sampled_from([None, 10.5]),
        timeout=st.sampled_from(TIMEOUTS),
        mode=st.sampled_from((None, *PhaseMode)),
    )
    def begin(self, limit: float | None, timeout: int, mode: PhaseMode | None) -> None:
        """Start with everything up, and with or without control."""
        self.now = 1000.0
        self.wall_offset = 0.0
        self.charger = SimulatedCharger(clock=lambda: self.now, read_back_delay=0.0)
        self.control = Control()
        self.stored = self.control.as_dict()
        self.link_up_at = 0.0
        self.running_at = 0.0
        self.is_running = True
        self.connected = False
        self.limit_written_at = self.now
        self.gone_since: float | None = None
        self.leased_at = 0.0
        self.switches: list[float] = []
        self.in_session = 0
        self.mode = PhaseMode.ADAPTIVE
        if limit is not None:
            self.give(CURRENT_LIMIT, limit)
        self.give(FALLBACK_TIMEOUT, timeout)
        if mode is not None:
            self.give(PHASE_MODE, mode)

    # What the driver does, as the controller would.

    @property
    def wall(self) -> datetime:
        """Return the time that Home Assistant has."""
        return EPOCH + timedelta(seconds=self.now + self.wall_offset)

    @property
    def link_is_up(self) -> bool:
        """Return whether the network works."""
        return self.now >= self.link_up_at

    def settings(self) -> Settings:
        """Read the settings."""
        return Settings.decode(self.charger.holding_words(), Layout.DCBA)

    def observe(self, *, at_once: bool = False) -> None:
        """Read the charger and take note."""
        reading = Reading.decode(self.charger.input_words(), Layout.DCBA)
        self.control.observe(
            reading,
            self.settings(),
            reading.session_energy,
            self.wall,
            at_once=at_once,
        )
        self.store()

    def store(self) -> None:
        """Save what is asked for."""
        self.stored = self.control.as_dict()

    def write(self, register: Register[Any], value: Any) -> None:
        """Write a register, and keep the vendor's book of phase switches."""
        self.charger.write(register.address, register.encode(value, Layout.DCBA))
        if register is CURRENT_LIMIT:
            self.limit_written_at = self.now
        if register is PHASE_MODE and value != self.mode:
            REACHED["phase switches"] += 1
            self.mode = value
            self.switches.append(self.now)
            self.in_session += self.charger.car is not None

    def carry_out(self, writes: list[Write]) -> None:
        """Make the writes of a restoration."""
        for register, value in writes:
            if register is PHASE_MODE:
                self.control.count_switch(self.wall)
                self.store()
            self.write(register, self.control.on_the_wire(register, value))
            if register is PHASE_MODE:
                REACHED["phase modes restored"] += 1
                self.control.phase_mode_shown(self.settings().phase_mode)

    def start(self) -> None:
        """Start Home Assistant, once it is time, with what was stored."""
        if not self.is_running and self.now >= self.running_at:
            self.is_running = True
            self.control = Control.from_dict(self.stored)

    def connect(self) -> bool:
        """Return whether there is a connection with the intent restored."""
        self.start()
        if self.is_running and self.control.expire(self.wall):
            REACHED["limits that ran out"] += 1
            self.store()
            self.limit_written_at = -math.inf
        if not (self.is_running and self.link_is_up):
            return False
        if not self.connected:
            self.connected = True
            self.observe(at_once=True)
            self.carry_out(self.control.restoration(self.settings(), self.wall))
            REACHED["phase modes that wait"] += self.control.awaits_phase_mode
            self.store()
        return True

    def look(self) -> None:
        """Do what is due now."""
        if not self.connect():
            self.gone_since = self.now if self.gone_since is None else self.gone_since
            return
        self.gone_since = None
        self.observe()
        self.carry_out(self.control.phase_restoration(self.wall))
        every = period(self.settings().fallback_timeout)
        if self.control.is_in_control and self.now - self.limit_written_at >= every:
            self.write(CURRENT_LIMIT, self.control.limit)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with a look every few seconds."""
        end = self.now + seconds
        while self.now < end:
            timeout = self.charger.settings["fallback_timeout"]
            was_active = self.charger.fallback_active
            self.now += min(STEP, end - self.now)
            self.charger.advance()
            in_control = self.control.is_in_control
            if in_control:
                REACHED[f"looks with a timeout of {timeout} s"] += 1
            if self.charger.fallback_active and not was_active and in_control:
                # It fired: somebody has to have been gone for long enough. (A
                # first limit that was never confirmed is nobody's to keep.)
                REACHED["fallbacks"] += 1
                assert self.gone_since is not None
                gone = self.now - self.gone_since
                assert gone >= timeout - longest_silence(timeout) - 2 * STEP
            self.look()

    def give(
        self,
        register: Register[Any],
        value: Any,
        *,
        outcome: str = "done",
        valid_for: timedelta | None = None,
    ) -> None:
        """Give a command; the link may be lost with it, or Home Assistant."""
        if not self.connect():
            return
        if register is PHASE_MODE:
            self.observe()
        try:
            self.control.check(Settings(**{register.name: value}), self.wall)
        except Rejected:
            REACHED["commands rejected"] += 1
            return
        if self.control.is_switch(register, value):
            self.control.count_switch(self.wall)
            self.store()
        if outcome == "lost before":
            self.link_up_at, self.connected = self.now + 60, False
            return
        for first, first_value in self.control.before(register, value, self.settings()):
            self.write(first, self.control.on_the_wire(first, first_value))
        wire = self.control.on_the_wire(register, value)
        self.write(register, wire)
        if outcome == "lost after":
            # Killed before the command was kept: the old intent stands.
            self.home_assistant_goes(60.0)
            return
        REACHED["commands done"] += 1
        found = getattr(self.settings(), register.name)
        assert agrees(found, wire)
        lease = None
        if valid_for is not None:
            lease = Lease(self.wall + valid_for, valid_for, SAFE)
            self.leased_at = self.now
        self.control.confirm(register, value, lease)
        self.store()

    # What can happen.

    @rule(seconds=st.sampled_from([5.0, 31.0, 200.0, 900.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing else happens for a while."""
        self.pass_time(seconds)

    @rule(
        limit=st.sampled_from([0.0, 6.0, 10.5, 32.0]),
        outcome=OUTCOMES,
        valid_for=st.sampled_from([None, timedelta(minutes=3)]),
    )
    def command_limit(
        self, limit: float, outcome: str, valid_for: timedelta | None
    ) -> None:
        """A current limit is asked for, for a time or for ever."""
        self.give(CURRENT_LIMIT, limit, outcome=outcome, valid_for=valid_for)

    @rule(timeout=st.sampled_from(TIMEOUTS), outcome=OUTCOMES)
    def command_timeout(self, timeout: int, outcome: str) -> None:
        """A fallback timeout is asked for."""
        self.give(FALLBACK_TIMEOUT, timeout, outcome=outcome)

    @rule(limit=st.sampled_from([0.0, 5.0, 6.0, 16.0]), outcome=OUTCOMES)
    def command_fallback(self, limit: float, outcome: str) -> None:
        """A fallback limit is asked for."""
        self.give(FALLBACK_LIMIT, limit, outcome=outcome)

    @rule(mode=st.sampled_from(PhaseMode), outcome=OUTCOMES)
    def command_phases(self, mode: PhaseMode, outcome: str) -> None:
        """A phase mode is asked for."""
        self.give(PHASE_MODE, mode, outcome=outcome)

    @rule(command=st.sampled_from(StartStop), outcome=OUTCOMES)
    def command_start_stop(self, command: StartStop, outcome: str) -> None:
        """START or STOP is asked for."""
        self.give(START_STOP, command, outcome=outcome)

    @rule()
    def release(self) -> None:
        """Control is given back."""
        if self.connect():
            self.control.release()
            self.store()

    @rule(seconds=OUTAGES)
    def link_goes(self, seconds: float) -> None:
        """The network is gone for a while."""
        self.link_up_at, self.connected = self.now + seconds, False

    @rule(seconds=OUTAGES)
    def home_assistant_goes(self, seconds: float) -> None:
        """Home Assistant is killed, and starts again after a while."""
        self.is_running = self.connected = False
        self.running_at = self.now + seconds

    @rule(seconds=OUTAGES)
    def night_without_network(self, seconds: float) -> None:
        """The network is gone, and nothing else happens meanwhile."""
        self.link_goes(seconds)
        self.pass_time(seconds + STEP)

    @rule(seconds=OUTAGES)
    def night_without_home_assistant(self, seconds: float) -> None:
        """Home Assistant is gone, and nothing else happens meanwhile."""
        self.home_assistant_goes(seconds)
        self.pass_time(seconds + STEP)

    @rule(seconds=st.sampled_from([0.0, 60.0, 900.0]))
    def power_cycle(self, seconds: float) -> None:
        """The charger has no power for a while, and loses its settings."""
        self.link_goes(seconds)
        self.charger.advance()
        self.charger.power_on()
        self.mode = PhaseMode.ADAPTIVE

    @precondition(lambda self: not self.wall_offset)
    @rule(seconds=st.sampled_from([-86400.0, -600.0, 600.0, 86400.0]))
    def clock_jumps(self, seconds: float) -> None:
        """Home Assistant's clock is set."""
        self.wall_offset += seconds

    @rule()
    def car_comes(self) -> None:
        """A car is plugged in."""
        if self.charger.car is None:
            self.charger.plug_in(Car(battery=10_000.0))

    @rule()
    def car_goes(self) -> None:
        """The car is unplugged, and that is seen when somebody looks."""
        if self.charger.car is not None:
            self.charger.unplug()
            self.in_session = 0
            self.look()

    # What has to hold.

    @invariant()
    def phases_are_spared(self) -> None:
        """The vendor's limits hold for what we wrote, unless the clock was set."""
        if not hasattr(self, "switches") or self.wall_offset:
            return
        for index, switch in enumerate(self.switches):
            assert len([s for s in self.switches if switch <= s < switch + 3600]) <= 2
            if index:
                assert switch - self.switches[index - 1] >= 600
        assert self.in_session <= 6

    @invariant()
    def limits_run_out(self) -> None:
        """A limit that was not renewed is not kept, unless the clock was set."""
        if not hasattr(self, "control") or self.control.lease is None:
            return
        if self.is_running and not self.wall_offset:
            assert self.now - self.leased_at <= 180 + STEP

    def teardown(self) -> None:
        """When everything is well for two hours, the intent is what there is."""
        if not hasattr(self, "charger"):
            return
        self.link_up_at = self.running_at = 0.0
        if self.charger.car is not None:
            self.charger.unplug()
        self.pass_time(2 * 3600 + 60)
        found = self.settings()
        for name in Settings.registers:
            wanted = getattr(self.control.intent, name)
            if wanted is not None:
                assert agrees(getattr(found, name), wanted), name
        assert self.control.lease is None


@pytest.mark.timeout(300)
def test_weeks() -> None:
    """Each promise holds in weeks that come to what they are meant to test."""
    REACHED.clear()
    run_state_machine_as_test(
        World,
        settings=settings(
            # The same weeks each time, so that a failure is the change's own.
            derandomize=True,
            max_examples=150,
            stateful_step_count=40,
            deadline=None,
        ),
    )
    expected = {
        "commands done": 300,
        "commands rejected": 10,
        "fallbacks": 5,
        "limits that ran out": 10,
        "phase modes restored": 10,
        "phase modes that wait": 10,
        "phase switches": 50,
        **{f"looks with a timeout of {timeout} s": 1000 for timeout in TIMEOUTS},
    }
    assert {
        name: REACHED[name] for name in expected if REACHED[name] < expected[name]
    } == {}


@pytest.mark.parametrize("timeout", TIMEOUTS)
def test_a_quiet_night(timeout: int) -> None:
    """While everything is up the fallback never fires, whatever the timeout."""
    world = World()
    world.begin(10.5, timeout, None)
    for _ in range(500):
        world.pass_time(STEP)
        assert not world.charger.fallback_active
    assert world.charger.settings["current_limit"] == 10.5
