"""Create a dashboard of chargers and their site, which is the user's from then on."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from homeassistant.auth.models import User
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.http import WebSocketAdapter
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.util.json import json_loads_object

from .const import DOMAIN, LOGGER
from .dashboard import (
    ChargerEntities,
    EntityIds,
    SiteEntities,
    Text,
    Texts,
    dashboard_config,
)
from .exceptions import invalid
from .site_config import SiteConfig, async_site_entry
from .texts import async_common_texts

URL_PATH: Final = "nexblue-charging"
ICON: Final = "mdi:ev-station"


async def async_create_dashboard(
    hass: HomeAssistant,
    chargers: Sequence[tuple[str, ConfigEntry[Any]]],
    user_id: str | None,
) -> str:
    """Create a dashboard of chargers, each with its name, and return its path.

    Raises ServiceValidationError if it exists, and HomeAssistantError if Home Assistant
    refuses to create it, for example for a user who is no administrator.
    """
    user = await _user(hass, user_id)
    existing = await _command(hass, user, "lovelace/dashboards/list")
    if any(dashboard["url_path"] == URL_PATH for dashboard in existing):
        raise invalid("dashboard_exists", url_path=f"/{URL_PATH}")
    common = await async_common_texts(hass)
    texts: Texts = {text: common[text] for text in Text}
    config = dashboard_config(
        [
            ChargerEntities(name=name, entities=_entities(hass, entry))
            for name, entry in chargers
        ],
        _site(hass),
        texts,
    )
    await _command(
        hass,
        user,
        "lovelace/dashboards/create",
        url_path=URL_PATH,
        title=texts[Text.TITLE],
        icon=ICON,
        show_in_sidebar=True,
        require_admin=False,
        mode="storage",
    )
    await _command(hass, user, "lovelace/config/save", url_path=URL_PATH, config=config)
    return URL_PATH


@callback
def _entities(hass: HomeAssistant, entry: ConfigEntry[Any]) -> EntityIds:
    """Return the enabled entities of an entry."""
    registry = er.async_get(hass)
    return {
        f"{entity.domain}.{entity.unique_id.removeprefix(f'{entry.unique_id}_')}": (
            entity.entity_id
        )
        for entity in er.async_entries_for_config_entry(registry, entry.entry_id)
        if not entity.disabled
    }


@callback
def _site(hass: HomeAssistant) -> SiteEntities | None:
    entry = async_site_entry(hass)
    if entry is None:
        return None
    config = SiteConfig.from_entry(entry)
    battery = config.battery
    is_signed = battery is not None and not (battery.opposite or battery.is_inverted)
    return SiteEntities(
        name=entry.title,
        entities=_entities(hass, entry),
        solar_power=config.solar,
        battery_power=battery.power if battery is not None and is_signed else None,
    )


async def _user(hass: HomeAssistant, user_id: str | None) -> User:
    """Return the user of an action; that of an automation is the owner."""
    users = await hass.auth.async_get_users()
    user = next(
        (
            user
            for user in users
            if (user.is_owner if user_id is None else user.id == user_id)
        ),
        None,
    )
    if user is None:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="dashboard_no_user"
        )
    return user


async def _command(hass: HomeAssistant, user: User, command: str, **data: Any) -> Any:
    """Send a command as the frontend does, and return its result.

    There is no other way to the list of dashboards that Home Assistant stores.
    """
    answers: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    def answered(message: bytes | str | dict[str, Any]) -> None:
        answers.put_nowait(
            message if isinstance(message, dict) else json_loads_object(message)
        )

    async def send() -> Mapping[str, Any]:
        adapter = WebSocketAdapter(LOGGER, {"connid": command})
        connection = ActiveConnection(adapter, hass, answered, user, None, None)
        connection.async_handle({"id": 1, "type": command, **data})
        return await answers.get()

    # In a task of its own, as it becomes the current connection of its task.
    answer = await asyncio.create_task(send())
    if not answer["success"]:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="dashboard_failed",
            translation_placeholders={"detail": answer["error"]["message"]},
        )
    return answer["result"]
