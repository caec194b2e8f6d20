"""Weeks of control over a charger, in any order of events.

The charger is the simulated one, on a driven clock; what is written to it is
what `control/` says, carried out the way the controller does.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings as hypothesis_settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from custom_components.nexblue_local.charger.codec import Layout
from custom_components.nexblue_local.charger.enums import PhaseMode, StartStop
from custom_components.nexblue_local.charger.model import Register
from custom_components.nexblue_local.charger.registers import Reading, Settings
from custom_components.nexblue_local.control.control import Control, Rejected, agrees
from simulator import Car, SimulatedCharger

EPOCH = datetime(2026, 6, 1, tzinfo=UTC)
STEP = 5.0  # s between two looks of the driver


class World(RuleBasedStateMachine):
    """A charger, a link that comes and goes, and Home Assistant."""

    @initialize()
    def begin(self) -> None:
        """Start with everything up and nothing asked for."""
        self.now = 1000.0
        self.wall_offset = 0.0
        self.charger = SimulatedCharger(clock=lambda: self.now, read_back_delay=0.0)
        self.control = Control()
        self.stored = self.control.as_dict()
        self.link_is_up = True
        self.is_running = True
        self.connected = False
        self.limit_written_at = self.now
        self.gone_since: float | None = None
        self.in_control_at_charger = False
        self.gone_longest = 0.0
        self.switches: list[float] = []
        self.in_session = 0
        self.mode = PhaseMode.ADAPTIVE

    # What the driver does, as the controller would.

    @property
    def wall(self) -> datetime:
        """Return the time that Home Assistant has."""
        return EPOCH + timedelta(seconds=self.now + self.wall_offset)

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
        self.stored = self.control.as_dict()

    def write(self, register: Register[Any], value: Any) -> None:
        """Write a register, and keep the vendor's book of phase switches."""
        self.charger.write(register.address, register.encode(value, Layout.DCBA))
        if register is Settings.current_limit:
            self.limit_written_at = self.now
            self.in_control_at_charger = True
        if register is Settings.phase_mode and value != self.mode:
            self.mode = value
            self.switches.append(self.now)
            self.in_session += 1

    def connect(self) -> bool:
        """Return whether there is a connection with the intent restored."""
        if not (self.is_running and self.link_is_up):
            return False
        if not self.connected:
            self.connected = True
            self.observe(at_once=True)
            for register, value in self.control.restoration(self.settings(), self.wall):
                self.stored = self.control.as_dict()
                self.write(register, value)
            self.stored = self.control.as_dict()
        return True

    def look(self) -> None:
        """Do what is due now."""
        if not self.connect():
            self.gone_since = self.now if self.gone_since is None else self.gone_since
            return
        self.gone_since = None
        self.observe()
        for register, value in self.control.phase_restoration(self.wall):
            self.stored = self.control.as_dict()
            self.write(register, value)
        period = self.control.keep_alive_period(self.settings())
        if self.control.is_in_control and self.now - self.limit_written_at >= period:
            self.write(Settings.current_limit, self.control.limit)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with a look every few seconds."""
        end = self.now + seconds
        while self.now < end:
            timeout = self.charger.settings["fallback_timeout"]
            was_active = self.charger.fallback_active
            self.now += min(STEP, end - self.now)
            self.charger.advance()
            in_control = self.control.is_in_control
            if self.charger.fallback_active and not was_active and in_control:
                # It fired: somebody has to have been gone for long enough. (A
                # first limit that was never confirmed is nobody's to keep.)
                assert self.gone_since is not None
                period = self.control.keep_alive_period(
                    Settings({"fallback_timeout": timeout})
                )
                assert self.now - self.gone_since >= timeout - period - 2 * STEP
            self.look()

    # What can happen.

    @rule(seconds=st.sampled_from([5.0, 31.0, 200.0, 900.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing else happens for a while."""
        self.pass_time(seconds)

    @rule(
        command=st.one_of(
            st.tuples(
                st.just(Settings.current_limit), st.sampled_from([0.0, 6.0, 10.5, 32.0])
            ),
            st.tuples(
                st.just(Settings.fallback_limit), st.sampled_from([0.0, 5.0, 6.0, 16.0])
            ),
            st.tuples(
                st.just(Settings.fallback_timeout), st.sampled_from([30, 60, 300, 1800])
            ),
            st.tuples(st.just(Settings.start_stop), st.sampled_from(StartStop)),
            st.tuples(st.just(Settings.phase_mode), st.sampled_from(PhaseMode)),
        ),
        outcome=st.sampled_from(["done", "done", "done", "lost before", "lost after"]),
    )
    def command(self, command: tuple[Register[Any], Any], outcome: str) -> None:
        """Somebody asks for something; the link may be lost with it."""
        register, value = command
        if not self.connect():
            return
        try:
            self.control.command(register, value, self.wall)
        except Rejected:
            return
        self.stored = self.control.as_dict()
        if outcome == "lost before":
            self.link_is_up = self.connected = False
            return
        for first, first_value in self.control.before(register, value, self.settings()):
            self.write(first, first_value)
        wire = self.control.on_the_wire(register, value)
        self.write(register, wire)
        if outcome == "lost after":
            # Killed before the command was kept: the old intent stands.
            self.is_running = self.connected = False
            return
        found = register.__get__(self.settings(), Settings)
        assert agrees(found, wire)
        self.control.confirm(register, value)
        self.stored = self.control.as_dict()

    @rule()
    def release(self) -> None:
        """Control is given back."""
        if self.connect():
            self.control.release()
            self.stored = self.control.as_dict()
            self.in_control_at_charger = False

    @rule()
    def link_goes(self) -> None:
        """The network is gone."""
        self.link_is_up = self.connected = False

    @rule()
    def link_comes(self) -> None:
        """The network is back."""
        self.link_is_up = True

    @rule()
    def home_assistant_goes(self) -> None:
        """Home Assistant is killed."""
        self.is_running = self.connected = False

    @precondition(lambda self: not self.is_running)
    @rule()
    def home_assistant_comes(self) -> None:
        """Home Assistant starts, with what was stored."""
        self.is_running = True
        self.control = Control.from_dict(self.stored)

    @rule()
    def power_cycle(self) -> None:
        """The charger loses its settings."""
        self.charger.advance()
        self.charger.power_on()
        self.connected = False
        if self.mode is not PhaseMode.ADAPTIVE:
            self.mode = PhaseMode.ADAPTIVE

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

    def teardown(self) -> None:
        """When everything is well for two hours, the intent is what there is."""
        if not hasattr(self, "charger"):
            return
        self.link_is_up = True
        if not self.is_running:
            self.home_assistant_comes()
        if self.charger.car is not None:
            self.charger.unplug()
        self.pass_time(2 * 3600 + 60)
        found = self.settings()
        for register in Settings.registers:
            wanted = self.control.intent.values.get(register.name)
            if wanted is not None:
                assert agrees(found.values[register.name], wanted), register.name


World.TestCase.settings = hypothesis_settings(
    # The same weeks each time, so that a failure is the change's own.
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
)
TestWeeks = World.TestCase
