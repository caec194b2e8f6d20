"""What the simulated charger does otherwise than the document, and its switches."""

import asyncio
from dataclasses import replace
from pathlib import Path
import struct
from typing import Any

import pytest

from custom_components.nexblue_local.modbus.codec import Layout
from custom_components.nexblue_local.modbus.enums import StartStop
from custom_components.nexblue_local.modbus.registers import Clock, Identity, Reading
from simulator import Car, DateFormat, Habits, SimulatedCharger, Simulator, load_profile
from simulator.__main__ import habits_of, parser
from simulator.habits import AS_DOCUMENTED, HABITS
from tests.simulator.test_simulator import Time

OTHERS = Habits(
    limit_step=1.0,
    limit_rounds_up=True,
    shows_offered=True,
    starts_when_unplugged=True,
    date_format=DateFormat.BLANK,
    date_layout=Layout.ABCD,
    clock_unset_for=1.0,
    zeros_for=2.0,
    zeros_every=3.0,
    padding_0xff=True,
    changes_letter_case=True,
    reserved_refused=True,
    max_read=32,
    first_answer_delay=4.0,
    answer_delay=5.0,
    splits_answers=True,
    refuses=0.1,
    busy=0.2,
    repeats=0.3,
    closes_idle_after=6.0,
)


def charger_with(**habits: Any) -> tuple[SimulatedCharger, Time]:
    """Return a charger with habits, and its clock."""
    time = Time()
    return SimulatedCharger(clock=time, habits=Habits(**habits)), time


@pytest.mark.parametrize("name", HABITS)
def test_switches(name: str) -> None:
    """Each habit has a switch, which overrides the profile."""
    value = getattr(OTHERS, name)
    assert value != getattr(AS_DOCUMENTED, name)
    switch = f"--{name.replace('_', '-')}"
    given = [switch] if value is True else [switch, str(value)]
    for profile, habits in (
        ([], AS_DOCUMENTED),
        (["--profile", "strange"], load_profile("strange")),
    ):
        options = parser().parse_args([*profile, *given])
        assert habits_of(options) == replace(habits, **{name: value})


def test_profile_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Any file can be a profile; a key that is no habit is an error."""
    path = tmp_path / "mine.toml"
    path.write_text('limit_step = 1\ndate_format = "yymmdd"\ndate_layout = "CDAB"\n')
    assert load_profile(str(path)) == Habits(
        limit_step=1.0, date_format=DateFormat.YYMMDD, date_layout=Layout.CDAB
    )
    path.write_text("limit_stop = 1\n")
    for name in (str(path), "missing"):
        with pytest.raises(SystemExit):
            parser().parse_args(["--profile", name])
        assert Path(name).name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("date_format", "data"),
    [
        (DateFormat.YYYYMMDD, None),
        (DateFormat.YYMMDD, None),
        (DateFormat.EPOCH, struct.pack("<I", 19_000_101)),
        (DateFormat.BLANK, b"\xff\xff\xff\xff"),
    ],
)
def test_date_formats(date_format: DateFormat, data: bytes | None) -> None:
    """What the date register holds, in the documented byte order."""
    charger, _ = charger_with(date_format=date_format)
    if data is None:
        today = charger.wall_clock().strftime("%Y%m%d")[-len(date_format) :]
        data = struct.pack("<I", int(today))
    words = charger.input_words()
    assert struct.pack(">2H", words[38], words[39]) == data


def test_a_date_in_another_byte_order() -> None:
    """The rest keeps its own."""
    charger, _ = charger_with(date_layout=Layout.ABCD)
    words = charger.input_words()
    today = int(charger.wall_clock().strftime("%Y%m%d"))
    assert Clock.decode(words, Layout.ABCD).date == today
    assert Reading.decode(words, Layout.DCBA).lifetime_energy == 1_234_567


def test_what_takes_its_time_after_power_up() -> None:
    """The clock is not set at first, and measurements are 0 again and again."""
    charger, time = charger_with(clock_unset_for=60, zeros_for=10, zeros_every=100)
    for after, is_set, is_measured in (
        (0, False, False),
        (30, False, True),
        (90, True, True),
        (105, True, False),
        (120, True, True),
    ):
        time.now = 1000.0 + after
        words = charger.input_words()
        assert bool(words[39]) is is_set
        reading = Reading.decode(words, Layout.DCBA)
        assert bool(reading.voltage_l1) is bool(reading.lifetime_energy) is is_measured
        assert reading.app_max_current == 16.0
    charger.power_on()
    assert charger.input_words()[39] == 0


def test_identity() -> None:
    """Padding and letter case of the strings."""
    charger, _ = charger_with(padding_0xff=True, changes_letter_case=True)
    words = charger.input_words()
    assert struct.pack(">8H", *(words[a] for a in range(8))) == b"NexBlue" + 9 * b"\xff"
    assert words[36] == 0x0100
    assert Identity.decode(words, Layout.DCBA).serial_number == "NB10SIM00001"
    charger.power_on()
    words = charger.input_words()
    assert Identity.decode(words, Layout.DCBA).serial_number == "nb10sim00001"


@pytest.mark.parametrize("habit", [False, True])
def test_unplugging_a_stopped_car(habit: bool) -> None:
    """It may end the STOP."""
    charger, _ = charger_with(starts_when_unplugged=habit)
    charger.plug_in(Car())
    charger.write(1006, [0])
    charger.unplug()
    assert charger.settings["start_stop"] is (
        StartStop.START if habit else StartStop.STOP
    )


REQUEST = b"\0\7\0\0\0\6\xc8\4\0\x24\0\1"
ANSWER = b"\0\7\0\0\0\5\xc8\4\2\1\0"
REFUSAL = b"\0\7\0\0\0\3\xc8\x84"


async def answers(habits: Habits, requests: int = 1, every: float = 0.0) -> list[bytes]:
    """Return what is received, one item for each packet."""
    async with Simulator(charger=SimulatedCharger(habits=habits)) as simulator:
        reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
        received: list[bytes] = []

        async def receive() -> None:
            while data := await reader.read(1000):
                received.append(data)

        receiving = asyncio.create_task(receive())
        for _ in range(requests):
            writer.write(REQUEST)
            await asyncio.sleep(every)
        await asyncio.sleep(0.1)
        writer.close()
        receiving.cancel()
        return received


async def test_answers(socket_enabled: None) -> None:
    """Refused, busy, in parts, and again."""
    assert await answers(Habits()) == [ANSWER]
    assert await answers(Habits(refuses=1)) == [REFUSAL + b"\4"]
    assert await answers(Habits(busy=1)) == [REFUSAL + b"\6"]
    parts = await answers(Habits(splits_answers=True))
    assert len(parts) == 3
    assert b"".join(parts) == ANSWER
    repeated = await answers(Habits(repeats=1, splits_answers=True), 4, 0.05)
    assert b"".join(repeated).count(ANSWER) >= 7
    assert b"".join(repeated).replace(ANSWER, b"") == b""


async def test_delays(socket_enabled: None) -> None:
    """The first answer may take longer than the others, or less."""
    loop = asyncio.get_running_loop()
    for habits in (Habits(first_answer_delay=0.2), Habits(answer_delay=0.2)):
        charger = SimulatedCharger(habits=habits)
        async with Simulator(charger=charger) as simulator:
            reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
            for delay in (habits.first_answer_delay, habits.answer_delay):
                started = loop.time()
                writer.write(REQUEST)
                await reader.readexactly(len(ANSWER))
                assert delay <= loop.time() - started < delay + 0.15
            writer.close()


async def test_idle_connections(socket_enabled: None) -> None:
    """They are closed, unless something is requested in time."""
    charger = SimulatedCharger(habits=Habits(closes_idle_after=0.3))
    async with Simulator(charger=charger) as simulator:
        reader, writer = await asyncio.open_connection(simulator.host, simulator.port)
        for _ in range(3):
            await asyncio.sleep(0.2)
            writer.write(REQUEST)
            assert await reader.readexactly(len(ANSWER)) == ANSWER
        assert simulator.is_connected
        async with asyncio.timeout(1):
            assert await reader.read() == b""
        writer.close()
