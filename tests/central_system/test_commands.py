"""What a charge point is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
import json
from typing import Any
from unittest.mock import patch

from ocpp.messages import get_validator
from ocpp.v16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from ocpp.v16.enums import (
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    MessageTrigger,
)
import pytest

from custom_components.nexblue_local.central_system import conversation
from custom_components.nexblue_local.central_system.charge_point import ChargePoint
from custom_components.nexblue_local.central_system.commands import (
    ConfigurationValue,
    SchedulePeriod,
)
from custom_components.nexblue_local.central_system.errors import CommandError, ErrorKey
from custom_components.nexblue_local.central_system.tags import Tag, Tags

from .fakes import ID, START, Charger, Home, settled

PROFILE = ChargingProfile(
    charging_profile_id=1,
    stack_level=0,
    charging_profile_purpose=ChargingProfilePurposeType.tx_default_profile,
    charging_profile_kind=ChargingProfileKindType.absolute,
    charging_schedule=ChargingSchedule(
        charging_rate_unit=ChargingRateUnitType.amps,
        charging_schedule_period=[ChargingSchedulePeriod(start_period=0, limit=21.4)],
    ),
)
"""With a limit that is not exact in binary."""

FEATURES = {
    "configurationKey": [
        {
            "key": "SupportedFeatureProfiles",
            "readonly": True,
            "value": "Core, SmartCharging",
        }
    ]
}

SCHEDULE = {
    "status": "Accepted",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}, {"limit": 3}, 5],
    },
}

type Command = Callable[[ChargePoint], Awaitable[object]]


async def outcome(charger: Charger, command: Command, *answers: object) -> Any:
    """Return what a command returns or its error, and the requests that it sent."""
    task = asyncio.ensure_future(command(charger.seen_by_us))
    requests = []
    for answer in answers:
        kind, message_id, action, payload = await charger.receive()
        assert kind == 2
        get_validator(2, action, "1.6").validate(
            json.loads(json.dumps(payload), parse_float=Decimal)
        )
        requests.append((action, payload))
        charger.send(json.dumps([3, message_id, answer]))
    try:
        return await task, requests
    except CommandError as error:
        return error, requests


ACCEPTED = {"status": "Accepted"}


@pytest.mark.parametrize(
    ("command", "answers", "result"),
    [
        (lambda c: c.commands.reset(is_hard=True), [ACCEPTED], None),
        (lambda c: c.commands.unlock_connector(), [{"status": "Unlocked"}], None),
        (
            lambda c: c.commands.change_availability(is_operative=False),
            [{"status": "Scheduled"}],
            False,
        ),
        (
            lambda c: c.commands.get_configuration(),
            [{"configurationKey": [{"key": "A", "readonly": False, "value": 5}, 7]}],
            {"A": ConfigurationValue("5", is_readonly=False)},
        ),
        (
            lambda c: c.commands.change_configuration("A", "5"),
            [{"status": "RebootRequired"}],
            True,
        ),
        (
            lambda c: c.commands.trigger_message(MessageTrigger.meter_values, 1),
            [ACCEPTED],
            None,
        ),
        (lambda c: c.commands.reserve_now(1, "TAG", START), [ACCEPTED], None),
        (lambda c: c.commands.cancel_reservation(1), [ACCEPTED], None),
        (lambda c: c.commands.clear_cache(), [ACCEPTED], None),
        (lambda c: c.commands.get_local_list_version(), [{"listVersion": 3}], 3),
        (lambda c: c.commands.update_firmware("ftp://a/b", START), [{}], None),
        (
            lambda c: c.commands.get_diagnostics("ftp://a/b"),
            [{"fileName": "x.log"}],
            "x.log",
        ),
        (
            lambda c: c.commands.set_charging_profile(PROFILE),
            [FEATURES, ACCEPTED],
            None,
        ),
        (
            lambda c: c.commands.clear_charging_profile(profile=1),
            [FEATURES, ACCEPTED],
            None,
        ),
        (
            lambda c: c.commands.get_composite_schedule(60),
            [FEATURES, SCHEDULE],
            [SchedulePeriod(0, 10, None)],
        ),
    ],
)
async def test_commands(
    charger: Charger, command: Command, answers: list[object], result: object
) -> None:
    """Each is what OCPP 1.6 allows, and its answer is understood."""
    found, _ = await outcome(charger, command, *answers)
    assert found == result


@pytest.mark.parametrize(
    ("command", "answers", "key", "detail"),
    [
        (
            lambda c: c.commands.reset(),
            [{"status": "Rejected"}],
            ErrorKey.REFUSED,
            "Rejected",
        ),
        (
            lambda c: c.commands.unlock_connector(),
            [{"status": "UnlockFailed"}],
            ErrorKey.REFUSED,
            "UnlockFailed",
        ),
        (lambda c: c.commands.reset(), [{}], ErrorKey.INVALID_ANSWER, ""),
        (
            lambda c: c.commands.get_local_list_version(),
            [{"listVersion": "many"}],
            ErrorKey.INVALID_ANSWER,
            "",
        ),
        (
            lambda c: c.commands.set_charging_profile(PROFILE),
            [{"unknownKey": ["SupportedFeatureProfiles"]}],
            ErrorKey.NOT_SUPPORTED,
            "SmartCharging",
        ),
        (
            lambda c: c.start("T" * 21),
            [],
            ErrorKey.INVALID_REQUEST,
            "'TTTTTTTTTTTTTTTTTTTTT' is too long",
        ),
        (lambda c: c.stop(), [], ErrorKey.NO_TRANSACTION, ""),
    ],
)
async def test_errors(
    charger: Charger,
    command: Command,
    answers: list[object],
    key: ErrorKey,
    detail: str,
) -> None:
    """Each has a key to translate and what the charge point said."""
    error, _ = await outcome(charger, command, *answers)
    assert (error.key, error.detail) == (key, detail)
    assert not charger.unread


async def test_start_and_stop(charger: Charger) -> None:
    """The transaction that is open is stopped."""
    _, requests = await outcome(charger, lambda c: c.start(), ACCEPTED)
    number = (await charger.start(idTag="HOMEASSISTANT"))["transactionId"]
    _, requests = await outcome(charger, lambda c: c.stop(), ACCEPTED)
    assert requests == [("RemoteStopTransaction", {"transactionId": number})]


async def test_the_charger_answers_with_an_error(charger: Charger) -> None:
    """A CALLERROR is an error with its code."""
    task = asyncio.create_task(charger.seen_by_us.commands.reset())
    message_id = (await charger.receive())[1]
    charger.send(json.dumps([3, "another", ACCEPTED]))
    charger.send(json.dumps([4, message_id, "NotSupported", "", {}]))
    with pytest.raises(CommandError) as error:
        await task
    assert (error.value.key, error.value.detail) == (ErrorKey.FAILED, "NotSupported")


async def test_not_connected(home: Home, charger: Charger) -> None:
    """A command fails at once, and is not sent later."""
    await charger.socket.close()
    await settled()
    for command in (charger.seen_by_us.start, charger.seen_by_us.commands.reset):
        with pytest.raises(CommandError) as error:
            await command()
        assert error.value.key is ErrorKey.NOT_CONNECTED
    async with Charger(charger.central) as again:
        await settled()
        assert not again.unread
        # Nothing was sent that would open the door.
        answer = await again.call("Authorize", idTag="HOMEASSISTANT")
        assert answer["idTagInfo"]["status"] == "Invalid"


async def test_no_answer(charger: Charger) -> None:
    """A charger that does not answer in time; the late answer is no one's."""
    with (
        patch.object(conversation, "ANSWER_TIMEOUT", 0.05),
        pytest.raises(CommandError) as error,
    ):
        await charger.seen_by_us.commands.reset()
    assert error.value.key is ErrorKey.NO_ANSWER
    message_id = (await charger.receive())[1]
    task = asyncio.create_task(charger.seen_by_us.commands.clear_cache())
    second = (await charger.receive())[1]
    charger.send(json.dumps([3, message_id, {"status": "Rejected"}]))
    charger.send(json.dumps([3, second, ACCEPTED]))
    await task


async def test_one_at_a_time(charger: Charger) -> None:
    """Others wait, but not too many; all fail at once when the connection ends."""
    reset = charger.seen_by_us.commands.reset
    tasks = [asyncio.create_task(reset()) for _ in range(conversation.QUEUE + 3)]
    await settled()
    assert charger.unread == 1
    # The charger's own requests are answered meanwhile.
    await charger.receive()
    assert "currentTime" in await charger.call("Heartbeat")
    loop = asyncio.get_running_loop()
    began = loop.time()
    await charger.socket.close()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert loop.time() - began < 1
    assert [error.key for error in errors if isinstance(error, CommandError)] == [
        ErrorKey.CONNECTION_LOST,
        *[ErrorKey.NOT_CONNECTED] * conversation.QUEUE,
        *[ErrorKey.BUSY] * 2,
    ]
    assert not charger.unread


async def test_local_list(home: Home, charger: Charger) -> None:
    """The tags are sent in parts, each with a version that was not used before."""
    expiry = START + timedelta(days=1)
    tags = [Tag(id=f"TAG{number}", name="", expiry=expiry) for number in range(5)]
    charger.central.tags = Tags([*tags, Tag(id="x" * 21, name="too long")])
    size = {"key": "SendLocalListMaxLength", "readonly": True, "value": "2"}
    version, requests = await outcome(
        charger,
        lambda c: c.send_local_list(),
        {"listVersion": 7},
        {"configurationKey": [size]},
        *[ACCEPTED] * 3,
    )
    assert version == 10
    assert home.disk["charge_points"][ID]["list_version"] == 10
    parts = [payload for action, payload in requests if action == "SendLocalList"]
    assert [(part["listVersion"], part["updateType"]) for part in parts] == [
        (8, "Full"),
        (9, "Differential"),
        (10, "Differential"),
    ]
    sent = [each for part in parts for each in part["localAuthorizationList"]]
    assert [each["idTag"] for each in sent] == [tag.id for tag in tags]
    assert sent[0]["idTagInfo"]["expiryDate"] == "2026-11-27T12:00:00Z"
    # Without tags, the list in the charger is emptied.
    charger.central.tags = Tags()
    version, requests = await outcome(
        charger, lambda c: c.send_local_list(), {"listVersion": 0}, {}, ACCEPTED
    )
    assert version == 11
    assert requests[-1][1]["localAuthorizationList"] == []
