"""The dashboard of chargers and their site, made from entity IDs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

type EntityIds = Mapping[str, str]
"""Entity IDs by domain and key, such as `sensor.power`."""
type Card = dict[str, Any]


class Text(StrEnum):
    """What the dashboard says itself; the value is the key of the translation."""

    TITLE = "dashboard_title"
    DETAILS = "dashboard_details"
    POWER = "dashboard_power"
    VEHICLE = "dashboard_vehicle"
    SUN = "dashboard_sun"
    HOUSE = "dashboard_house"
    BATTERY = "dashboard_battery"
    GRID = "dashboard_grid"
    SESSION = "dashboard_session"
    FROM_SUN = "dashboard_from_sun"
    CONTROL = "dashboard_control"
    SESSIONS = "dashboard_sessions"
    FALLBACK = "dashboard_fallback"
    PHASES = "dashboard_phases"
    CHARGER = "dashboard_charger"


type Texts = Mapping[Text, str]

ENTITY_NAME: Final = {"type": "entity"}
"""The name of an entity without that of its device."""

FEATURES: Final[Mapping[str, Card]] = {
    "number": {"type": "numeric-input", "style": "buttons"},
    "select": {"type": "select-options", "style": "buttons"},
}
"""What a tile has to change its entity with, by domain."""

ROWS: Final = {
    "select.charge_mode": (("manual", "off", "fast"), ("solar", "solar_min")),
}
"""Options in rows of buttons: in one row, the names would be cut off."""

COLORS: Final = ("blue", "amber", "deep-orange", "teal", "purple")
"""The colors that a graph gives to its lines, in their order."""

CONTROLS: Final = (
    "select.charge_mode",
    "switch.fast_until_unplugged",
    "number.current_limit",
    "select.phase_mode",
    "switch.charging",
    "number.stop_after_energy",
)
"""What a charger is controlled with."""

SESSIONS: Final = (
    "sensor.last_session_energy",
    "sensor.last_session_duration",
    "sensor.last_session_solar_share",
    "sensor.last_session_cost",
    "sensor.session_solar_energy",
    "sensor.lifetime_energy",
)

OFTEN_UNKNOWN: Final = (
    "sensor.last_session_cost",
    "sensor.last_session_duration",
    "sensor.last_session_energy",
    "sensor.last_session_solar_share",
    "sensor.next_change",
    "sensor.next_phase_switch",
    "sensor.session_solar_share",
)
"""Entities that are hidden while they have nothing to show."""

DETAILS: Final[Mapping[Text, tuple[str, ...]]] = {
    Text.FALLBACK: (
        "sensor.control",
        "binary_sensor.fallback_active",
        "number.fallback_limit",
        "number.fallback_timeout",
        "button.release_control",
    ),
    Text.PHASES: (
        "sensor.active_phase_mode",
        "binary_sensor.phase_switch_allowed",
        "sensor.phase_switches_left",
        "sensor.next_phase_switch",
        "sensor.current_l1",
        "sensor.current_l2",
        "sensor.current_l3",
        "sensor.voltage_l1",
        "sensor.voltage_l2",
        "sensor.voltage_l3",
    ),
    Text.CHARGER: (
        "sensor.status",
        "binary_sensor.vehicle_connected",
        "binary_sensor.fault",
        "binary_sensor.warning",
        "binary_sensor.settings_not_applied",
        "sensor.active_current_limit",
        "button.test_charger",
    ),
}
"""What the second view shows of a charger."""

SITE_DETAILS: Final = (
    "sensor.surplus_power",
    "sensor.fuse_headroom",
    "binary_sensor.meter_lost",
    "number.start_threshold",
    "number.export_kept",
    "number.import_tolerated",
    "number.car_first_above_soc",
    "select.restarts",
)


@dataclass(frozen=True, kw_only=True)
class ChargerEntities:
    """What there is of a charger; the dashboard leaves out what is missing."""

    name: str
    entities: EntityIds


@dataclass(frozen=True, kw_only=True)
class SiteEntities:
    """What there is of a site; the dashboard leaves out what is missing."""

    name: str = ""
    entities: EntityIds = field(default_factory=dict)
    solar_power: str | None = None
    """The sensor that the user has chosen."""
    battery_power: str | None = None
    """The sensor that the user has chosen, if it is positive while discharging."""


def dashboard_config(
    chargers: Sequence[ChargerEntities],
    site: SiteEntities | None,
    texts: Texts,
    *,
    graph_hours: float = 6,
) -> dict[str, Any]:
    """Return the configuration of a dashboard that uses Home Assistant's own cards."""
    house = site or SiteEntities()

    def title(charger: ChargerEntities, text: Text) -> str:
        return texts[text] if len(chargers) == 1 else f"{charger.name}: {texts[text]}"

    return {
        "views": [
            _view(
                texts[Text.TITLE],
                "charging",
                *(_now(charger, texts) for charger in chargers),
                _power(chargers, house, texts, graph_hours),
                *(
                    _section(
                        title(charger, Text.CONTROL),
                        *_controls(charger.entities, CONTROLS),
                    )
                    for charger in chargers
                ),
                *(
                    _section(
                        title(charger, Text.SESSIONS), *_sessions(charger.entities)
                    )
                    for charger in chargers
                ),
            ),
            _view(
                texts[Text.DETAILS],
                "details",
                *(
                    _section(title(charger, text), *_details(charger.entities, keys))
                    for charger in chargers
                    for text, keys in DETAILS.items()
                ),
                _section(house.name, *_details(house.entities, SITE_DETAILS)),
            ),
        ]
    }


def _now(charger: ChargerEntities, texts: Texts) -> Card:
    """Return what a car takes, from where, why, and what comes next."""
    ids = charger.entities
    shown = (
        ("sensor.power", texts[Text.VEHICLE], "mdi:car-electric", "full"),
        ("sensor.limited_by", ENTITY_NAME, None, "full"),
        ("sensor.next_change", ENTITY_NAME, None, "full"),
        ("sensor.session_energy", texts[Text.SESSION], None, 6),
        ("sensor.session_solar_share", texts[Text.FROM_SUN], "mdi:solar-power", 6),
    )
    section = _section(
        charger.name,
        *(
            _tile(ids[key], name=name, icon=icon, columns=columns)
            | _visibility(key, ids[key])
            for key, name, icon, columns in shown
            if key in ids
        ),
    )
    if section and "sensor.status" in ids:
        badge = {"type": "entity", "entity": ids["sensor.status"], "show_state": True}
        section["cards"][0]["badges"] = [badge]
    return section


def _power(
    chargers: Sequence[ChargerEntities],
    site: SiteEntities,
    texts: Texts,
    graph_hours: float,
) -> Card:
    """Return what sun, house, battery and grid give and take, and a graph of it."""
    sources = [
        (entity_id, texts[text], icon)
        for entity_id, text, icon in (
            (site.solar_power, Text.SUN, "mdi:weather-sunny"),
            (site.entities.get("sensor.house_power"), Text.HOUSE, "mdi:home"),
            (
                site.entities.get("sensor.grid_power"),
                Text.GRID,
                "mdi:transmission-tower",
            ),
            (site.battery_power, Text.BATTERY, "mdi:home-battery"),
        )
        if entity_id is not None
    ]
    cars = [
        (
            charger.entities["sensor.power"],
            texts[Text.VEHICLE] if len(chargers) == 1 else charger.name,
        )
        for charger in chargers
        if "sensor.power" in charger.entities
    ]
    # The first line is that of a car, so that the sun has its color.
    lines = (*cars[:1], *(source[:2] for source in sources), *cars[1:])
    graph = {
        "type": "history-graph",
        "hours_to_show": graph_hours,
        "entities": [{"entity": entity_id, "name": name} for entity_id, name in lines],
        "grid_options": {"columns": "full"},
    }
    tiles = (
        _tile(entity_id, name=name, icon=icon, color=color)
        for (entity_id, name, icon), color in zip(
            sources, COLORS[len(cars[:1]) :], strict=False
        )
    )
    # A graph without a line is an error.
    graphs = [graph] if lines else []
    return _section(texts[Text.POWER], *tiles, *graphs, span=2)


def _controls(ids: EntityIds, keys: Iterable[str]) -> list[Card]:
    """Return large tiles with which entities are changed."""
    return [_control(key, ids[key]) for key in keys if key in ids]


def _control(key: str, entity_id: str) -> Card:
    card = _tile(entity_id, columns="full")
    feature = FEATURES.get(key.partition(".")[0])
    if feature is None:
        return card | {"tap_action": {"action": "toggle"}}
    if key not in ROWS:
        return card | {"features": [feature]}
    return card | {"features": [feature | {"options": [*row]} for row in ROWS[key]]}


def _sessions(ids: EntityIds) -> list[Card]:
    return [
        _tile(ids[key], columns="full") | _visibility(key, ids[key])
        for key in SESSIONS
        if key in ids
    ]


def _details(ids: EntityIds, keys: Sequence[str]) -> list[Card]:
    """Return a list of what is only read, and tiles of what can be changed."""
    changed = [key for key in keys if key.partition(".")[0] in FEATURES]
    rows = [_row(key, ids[key]) for key in keys if key in ids and key not in changed]
    cards = _controls(ids, changed)
    return [{"type": "entities", "entities": rows}, *cards] if rows else cards


def _row(key: str, entity_id: str) -> Card:
    row: Card = {"entity": entity_id, "name": ENTITY_NAME}
    if key not in OFTEN_UNKNOWN:
        return row
    return {"type": "conditional", "conditions": [_is_known(entity_id)], "row": row}


def _visibility(key: str, entity_id: str) -> Card:
    """Return what hides a tile while its entity has nothing to show."""
    return {"visibility": [_is_known(entity_id)]} if key in OFTEN_UNKNOWN else {}


def _is_known(entity_id: str) -> Card:
    """Return the condition under which an entity is shown."""
    return {
        "condition": "state",
        "entity": entity_id,
        "state_not": ["unknown", "unavailable"],
    }


def _tile(
    entity_id: str,
    *,
    name: str | Mapping[str, str] = ENTITY_NAME,
    icon: str | None = None,
    color: str | None = None,
    columns: int | str = 6,
) -> Card:
    card: Card = {"type": "tile", "entity": entity_id, "name": name}
    if icon is not None:
        card["icon"] = icon
    if color is not None:
        card["color"] = color
    return card | {"grid_options": {"columns": columns}}


def _section(title: str, *cards: Card, span: int = 1) -> Card:
    """Return a section; empty, it is left out of its view."""
    if not cards:
        return {}
    heading = {"type": "heading", "heading": title}
    return {"type": "grid", "column_span": span, "cards": [heading, *cards]}


def _view(title: str, path: str, *sections: Card) -> dict[str, Any]:
    return {
        "title": title,
        "path": path,
        "type": "sections",
        "max_columns": 3,
        "sections": [section for section in sections if section],
    }
