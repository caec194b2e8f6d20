"""Pairs a charge point of ocpp-rpc with a real Home Assistant, and has it charge.

The charge point follows charge_point.js, and this does what the user does meanwhile.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
import contextlib
import json
from pathlib import Path
import socket
import sys
import tempfile

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.ocpp_config import PATH
from scripts.demo_ocpp import CARD, add_back_end, add_card, discovered
from scripts.home_assistant import FLOWS, HomeAssistantProcess, stored_charger
from simulator import SimulatedCharger, Simulator
from tests.central_system.proxy import Proxy

SERIAL = "NB10SIM00001"
TIMEOUT = 60.0
SWITCH = "switch.nexblue_delta_max_allow_charging"


@contextlib.asynccontextmanager
async def charge_point(
    node: str, url: str, password: str
) -> AsyncIterator[asyncio.StreamReader]:
    """Run the charge point, yield what it prints."""
    process = await asyncio.create_subprocess_exec(
        node,
        str(Path(__file__).with_name("charge_point.js")),
        *(url.replace("http", "ws", 1), SERIAL, password, CARD),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()


async def reached(printed: asyncio.StreamReader, step: str) -> str:
    """Wait until the charge point prints a step; return the whole line."""
    async with asyncio.timeout(TIMEOUT):
        line = (await printed.readline()).decode().strip()
    print(line or "it ended", flush=True)
    if not line.startswith(step):
        sys.exit(f"error: {step!r} was expected")
    return line


async def turn(home: HomeAssistantProcess, service: str) -> None:
    """Allow charging or not, as a dashboard does."""
    await home.post(f"/api/services/switch/{service}", {"entity_id": SWITCH})


async def until_connected(home: HomeAssistantProcess) -> None:
    """Wait until the charger has its entities of OCPP."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            states = await home.states(DOMAIN)
            if states.get(f"{SERIAL}_ocpp_connected") == "on":
                return
            await asyncio.sleep(0.3)


async def run(node: str) -> None:
    """Pair, charge, stop, reconnect, and compare with the ledger."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Simulator(charger=SimulatedCharger(serial_number=SERIAL)) as simulator,
            HomeAssistantProcess(
                Path(folder, "config"),
                port,
                storage=stored_charger(simulator.port, SERIAL),
            ) as home,
            Proxy(f"{home.url}{PATH}").listening() as proxy,
        ):
            entry_id, password = await add_back_end(home)
            async with charge_point(node, proxy.url, password) as printed:
                await reached(printed, "refused")
                await reached(printed, "pending")
                flow_id = await discovered(home, SERIAL)
                await home.post(f"{FLOWS}/{flow_id}", {})
                await reached(printed, "accepted")
                await add_card(home, entry_id)
                await reached(printed, "charging")
                await until_connected(home)
                await turn(home, "turn_off")
                await reached(printed, "stopped")
                proxy.cut()
                await reached(printed, "reconnected")
                await until_connected(home)
                await turn(home, "turn_on")
                done = await reached(printed, "done")
            stored = home.folder / ".storage" / f"{DOMAIN}.sessions"
            sessions = json.loads(stored.read_text())["data"]["sessions"]
            found = [(each["transaction_id"], each["energy_wh"]) for each in sessions]
    first, second = map(int, done.split()[1:])
    print(f"the ledger has {found}")
    if found != [(first, 750), (second, 250)]:
        sys.exit("error: the ledger should have 750 and 250 Wh")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.ocpp_rpc", description=__doc__
    )
    parser.add_argument("--node", default="node", help="the program that runs it")
    asyncio.run(run(parser.parse_args().node))


if __name__ == "__main__":
    main()
