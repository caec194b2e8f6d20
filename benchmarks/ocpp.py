"""Many charge points at one central system: `python -m benchmarks.ocpp`.

The central system runs in a process of its own, with a web server and a disk. The charge
points charge all the time; some of their connections are cut before an answer comes.
"""

from . import standalone  # noqa: F401, I001

import argparse
import asyncio
import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
import json
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
import random
import statistics
import sys
import tempfile
import time
from typing import Any, Final

import aiohttp

from custom_components.nexblue_local.central_system.authentication import Credentials
from custom_components.nexblue_local.central_system.environment import Environment
from custom_components.nexblue_local.central_system.server import (
    SUBPROTOCOL,
    CentralSystem,
)
from custom_components.nexblue_local.central_system.tags import Tags
from custom_components.nexblue_local.ledger.ledger import Ledger

from .ocpp_server import web_server

PASSWORD: Final = "benchmark0123456"  # noqa: S105
MOST_MS: Final = 5.0
"""ms that the answer to a Heartbeat may take at the median."""
CUTS: Final = 0.1
"""Share of the messages of transactions that are cut before their answer."""


def serve(charge_points: int, pipe: Connection) -> None:
    """Run a central system until something comes through the pipe; return its ledger."""
    folder = tempfile.TemporaryDirectory()
    disk = Path(folder.name, "state.json")
    ledger = Ledger()

    def write(data: dict[str, Any]) -> None:
        new = disk.with_suffix(".new")
        new.write_text(json.dumps(data))
        new.replace(disk)

    async def save(data: dict[str, Any]) -> None:
        await asyncio.to_thread(write, data)

    async def record(session: Any) -> None:
        ledger.put(session)

    async def run() -> None:
        central = CentralSystem(
            Environment(
                now=lambda: datetime.now(UTC),
                save=save,
                record=record,
                notify=lambda event: None,
            ),
            credentials=Credentials(password=PASSWORD),
            tags=Tags(allow_unknown=True),
        )
        for number in range(charge_points):
            await central.adopt(f"CP{number}", f"CP{number}")
        async with web_server(central) as url:
            pipe.send(url)
            await asyncio.to_thread(pipe.recv)

    with folder:
        asyncio.run(run())
    pipe.send([(each.transaction_id, each.energy_wh) for each in ledger.sessions()])


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
                await asyncio.sleep(self._random.uniform(0.2, 0.8))
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
                self._url, protocols=(SUBPROTOCOL,), headers={"Authorization": header}
            )
            boot = {"chargePointVendor": "Benchmark", "chargePointModel": "None"}
            await self._call("BootNotification", boot)
        return self._websocket


async def measure(charge_points: int, seconds: float) -> tuple[Figures, int]:
    """Return what was measured, and how many transactions the ledger lacks."""
    figures = Figures()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(charge_points, theirs))
    process.start()
    try:
        url = await asyncio.to_thread(ours.recv)
        until = asyncio.get_running_loop().time() + seconds
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            asyncio.TaskGroup() as group,
        ):
            for number in range(charge_points):
                charge_point = ChargePoint(f"CP{number}", url, figures)
                group.create_task(charge_point.run(session, until))
        ours.send("end")
        ledger = dict(await asyncio.to_thread(ours.recv))
    finally:
        process.join(10)
        process.kill()
    lost = sum(ledger.get(n) != energy for n, energy in figures.energies.items())
    return figures, lost


def main() -> None:
    """Read the options, measure and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ocpp", description=__doc__
    )
    parser.add_argument("--charge-points", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    options = parser.parse_args()
    figures, lost = asyncio.run(measure(options.charge_points, options.seconds))
    milliseconds = [1000 * each for each in figures.answers]
    median = statistics.median(milliseconds)
    twice = len(figures.numbers) - len(set(figures.numbers))
    print(
        f"| {options.charge_points} charge points, {options.seconds:.0f} s | |\n"
        "| --- | ---: |\n"
        f"| answers to Heartbeat | {len(milliseconds)} |\n"
        f"| median, ms | {median:.2f} |\n"
        f"| 99th percentile, ms | {statistics.quantiles(milliseconds, n=100)[98]:.2f} |\n"
        f"| transactions | {len(figures.energies)} |\n"
        f"| connections cut before an answer | {figures.cuts} |\n"
        f"| transactions lost | {lost} |\n"
        f"| numbers given twice | {twice} |\n"
        f"| unasked messages to charge points | {figures.unasked} |"
    )
    sys.exit(median > MOST_MS or bool(lost or twice or figures.unasked))


if __name__ == "__main__":
    main()
