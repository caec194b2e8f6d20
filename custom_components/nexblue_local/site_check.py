"""What the meters of a site say now, in sentences, and whether it can be true."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

from homeassistant.core import HomeAssistant

from .const import CONF_INVERT_BATTERY_POWER, CONF_INVERT_GRID_POWER
from .phase_currents import ChargerLoad
from .site_config import SiteConfig
from .site_meter import SETTLING, MeterReading
from .texts import async_common_texts, localized

ABOUT_ZERO: Final = 10.0
"""W that are not worth a direction."""
OLD: Final = 60.0
"""s after which a report is old."""
APART: Final = 30.0
"""s between two reports whose powers can still be compared."""

TOLERANCE_W: Final = 300.0
TOLERANCE: Final = 0.1
"""Error of a power that is the sum of several sensors, beside `TOLERANCE_W`."""
LEAST_CAR_W: Final = 1_000.0
MOST_HOUSE_W: Final = 1_500.0
"""What a house uses beside the car, for the guess without a solar sensor."""


class Sentence(StrEnum):
    """What can be said; the value is the key of the translation."""

    GRID_IMPORTS = "grid_imports"
    GRID_EXPORTS = "grid_exports"
    GRID_BALANCED = "grid_balanced"
    GRID_UNKNOWN = "grid_unknown"
    GRID_OLD = "grid_old"
    CAR = "car"
    CAR_UNKNOWN = "car_unknown"
    PRICE = "price"
    PRICE_UNKNOWN = "price_unknown"
    SOLAR = "solar"
    SOLAR_UNKNOWN = "solar_unknown"
    BATTERY_CHARGES = "battery_charges"
    BATTERY_DISCHARGES = "battery_discharges"
    BATTERY_RESTS = "battery_rests"
    BATTERY_UNKNOWN = "battery_unknown"
    BATTERY_SOC = "battery_soc"
    BATTERY_SOC_UNKNOWN = "battery_soc_unknown"
    PHASE_IMPORTS = "phase_imports"
    PHASE_EXPORTS = "phase_exports"
    PHASES_UNKNOWN = "phases_unknown"
    PHASES_SHARED = "phases_shared"
    PHASE_UNMEASURED = "phase_unmeasured"
    PHASES_UNSIGNED = "phases_unsigned"


class Intro(StrEnum):
    """What the form of the site begins with; the value is the key of the translation."""

    FIRST = "site_first"
    """It is offered after a charger was added."""
    NEW = "site_new"
    CHANGE = "site_change"


type Said = tuple[Sentence, Mapping[str, str]]


def format_power(power: float) -> str:
    """Return a power in W without its sign, as people write it."""
    watts = abs(power)
    return f"{watts:.0f} W" if watts < 1000 else f"{watts / 1000:.1f} kW"


def car_power(chargers: Sequence[ChargerLoad]) -> float | None:
    """Return what the cars take in W, None if no charger can be read."""
    return sum(charger.power_w for charger in chargers) if chargers else None


def sentences(
    config: SiteConfig,
    reading: MeterReading,
    chargers: Sequence[ChargerLoad],
    now: float,
    *,
    is_grid_wrong: bool = False,
) -> Iterator[Said]:
    """Yield what the meters say at time `now`, and what the cars take.

    While the direction of the grid is probably wrong, nothing follows from it.
    """
    car_w = car_power(chargers)
    yield from _grid(reading, now)
    yield (
        (Sentence.CAR_UNKNOWN, {})
        if car_w is None
        else (Sentence.CAR, {"power": format_power(car_w)})
    )
    if config.solar is not None:
        yield (
            (Sentence.SOLAR_UNKNOWN, {})
            if reading.solar_w is None
            else (Sentence.SOLAR, {"power": format_power(reading.solar_w)})
        )
    yield from _battery(config, reading)
    if config.price is not None:
        yield (
            (Sentence.PRICE_UNKNOWN, {})
            if reading.price is None
            else (
                Sentence.PRICE,
                {"price": f"{reading.price:.4g} {reading.currency}"},
            )
        )
    if config.main_fuse is not None:
        for said in _phases(config, reading, chargers):
            if not is_grid_wrong or said[0] is not Sentence.PHASES_UNSIGNED:
                yield said


def _grid(reading: MeterReading, now: float) -> Iterator[Said]:
    if reading.grid_w is None or reading.grid_at is None:
        yield Sentence.GRID_UNKNOWN, {}
        return
    power = {"power": format_power(reading.grid_w)}
    if abs(reading.grid_w) < ABOUT_ZERO:
        yield Sentence.GRID_BALANCED, {}
    elif reading.grid_w > 0:
        yield Sentence.GRID_IMPORTS, power
    else:
        yield Sentence.GRID_EXPORTS, power
    if (age := now - reading.grid_at) > OLD:
        yield Sentence.GRID_OLD, {"minutes": f"{age / 60:.0f}"}


def _battery(config: SiteConfig, reading: MeterReading) -> Iterator[Said]:
    if config.battery is None:
        return
    if reading.battery_w is None:
        yield Sentence.BATTERY_UNKNOWN, {}
    elif abs(reading.battery_w) < ABOUT_ZERO:
        yield Sentence.BATTERY_RESTS, {}
    else:
        yield (
            Sentence.BATTERY_DISCHARGES
            if reading.battery_w > 0
            else Sentence.BATTERY_CHARGES,
            {"power": format_power(reading.battery_w)},
        )
    if config.battery_soc is not None:
        yield (
            (Sentence.BATTERY_SOC_UNKNOWN, {})
            if reading.battery_soc is None
            else (Sentence.BATTERY_SOC, {"soc": f"{reading.battery_soc:.0f}"})
        )


def _phases(
    config: SiteConfig, reading: MeterReading, chargers: Sequence[ChargerLoad]
) -> Iterator[Said]:
    """Yield what is known of the phases, which the main fuse protects."""
    measured = [sensor is not None for sensor in config.house_currents]
    if not any(measured):
        yield Sentence.PHASES_SHARED, {}
        return
    if reading.house_a is None:
        yield Sentence.PHASES_UNKNOWN, {}
        return
    for phase, current in enumerate(reading.house_a, 1):
        if current is not None:
            values = {
                "phase": str(phase),
                "current": f"{abs(current):.1f}",
                "fuse": f"{config.main_fuse:g}",
            }
            yield (
                Sentence.PHASE_EXPORTS if current < 0 else Sentence.PHASE_IMPORTS,
                values,
            )
    for phase, is_measured in enumerate(measured):
        # A house with one phase has nothing else to measure.
        exists = sum(measured) > 1 or any(
            charger.voltage_v[phase] is not None for charger in chargers
        )
        if exists and not is_measured:
            yield Sentence.PHASE_UNMEASURED, {"phase": str(phase + 1)}
    if reading.unsigned_phases:
        phases = ", ".join(f"L{phase}" for phase in reading.unsigned_phases)
        yield Sentence.PHASES_UNSIGNED, {"phases": phases}


def is_comparable(reading: MeterReading, car_since: float) -> bool:
    """Return whether the powers are of about the same time.

    `car_since` is when the power of the cars changed by much, in s on the clock of the
    reading. A sensor of the sun or the battery need not report that it stays at 0.
    """
    if (at := reading.grid_at) is None or at < car_since + SETTLING:
        return False
    others = (
        (reading.solar_w, reading.solar_at),
        (reading.battery_w, reading.battery_at),
    )
    return all(
        not power or other_at is None or abs(at - other_at) <= APART
        for power, other_at in others
    )


def wrong_sign(
    reading: MeterReading, car_w: float | None, *, is_dark: bool
) -> str | None:
    """Return which sign is wrong, by the field that turns it round, None if none is.

    Whatever the grid, the sun and the battery supply is used by the car and by the
    house, which cannot use less than nothing. Without a solar sensor it is a guess:
    the house seems to export about what the car takes.
    """
    if reading.grid_w is None:
        return None
    grid, battery, car = reading.grid_w, reading.battery_w or 0.0, car_w or 0.0
    solar = 0.0 if is_dark and reading.solar_w is None else reading.solar_w
    least = -TOLERANCE_W - TOLERANCE * max(car, abs(grid), abs(battery))
    if solar is None:
        used = -grid + battery - car
        is_likely = car >= LEAST_CAR_W and grid < 0 and least <= used <= MOST_HOUSE_W
        return CONF_INVERT_GRID_POWER if is_likely else None
    if grid + solar + battery - car >= least:
        return None
    if -grid + solar + battery - car >= least:
        return CONF_INVERT_GRID_POWER
    if grid + solar - battery - car >= least:
        return CONF_INVERT_BATTERY_POWER
    return None


async def async_as_list(hass: HomeAssistant, said: Iterator[Said]) -> str:
    """Return sentences as a Markdown list, in Home Assistant's language."""
    texts = await async_common_texts(hass)
    return "\n".join(
        "- " + localized(hass, texts[sentence].format(**values))
        for sentence, values in said
    )
