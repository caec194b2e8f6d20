"""The dashboard, made from entity IDs and created by the action."""

from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any

from homeassistant.auth.const import GROUP_ID_ADMIN, GROUP_ID_USER
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import dashboard as module
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.dashboard import (
    CONTROLS,
    DETAILS,
    SESSIONS,
    SITE_DETAILS,
    ChargerEntities,
    SiteEntities,
    Text,
    dashboard_config,
)
from tests.site import site_entry

COMMON = json.loads(
    (Path(module.__file__).parent / "translations/en.json").read_text()
)["common"]
TEXTS = {text: COMMON[text] for text in Text}
PLANNED = {key for key in SESSIONS if key.startswith("sensor.last_session_")}
"""Sensors of the session ledger."""


def ids(name: str, *keys: str) -> dict[str, str]:
    """Return entity IDs by key."""
    return {key: f"{key.replace('.', f'.{name}_')}" for key in keys}


def charger(name: str) -> ChargerEntities:
    """Return a charger with some of its entities."""
    keys = ("sensor.power", "sensor.limited_by", "number.current_limit")
    return ChargerEntities(
        name=name, entities=ids(name.lower(), *keys, "number.fallback_limit")
    )


SITE = SiteEntities(
    name="My house",
    entities=ids("site", "sensor.house_power", "sensor.grid_power", "select.restarts"),
    solar_power="sensor.roof",
    battery_power="sensor.battery",
)


def shown(found: Any) -> Iterator[str]:
    """Return all entity IDs in a part of a dashboard, in their order."""
    if isinstance(found, dict):
        if isinstance(found.get("entity"), str):
            yield found["entity"]
        found = list(found.values())
    if isinstance(found, list):
        for each in found:
            yield from shown(each)


def headings(view: dict[str, Any]) -> list[str]:
    """Return the headings of a view's sections."""
    return [section["cards"][0]["heading"] for section in view["sections"]]


def graph(config: dict[str, Any]) -> dict[str, str]:
    """Return the names of the lines of the graph, by entity ID."""
    (card,) = (
        card
        for section in config["views"][0]["sections"]
        for card in section["cards"]
        if card["type"] == "history-graph"
    )
    return {line["entity"]: line["name"] for line in card["entities"]}


def test_one_charger_with_a_site() -> None:
    """The first look is what, why, and the graph; then come the controls."""
    config = dashboard_config([charger("One")], SITE, TEXTS)
    first, second = config["views"]
    assert headings(first) == ["One", "Sun, house, and vehicle", "Control"]
    assert list(shown(first["sections"][0]))[:2] == [
        *("sensor.one_power", "sensor.one_limited_by")
    ]
    assert graph(config) == {
        "sensor.one_power": "Vehicle",
        "sensor.roof": "Sun",
        "sensor.site_house_power": "House",
        "sensor.site_grid_power": "From grid",
        "sensor.battery": "From battery",
    }
    assert headings(second) == ["Fallback", "My house"]
    assert list(shown(second)) == ["number.one_fallback_limit", "select.site_restarts"]


def test_several_chargers_without_a_site() -> None:
    """Each has its own cards, and a line of its name in the graph."""
    config = dashboard_config([charger("One"), charger("Two")], None, TEXTS)
    assert headings(config["views"][0]) == [
        *("One", "Two", "Sun, house, and vehicle", "One: Control", "Two: Control")
    ]
    assert graph(config) == {"sensor.one_power": "One", "sensor.two_power": "Two"}
    assert headings(config["views"][1]) == ["One: Fallback", "Two: Fallback"]


def test_what_is_missing_is_left_out() -> None:
    """Nothing is shown of entities that are disabled."""
    config = dashboard_config(
        [ChargerEntities(name="One", entities={})], SiteEntities(), TEXTS
    )
    assert list(shown(config)) == []


def test_what_is_not_known_yet_is_hidden() -> None:
    """The last session has a tile once there was one."""
    entities = ids("one", "sensor.last_session_energy", "sensor.lifetime_energy")
    chargers = [ChargerEntities(name="One", entities=entities)]
    section = dashboard_config(chargers, None, TEXTS)["views"][0]["sections"][-1]
    conditions = {
        card["entity"]: [each["entity"] for each in card.get("visibility", ())]
        for card in section["cards"][1:]
    }
    assert conditions == {
        "sensor.one_last_session_energy": ["sensor.one_last_session_energy"],
        "sensor.one_lifetime_energy": [],
    }


@pytest.fixture
async def lovelace(hass: HomeAssistant, hass_owner_user: Any) -> None:
    """Set up dashboards, and an owner."""
    assert await async_setup_component(hass, "lovelace", {})


async def create(
    hass: HomeAssistant, entry: ConfigEntry, user_id: str | None = None
) -> Any:
    """Call the action."""
    entity_id = er.async_get(hass).async_get_entity_id(
        "sensor", DOMAIN, f"{entry.unique_id}_power"
    )
    return await hass.services.async_call(
        DOMAIN,
        "create_dashboard",
        {"entity_id": entity_id},
        blocking=True,
        context=Context(user_id=user_id),
        return_response=True,
    )


async def stored(hass: HomeAssistant, ws: Any, path: str) -> Any:
    """Return the configuration of a dashboard, as the frontend reads it."""
    await ws.send_json_auto_id({"type": "lovelace/config", "url_path": path})
    return (await ws.receive_json())["result"]


@pytest.mark.usefixtures("lovelace")
async def test_action(
    hass: HomeAssistant, entry: MockConfigEntry, hass_ws_client: Any
) -> None:
    """It creates a dashboard that the user can change and delete like any other."""
    site = site_entry()
    site.add_to_hass(hass)
    assert await hass.config_entries.async_setup(site.entry_id)
    await hass.async_block_till_done()
    path = (await create(hass, entry))["url_path"].removeprefix("/")
    ws = await hass_ws_client(hass)

    config = await stored(hass, ws, path)
    entity_ids = set(shown(config))
    assert len(entity_ids) > 20
    assert all(hass.states.get(each) for each in entity_ids)

    with pytest.raises(ServiceValidationError) as error:
        await create(hass, entry)
    assert error.value.translation_key == "dashboard_exists"
    assert await stored(hass, ws, path) == config

    await ws.send_json_auto_id(
        {"type": "lovelace/dashboards/delete", "dashboard_id": path.replace("-", "_")}
    )
    assert (await ws.receive_json())["success"]
    assert (await create(hass, entry))["url_path"] == f"/{path}"


@pytest.mark.usefixtures("lovelace", "all_entities_on")
async def test_keys(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Each key that a dashboard asks for is that of an entity."""
    site = site_entry(
        fuse={"main_fuse": 25.0},
        battery={"battery_power": "sensor.battery", "battery_soc": "sensor.soc"},
    )
    site.add_to_hass(hass)
    assert await hass.config_entries.async_setup(site.entry_id)
    await hass.async_block_till_done()
    found = {
        f"{entity.domain}.{entity.unique_id.partition('_')[2]}"
        for entity in er.async_get(hass).entities.values()
        if entity.platform == DOMAIN
    }
    asked = {*CONTROLS, *SESSIONS, *SITE_DETAILS}.union(*DETAILS.values())
    assert asked - found <= PLANNED


@pytest.mark.usefixtures("lovelace")
async def test_only_an_administrator_creates_it(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """An ordinary user is refused, an administrator is not."""
    user = await hass.auth.async_create_user("User", group_ids=[GROUP_ID_USER])
    admin = await hass.auth.async_create_user("Admin", group_ids=[GROUP_ID_ADMIN])
    with pytest.raises(HomeAssistantError) as error:
        await create(hass, entry, user.id)
    assert error.value.translation_key == "dashboard_failed"
    assert await create(hass, entry, admin.id)


async def test_without_dashboards(
    hass: HomeAssistant, entry: MockConfigEntry, hass_owner_user: Any
) -> None:
    """Without Home Assistant's dashboards, the action fails with a message."""
    assert await async_setup_component(hass, "websocket_api", {})
    with pytest.raises(HomeAssistantError) as error:
        await create(hass, entry)
    assert error.value.translation_key == "dashboard_failed"


def test_colors_of_the_graph() -> None:
    """A tile has the color of its line, whatever else there is."""
    for chargers in ([charger("One")], [charger("One"), charger("Two")]):
        config = dashboard_config(chargers, SITE, TEXTS)
        (section,) = (
            each
            for each in config["views"][0]["sections"]
            if each["cards"][0]["heading"] == COMMON[Text.POWER]
        )
        colors = {
            card["entity"]: card["color"]
            for card in section["cards"]
            if card["type"] == "tile"
        }
        lines = list(graph(config))
        assert colors == {
            lines[n]: color for n, color in enumerate(module.COLORS) if n > 0
        }


def test_no_graph_without_a_line() -> None:
    """Home Assistant shows an error in place of a graph without entities."""
    some = ChargerEntities(name="A", entities=ids("a", "sensor.limited_by"))
    config = dashboard_config([some], None, TEXTS)
    graphs = [
        card
        for view in config["views"]
        for section in view["sections"]
        for card in section["cards"]
        if card["type"] == "history-graph"
    ]
    assert all(graph["entities"] for graph in graphs)
