"""Home Assistant is killed and restarted in sessions: a real process, and -9."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
import json
import os
from pathlib import Path
import re
import signal
from typing import Any

import aiohttp
import pytest

from custom_components.nexblue_local.const import (
    CONF_CHARGE_POINT_ID,
    CONF_OCPP,
    DOMAIN,
)
from custom_components.nexblue_local.ocpp_config import PATH
from scripts.home_assistant import (
    HomeAssistantProcess,
    charger_data,
    stored_entries,
    stored_entry,
)
from tests.central_system.client import Client, NotAnswered
from tests.central_system.proxy import CUT, Proxy, Step, no_harm
from tests.conftest import SERIAL

from .conftest import PASSWORD, ocpp_answers


def at(ago: timedelta = timedelta()) -> str:
    """Return a time as chargers write it."""
    time = datetime.now(UTC) - ago
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def start(meter: int, ago: timedelta = timedelta()) -> dict[str, Any]:
    """Return a StartTransaction."""
    payload = {"connectorId": 1, "idTag": "CARD", "meterStart": meter}
    return payload | {"timestamp": at(ago)}


def values(number: int, meter: int, ago: timedelta = timedelta()) -> dict[str, Any]:
    """Return MeterValues."""
    value = {"timestamp": at(ago), "sampledValue": [{"value": str(meter)}]}
    return {"connectorId": 1, "transactionId": number, "meterValue": [value]}


def stop(number: int, meter: int, ago: timedelta = timedelta()) -> dict[str, Any]:
    """Return a StopTransaction."""
    return {"transactionId": number, "meterStop": meter, "timestamp": at(ago)}


def ledger(folder: Path) -> dict[int, tuple[float, timedelta]]:
    """Return energy in Wh and duration of each stored session by its number."""
    file = folder / ".storage" / f"{DOMAIN}.sessions"
    stored = json.loads(file.read_text())["data"]["sessions"]
    found = {}
    for each in stored:
        begin, end = (datetime.fromisoformat(each[name]) for name in ("start", "end"))
        found[each["transaction_id"]] = (each["energy_wh"], end - begin)
    assert len(found) == len(stored)
    return found


async def repeat(client: Client, action: str, payload: dict[str, Any]) -> Any:
    """Send a message to a Home Assistant that has just started, until it is answered."""
    # The integration is set up a little after the web server.
    answers: list[Any] = []
    async with aiohttp.ClientSession() as session:
        while not answers:
            async with session.get(client.address) as response:
                if response.status != 404:
                    answers.append(await client.deliver(action, payload))
    return answers[0]


@pytest.mark.timeout(300)
async def test_killed_and_restarted(
    socket_enabled: None, tmp_path: Path, unused_tcp_port_factory: Any
) -> None:
    """Each session is in the ledger once and to the Wh, and no number is given twice."""
    folder, port = tmp_path / "config", unused_tcp_port_factory()
    # Nothing answers over Modbus: the energies are those of OCPP.
    data = charger_data(unused_tcp_port_factory()) | {CONF_CHARGE_POINT_ID: SERIAL}
    back_end = {CONF_OCPP: ocpp_answers(allow_unknown_tags=True)}
    storage = stored_entries(
        stored_entry("OCPP", "ocpp", back_end), stored_entry("Charger", SERIAL, data)
    )

    def restarted() -> HomeAssistantProcess:
        return HomeAssistantProcess(folder, port, fresh=False)

    answers: list[bytes] = []
    async with (
        Proxy(f"http://127.0.0.1:{port}{PATH}").listening() as proxy,
        aiohttp.ClientSession() as session,
    ):
        client = Client(session, proxy.url, SERIAL, PASSWORD)
        async with HomeAssistantProcess(folder, port, storage=storage) as home:
            await repeat(client, "Heartbeat", {})

            def kill(to_central: bool, received: bytes) -> Iterable[Step]:
                if to_central:
                    return (received,)
                answers.append(received)
                os.kill(home.pid, signal.SIGKILL)
                return (CUT,)

            proxy.harm = kill
            first = start(1000)
            with pytest.raises(NotAnswered):
                await client.call("StartTransaction", first)
            proxy.harm = no_harm
        [answer] = answers
        number = int(re.findall(rb'"transactionId": ?(\d+)', answer)[0])

        async with restarted() as home:
            assert (await repeat(client, "StartTransaction", first))[
                "transactionId"
            ] == number
            await client.call("MeterValues", values(number, 1200))
            os.kill(home.pid, signal.SIGKILL)

        async with restarted():
            await repeat(client, "MeterValues", values(number, 1300))
            await client.call("StopTransaction", stop(number, 1450))
            assert ledger(folder)[number][0] == 450
            second = (await client.call("StartTransaction", start(1450)))[
                "transactionId"
            ]
            await client.call("MeterValues", values(second, 1500))
        # That was in an orderly way.

        async with restarted():
            await repeat(client, "StopTransaction", stop(second, 1950))
            assert ledger(folder)[second][0] == 500

            # An hour without the network: ten messages wait.
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
            await client.call("StatusNotification", status | {"timestamp": at()})
            hour, minute = timedelta(hours=1), timedelta(minutes=1)
            await client.connect()
            late = await client.call("StartTransaction", start(1950, hour))
            third = late["transactionId"]
            assert number < second < third
            for count in range(7):
                await client.call(
                    "MeterValues",
                    values(third, 2000 + 100 * count, hour - 5 * (count + 1) * minute),
                )
            await client.call(
                "StatusNotification",
                status | {"status": "Finishing", "timestamp": at(21 * minute)},
            )
            await client.call("StopTransaction", stop(third, 2750, 20 * minute))
            # With its own times.
            energy, lasted = ledger(folder)[third]
            assert (energy, round(lasted / minute)) == (800, 40)
            assert set(ledger(folder)) == {number, second, third}
            assert not client.requests
        client.hang_up()
