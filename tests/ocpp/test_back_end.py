"""The OCPP back end on Home Assistant's own web server, and on a port of its own."""

import asyncio
import base64
from http import HTTPStatus
import socket
import subprocess
import sys
from typing import Any

import aiohttp
from homeassistant.config_entries import SOURCE_USER, ConfigEntryDisabler
from homeassistant.const import CONF_PASSWORD, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.nexblue_local.charge_points import CHARGE_POINT_KEYS
from custom_components.nexblue_local.const import (
    CONF_ALLOW_WITHOUT_PASSWORD,
    CONF_CHARGE_POINT_ID,
    CONF_OCPP,
    DOMAIN,
)
from custom_components.nexblue_local.ocpp_config import PATH, is_valid_password
from custom_components.nexblue_local.repairs import (
    WRONG_PASSWORD,
    async_create_password_issue,
)
from simulator.charge_point import ChargePoint
from tests.conftest import SERIAL
from tests.waiting import until

from .conftest import PASSWORD, ocpp_answers, ocpp_entry, set_up

ID = "OTHER-1"


def headers(password: str = PASSWORD, user: str = ID) -> dict[str, str]:
    """Return the headers of a charge point."""
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def user_chooses_ocpp(hass: HomeAssistant) -> Any:
    """Choose OCPP in the menu of the first step."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert "ocpp" in menu["menu_options"]
    return await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": "ocpp"}
    )


async def test_set_up(hass: HomeAssistant, socket_enabled: None) -> None:
    """A password is suggested; the last page says what to enter in the charger's app."""
    form = await user_chooses_ocpp(hass)
    suggested = {
        str(field): field.description["suggested_value"]
        for field in form["data_schema"].schema
    }
    assert is_valid_password(suggested[CONF_PASSWORD])
    assert len(suggested[CONF_PASSWORD]) == 16
    configure = hass.config_entries.flow.async_configure
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        answers = suggested | {
            CONF_PASSWORD: "short",
            CONF_PORT: taken.getsockname()[1],
        }
        form = await configure(form["flow_id"], answers)
    assert form["errors"] == {
        CONF_PASSWORD: "invalid_password",
        CONF_PORT: "port_taken",
    }
    port = free_port()
    page = await configure(
        form["flow_id"], suggested | {CONF_PASSWORD: PASSWORD, CONF_PORT: port}
    )
    assert page["step_id"] == "ocpp_connect"
    placeholders = page["description_placeholders"]
    assert placeholders is not None
    assert placeholders["password"] == PASSWORD
    assert placeholders["url"].startswith("ws://")
    assert placeholders["url"].endswith(f":{port}/api/nexblue_local/ocpp")
    done = await configure(page["flow_id"], {})
    assert done["type"] is FlowResultType.CREATE_ENTRY
    assert done["result"].data == {CONF_OCPP: ocpp_answers() | {CONF_PORT: port}}
    await hass.async_block_till_done()
    again = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert "ocpp" not in again["menu_options"]


async def test_reconfigure(
    hass: HomeAssistant, url: str, back_end: MockConfigEntry
) -> None:
    """Another password applies at once, to who is connected as well."""
    async with aiohttp.ClientSession() as client:
        websocket = await client.ws_connect(f"{url}/{ID}", headers=headers())
        form = await back_end.start_reconfigure_flow(hass)
        other = PASSWORD[::-1]
        page = await hass.config_entries.flow.async_configure(
            form["flow_id"], ocpp_answers() | {CONF_PASSWORD: other}
        )
        done = await hass.config_entries.flow.async_configure(page["flow_id"], {})
        assert done["reason"] == "ocpp_updated"
        await hass.async_block_till_done()
        assert (await websocket.receive()).type in (
            aiohttp.WSMsgType.CLOSE,
            aiohttp.WSMsgType.CLOSED,
        )
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await client.ws_connect(f"{url}/{ID}", headers=headers())
        assert error.value.status == HTTPStatus.UNAUTHORIZED
        async with client.ws_connect(f"{url}/{ID}", headers=headers(other)):
            pass


@pytest.mark.parametrize(
    ("sent", "protocol", "status"),
    [
        ({}, "ocpp1.6", HTTPStatus.UNAUTHORIZED),
        (headers("wrong"), "ocpp1.6", HTTPStatus.UNAUTHORIZED),
        (headers(user="else"), "ocpp1.6", HTTPStatus.UNAUTHORIZED),
        (headers(), "ocpp2.0.1", HTTPStatus.BAD_REQUEST),
    ],
)
async def test_refused(
    url: str, sent: dict[str, str], protocol: str, status: HTTPStatus
) -> None:
    """Who has no right to connect is told why; Home Assistant bans nobody for it."""
    async with (
        aiohttp.ClientSession() as client,
        client.get(
            f"{url}/{ID}",
            headers={
                **sent,
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Protocol": protocol,
            },
        ) as response,
    ):
        assert response.status == status
        is_unauthorized = status is HTTPStatus.UNAUTHORIZED
        assert ("WWW-Authenticate" in response.headers) is is_unauthorized


async def test_issue_goes(hass: HomeAssistant, url: str) -> None:
    """The issue goes when its charge point connects, not with another one."""
    issues = ir.async_get(hass)
    async_create_password_issue(hass, ID, "127.0.0.1")
    async with aiohttp.ClientSession() as client:
        async with client.ws_connect(f"{url}/OTHER-2", headers=headers(user="OTHER-2")):
            await asyncio.sleep(0.1)
        assert issues.async_get_issue(DOMAIN, WRONG_PASSWORD)
        async with client.ws_connect(f"{url}/{ID}", headers=headers()):
            await until(lambda: not issues.async_get_issue(DOMAIN, WRONG_PASSWORD))


async def test_without_password(
    hass: HomeAssistant,
    socket_enabled: None,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """A charger without a password may connect if the user allows it."""
    await set_up(hass, ocpp_entry(**{CONF_ALLOW_WITHOUT_PASSWORD: True}))
    client = await hass_client_no_auth()
    async with client.ws_connect(f"{PATH}/{ID}", protocols=("ocpp1.6",)) as websocket:
        assert websocket.protocol == "ocpp1.6"


async def test_too_long(url: str) -> None:
    """A message of more than 64 KiB ends the connection."""
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(f"{url}/{ID}", headers=headers()) as websocket,
    ):
        await websocket.send_str("x" * 66_000)
        assert (await websocket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


async def test_unload_and_stop(
    hass: HomeAssistant, url: str, back_end: MockConfigEntry
) -> None:
    """Connections end with the entry, and with Home Assistant; then there is nothing."""
    async with aiohttp.ClientSession() as client:
        websocket = await client.ws_connect(f"{url}/{ID}", headers=headers())
        await hass.config_entries.async_unload(back_end.entry_id)
        await websocket.receive(timeout=5)
        assert websocket.closed
        async with client.get(f"{url}/{ID}", headers=headers()) as response:
            assert response.status == HTTPStatus.NOT_FOUND
        assert await hass.config_entries.async_setup(back_end.entry_id)
        websocket = await client.ws_connect(f"{url}/{ID}", headers=headers())
        hass.bus.async_fire("homeassistant_stop")
        await websocket.receive(timeout=5)
        assert websocket.closed


async def test_port_of_its_own(hass: HomeAssistant, socket_enabled: None) -> None:
    """The port serves the same, and is free again when the entry is unloaded."""
    port = free_port()
    entry = await set_up(hass, ocpp_entry(**{CONF_PORT: port}))
    url = f"http://127.0.0.1:{port}{PATH}/{ID}"
    async with aiohttp.ClientSession() as client:
        websocket = await client.ws_connect(url, headers=headers())
        await hass.config_entries.async_unload(entry.entry_id)
        await websocket.receive(timeout=5)
        assert websocket.closed
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(url)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("", port))
        taken.listen()
        assert not await hass.config_entries.async_setup(entry.entry_id)
        assert str(port) in (entry.reason or "")


BOOT = {
    "chargePointVendor": "NexBlue",
    "chargePointModel": "Delta Max",
    "chargePointSerialNumber": SERIAL.lower(),
}


@pytest.mark.parametrize(
    ("charge_point_id", "boot", "step"),
    [
        ("CP-7", BOOT, "charge_point_confirm"),
        (SERIAL, BOOT | {"chargePointSerialNumber": ""}, "charge_point_confirm"),
        (SERIAL, BOOT | {"chargePointSerialNumber": "0"}, "charge_point_confirm"),
        (SERIAL, BOOT | {"chargePointSerialNumber": "OTHER0815"}, "charge_point"),
        ("CP-7", {}, "charge_point"),
    ],
)
async def test_discovery(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    url: str,
    charge_point_id: str,
    boot: dict[str, str],
    step: str,
) -> None:
    """A charge point gets Pending until the user says which charger it is."""
    flow_manager = hass.config_entries.flow
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(
            f"{url}/{charge_point_id}", headers=headers(user=charge_point_id)
        ) as websocket,
    ):

        async def status() -> str:
            await websocket.send_json([2, "1", "BootNotification", boot])
            while (message := await websocket.receive_json(timeout=5))[0] != 3:
                # It is asked to send another one once it is accepted.
                await websocket.send_json([3, message[1], {"status": "Accepted"}])
            registration: str = message[2]["status"]
            return registration

        assert await status() == "Pending"
        await hass.async_block_till_done()
        # The next one is no other flow.
        assert await status() == "Pending"
        await hass.async_block_till_done()
        [flow] = flow_manager.async_progress_by_handler(DOMAIN)
        assert flow["step_id"] == step
        answer = {"charger": entry.entry_id} if step == "charge_point" else {}
        done = await flow_manager.async_configure(flow["flow_id"], answer)
        assert done["reason"] == "charge_point_linked"
        await hass.async_block_till_done()
        assert entry.data[CONF_CHARGE_POINT_ID] == charge_point_id
        assert await status() == "Accepted"
        assert not flow_manager.async_progress_by_handler(DOMAIN)


async def test_unlinked_with_its_entry(
    hass: HomeAssistant, linked: MockConfigEntry, charge_point: ChargePoint
) -> None:
    """The charge point of a charger that is removed is not served any more."""
    await hass.config_entries.async_remove(linked.entry_id)
    await until(lambda: not charge_point.is_connected)


async def test_remove(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    back_end: MockConfigEntry,
    hass_storage: dict[str, Any],
) -> None:
    """Without the back end, a charger has its Modbus link only."""
    assert f"{DOMAIN}.ocpp" in hass_storage
    await hass.config_entries.async_remove(back_end.entry_id)
    await hass.async_block_till_done()
    assert CONF_CHARGE_POINT_ID not in linked.data
    assert f"{DOMAIN}.ocpp" not in hass_storage
    assert "nexblue_local.ocpp" not in hass_storage


async def test_remove_while_a_charger_is_disabled(
    hass: HomeAssistant, linked: MockConfigEntry, back_end: MockConfigEntry
) -> None:
    """It has its Modbus link only when it is enabled again."""
    entries = hass.config_entries
    await entries.async_set_disabled_by(linked.entry_id, ConfigEntryDisabler.USER)
    await hass.async_block_till_done()
    await entries.async_remove(back_end.entry_id)
    await hass.async_block_till_done()
    await entries.async_set_disabled_by(linked.entry_id, None)
    await hass.async_block_till_done()
    assert CONF_CHARGE_POINT_ID not in linked.data
    keys = {
        each.translation_key
        for each in er.async_entries_for_config_entry(
            er.async_get(hass), linked.entry_id
        )
    }
    assert not keys & CHARGE_POINT_KEYS


HOUSE_WITHOUT_OCPP = """
import sys
from custom_components.nexblue_local import (
    PLATFORMS, config_flow, diagnostics, repairs, services, trigger, condition
)
for platform in PLATFORMS:
    __import__(f"custom_components.nexblue_local.{platform}")
print([
    name for name in sys.modules
    if name.split(".")[0] == "ocpp" or "central_system" in name
    or name.endswith((".ocpp_server", ".ocpp_web"))
])
"""


def test_a_house_without_ocpp() -> None:
    """Nothing of OCPP is imported by what a house without it needs."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", HOUSE_WITHOUT_OCPP],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.strip() == "[]"
