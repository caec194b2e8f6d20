"""The pilot's protocol, with garbage on its input."""

import io
import json
import random
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.pilot import Pilot, run

SETTINGS = b'{"pilot": 1, "chargers": [{"id": "a", "supply_phases": 1}]}'


def sunny(t: float, **changes: Any) -> dict[str, Any]:
    """Return a reading with sun and a car."""
    return {
        "t": t,
        "grid_w": -3000.0,
        "grid_at": t,
        "chargers": [
            {
                "id": "a",
                "at": t,
                "status": "charging",
                "power_w": [0, 0, 0],
                "current_a": None,
                "voltage_v": [230, 230, 230],
                "offered_a": 0.0,
                "phase_mode": "one",
            }
        ],
        **changes,
    }


def ask(pilot: Pilot, message: Any) -> dict[str, Any]:
    """Return the answer to a message."""
    line = message if isinstance(message, bytes) else json.dumps(message).encode()
    answer = pilot.answer(line)
    assert answer.endswith(b"\n")
    assert answer.count(b"\n") == 1
    result: dict[str, Any] = json.loads(answer)
    return result


def ready(settings: bytes = SETTINGS) -> Pilot:
    """Return a pilot that has its settings."""
    pilot = Pilot()
    assert ask(pilot, settings) == {"ready": True}
    return pilot


def test_a_day() -> None:
    """Settings are answered, then each reading, and a dump that can be restored."""
    pilot = ready()
    answers = [ask(pilot, sunny(t))["chargers"][0] for t in range(0, 300, 5)]
    assert answers[0] == {
        "id": "a",
        "current_a": 0.0,
        "phase_mode": None,
        "reason": "starting",
        "next_change_at": None,
    }
    assert answers[-1]["current_a"] == 13.0
    told = next(each for each in answers if each["next_change_at"])
    started = next(i for i, each in enumerate(answers) if each["current_a"])
    assert (started - 1) * 5 < told["next_change_at"] <= started * 5
    dumped = ask(pilot, {"t": 300, "dump": True})
    assert dumped["t"] == 300
    again = Pilot()
    assert ask(again, {**json.loads(SETTINGS), "state": dumped["state"]})["ready"]
    assert ask(again, {"t": 0, "dump": True})["state"] == dumped["state"]


def test_set_is_applied_before_deciding() -> None:
    """A change counts for the answer to the very line that brings it."""
    pilot = ready()
    ask(pilot, sunny(0))
    changes = {"mode": "fast", "ceiling_a": {"a": 10, "unknown": 3}}
    assert ask(pilot, sunny(5, set=changes))["chargers"][0]["current_a"] == 10.0


GARBAGE: list[Any] = [
    b"",
    b"\n",
    b"{",
    b"null",
    b"[]",
    b"5",
    b'"x"',
    b"\xff\xfe{}",
    b"[" * 100_000,
    b'{"t": ' + b"[" * 100_000,
    b'{"t": ' + b"9" * 5000 + b"}",
    {},
    {"t": None},
    {"t": "5"},
    {"t": True},
    {"t": -1},
    b'{"t": NaN}',
    b'{"t": 1e400}',
    {"t": 10**30},
    sunny(6, grid_w="no"),
    sunny(6, grid_w=True),
    sunny(6, grid_w=[1]),
    sunny(6, grid_at="x"),
    sunny(6, house_a=[1, 2]),
    sunny(6, house_a=5),
    sunny(6, house_a=[1, 2, "x"]),
    sunny(6, battery_w={}),
    sunny(6, battery_soc=False),
    sunny(6, chargers={}),
    sunny(6, chargers=[1]),
    sunny(6, chargers=[{}]),
    sunny(6, chargers=[{"id": 1}]),
    sunny(6, chargers=[{"id": "a"}, {"id": "a"}]),
    sunny(6, chargers=[{"id": "a", "status": "flying"}]),
    sunny(6, chargers=[{"id": "a", "power_w": [1, 2, 3, 4]}]),
    sunny(6, chargers=[{"id": "a", "phase_mode": "two"}]),
    b'{"t": 6, "chargers": [{"id": "a", "offered_a": Infinity}]}',
    sunny(6, set=[]),
    sunny(6, set={"mode": "sun"}),
    sunny(6, set={"mode": "off", "ceiling_a": {"a": -1}}),
    sunny(6, set={"mode": "off", "ceiling_a": {"a": "x"}}),
    sunny(6, set={"mode": "off", "ceiling_a": [10]}),
    {"t": 6, "dump": 1},
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_changes_nothing(garbage: Any) -> None:
    """A line that is wrong is an error, and as if it had never been."""
    tried, untouched = ready(), ready()
    for t in range(0, 10, 5):
        assert ask(tried, sunny(t)) == ask(untouched, sunny(t))
        assert list(ask(tried, garbage)) == ["error"]
    for t in range(10, 120, 5):
        assert ask(tried, sunny(t)) == ask(untouched, sunny(t))


@pytest.mark.parametrize(
    "changes",
    [
        {"chargers": None},
        {"chargers": []},
        {"chargers": [{"id": "a"}, {"id": "a"}]},
        {"chargers": [{"id": "a", "min_a": 0}]},
        {"chargers": [{"id": "a", "ceiling_a": -1}]},
        {"chargers": [{"id": "a", "supply_phases": 2}]},
        {"chargers": [{"id": "a", "supply_phases": 1.5}]},
        {"chargers": [{"id": "a", "can_switch": 1}]},
        {"chargers": [{"id": "a", "rotation": [1, 2]}]},
        {"chargers": [{"id": "a", "rotation": [1, 2, 2]}]},
        {"chargers": [{"id": "a", "phase_mode": "two"}]},
        {"chargers": [{"id": "a", "switches": [None]}]},
        {"mode": "sun"},
        {"pilot": 2},
        {"export_kept_w": "x"},
        {"start_threshold_w": -1},
        {"fuse": 25},
        {"fuse": {"main_a": True}},
        {"battery": {"car_first_above_soc": 101}},
        {"restarts": "often"},
        {"state": []},
        {"state": {"chargers": {"a": {"mode": "sun"}}}},
    ],
)
def test_settings(changes: dict[str, Any]) -> None:
    """Wrong settings are an error, and the next line can bring right ones."""
    pilot = Pilot()
    assert list(ask(pilot, json.loads(SETTINGS) | changes)) == ["error"]
    assert ask(pilot, SETTINGS) == {"ready": True}


def test_defaults() -> None:
    """Only the chargers are required, null is as good as missing, others are ignored."""
    pilot = ready(b'{"chargers": [{"id": "a", "min_a": null, "x": 1}], "fuse": null}')
    ask(pilot, {"t": 0, "y": [], "grid_w": None})
    assert ask(pilot, {"t": 0})["chargers"][0]["current_a"] == 0.0


def test_a_value_that_is_no_number_is_a_missing_meter() -> None:
    """Some meters say so when they have nothing to say."""
    pilot = ready()
    for t in range(0, 300, 5):
        ask(pilot, sunny(t))
    answer = ask(pilot, sunny(300, grid_w=float("nan")))["chargers"][0]
    assert (answer["current_a"], answer["reason"]) == (6.0, "meter_lost")


def test_random_bytes() -> None:
    """Whatever comes in, one line goes out for each."""
    rng = random.Random(1)  # noqa: S311 (no secret)
    good = [SETTINGS, *(json.dumps(sunny(t)).encode() for t in range(0, 400, 5))]
    lines = []
    for line in good:
        lines.append(line)
        broken = bytearray(line)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.choice(b'0123456789[]{},:"e-.\xff')
        lines.append(bytes(broken))
    out = io.BytesIO()
    run(io.BytesIO(b"\n".join(lines)), out)
    answers = out.getvalue().splitlines()
    assert len(answers) == len(lines)
    assert all(isinstance(json.loads(answer), dict) for answer in answers)


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start Python with arguments that are known here."""
    return subprocess.Popen(  # noqa: S603 (nothing comes from outside)
        [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def test_process() -> None:
    """Each answer is there at once, the same every time, and the end is no error."""
    lines = [SETTINGS, b"\xff", *(json.dumps(sunny(t)).encode() for t in (0, 5, 5))]
    with start("-m", "benchmarks.pilot") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = []
        for line in lines:
            process.stdin.write(line + b"\n")
            process.stdin.flush()
            answers.append(process.stdout.readline())
        process.stdin.close()
        assert process.wait(20) == 0
    pilot = Pilot()
    assert answers == [pilot.answer(line) for line in lines]


def test_without_home_assistant() -> None:
    """The pilot starts without importing Home Assistant."""
    script = "import sys, benchmarks.pilot; sys.exit('homeassistant' in sys.modules)"
    with start("-c", script) as process:
        assert process.wait(20) == 0
