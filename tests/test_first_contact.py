"""The report of a charger test, on real sockets."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
import re
from typing import Any
from unittest.mock import patch

from homeassistant.components.persistent_notification import (
    _async_get_or_create_notifications,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import first_contact
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.control.limit_trial import LimitTrial, ReadBack
from custom_components.nexblue_local.first_contact import async_test_charger
from custom_components.nexblue_local.first_contact_report import report_sentences
from custom_components.nexblue_local.modbus import probe
from custom_components.nexblue_local.modbus.client import Client
from custom_components.nexblue_local.modbus.codec import FLOAT32, Layout
from custom_components.nexblue_local.modbus.findings import Findings
from simulator import Fault, FaultKind, Habits, SimulatedCharger, Simulator
from tests.commands import intent, is_kept_alive, number, stored, writes
from tests.conftest import SERIAL, entry_data, entry_for
from tests.test_init import poll
from tests.test_services import device_of, key_of

pytestmark = pytest.mark.usefixtures("quick_commands")

NOT_REQUESTED = "The current limit was not stepped, because that was not requested."


@pytest.fixture(autouse=True)
def _no_pause() -> Iterator[None]:
    """Ask for the next block at once."""
    with patch.object(probe, "PAUSE", 0.0):
        yield


async def response_of(
    hass: HomeAssistant, *entries: MockConfigEntry, **data: Any
) -> list[dict[str, Any]]:
    """Return the response of the action."""
    response = await hass.services.async_call(
        DOMAIN,
        "test_charger",
        data,
        target={"device_id": [device_of(hass, entry) for entry in entries]},
        blocking=True,
        return_response=True,
    )
    assert response is not None
    chargers: Any = response["chargers"]
    return list(chargers)


async def report_of(
    hass: HomeAssistant, entry: MockConfigEntry, **data: Any
) -> tuple[str, str]:
    """Return the sentences and the block of one charger."""
    (charger,) = await response_of(hass, entry, **data)
    return "\n".join(charger["report"]), charger["block"]


async def test_a_charger_as_documented(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """It is read in many ways, and nothing is written."""
    simulator.log.clear()
    report, block = await report_of(hass, entry)
    assert writes(simulator) == []
    assert len(simulator.log) < 100
    for sentence in (
        "NexBlue Delta Max, firmware 04.00.19, hardware 1.2, Modbus map version 0x0100",
        "The longest read that it answered has 125 registers.",
        "Of 41 reserved registers, read one by one: 39 hold 0, 2 failed (exception 2).",
        "The byte order of its numbers is DCBA, as documented.",
        "The fallback timeout is 300 s, the fallback limit 6 A.",
        "Its texts are padded with NUL.",
        NOT_REQUESTED,
    ):
        assert sentence in report
    for sentence in ("refuses", "busy", "not answered", "no value", "ended"):
        assert sentence not in report
    assert "current_limit: DCBA 16, CDAB unknown, ABCD 4.60088e-41" in block
    assert "input 139-160" in block
    assert "holding 1000-1007 (8): answered, " in block


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_nothing_personal(
    hass: HomeAssistant, simulator: Simulator, host: str
) -> None:
    """Serial number and address are in neither, wherever the charger has them."""
    simulator.charger.model = f"X {SERIAL}"
    # "NB" where the document reserves registers for identification.
    simulator.overrides |= {52: 0x4E42, 139: 0x1234}
    entry = MockConfigEntry(
        domain=DOMAIN, unique_id=SERIAL, data=entry_data(simulator, host=host)
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    report, block = await report_of(hass, entry)
    assert "X **REDACTED**, firmware" in report
    for text in (report, block):
        for secret in (SERIAL, host, "127.0.0.1", str(simulator.port), "4E42"):
            assert secret not in text
    assert "input 52: not shown" in block
    assert "input 139: 1234" in block


def _fault(**fault: Any) -> Callable[[Simulator], None]:
    return lambda simulator: simulator.faults.append(Fault(**fault))


def _words(address: int, *words: int) -> Callable[[Simulator], None]:
    return lambda simulator: simulator.overrides.update(enumerate(words, address))


def _habits(**habits: Any) -> Callable[[Simulator], None]:
    return lambda simulator: setattr(simulator.charger, "habits", Habits(**habits))


HABITS: dict[str, tuple[Callable[[Simulator], None], str, str]] = {
    "short reads": (
        _habits(max_read=32),
        "It refuses reads of 37 registers and more (exception 3)",
        "input 102-138 (37): exception 3",
    ),
    "reserved registers": (
        _habits(reserved_refused=True),
        "It refuses reads that include reserved registers (exception 2)",
        "holding 1008-1015, holding 1999: exception 2",
    ),
    "halves": (
        _fault(kind=FaultKind.EXCEPTION, code=3, address=102, times=1),
        "It refuses to read half of a 32-bit value (exception 3).",
        "input 102 (1): exception 3",
    ),
    "alarms": (
        _fault(kind=FaultKind.EXCEPTION, code=2, address=400),
        "It refuses input 400-402 (exception 2).",
        "no value: errors (refused)",
    ),
    "busy": (
        _fault(kind=FaultKind.EXCEPTION, code=6, address=139, times=2),
        "It was busy 2 time(s) (exception 6).",
        "busy 2, complete",
    ),
    "silent": (
        _fault(kind=FaultKind.MUTE, address=1999),
        "The read of holding 1999 was not answered (no_answer).",
        "holding 1999: no_answer",
    ),
    "cut": (
        _fault(kind=FaultKind.DROP, address=200),
        "The read of input 200 was not answered (connection_cut).",
        "complete",
    ),
    # The text ends with "x", in the upper byte of its last word.
    "0xFF": (
        _words(12, 0x78FF, 0xFFFF, 0xFFFF, 0xFFFF),
        "Its texts are padded with NUL and 0xFF.",
        "model: 9 of 16 bytes, then 0xFF",
    ),
    "spaces": (
        _words(12, 0x7820, 0x2020, 0x2020, 0x2020),
        "Its texts are padded with NUL and space.",
        "model: 9 of 16 bytes, then space",
    ),
    "more text": (
        _words(12, 0x7800, 0x4142, 0x0000, 0x0000),
        "Other data follows model in its registers.",
        "model: 9 of 16 bytes, then NUL and other data",
    ),
    "full": (
        _words(12, 0x7820, 0x4142, 0x4142, 0x4142),
        "model fills all of its registers.",
        "model: 16 of 16 bytes, then nothing",
    ),
    "no clock": (
        _words(38, 0xFFFF, 0xFFFF),
        "Its date and time could not be understood: date 4294967295",
        "clock offset: unknown s",
    ),
    "impossible": (
        _words(42, 0x7000),
        "These registers have no value: timezone (impossible value).",
        "no value: timezone (impossible value)",
    ),
    "other order": (
        lambda simulator: setattr(simulator.charger, "layout", Layout.ABCD),
        "The byte order of its numbers is ABCD, not as documented.",
        "byte order: ABCD, certain",
    ),
    "two orders": (
        # 20261126, the most significant byte first.
        _words(38, 0x0135, 0x2906),
        "The byte order of its numbers could not be confirmed",
        "byte order: DCBA, not certain",
    ),
    "timeout": (
        lambda simulator: simulator.charger.change("fallback_timeout", 120),
        "The fallback timeout is 120 s",
        "fallback_timeout: DCBA 120",
    ),
}


@pytest.mark.parametrize(("habit", "sentence", "line"), HABITS.values(), ids=HABITS)
async def test_habits(
    hass: HomeAssistant,
    simulator: Simulator,
    habit: Callable[[Simulator], None],
    sentence: str,
    line: str,
) -> None:
    """What is not as documented is said, and does not end the report."""
    habit(simulator)
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    report, block = await report_of(hass, entry)
    assert sentence in report
    assert line in block
    assert NOT_REQUESTED in report
    assert writes(simulator) == []
    simulator.faults.clear()
    await poll(hass, entry)
    assert entry.runtime_data.coordinator.last_update_success


async def test_slow(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The times of the answers are reported, and the time of a test is limited."""
    simulator.faults.append(Fault(kind=FaultKind.SLOW, seconds=0.1, function=4))
    with patch.object(probe, "SECONDS_AT_MOST", 1.0):
        report, block = await report_of(hass, entry)
    times = re.search(r"reads in (\d+) to \d+ ms each, half .* within (\d+)", report)
    assert times is not None
    assert int(times[1]) < 100 <= int(times[2])
    assert "The test ended before all reads were made." in report
    assert "not complete" in block


async def test_silent_on_reserved_registers(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A charger that does not answer is not asked on and on."""
    for address in (139, 140, 141):
        simulator.faults.append(Fault(kind=FaultKind.MUTE, address=address))
    report, block = await report_of(hass, entry)
    assert "The read of input 139 was not answered (no_answer)." in report
    assert "The test ended before all reads were made." in report
    assert "input 141" not in block


async def test_polls_and_commands_go_on(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """They wait for one request of the test at most."""
    simulator.faults.append(Fault(kind=FaultKind.SLOW, seconds=0.02))
    simulator.log.clear()
    test = asyncio.create_task(response_of(hass, entry))
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    await number("current_limit", 12, 1000).give(hass)
    assert not test.done()
    assert simulator.charger.settings["current_limit"] == 12
    (charger,) = await test
    assert "complete" in charger["block"]
    assert entry.runtime_data.coordinator.last_update_success


@pytest.mark.parametrize(
    ("step", "rounds_up", "shows_offered", "sentence"),
    [
        (0.0, False, False, "It takes limits in tenths of an ampere."),
        (0.5, False, False, "It rounds limits down to half amperes."),
        (0.5, True, False, "It rounds limits up to half amperes."),
        (1.0, False, False, "It rounds limits down to whole amperes."),
        (1.0, True, False, "It rounds limits up to whole amperes."),
        (0.0, False, True, "The current limit reads back what it offers"),
    ],
)
async def test_limit(
    hass: HomeAssistant,
    hass_storage: dict[str, Any],
    simulator: Simulator,
    entry: MockConfigEntry,
    step: float,
    rounds_up: bool,
    shows_offered: bool,
    sentence: str,
) -> None:
    """With consent, the limit is stepped down, and everything is as before."""
    await number("current_limit", 16, 1000).give(hass)
    charger = simulator.charger
    charger.habits = Habits(
        limit_step=step, limit_rounds_up=rounds_up, shows_offered=shows_offered
    )
    before = (dict(charger.settings), stored(hass_storage, entry), intent(entry))
    simulator.log.clear()
    assert (await report_of(hass, entry))[0].endswith(NOT_REQUESTED)
    assert writes(simulator) == []
    report, block = await report_of(hass, entry, test_limit=True)
    assert sentence in report
    assert "16 A was written again" in report
    assert "limit test: complete\n  15.7 A written" in block
    written = [
        FLOAT32.decode(request.words, Layout.DCBA)
        for request in simulator.log
        if request.words
    ]
    assert written == [pytest.approx(limit) for limit in (15.7, 15.4, 15.0, 16.0)]
    assert {address for _, address in writes(simulator)} == {1000}
    assert before == (charger.settings, stored(hass_storage, entry), intent(entry))
    assert is_kept_alive(entry)
    await poll(hass, entry)
    assert is_kept_alive(entry)


async def test_limit_without_control(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Nothing is written that would start the fallback timer."""
    simulator.log.clear()
    report, block = await report_of(hass, entry, test_limit=True)
    assert "not stepped, because Home Assistant does not control it" in report
    assert "limit test: not_in_control" in block
    assert writes(simulator) == []
    assert intent(entry) == {}
    assert not is_kept_alive(entry)


async def test_limit_that_is_refused(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """That is reported, and the keep-alive writes the limit again."""
    await number("current_limit", 16, 1000).give(hass)
    simulator.faults.append(
        Fault(kind=FaultKind.EXCEPTION, code=4, function=0x10, times=2)
    )
    simulator.log.clear()
    report, block = await report_of(hass, entry, test_limit=True)
    assert "Stepping the current limit failed: exception code 4." in report
    assert "could not be written again at once" in report
    assert "limit test: ended early, exception code 4" in block
    async with asyncio.timeout(5):
        while len(writes(simulator)) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert writes(simulator) == [(0x10, 1000)] * 3
    assert simulator.charger.settings["current_limit"] == 16


async def test_limit_of_a_charger_that_has_gone(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What was read before is reported."""
    await number("current_limit", 16, 1000).give(hass)

    async def read_last(client: Client) -> Findings:
        findings = await probe.probe(client)
        await simulator.stop()
        return findings

    with patch.object(first_contact, "probe", read_last):
        report, block = await report_of(hass, entry, test_limit=True)
    assert "The longest read that it answered has 125 registers." in report
    assert "The current limit was not stepped: connection_cut." in report
    assert "limit test: connection_cut" in block
    assert intent(entry) == {"current_limit": 16}


async def test_limit_that_a_command_ends(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A command does not wait for the rest, and has the last word."""
    await number("current_limit", 16, 1000).give(hass)
    # The second step reads as the first one, and is waited for.
    simulator.charger.habits = Habits(limit_step=1.0)
    controller = entry.runtime_data.controller.control
    test = asyncio.create_task(response_of(hass, entry, test_limit=True))
    async with asyncio.timeout(5):
        while simulator.charger.settings["current_limit"] == 16:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await number("current_limit", 14, 1000).give(hass)
    (charger,) = await test
    assert "ended early for another command" in "\n".join(charger["report"])
    assert simulator.charger.settings["current_limit"] == 14
    assert controller.state.limits.effective == 14


async def test_a_learned_step(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The step that control has learned is reported."""
    simulator.charger.habits = Habits(limit_step=1.0, limit_rounds_up=True)
    await number("current_limit", 14.3, 1000).give(hass)
    report, block = await report_of(hass, entry)
    assert "learned that it takes limits in steps of 1 A" in report
    assert "learned limit step: 1 A" in block


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ([15.5, 15.5, 15.0], "It rounds limits to the nearest half amperes."),
        ([16.0, 15.0, 15.0], "It rounds limits to the nearest whole amperes."),
        ([16.0, 16.0, 16.0], "Lower current limits did not show."),
        ([15.2, 15.4, 15.1], "How it rounds limits is not clear."),
    ],
)
async def test_other_roundings(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    found: list[float],
    sentence: str,
) -> None:
    """Those that the simulator does not have."""
    steps = tuple(
        ReadBack(written, shown, None)
        for written, shown in zip((15.7, 15.4, 15.0), found, strict=True)
    )
    trial = LimitTrial(limit=16.0, steps=steps, restored=None, failure=None)
    contact = replace(await async_test_charger(hass, entry), trial=trial)
    assert sentence in report_sentences(contact)


async def test_a_charger_that_is_gone(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The error says why, and what to check."""
    await simulator.stop()
    with pytest.raises(HomeAssistantError, match="Could not connect") as raised:
        await response_of(hass, entry)
    assert key_of(raised.value) == "cannot_connect"
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError) as invalid:
        await response_of(hass, entry)
    assert key_of(invalid.value) == "not_loaded"


async def test_several_chargers(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Each has its own report."""
    charger = SimulatedCharger(serial_number="SECOND", model="Edge 2")
    async with Simulator(charger=charger) as second:
        other = entry_for(second)
        other.add_to_hass(hass)
        assert await hass.config_entries.async_setup(other.entry_id)
        reports = await response_of(hass, entry, other)
        assert await hass.config_entries.async_unload(other.entry_id)
    models = [charger["report"][0].split(",")[0] for charger in reports]
    assert models == ["NexBlue Delta Max", "NexBlue Edge 2"]


@pytest.mark.usefixtures("all_entities_on")
async def test_button(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The button writes nothing, and shows the report with the block to copy."""
    await number("current_limit", 16, 1000).give(hass)
    simulator.log.clear()
    press: dict[str, Any] = {
        "entity_id": "button.nexblue_delta_max_test_charger",
    }
    await hass.services.async_call("button", "press", press, blocking=True)
    assert writes(simulator) == []
    (notification,) = _async_get_or_create_notifications(hass).values()
    assert notification["title"] == "Charger test: NexBlue Delta Max"
    message = notification["message"]
    assert "- The longest read that it answered has 125 registers\\." in message
    assert "\n```text\nsoftware: NexBlue Local" in message
    assert SERIAL not in message
    hass.config.language = "de"
    await hass.services.async_call("button", "press", press, blocking=True)
    (notification,) = _async_get_or_create_notifications(hass).values()
    assert notification["title"] == "Test der Ladestation: NexBlue Delta Max"
    assert "Für ein Issue kopieren:\n\n```text" in notification["message"]
    await simulator.stop()
    with pytest.raises(HomeAssistantError, match=r"Could not connect|closes every"):
        await hass.services.async_call("button", "press", press, blocking=True)
