"""What the config entries say about the site, and about chargers as part of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, Final, Self

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers.entity_registry import EventEntityRegistryUpdatedData
from homeassistant.helpers.event import async_track_entity_registry_updated_event

from .const import (
    CONF_BATTERY,
    CONF_BATTERY_CHARGE_POWER,
    CONF_BATTERY_POWER,
    CONF_BATTERY_SOC,
    CONF_FUSE,
    CONF_GRID_EXPORT_POWER,
    CONF_GRID_POWER,
    CONF_HOUSE_CURRENTS,
    CONF_INVERT_BATTERY_POWER,
    CONF_INVERT_GRID_POWER,
    CONF_MAIN_FUSE,
    CONF_MIN_CURRENT,
    CONF_PHASE_ROTATION,
    CONF_PRICE,
    CONF_PRICE_SENSOR,
    CONF_PRIORITY,
    CONF_SITE,
    CONF_SOLAR,
    CONF_SOLAR_POWER,
    CONF_SUPPLY_PHASES,
    CONF_SWITCH_PHASES,
    DOMAIN,
    SITE_UNIQUE_ID,
)
from .ocpp_config import is_ocpp

AUTOMATIC: Final = "automatic"
"""The phases of a charger's supply are those on which it measures a voltage."""

SUPPLY_PHASES: Final[Mapping[str, int | None]] = {AUTOMATIC: None, "1": 1, "3": 3}

PHASE_ROTATIONS: Final[Mapping[str, tuple[int, int, int]]] = {
    f"L{first}, L{second}, L{third}": (first, second, third)
    for first, second, third in permutations((1, 2, 3))
}
"""The phases of the house, 1 to 3, at L1, L2 and L3 of a charger."""

CHARGER_DEFAULTS: Final[Mapping[str, Any]] = {
    CONF_PRIORITY: 50,
    CONF_MIN_CURRENT: 6,
    CONF_SWITCH_PHASES: True,
    CONF_SUPPLY_PHASES: AUTOMATIC,
    CONF_PHASE_ROTATION: "L1, L2, L3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSensors:
    """Entity IDs of the sensors of a power that flows in two directions."""

    power: str
    """The power; if there is `opposite`, only that of the positive direction."""
    opposite: str | None = None
    """The power of the negative direction, as a positive number."""
    is_inverted: bool = False
    """Whether positive and negative are the wrong way round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """The sensors of a site, by entity ID, and its main fuse."""

    grid: PowerSensors
    """Positive is import."""
    battery: PowerSensors | None = None
    """Positive is discharging."""
    battery_soc: str | None = None
    solar: str | None = None
    price: str | None = None
    """Price of energy from the grid."""
    main_fuse: float | None = None
    """A per phase; None if no fuse is to be protected."""
    house_currents: tuple[str | None, str | None, str | None] = (None, None, None)
    """Current or power of each phase of the house."""

    @classmethod
    def from_entry(cls, entry: ConfigEntry[Any]) -> Self:
        """Return the configuration of a site's entry."""
        return cls.from_answers(entry.data[CONF_SITE])

    @classmethod
    def from_answers(cls, answers: Mapping[str, Any]) -> Self:
        """Return the configuration that the answers of the form make."""
        battery = answers.get(CONF_BATTERY, {})
        fuse = answers.get(CONF_FUSE, {})
        l1, l2, l3 = (fuse.get(key) for key in CONF_HOUSE_CURRENTS)
        return cls(
            grid=PowerSensors(
                power=answers[CONF_GRID_POWER],
                opposite=answers.get(CONF_GRID_EXPORT_POWER),
                is_inverted=answers.get(CONF_INVERT_GRID_POWER, False),
            ),
            battery=PowerSensors(
                power=battery[CONF_BATTERY_POWER],
                opposite=battery.get(CONF_BATTERY_CHARGE_POWER),
                is_inverted=battery.get(CONF_INVERT_BATTERY_POWER, False),
            )
            if CONF_BATTERY_POWER in battery
            else None,
            battery_soc=battery.get(CONF_BATTERY_SOC),
            solar=answers.get(CONF_SOLAR, {}).get(CONF_SOLAR_POWER),
            price=answers.get(CONF_PRICE, {}).get(CONF_PRICE_SENSOR),
            main_fuse=fuse.get(CONF_MAIN_FUSE),
            house_currents=(l1, l2, l3),
        )

    @property
    def entity_ids(self) -> frozenset[str]:
        """Return the IDs of all sensors."""
        return frozenset(self._entity_ids())

    def _entity_ids(self) -> Iterator[str]:
        for sensors in (self.grid, self.battery):
            if sensors is not None:
                yield sensors.power
                if sensors.opposite is not None:
                    yield sensors.opposite
        others = (self.battery_soc, self.solar, self.price, *self.house_currents)
        for entity_id in others:
            if entity_id is not None:
                yield entity_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerConfig:
    """The options of a charger that matter to the site."""

    supply_phases: int | None
    """1 or 3; None if the charger's voltages tell."""
    rotation: tuple[int, int, int]
    """The phases of the house, 1 to 3, at L1, L2 and L3 of the charger."""
    min_current: float
    """Lowest current in A at which the car charges."""
    priority: int
    """1 to 100; the charger with the highest gets the surplus first."""
    switch_phases: bool
    """Whether solar charging may switch between one and three phases."""

    @classmethod
    def from_entry(cls, entry: ConfigEntry[Any]) -> Self:
        """Return the options of a charger's entry."""
        return cls.from_options(entry.options)

    @classmethod
    def from_options(cls, chosen: Mapping[str, Any]) -> Self:
        """Return what was chosen, or the defaults."""
        options = {**CHARGER_DEFAULTS, **chosen}
        return cls(
            supply_phases=SUPPLY_PHASES[options[CONF_SUPPLY_PHASES]],
            rotation=PHASE_ROTATIONS[options[CONF_PHASE_ROTATION]],
            min_current=options[CONF_MIN_CURRENT],
            priority=options[CONF_PRIORITY],
            switch_phases=options[CONF_SWITCH_PHASES],
        )


@callback
def async_charger_entries(hass: HomeAssistant) -> list[ConfigEntry[Any]]:
    """Return the entries of chargers that are enabled."""
    entries = hass.config_entries.async_entries(DOMAIN, include_disabled=False)
    return [entry for entry in entries if is_charger(entry)]


@callback
def async_site_entry(hass: HomeAssistant) -> ConfigEntry[Any] | None:
    """Return the entry of the site, None if there is none that is enabled."""
    entry = hass.config_entries.async_entry_for_domain_unique_id(DOMAIN, SITE_UNIQUE_ID)
    return None if entry is None or entry.disabled_by else entry


def is_site(entry: ConfigEntry[Any]) -> bool:
    """Return whether an entry is that of the site, and not of a charger."""
    return CONF_SITE in entry.data


def is_charger(entry: ConfigEntry[Any]) -> bool:
    """Return whether an entry is that of a charger, whatever its links."""
    return not (is_site(entry) or is_ocpp(entry))


@callback
def async_follow_renames(
    hass: HomeAssistant, entry: ConfigEntry[Any], entity_ids: Iterable[str]
) -> CALLBACK_TYPE:
    """Reload the site with the new ID when one of the entities is renamed.

    Returns the callback that ends this.
    """

    def follow(answers: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
        return {
            key: follow(value, old, new)
            if isinstance(value, Mapping)
            else (new if value == old else value)
            for key, value in answers.items()
        }

    @callback
    def updated(event: Event[EventEntityRegistryUpdatedData]) -> None:
        data = event.data
        if data["action"] != "update" or "old_entity_id" not in data:
            return
        hass.config_entries.async_update_entry(
            entry, data=follow(entry.data, data["old_entity_id"], data["entity_id"])
        )
        hass.config_entries.async_schedule_reload(entry.entry_id)

    return async_track_entity_registry_updated_event(hass, entity_ids, updated)
