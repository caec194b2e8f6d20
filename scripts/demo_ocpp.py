"""The second link of the demo's charger: scripts/demo --ocpp."""

import asyncio
from collections.abc import AsyncIterator, Callable
import contextlib
from typing import Any, Final

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.ocpp_config import PATH
from simulator import SimulatedCharger
from simulator.charge_point import ChargePoint

from .home_assistant import FLOWS, HOST, HomeAssistantProcess, StartFailed

CARD: Final = "04A1B2C3D4"
TIMEOUT: Final = 30.0  # s

SUBENTRY_FLOWS: Final = "/api/config/config_entries/subentries/flow"


async def add_back_end(home: HomeAssistantProcess) -> tuple[str, str]:
    """Set OCPP up as a user does; return the ID of its entry, and the password."""
    menu = await home.post(FLOWS, {"handler": DOMAIN})
    path = f"{FLOWS}/{menu['flow_id']}"
    form = await home.post(path, {"next_step_id": "ocpp"})
    answers = {
        field["name"]: field["description"]["suggested_value"]
        for field in form["data_schema"]
    }
    await home.post(path, answers)
    done = await home.post(path, {})
    return done["result"]["entry_id"], answers["password"]


async def discovered(home: HomeAssistantProcess, charge_point: str) -> str:
    """Return the ID of the flow that offers a charge point."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            for flow in await home.call("config_entries/flow/progress"):
                context = flow["context"]
                if (
                    context["source"] == "integration_discovery"
                    and context["title_placeholders"]["host"] == charge_point
                ):
                    flow_id: str = flow["flow_id"]
                    return flow_id
            await asyncio.sleep(0.3)


async def add_card(home: HomeAssistantProcess, entry_id: str) -> None:
    """Add a card as a user does."""
    flow = await home.post(SUBENTRY_FLOWS, {"handler": [entry_id, "tag"]})
    card: dict[str, Any] = {"name": "Blue card", "tag_id": CARD, "blocked": False}
    await home.post(f"{SUBENTRY_FLOWS}/{flow['flow_id']}", card)


@contextlib.asynccontextmanager
async def connected_by_ocpp(
    home: HomeAssistantProcess,
    charger: SimulatedCharger,
    port: int,
    say: Callable[[str], None],
) -> AsyncIterator[ChargePoint]:
    """Have the charger connect to Home Assistant by OCPP as well."""
    say("Setting up OCPP, and connecting the charger to it")
    entry_id, password = await add_back_end(home)
    async with ChargePoint(
        charger=charger, url=f"http://{HOST}:{port}{PATH}", password=password
    ) as charge_point:
        try:
            flow_id = await discovered(home, charge_point.id)
            say("Confirming that it is the charger that is set up")
            await home.post(f"{FLOWS}/{flow_id}", {})
            await add_card(home, entry_id)
            async with asyncio.timeout(TIMEOUT):
                while True:
                    # The charger is loaded again, with more entities.
                    states = await home.states(DOMAIN)
                    if states.get(f"{charger.serial_number}_ocpp_connected") == "on":
                        break
                    await asyncio.sleep(0.3)
        except TimeoutError as error:
            raise StartFailed("the charger did not connect by OCPP") from error
        yield charge_point


async def present_card(charge_point: ChargePoint, say: Callable[[str], None]) -> None:
    """Present the card that was added, which starts a session."""
    say("Presenting the Blue card: with OCPP, the car charges only after that")
    await charge_point.present(CARD)
