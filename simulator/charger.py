"""Simulate a charger: its settings, measurements and behavior with a car."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
import math
import time
from typing import Any

from custom_components.nexblue_local.modbus.codec import Layout
from custom_components.nexblue_local.modbus.enums import (
    ChargePointState,
    ChargerErrors,
    ChargerWarnings,
    PhaseMode,
    StartStop,
    WaitingReasons,
)
from custom_components.nexblue_local.modbus.registers import (
    Clock,
    Identity,
    Reading,
    Settings,
)

from .habits import AS_DOCUMENTED, DateFormat, Habits
from .world import Car, Mains, PerPhase, phase_shift

MIN_CURRENT = 6.0
"""The lowest current in A that a charger can offer (IEC 61851)."""

STEP = 0.5
"""Simulated time in s for which currents are constant."""

NO_ERRORS = ChargerErrors(0)
NO_WARNINGS = ChargerWarnings(0)
PREPARING_SECONDS = 2.0
PHASE_SWITCH_SECONDS = 5.0
ANGLES: PerPhase = (0.0, 240.0, 120.0)


class Ocpp(StrEnum):
    """How a charger controlled by an OCPP back end handles a write of register 1006."""

    NONE = "none"
    REFUSE = "refuse"
    IGNORE = "ignore"


class Refusal(Exception):
    """A request that the charger answers with a Modbus exception."""

    def __init__(self, code: int) -> None:
        """Initialize the refusal with a Modbus exception code."""
        super().__init__(code)
        self.code = code


ILLEGAL_DATA_ADDRESS = 2
ILLEGAL_DATA_VALUE = 3
DEVICE_FAILURE = 4
BUSY = 6

MEASUREMENTS = range(102, 134)
"""Input registers of the meter: currents, voltages, angles, powers and energies."""

TEXTS = (*range(36), *range(44, 52))
"""Input registers that hold strings."""

POWER_ON: dict[str, Any] = {
    "current_limit": 16.0,
    "fallback_limit": 6.0,
    "fallback_timeout": 300,
    "start_stop": StartStop.START,
    "phase_mode": PhaseMode.ADAPTIVE,
}
"""The settings after a power cycle; the vendor's document does not give all of them."""


def _shown_date(now: datetime, date_format: DateFormat) -> int:
    """Return the value of the date register (input register 38)."""
    match date_format:
        case DateFormat.YYYYMMDD:
            return int(now.strftime("%Y%m%d"))
        case DateFormat.YYMMDD:
            return int(now.strftime("%y%m%d"))
        case DateFormat.EPOCH:
            return 19_000_101
        case DateFormat.BLANK:
            return 0xFFFF_FFFF


def _padded_0xff(address: int, word: int) -> int:
    """Return a word of a string whose padding is 0xFF."""
    if address not in TEXTS:
        return word
    first, second = (byte or 0xFF for byte in divmod(word, 0x100))
    return first * 0x100 + second


@dataclass(frozen=True)
class Fallback:
    """The fallback engaged; times are on the charger's clock."""

    limit_written_at: float
    engaged_at: float


@dataclass(kw_only=True)
class SimulatedCharger:
    """A charger without its Modbus server."""

    serial_number: str = "NB10SIM00001"
    model: str = "Delta Max"
    layout: Layout = Layout.DCBA
    ocpp: Ocpp = Ocpp.NONE
    read_back_delay: float = 1.0  # s before a written value can be read
    habits: Habits = AS_DOCUMENTED
    app_fallback_current: float = 6.0  # A
    app_max_current: float = 16.0  # A
    errors: ChargerErrors = NO_ERRORS
    warnings: ChargerWarnings = NO_WARNINGS
    car: Car | None = None
    mains: Mains = field(default_factory=Mains)
    lifetime_energy: float = 1_234_567.0  # Wh
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC).astimezone()

    def __post_init__(self) -> None:
        """Initialize the measurements and switch the power on."""
        self._now = self.clock()
        self.currents: PerPhase = (0.0, 0.0, 0.0)
        self.session_energy = 0.0  # kWh
        self.fallbacks: list[Fallback] = []
        self.power_ups = 0
        self.has_power = False
        self.power_on()
        if self.car is not None:
            self.plug_in(self.car)

    def power_off(self) -> None:
        """Stop charging until the power is back."""
        self.advance()
        self.has_power = False
        self.currents = (0.0, 0.0, 0.0)

    def power_on(self) -> None:
        """Reset the settings, as a power cycle does."""
        self.advance()
        self.has_power = True
        self.powered_at = self._now
        self.power_ups += 1
        self.settings = dict(POWER_ON)
        self._read_back: list[tuple[float, dict[str, Any]]] = [
            (self._now, dict(self.settings))
        ]
        self._limit_written_at: float | None = None
        self.fallback_active = False
        self._preparing_until = self._now + PREPARING_SECONDS
        self._switching_until = self._now
        self._has_charged = False

    def plug_in(self, car: Car) -> None:
        """Connect a car; a session starts."""
        self.advance()
        self.car = car
        self.session_energy = 0.0
        self._has_charged = False
        self._preparing_until = self._now + PREPARING_SECONDS

    def unplug(self) -> None:
        """Disconnect the car; the session ends."""
        self.advance()
        self.car = None
        if self.habits.starts_when_unplugged:
            self.change("start_stop", StartStop.START)

    @property
    def offered(self) -> float:
        """Return the current in A offered to the car: 0, or at least `MIN_CURRENT`."""
        limit = min(self.settings["current_limit"], self.app_max_current)
        return limit if limit >= MIN_CURRENT else 0.0

    @property
    def state(self) -> ChargePointState:
        """Return the state of register 100."""
        if self.errors:
            return ChargePointState.FAULTED
        if self.car is None:
            return ChargePointState.AVAILABLE
        if self._now < self._preparing_until:
            return ChargePointState.PREPARING
        if self.settings["start_stop"] is StartStop.STOP:
            if self._has_charged:
                return ChargePointState.FINISHING
            return ChargePointState.PREPARING
        if self.offered == 0:
            return ChargePointState.SUSPENDED_EVSE
        if self.car.wanted(self.offered) == 0:
            return ChargePointState.SUSPENDED_EV
        return ChargePointState.CHARGING

    @property
    def phases(self) -> int:
        """Return the number of phases that the car charges on."""
        if self.car is None or self.settings["phase_mode"] is PhaseMode.SINGLE_PHASE:
            return 1
        return self.car.phases

    def advance(self) -> None:
        """Simulate the time since the last call."""
        end = self.clock()
        if not self.has_power:
            self._now = end
            return
        step = max(STEP, (end - self._now) / 2000)
        while self._now < end:
            self._step(min(step, end - self._now))

    def _step(self, seconds: float) -> None:
        self._now += seconds
        self._check_fallback()
        target = 0.0
        if self.state is ChargePointState.CHARGING and self.car:
            self._has_charged = True
            if self._now >= self._switching_until:
                target = self.car.wanted(self.offered)
        # A car reduces its current faster than it increases it.
        ramp = self.car.ramp * seconds if self.car else math.inf
        current = self.currents[0]
        current += max(-4 * ramp, min(ramp, target - current))
        self.currents = (current, current, current) if self.phases == 3 else (
            current, 0.0, 0.0
        )  # fmt: skip
        energy = sum(self.powers) * seconds / 3600
        self.lifetime_energy += energy
        self.session_energy += energy / 1000
        if self.car:
            self.car.charge += energy / 1000

    def _check_fallback(self) -> None:
        written_at = self._limit_written_at
        if (
            written_at is not None
            and self._now - written_at > self.settings["fallback_timeout"]
        ):
            self.fallbacks.append(Fallback(written_at, self._now))
            self._limit_written_at = None
            self.fallback_active = True
            self.settings["current_limit"] = self.settings["fallback_limit"]
            self._show_settings(0)

    @property
    def voltages(self) -> PerPhase:
        """Return the voltages in V."""
        return self.mains.voltages(self._now, self.currents)

    @property
    def powers(self) -> PerPhase:
        """Return the active powers in W."""
        first, second, third = (
            voltage * current * math.cos(math.radians(phase_shift(current)))
            for voltage, current in zip(self.voltages, self.currents, strict=True)
        )
        return first, second, third

    def input_words(self) -> dict[int, int]:
        """Return the words of all input registers."""
        self.advance()
        date_layout = self.habits.date_layout or self.layout
        clock_words = self._clock().encode(date_layout)
        return self._identity_words() | clock_words | self._reading_words()

    def _identity_words(self) -> dict[int, int]:
        serial_number = self.serial_number
        if self.habits.changes_letter_case and self.power_ups % 2 == 0:
            serial_number = serial_number.lower()
        identity = Identity(
            brand="NexBlue",
            model=self.model,
            serial_number=serial_number,
            firmware_version="04.00.19",
            mapping_version=0x0100,
            connector_count=1,
            hardware_version="1.2",
        )
        words = identity.encode(self.layout)
        if self.habits.padding_0xff:
            return {a: _padded_0xff(a, word) for a, word in words.items()}
        return words

    def _clock(self) -> Clock:
        now = self.wall_clock()
        offset = now.utcoffset()
        is_unset = self._now - self.powered_at < self.habits.clock_unset_for
        return Clock(
            date=0 if is_unset else _shown_date(now, self.habits.date_format),
            time=0 if is_unset else int(now.strftime("%H%M%S")),
            timezone=int(offset.total_seconds() // 60) if offset else 0,
        )

    def _reading_words(self) -> dict[int, int]:
        voltage_1, voltage_2, voltage_3 = self.voltages
        current_1, current_2, current_3 = self.currents
        power_1, power_2, power_3 = self.powers
        angle_1, angle_2, angle_3 = (
            (angle + (phase_shift(current) if current else 0.0)) % 360
            for angle, current in zip(ANGLES, self.currents, strict=True)
        )
        reading = Reading(
            status=self.state,
            current_l1=current_1,
            current_l2=current_2,
            current_l3=current_3,
            voltage_l1=voltage_1,
            voltage_l2=voltage_2,
            voltage_l3=voltage_3,
            phase_angle_l1=angle_1,
            phase_angle_l2=angle_2,
            phase_angle_l3=angle_3,
            power_l1=power_1,
            power_l2=power_2,
            power_l3=power_3,
            power=power_1 + power_2 + power_3,
            session_energy=self.session_energy,
            lifetime_energy=int(self.lifetime_energy),
            app_fallback_current=self.app_fallback_current,
            app_max_current=self.app_max_current,
            app_phase_mode=PhaseMode.ADAPTIVE,
            errors=self.errors,
            warnings=self.warnings,
            waiting_reasons=(
                WaitingReasons.MODBUS_FALLBACK
                if self.fallback_active
                else WaitingReasons(0)
            ),
        )
        words = reading.encode(self.layout)
        if self._shows_zeros:
            words |= dict.fromkeys(MEASUREMENTS, 0)
        return words

    @property
    def _shows_zeros(self) -> bool:
        elapsed = self._now - self.powered_at
        if self.habits.zeros_every:
            elapsed %= self.habits.zeros_every
        return elapsed < self.habits.zeros_for

    def holding_words(self) -> dict[int, int]:
        """Return the words of all holding registers.

        Written values appear after `read_back_delay`.
        """
        self.advance()
        while len(self._read_back) > 1 and self._read_back[1][0] <= self._now:
            del self._read_back[0]
        settings = Settings(**self._read_back[0][1])
        if self.habits.shows_offered:
            is_idle = self.state is not ChargePointState.CHARGING
            offered = 0.0 if is_idle else self.offered
            settings = replace(settings, current_limit=offered)
        return settings.encode(self.layout)

    def write(self, address: int, words: list[int]) -> None:
        """Write holding registers; raise Refusal if the charger does not accept them."""
        self.advance()
        written = dict(enumerate(words, address))
        registers = [
            register
            for register in Settings.registers.values()
            if register.address in written
        ]
        covered = {a for register in registers for a in register.addresses}
        if covered != written.keys():
            raise Refusal(ILLEGAL_DATA_ADDRESS)
        for register in registers:
            value = register.decode(written, self.layout)
            if value is None:
                raise Refusal(ILLEGAL_DATA_VALUE)
            self._set(register.name, value)
        self._show_settings(self.read_back_delay)

    def _set(self, name: str, value: Any) -> None:
        if name == "start_stop" and self.ocpp is not Ocpp.NONE:
            if self.ocpp is Ocpp.REFUSE:
                raise Refusal(DEVICE_FAILURE)
            return
        if name == "fallback_limit" and value < MIN_CURRENT:
            value = 0.0
        if name == "phase_mode" and value != self.settings["phase_mode"]:
            self._switching_until = self._now + PHASE_SWITCH_SECONDS
        if name == "current_limit":
            value = self._rounded(value)
            self._limit_written_at = self._now
            self.fallback_active = False
        self.settings[name] = value

    def _rounded(self, limit: float) -> float:
        """Return a current limit in A in the charger's step."""
        if not (step := self.habits.limit_step):
            return limit
        to_step = math.ceil if self.habits.limit_rounds_up else math.floor
        return to_step(round(limit / step, 3)) * step

    def change(self, name: str, value: Any) -> None:
        """Change a setting without Modbus, as the app does; it can be read at once."""
        self.settings[name] = value
        self._show_settings(0)

    def allow_charging(self, *, allowed: bool) -> None:
        """Start or stop as the OCPP back end decides."""
        wanted = StartStop.START if allowed else StartStop.STOP
        if self.settings["start_stop"] is not wanted:
            self.change("start_stop", wanted)

    def _show_settings(self, delay: float) -> None:
        self._read_back.append((self._now + delay, dict(self.settings)))
