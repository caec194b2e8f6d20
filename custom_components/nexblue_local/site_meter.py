"""What the sensors of a site say, in one unit and with one sign."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
import math
import re
from typing import Final

from homeassistant.components.sensor import SensorDeviceClass
from homeassistant.const import (
    ATTR_UNIT_OF_MEASUREMENT,
    PERCENTAGE,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfElectricCurrent,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.core import HomeAssistant, State, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import (
    ElectricCurrentConverter,
    EnergyConverter,
    PowerConverter,
)

from .phase_currents import (
    ChargerLoad,
    Phases,
    has_one_phase,
    phase_voltage,
    shared_currents,
    signed_current,
)
from .site_config import PowerSensors, SiteConfig

SETTLING: Final = 15.0
"""s in which meter and chargers show the same change of a car's current."""

EXPORTING: Final = -200.0
"""W of a house that exports, whose currents should show it."""

_QUANTITY = re.compile(r"current|power|active|act|(?<=_)[aw]$")
"""The parts of a name that tell a current from the power of the same phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """What the sensors say at one time; None is unknown or not configured."""

    grid_w: float | None = None
    """Positive is import, chargers included."""
    grid_at: float | None = None
    """When the grid meter reported, changed or not, in s on the reader's clock."""
    house_a: Phases | None = None
    """Current of each phase, positive is import, chargers included.

    A single None is a phase without a sensor. If a sensor has no value, all are None.
    """
    house_at: float | None = None
    """When the currents were reported, in s on the reader's clock."""
    battery_w: float | None = None
    """Positive is discharging."""
    battery_at: float | None = None
    """When that was reported, in s on the reader's clock."""
    battery_soc: float | None = None
    """State of charge in %."""
    solar_w: float | None = None
    solar_at: float | None = None
    """When that was reported, in s on the reader's clock."""
    price: float | None = None
    """Price of 1 kWh from the grid."""
    currency: str | None = None
    unsigned_phases: tuple[int, ...] = ()
    """Phases, 1 to 3, whose current counts as import although the house exports."""


def number(state: State | None) -> float | None:
    """Return the value of a state, None if it has none that is finite."""
    try:
        value = math.nan if state is None else float(state.state)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def power_w(state: State | None) -> float | None:
    """Return the power in W of a state in any unit of power."""
    unit = None if state is None else state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    if (value := number(state)) is None or unit not in PowerConverter.VALID_UNITS:
        return None
    return PowerConverter.convert(value, unit, UnitOfPower.WATT)


def current_a(state: State | None) -> float | None:
    """Return the current in A of a state in any unit of current."""
    unit = None if state is None else state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    if (value := number(state)) is None or (
        unit not in ElectricCurrentConverter.VALID_UNITS
    ):
        return None
    return ElectricCurrentConverter.convert(value, unit, UnitOfElectricCurrent.AMPERE)


def percentage(state: State | None) -> float | None:
    """Return the percentage of a state."""
    if state is None or state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) != PERCENTAGE:
        return None
    return number(state)


def price_unit(unit: str) -> tuple[str, str] | None:
    """Return the currency and the unit of energy of a price, None if it is none."""
    currency, _, energy = unit.partition("/")
    return (currency, energy) if energy in EnergyConverter.VALID_UNITS else None


def price_per_kwh(state: State | None) -> tuple[float | None, str | None]:
    """Return the price of 1 kWh and its currency, of a price for any unit of energy."""
    unit = None if state is None else state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
    value = number(state)
    if value is None or unit is None or (parts := price_unit(unit)) is None:
        return None, None
    currency, energy = parts
    per_kwh = EnergyConverter.convert(1, UnitOfEnergy.KILO_WATT_HOUR, energy)
    return value * per_kwh, currency


def net_power(power: float, opposite: float | None, *, is_inverted: bool) -> float:
    """Return a power in W with its sign.

    Of two sensors, one for each direction, a negative value is the other one's.
    """
    net = power if opposite is None else max(power, 0.0) - max(opposite, 0.0)
    return -net if is_inverted else net


def same_device(hass: HomeAssistant, entity_id: str) -> frozenset[str]:
    """Return the entities that the same integration has for the same device.

    Helpers that were added to the device do not count: they may report by
    themselves while the device is silent.
    """
    registry = er.async_get(hass)
    entry = registry.async_get(entity_id)
    if entry is None or entry.device_id is None:
        return frozenset({entity_id})
    return frozenset(
        other.entity_id
        for other in er.async_entries_for_device(registry, entry.device_id)
        if other.platform == entry.platform
    )


def power_of_phase(hass: HomeAssistant, entity_id: str) -> str | None:
    """Return the sensor of the power that belongs to a sensor of a current.

    It is on the same device and has the same name but for the quantity, as in
    `sensor.meter_current_l1` and `sensor.meter_power_l1`.
    """
    registry = er.async_get(hass)
    if (current := registry.async_get(entity_id)) is None:
        return None

    def names(entry: er.RegistryEntry) -> set[str]:
        texts = (entry.entity_id, entry.unique_id)
        return {
            re.sub(r"[\W_]+", "", _QUANTITY.sub("", text.lower())) for text in texts
        }

    wanted = names(current)
    found = [
        other.entity_id
        for other in map(registry.async_get, same_device(hass, entity_id))
        if other is not None
        and (other.device_class or other.original_device_class)
        == SensorDeviceClass.POWER
        and wanted & names(other)
    ]
    return found[0] if len(found) == 1 else None


@dataclass(slots=True)
class _PhaseSensor:
    """The sensor of a phase."""

    phase: int
    """From 0."""
    entity_id: str
    power: str | None
    """The sensor of the same phase's power."""
    is_inverted: bool
    """Whether import is negative."""
    is_signed: bool = False
    """Whether it is known to show the direction of the current."""


class SiteMeter:
    """The sensors of a site."""

    def __init__(self, hass: HomeAssistant, config: SiteConfig) -> None:
        """Initialize for the entities that are registered now."""
        self._hass = hass
        self._config = config
        self._others: deque[tuple[float, float]] = deque()
        self._seen: dict[str, tuple[dict[str, float], float]] = {}
        meter = same_device(hass, config.grid.power)
        self._phases = [
            _PhaseSensor(
                phase,
                entity_id,
                power_of_phase(hass, entity_id),
                # The other sensors of a meter are the same way round as its total.
                is_inverted=config.grid.is_inverted
                and config.grid.opposite is None
                and entity_id in meter,
            )
            for phase, entity_id in enumerate(config.house_currents)
            if entity_id is not None
        ]
        powers = {sensor.power for sensor in self._phases if sensor.power is not None}
        # A price says nothing about whether a meter is alive.
        self.entity_ids = (config.entity_ids | powers) - {config.price}
        """The entities whose values are read, without that of the price."""
        self._siblings = {
            entity_id: same_device(hass, entity_id) for entity_id in self.entity_ids
        }
        self.device_entity_ids = frozenset[str]().union(*self._siblings.values())
        """All entities whose reports show that these are alive."""

    @callback
    def read(self, t: float, chargers: Sequence[ChargerLoad] = ()) -> MeterReading:
        """Return what the sensors say at time `t`, in s, beside what chargers draw."""
        config = self._config
        grid_w, grid_at = self._read_power(t, config.grid)
        battery_w = battery_at = solar_w = solar_at = None
        if config.battery is not None:
            battery_w, battery_at = self._read_power(t, config.battery)
        if config.solar is not None:
            solar_w, solar_at = self._read_power(t, PowerSensors(power=config.solar))
        price, currency = price_per_kwh(self._state(config.price))
        house_a: Phases | None = None
        house_at: float | None = None
        unsigned: tuple[int, ...] = ()
        if self._phases:
            house_a, house_at = self._read_phases(t, grid_w, chargers)
            if house_a is not None and grid_w is not None and grid_w <= EXPORTING:
                unsigned = self._unsigned(house_a)
        elif config.main_fuse is not None and grid_w is not None:
            generated = max(solar_w or 0.0, 0.0) + max(battery_w or 0.0, 0.0)
            age = 0.0 if grid_at is None else t - grid_at
            other = self._other_power(t, grid_w + generated, chargers, age)
            house_a = shared_currents(other, chargers)
            house_at = grid_at
        return MeterReading(
            grid_w=grid_w,
            grid_at=grid_at,
            house_a=house_a,
            house_at=house_at,
            battery_w=battery_w,
            battery_at=battery_at,
            battery_soc=percentage(self._state(config.battery_soc)),
            solar_w=solar_w,
            solar_at=solar_at,
            price=price,
            currency=currency,
            unsigned_phases=unsigned,
        )

    def _state(self, entity_id: str | None) -> State | None:
        return None if entity_id is None else self._hass.states.get(entity_id)

    def _reported_at(self, t: float, entity_id: str) -> float:
        """Return when a sensor or its device reported last, on the clock of `t`.

        A report is a timestamp that was not there before. It is converted once, so
        that it keeps its time when the clock of the timestamps is set.
        """
        reports = {
            sibling: state.last_reported_timestamp
            for sibling in self._siblings[entity_id]
            if (state := self._hass.states.get(sibling)) is not None
            and state.state not in (STATE_UNAVAILABLE, STATE_UNKNOWN)
        }
        seen, at = self._seen.get(entity_id, ({}, -math.inf))
        new = [stamp for key, stamp in reports.items() if seen.get(key) != stamp]
        if new:
            age = max(0.0, dt_util.utcnow().timestamp() - max(new))
            at = max(at, t - age)
        self._seen[entity_id] = reports, at
        return at

    def _read_power(
        self, t: float, sensors: PowerSensors
    ) -> tuple[float | None, float | None]:
        """Return a power in W, and when it was reported; None without a value."""
        entity_ids = [sensors.power]
        if sensors.opposite is not None:
            entity_ids.append(sensors.opposite)
        values: list[float] = []
        reported: list[float] = []
        for entity_id in entity_ids:
            if (value := power_w(self._state(entity_id))) is None:
                return None, None
            values.append(value)
            reported.append(self._reported_at(t, entity_id))
        # Of two sensors, one shows 0 all the time that the other one has a value.
        # What stays the same need not be reported.
        showing = [at for value, at in zip(values, reported, strict=True) if value]
        power, *opposite = values
        return (
            net_power(
                power,
                opposite[0] if opposite else None,
                is_inverted=sensors.is_inverted,
            ),
            min(showing) if showing else max(reported),
        )

    def _other_power(
        self, t: float, power: float, chargers: Sequence[ChargerLoad], age: float
    ) -> float:
        """Return what the house uses beside the chargers in W: the least of 15 s.

        Meter and chargers are not read at the same moment. When a car changes its
        current, the difference would be taken for load of the house, on each phase.
        Once the report of the meter is older than that, by its `age` in s, later reads of
        the chargers are not compared with it.
        """
        other = max(0.0, power - sum(charger.power_w for charger in chargers))
        if age >= SETTLING and self._others:
            other = min(before for _, before in self._others)
        while self._others and self._others[0][0] <= t - SETTLING:
            self._others.popleft()
        self._others.append((t, other))
        return min(other for _, other in self._others)

    def _read_phases(
        self, t: float, grid_w: float | None, chargers: Sequence[ChargerLoad]
    ) -> tuple[Phases | None, float | None]:
        """Return the measured currents in A, and when the oldest was reported."""
        measured = [sensor.phase for sensor in self._phases]
        total = grid_w if has_one_phase(measured, chargers) else None
        currents: list[float | None] = [None, None, None]
        for sensor in self._phases:
            current = self._read_phase(sensor, total, chargers)
            if current is None:
                return None, None
            currents[sensor.phase] = current
        l1, l2, l3 = currents
        at = min(self._reported_at(t, sensor.entity_id) for sensor in self._phases)
        return (l1, l2, l3), at

    def _read_phase(
        self,
        sensor: _PhaseSensor,
        total_w: float | None,
        chargers: Sequence[ChargerLoad],
    ) -> float | None:
        """Return the current in A of a phase, and learn whether it has a sign."""
        state = self._state(sensor.entity_id)
        voltage = phase_voltage(sensor.phase, chargers)
        direction = -1.0 if sensor.is_inverted else 1.0
        if (power := power_w(state)) is not None:
            sensor.is_signed = True
            return direction * power / voltage
        if (current := current_a(state)) is None:
            return None
        if current < 0:
            sensor.is_signed = True
        if sensor.is_signed:
            return direction * current
        own = power_w(self._state(sensor.power))
        power = total_w if own is None else direction * own
        return signed_current(current, voltage, power)

    def _unsigned(self, currents: Phases) -> tuple[int, ...]:
        """Return the phases, 1 to 3, that hide an export from us."""
        if any(current is not None and current < 0 for current in currents):
            return ()
        return tuple(
            sensor.phase + 1 for sensor in self._phases if not sensor.is_signed
        )
