"""The conversation with a charge point, on a socket in memory."""

import asyncio
from datetime import timedelta
import json
import logging
from unittest.mock import patch

import pytest

from custom_components.nexblue_local.central_system import (
    charge_point,
    conversation,
    server,
)
from custom_components.nexblue_local.central_system.errors import CommandError, ErrorKey
from custom_components.nexblue_local.central_system.events import (
    Discovered,
    TagPresented,
    TransactionStarted,
)
from custom_components.nexblue_local.central_system.messages import MAX_MESSAGE
from custom_components.nexblue_local.central_system.server import CentralSystem
from custom_components.nexblue_local.central_system.tolerance import ErrorCode, Status
from custom_components.nexblue_local.ledger.session import EndReason
from tests.waiting import until

from .fakes import CARD, ID, Charger, Home, settled, shown


async def test_a_session(home: Home, charger: Charger) -> None:
    """A card is presented, the car charges, and the ledger has it."""
    accepted = {"idTagInfo": {"status": "Accepted"}}
    assert await charger.call("Authorize", idTag=CARD.lower()) == accepted
    started = await charger.start(timestamp=shown(home.time), meterStart=1000)
    number = started.pop("transactionId")
    assert started == accepted
    home.time += timedelta(hours=1)
    samples = [
        {"value": "8.5", "unit": "kWh"},
        {"value": 7400, "measurand": "Power.Active.Import", "unit": "W"},
    ]
    values = {"timestamp": shown(home.time), "sampledValue": samples}
    assert await charger.call("MeterValues", connectorId=1, meterValue=[values]) == {}
    state = charger.seen_by_us.state
    assert state.transaction is not None
    assert state.transaction.number == number
    assert state.transaction.energy == 7500
    assert state.meter_values.power == 7400
    end = {"timestamp": shown(home.time), "reason": "EVDisconnected"}
    assert await charger.stop(number, 9000, **end) == {}
    assert charger.seen_by_us.state.transaction is None
    assert charger.seen_by_us.state.meter_values.power == 0
    [session] = home.ledger.sessions(ID)
    assert (session.energy_wh, session.peak_w) == (8000, 7400)
    assert session.tag == "Blue card"
    assert session.end_reason is EndReason.UNPLUGGED
    assert session.transaction_id == number
    assert session.end == home.time
    assert not session.is_reconstructed
    assert [event.name for event in home.seen(TagPresented)] == ["Blue card"]


async def test_not_adopted(home: Home) -> None:
    """A charge point that nobody accepted gets Pending and nothing else."""
    central = home.central_system()
    async with Charger(central) as charger:
        assert (await charger.boot())["status"] == "Pending"
        assert await charger.start() == "SecurityError"
        with pytest.raises(CommandError) as error:
            await charger.seen_by_us.commands.reset()
        assert error.value.key is ErrorKey.NOT_ADOPTED
        assert home.seen(Discovered)[-1].boot.model == "Delta Max"
        assert not charger.unread
        await central.adopt("OTHER", "OTHER")
        assert set(home.disk["charge_points"]) == {"OTHER"}
        await central.adopt(ID, "SERIAL")
        assert (await charger.receive())[2:] == [
            "TriggerMessage",
            {"requestedMessage": "BootNotification"},
        ]
        assert (await charger.boot())["status"] == "Accepted"
    assert home.disk["charge_points"][ID]["charger_id"] == "SERIAL"
    await central.forget(ID)
    assert set(home.disk["charge_points"]) == {"OTHER"}
    async with Charger(central) as charger:
        assert (await charger.boot())["status"] == "Pending"
    assert ID not in central.charge_points


async def test_nothing_is_written_on_connect(home: Home, charger: Charger) -> None:
    """What nobody asked for is not sent."""
    with patch.object(charge_point, "BOOT_PATIENCE", 0):
        await charger.call("StatusNotification", connectorId=1, status="Available")
        number = (await charger.start())["transactionId"]
        await charger.stop(number, 1)
        async with Charger(charger.central) as again:
            await settled()
            assert not again.unread
    assert not charger.unread


async def test_it_is_asked_who_it_is(home: Home, central: CentralSystem) -> None:
    """A charge point that kept its state in our restart sends no BootNotification.

    Its status, which it does not send either, may stay the same for days.
    """
    with patch.object(charge_point, "BOOT_PATIENCE", 0):
        async with Charger(central) as charger:
            for message in ("BootNotification", "StatusNotification"):
                _, message_id, action, payload = await charger.receive()
                assert action == "TriggerMessage"
                assert payload["requestedMessage"] == message
                charger.answer(message_id, status="Accepted")
            await settled()
            assert not charger.unread
        async with Charger(central) as charger:
            await settled()
            assert not charger.unread


async def test_it_is_asked_for_a_status_that_it_does_not_send(
    home: Home, central: CentralSystem
) -> None:
    """Also if it says who it is."""
    with patch.object(charge_point, "BOOT_PATIENCE", 0.1):
        async with Charger(central) as charger:
            assert (await charger.boot())["status"] == "Accepted"
            _, message_id, action, payload = await charger.receive()
            assert (action, payload["requestedMessage"]) == (
                "TriggerMessage",
                "StatusNotification",
            )
            charger.answer(message_id, status="Accepted")
            await asyncio.sleep(0.3)
            assert not charger.unread


async def test_what_a_charge_point_says_of_itself(home: Home, charger: Charger) -> None:
    """It is known after a restart of Home Assistant, too."""
    await charger.central.close()
    state = home.central_system().charge_points[ID].state
    assert state.boot is not None
    assert (state.boot.vendor, state.boot.model) == ("NexBlue", "Delta Max")
    assert not state.is_connected


async def test_status(home: Home, central: CentralSystem) -> None:
    """States and codes outside of OCPP 1.6, also before the BootNotification."""
    async with Charger(central) as charger:

        async def notify(**payload: object) -> None:
            assert await charger.call("StatusNotification", **payload) == {}

        await notify(connectorId=1, status="DiodeError", errorCode="NoError")
        state = charger.seen_by_us.state
        assert (state.status, state.error) == (
            Status.DIODE_ERROR,
            ErrorCode.DIODE_ERROR,
        )
        await notify(connectorId=1, status="Faulted", errorCode="SDCardFailure")
        state = charger.seen_by_us.state
        assert (state.status, state.error) == (Status.FAULTED, ErrorCode.OTHER_ERROR)
        assert state.vendor_error == "SDCardFailure"
        assert state.is_operative
        await notify(connectorId=1, status="Occupied", errorCode="NoError")
        state = charger.seen_by_us.state
        assert (state.status, state.reported_status) == (Status.OTHER, "Occupied")
        await notify(connectorId=0, status="Unavailable", errorCode="WeakSignal")
        state = charger.seen_by_us.state
        assert (state.status, state.error) == (Status.OTHER, ErrorCode.WEAK_SIGNAL)
        assert state.is_operative is False
        # Others than the first connector are not shown.
        await notify(connectorId=2, status="Charging", errorCode="NoError")
        assert charger.seen_by_us.state.status is Status.OTHER


async def test_requests_that_are_not_known(charger: Charger) -> None:
    """They are answered so that the charge point does not wait."""
    assert await charger.call("FlyToTheMoon") == "NotImplemented"
    assert await charger.call("DataTransfer", vendorId="X") == {
        "status": "UnknownVendorId"
    }
    for action in ("FirmwareStatusNotification", "DiagnosticsStatusNotification"):
        assert await charger.call(action, status="Idle") == {}
    assert charger.seen_by_us.state.firmware_status == "Idle"
    assert charger.seen_by_us.state.diagnostics_status == "Idle"


async def test_bad_messages(charger: Charger, caplog: pytest.LogCaptureFixture) -> None:
    """They are counted, told once, and close the connection after ten in a row."""
    caplog.set_level(logging.WARNING)
    charger.send(f'[2,"x","Authorize",{{"idTag":"SECRET","a":"{"b" * 1000}"}}')
    charger.send('[2,"y",5,{}]')
    kind, message_id, code, *_ = await charger.receive()
    assert (kind, message_id, code) == (4, "y", "FormationViolation")
    for _ in range(7):
        charger.send("garbage")
    assert "currentTime" in await charger.call("Heartbeat")
    for _ in range(9):
        charger.send("garbage")
    assert "currentTime" in await charger.call("Heartbeat")
    assert charger.seen_by_us.state.bad_messages == 18
    for _ in range(10):
        charger.send("garbage")
    await settled()
    assert charger.socket.is_closed
    assert not charger.seen_by_us.state.is_connected
    [line] = [
        each.getMessage() for each in caplog.records if each.name.startswith("cus")
    ]
    assert "SECRET" not in line
    assert len(line) < 300


async def test_a_message_that_is_too_long(charger: Charger) -> None:
    """It closes the connection."""
    charger.send(json.dumps([2, "1", "Heartbeat", {"x": "y" * MAX_MESSAGE}]))
    await settled()
    assert charger.socket.is_closed


async def test_a_flood_is_read_slowly(charger: Charger) -> None:
    """Messages wait on the connection, and none is dropped."""
    loop = asyncio.get_running_loop()
    with patch.object(conversation, "RATE", 50.0):
        count = conversation.BURST + 10
        began = loop.time()
        ids = [charger.request("Heartbeat") for _ in range(count)]
        assert [(await charger.receive())[1] for _ in range(count)] == ids
        assert loop.time() - began > 9 / 50


async def test_a_pause_allows_no_larger_burst() -> None:
    """However long nothing came, so many messages are read at once."""
    now = 0.0
    bucket = conversation.TokenBucket(lambda: now)
    now = 1e6
    for _ in range(conversation.BURST):
        await bucket.take()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await bucket.take()


async def test_a_charge_point_that_takes_no_data(charger: Charger) -> None:
    """Its connection is closed."""
    never = asyncio.Event()
    with (
        patch.object(charger.socket, "send", lambda _: never.wait()),
        patch.object(conversation, "SEND_TIMEOUT", 0.05),
    ):
        charger.request("Heartbeat")
        await until(lambda: not charger.seen_by_us.state.is_connected)
    assert charger.socket.is_closed


async def test_a_connection_that_does_not_close(charger: Charger) -> None:
    """The next one is served all the same, and the old one is given up."""
    never = asyncio.Event()
    with (
        patch.object(charger.socket, "close", never.wait),
        patch.object(conversation, "CLOSE_TIMEOUT", 1.0),
    ):
        async with asyncio.timeout(5), Charger(charger.central) as newer:
            async with asyncio.timeout(0.8):
                assert "currentTime" in await newer.call("Heartbeat")


async def test_close_does_not_wait_forever(charger: Charger) -> None:
    """A conversation that does not end is given up."""
    never = asyncio.Event()
    with (
        patch.object(charger.socket, "send", lambda _: never.wait()),
        patch.object(server, "CLOSE_TIMEOUT", 0.05),
    ):
        charger.request("Heartbeat")
        await settled()
        async with asyncio.timeout(5):
            await charger.central.close()
        assert not charger.central._conversations


async def test_a_new_connection_replaces_the_old_one(charger: Charger) -> None:
    """There is one connection for each charge point."""
    async with Charger(charger.central) as newer:
        assert charger.socket.is_closed
        assert charger.seen_by_us.state.is_connected
        assert "currentTime" in await newer.call("Heartbeat")
    assert not charger.seen_by_us.state.is_connected


async def test_an_internal_error(
    home: Home, charger: Charger, caplog: pytest.LogCaptureFixture
) -> None:
    """What could not be stored is not confirmed; the same number is confirmed later."""
    home.can_save = False
    boot = {"chargePointVendor": "N", "chargePointModel": "D"}
    assert (await charger.call("BootNotification", **boot))["status"] == "Accepted"
    start = {"timestamp": shown(home.time), "meterStart": 5}
    assert await charger.start(**start) == "InternalError"
    assert not home.seen(TransactionStarted)
    home.can_save = True
    number = (await charger.start(**start))["transactionId"]
    assert home.disk["transaction_number"] == number
    assert len(home.seen(TransactionStarted)) == 1
    assert "disk full" in caplog.text


@pytest.mark.parametrize(("minutes", "times"), [(4, 1), (6, 2)])
async def test_presented_once(
    home: Home, charger: Charger, minutes: int, times: int
) -> None:
    """A card that is authorized and starts soon after was presented once."""
    await charger.call("Authorize", idTag=CARD)
    home.time += timedelta(minutes=minutes)
    await charger.start(idTag=CARD.lower())
    assert len(home.seen(TagPresented)) == times


async def test_one_write_for_several(home: Home, central: CentralSystem) -> None:
    """What changes while something is written is written together."""
    home.may_write.clear()
    saves = home.saves
    tasks = [asyncio.create_task(central.adopt(f"CP{n}", f"CP{n}")) for n in range(5)]
    await settled()
    home.may_write.set()
    await asyncio.gather(*tasks)
    assert home.saves == saves + 2
    assert len(home.disk["charge_points"]) == 6


async def test_its_end_does_not_wait_for_the_request(
    home: Home, central: CentralSystem
) -> None:
    """A web server cancels the request when its client goes; the message is kept."""
    charger = Charger(central)
    async with charger:
        await charger.boot()
        home.may_write.clear()
        charger.request("StartTransaction", connectorId=1, idTag=CARD, meterStart=0)
        await settled()
        charger._task.cancel()
        await charger.socket.close()
        with pytest.raises(asyncio.CancelledError):
            await charger._task
        home.may_write.set()
        await settled()
        assert home.disk["charge_points"][ID]["transactions"]["open"]
        charger._task = asyncio.create_task(asyncio.sleep(0))
