"""The conversation with a charge point, on a socket in memory."""

from datetime import timedelta

import pytest

from custom_components.nexblue_local.central_system.events import (
    Discovered,
    TagPresented,
)
from custom_components.nexblue_local.ledger.session import EndReason

from .fakes import CARD, ID, Charger, Home, shown


@pytest.fixture
def home() -> Home:
    """Return what surrounds the central system."""
    return Home()


async def test_a_session(home: Home) -> None:
    """A card is presented, the car charges, and the ledger has it."""
    central = home.central_system()
    await central.adopt(ID, ID)
    async with Charger(central) as charger:
        assert (await charger.boot())["status"] == "Accepted"
        assert (await charger.call("Authorize", idTag=CARD.lower())) == {
            "idTagInfo": {"status": "Accepted"}
        }
        started = await charger.start(timestamp=shown(home.time), meterStart=1000)
        assert started["idTagInfo"]["status"] == "Accepted"
        home.time += timedelta(hours=1)
        await charger.call(
            "MeterValues",
            connectorId=1,
            transactionId=started["transactionId"],
            meterValue=[
                {
                    "timestamp": shown(home.time),
                    "sampledValue": [
                        {"value": "8.5", "unit": "kWh"},
                        {
                            "value": 7400,
                            "measurand": "Power.Active.Import",
                            "unit": "W",
                        },
                    ],
                }
            ],
        )
        state = charger.seen_by_us.state
        assert state.transaction is not None
        assert state.transaction.energy == 7500
        assert state.meter_values.power == 7400
        stopped = await charger.stop(
            started["transactionId"], 9000, timestamp=shown(home.time), reason="Remote"
        )
        assert stopped == {}
        assert charger.seen_by_us.state.transaction is None
        assert charger.seen_by_us.state.meter_values.power == 0
    [session] = home.ledger.sessions(ID)
    assert session.energy_wh == 8000
    assert session.peak_w == 7400
    assert session.tag == "Blue card"
    assert session.end_reason is EndReason.REMOTE
    assert session.transaction_id == started["transactionId"]
    assert [event.name for event in home.seen(TagPresented)] == ["Blue card"]


async def test_not_adopted(home: Home) -> None:
    """A charge point that nobody accepted gets Pending and nothing else."""
    central = home.central_system()
    async with Charger(central) as charger:
        assert (await charger.boot())["status"] == "Pending"
        assert await charger.start() == "SecurityError"
        assert home.seen(Discovered)[-1].boot.model == "Delta Max"
        await central.adopt(ID, ID)
        kind, _, action, payload = await charger.receive()
        assert (kind, action) == (2, "TriggerMessage")
        assert payload == {"requestedMessage": "BootNotification"}
        assert (await charger.boot())["status"] == "Accepted"
    assert ID in home.disk["charge_points"]
