"""A flood of connections and wrong passwords at Home Assistant's own web server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.central_system.server import MAX_NOT_ADOPTED
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.repairs import WRONG_PASSWORD
from tests.central_system.client import Client, credentials
from tests.waiting import until

from .conftest import PASSWORD

FLOOD = 200


@pytest.fixture
async def client(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Return what opens any number of connections at once."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def flood(attempt: Callable[[int], Awaitable[int]]) -> Counter[int]:
    """Return how often each status was the answer to attempts at the same time."""
    return Counter(await asyncio.gather(*map(attempt, range(FLOOD))))


@asynccontextmanager
async def answered_meanwhile(
    client: aiohttp.ClientSession, url: str
) -> AsyncIterator[None]:
    """Have a charge point whose Heartbeats are answered within seconds."""
    # All is in one event loop, with two ends of each connection.
    charge_point = Client(client, url, "BYSTANDER", PASSWORD, patience=20)
    await charge_point.connect()
    count = 0

    async def beat() -> None:
        nonlocal count
        while True:
            assert "currentTime" in await charge_point.call("Heartbeat", {})
            count += 1
            await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(beat())
        yield
        # Also after the flood.
        before = count
        await until(lambda: count > before)
        task.cancel()
    assert not charge_point.requests
    charge_point.hang_up()


async def test_wrong_passwords(
    hass: HomeAssistant,
    client: aiohttp.ClientSession,
    url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are told to wait; there is one line in the log, and one repair issue."""

    async def attempt(number: int) -> int:
        headers = credentials(f"CP{number}", "wrong")
        async with client.get(f"{url}/CP{number}", headers=headers) as response:
            return response.status

    async with answered_meanwhile(client, url):
        assert await flood(attempt) == {401: 5, 429: FLOOD - 5}
    lines = [each for each in caplog.records if each.levelname in ("WARNING", "ERROR")]
    ours = [each.getMessage() for each in lines if DOMAIN in each.name]
    assert ours == ["Too many wrong passwords of 127.0.0.1"]
    issues = [key for key in ir.async_get(hass).issues if key[0] == DOMAIN]
    assert issues == [(DOMAIN, WRONG_PASSWORD)]


async def test_strangers(
    hass: HomeAssistant,
    back_end: MockConfigEntry,
    client: aiohttp.ClientSession,
    url: str,
) -> None:
    """Of those that nobody accepted, a few stay connected; nothing is left of them."""
    central = back_end.runtime_data.central
    async with answered_meanwhile(client, url), AsyncExitStack() as stack:
        before = len(asyncio.all_tasks())

        async def attempt(number: int) -> int:
            headers = credentials(f"CP{number}", PASSWORD)
            try:
                websocket = await client.ws_connect(
                    f"{url}/CP{number}", headers=headers
                )
            except aiohttp.WSServerHandshakeError as error:
                return error.status
            stack.push_async_callback(websocket.close)
            return 101

        found = await flood(attempt)
        assert len(central.charge_points) == MAX_NOT_ADOPTED
        assert found == {101: MAX_NOT_ADOPTED - 1, 429: FLOOD - MAX_NOT_ADOPTED + 1}
        # For each: the request, what serves it, and what waits for BootNotification.
        await until(lambda: len(asyncio.all_tasks()) - before <= 4 * MAX_NOT_ADOPTED)
        await stack.aclose()
        await until(lambda: len(central.charge_points) == 1)


async def test_the_same_charge_point(
    back_end: MockConfigEntry, client: aiohttp.ClientSession, url: str
) -> None:
    """The latest of its connections stays; the others are closed."""
    central = back_end.runtime_data.central
    websockets = []

    async def attempt(_: int) -> int:
        headers = credentials("CP", PASSWORD)
        websocket = await client.ws_connect(f"{url}/CP", headers=headers)
        websockets.append(websocket)
        return 101

    async with answered_meanwhile(client, url):
        await flood(attempt)
        closing = [asyncio.create_task(each.receive()) for each in websockets]
        await until(lambda: sum(each.done() for each in closing) == FLOOD - 1)
        await until(lambda: len(central._conversations) == 2)
        for task in closing:
            task.cancel()
        for each in websockets:
            await each.close()
