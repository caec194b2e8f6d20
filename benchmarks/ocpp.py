"""Many charge points at one Home Assistant: `python -m benchmarks.ocpp`.

One Home Assistant process is the OCPP back end of the charge points, which charge all the
time; some of their connections are cut before an answer comes. It is started twice: the
second time the same chargers, which another process simulates, are polled over Modbus as
well.
"""

import argparse
import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
import json
import random
import statistics
import sys
import time
from typing import Any, Final

import aiohttp

from scripts.home_assistant import (
    HOST,
    ROOT,
    HomeAssistantProcess,
    charger_data,
    stored_entries,
    stored_entry,
)

from .chargers import simulated

DOMAIN: Final = "nexblue_local"
FOLDER: Final = ROOT / ".benchmark" / "ocpp"
PORT: Final = 18128
START_TIMEOUT: Final = 120.0
SETTLE: Final = 10.0
"""Seconds after the start before measuring begins."""
PASSWORD: Final = "benchmark0123456"  # noqa: S105
MOST_MS: Final = 5.0
"""ms that the answer to a Heartbeat may take at the median."""
CUTS: Final = 0.1
"""Share of the messages of transactions that are cut before their answer."""

BACK_END: Final = {
    "ocpp": {
        "password": PASSWORD,
        "port": 0,
        "allow_without_password": False,
        "allow_unknown_tags": True,
        "start_automatically": False,
    }
}


@dataclass
class Figures:
    """What was measured."""

    answers: list[float] = field(default_factory=list)
    """s until a Heartbeat was answered"""
    numbers: list[int] = field(default_factory=list)
    energies: dict[int, float] = field(default_factory=dict)
    """Wh of each transaction that ended"""
    cuts: int = 0
    unasked: int = 0
    cpu: float = 0.0
    """CPU seconds a minute of Home Assistant"""
    found: list[int] = field(default_factory=list)
    """Numbers of the sessions in the ledger"""
    exact: int = 0
    """Sessions in the ledger with the energy that the charge point counted"""

    @property
    def median(self) -> float:
        """Return the median of the answers in ms."""
        return 1000 * statistics.median(self.answers)

    @property
    def lost(self) -> int:
        """Return how many transactions are not in the ledger exactly once."""
        return sum(self.found.count(number) != 1 for number in self.energies)

    @property
    def twice(self) -> int:
        """Return how many numbers were given to two transactions."""
        return len(self.numbers) - len(set(self.numbers))

    @property
    def has_failed(self) -> bool:
        """Return whether something is not as promised."""
        return self.median > MOST_MS or bool(self.lost or self.twice or self.unasked)


class ChargePoint:
    """A charge point that charges all the time."""

    def __init__(self, name: str, url: str, figures: Figures) -> None:
        """Initialize without a connection."""
        self._name = name
        self._url = f"{url}/{name}"
        self._figures = figures
        self._count = 0
        self._websocket: aiohttp.ClientWebSocketResponse | None = None
        self._random = random.Random(name)

    async def run(self, session: aiohttp.ClientSession, until: float) -> None:
        """Charge until a time of the event loop."""
        self._session = session
        await asyncio.sleep(self._random.uniform(0, 1))
        meter = 0
        while asyncio.get_running_loop().time() < until:
            await self._call("Heartbeat", {})
            started = await self._call(
                "StartTransaction",
                {
                    "connectorId": 1,
                    "idTag": "CARD",
                    "meterStart": meter,
                    "timestamp": datetime.now(UTC).isoformat(),
                },
            )
            number = started["transactionId"]
            self._figures.numbers.append(number)
            energy = 0
            for _ in range(3):
                await asyncio.sleep(self._random.uniform(1, 5))
                await self._heartbeat()
                energy += 10
                values = {"timestamp": datetime.now(UTC).isoformat()}
                await self._call(
                    "MeterValues",
                    {
                        "connectorId": 1,
                        "transactionId": number,
                        "meterValue": [
                            values | {"sampledValue": [{"value": str(meter + energy)}]}
                        ],
                    },
                )
            meter += energy
            await self._call(
                "StopTransaction",
                {
                    "transactionId": number,
                    "meterStop": meter,
                    "timestamp": datetime.now(UTC).isoformat(),
                },
            )
            self._figures.energies[number] = energy
        if self._websocket is not None:
            await self._websocket.close()

    async def _heartbeat(self) -> None:
        await self._connect()
        began = time.perf_counter()
        await self._call("Heartbeat", {})
        self._figures.answers.append(time.perf_counter() - began)

    async def _call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Send a message until it is answered."""
        while True:
            websocket = await self._connect()
            self._count += 1
            message_id = str(self._count)
            await websocket.send_str(json.dumps([2, message_id, action, payload]))
            if "Transaction" in action and self._random.random() < CUTS:
                self._figures.cuts += 1
                await asyncio.sleep(self._random.choice((0, 0.05)))
                # Without a closing handshake, as a network that fails.
                websocket._response.close()  # noqa: SLF001
                self._websocket = None
                continue
            while True:
                kind, answered, *rest = json.loads((await websocket.receive()).data)
                if kind == 2:
                    self._figures.unasked += 1
                elif answered == message_id:
                    if kind != 3:
                        raise RuntimeError(f"{action}: {rest}")
                    answer: dict[str, Any] = rest[0]
                    return answer

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        if self._websocket is None:
            credentials = f"{self._name}:{PASSWORD}".encode()
            header = "Basic " + base64.b64encode(credentials).decode()
            self._websocket = await self._session.ws_connect(
                self._url, protocols=("ocpp1.6",), headers={"Authorization": header}
            )
            boot = {"chargePointVendor": "Benchmark", "chargePointModel": "None"}
            await self._call("BootNotification", boot)
        return self._websocket


def entries(addresses: Sequence[tuple[str, int]]) -> Sequence[Mapping[str, Any]]:
    """Return the entries of the back end, and of the chargers by serial number and port.

    Those without a port are off: their charge points are served all the same.
    """
    chargers = [
        stored_entry(serial, serial, charger_data(port) | {"charge_point_id": serial})
        | {"disabled_by": None if port else "user"}
        for serial, port in addresses
    ]
    return [stored_entry("OCPP", "ocpp", BACK_END), *chargers]


async def until_set_up(home: HomeAssistantProcess) -> None:
    """Wait until everything that is not off is set up."""
    async with asyncio.timeout(START_TIMEOUT):
        while True:
            found = await home.call("config_entries/get", domain=DOMAIN)
            if all(each["disabled_by"] or each["state"] == "loaded" for each in found):
                return
            await asyncio.sleep(0.5)


def ledger() -> list[dict[str, Any]]:
    """Return the sessions that Home Assistant stored."""
    stored = json.loads((FOLDER / ".storage" / f"{DOMAIN}.sessions").read_text())
    found: list[dict[str, Any]] = stored["data"]["sessions"]
    return found


async def measure(addresses: Sequence[tuple[str, int]], seconds: float) -> Figures:
    """Return what was measured with the chargers of these serial numbers and ports."""
    figures = Figures()
    home = HomeAssistantProcess(
        FOLDER, PORT, storage=stored_entries(*entries(addresses))
    )
    async with home:
        await until_set_up(home)
        await asyncio.sleep(SETTLE)
        loop = asyncio.get_running_loop()
        cpu, began_at = home.cpu_seconds(), loop.time()
        url = f"http://{HOST}:{PORT}/api/{DOMAIN}/ocpp"
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            for serial, _ in addresses:
                charge_point = ChargePoint(serial, url, figures)
                group.create_task(charge_point.run(session, began_at + seconds))
        figures.cpu = 60 * (home.cpu_seconds() - cpu) / (loop.time() - began_at)
    for stored in ledger():
        if (number := stored.get("transaction_id")) is not None:
            figures.found.append(number)
            if figures.energies.get(number) == stored["energy_wh"]:
                figures.exact += 1
    return figures


def rows(figures: Figures) -> Mapping[str, str]:
    """Return the rows of the table."""
    milliseconds = [1000 * each for each in figures.answers]
    return {
        "answers to Heartbeat": f"{len(milliseconds)}",
        "median, ms": f"{figures.median:.2f}",
        "99th percentile, ms": f"{statistics.quantiles(milliseconds, n=100)[98]:.2f}",
        "CPU seconds a minute": f"{figures.cpu:.1f}",
        "transactions": f"{len(figures.energies)}",
        "connections cut before an answer": f"{figures.cuts}",
        "transactions lost": f"{figures.lost}",
        "numbers given twice": f"{figures.twice}",
        "energies to the Wh as the charge point counted": f"{figures.exact}",
        "unasked messages to charge points": f"{figures.unasked}",
    }


async def main_async(charge_points: int, seconds: float) -> dict[str, Figures]:
    """Measure with and without Modbus."""
    off = [(f"NB10SIM{number:05}", 0) for number in range(charge_points)]
    found = {"OCPP alone": await measure(off, seconds)}
    with simulated(charge_points) as chargers:
        found["beside Modbus"] = await measure(chargers.addresses, seconds)
    return found


def main() -> None:
    """Read the options, measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ocpp", description=__doc__
    )
    parser.add_argument("--charge-points", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, twice")
    options = parser.parse_args()
    found = asyncio.run(main_async(options.charge_points, options.seconds))
    shown = [rows(each) for each in found.values()]
    title = f"{options.charge_points} charge points, {options.seconds:.0f} s"
    print(f"| {title} | {' | '.join(found)} |")
    print("| --- | ---: | ---: |")
    for label in shown[0]:
        print(f"| {label} | {' | '.join(each[label] for each in shown)} |")
    sys.exit(any(each.has_failed for each in found.values()))


if __name__ == "__main__":
    main()
