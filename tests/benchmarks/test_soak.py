"""The soak finds what it looks for, and a short one finds nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.judge import Judge
from benchmarks.soak import report, soak
from custom_components.nexblue_local.modbus.registers import Settings
from simulator import Habits, Request, SimulatedCharger, load_profile


class Bench:
    """A charger that is written to, and its judge."""

    def __init__(self, *, has_site: bool = False) -> None:
        """Initialize a charger that rounds to half amperes."""
        self.charger = SimulatedCharger(
            habits=Habits(limit_step=0.5), clock=lambda: self.now
        )
        self.log: list[Request] = []
        self.judge = Judge(self.charger, self.log, has_site=has_site)

    now = 1000.0

    def write(self, setting: str, value: float) -> None:
        """Write a setting as the integration does."""
        register = Settings.registers[setting]
        words = register.encode(value, self.charger.layout)
        self.charger.write(register.address, words)
        self.log.append(Request(0x10, register.address, len(words), tuple(words)))

    def command(self, setting: str, value: float, error: str | None = None) -> None:
        """Give a command that writes its value."""
        self.judge.commanded(setting, value)
        self.write(setting, value)
        self.judge.answered(setting, value, error)


@pytest.fixture
def bench() -> Bench:
    """Return a bench."""
    return Bench()


def test_what_was_asked_for(bench: Bench) -> None:
    """Commands, restored settings and limits in the charger's step."""
    bench.command("current_limit", 9.7)
    bench.write("current_limit", 9.5)
    bench.write("current_limit", 9.0)
    bench.judge.check_writes()
    bench.judge.check_shown("current_limit", 9.7)
    assert bench.judge.missing() == []
    assert bench.judge.is_satisfied


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("current_limit", 10.0),
        ("current_limit", 8.0),
        ("fallback_timeout", 60),
        ("start_stop", 1),
        ("phase_mode", 1),
    ],
)
def test_unasked_writes(bench: Bench, setting: str, value: float) -> None:
    """What nobody asked for, more than was asked for, or much less."""
    bench.command("current_limit", 9.7)
    bench.write(setting, value)
    bench.judge.check_writes()
    assert len(bench.judge.unasked) == 1
    assert not bench.judge.is_satisfied


@pytest.mark.parametrize(
    ("error", "is_expected"),
    [("refused", False), ("perhaps_executed", True), ("not_lowered", True)],
)
def test_commands_that_failed(bench: Bench, error: str, is_expected: bool) -> None:
    """They are not executed later, unless the user was told so."""
    bench.command("current_limit", 12.0)
    bench.command("current_limit", 8.0, error)
    bench.write("current_limit", 8.0)
    bench.judge.check_writes()
    assert (bench.judge.unasked == []) is is_expected
    assert bench.judge.errors == {error: 1}


@pytest.mark.parametrize(
    ("limit", "is_allowed"), [(0.0, True), (6.0, True), (9.5, True), (11.0, False)]
)
def test_limits_of_a_site(limit: float, is_allowed: bool) -> None:
    """A site may write less than was asked for, but not more."""
    bench = Bench(has_site=True)
    bench.command("current_limit", 9.5)
    bench.write("current_limit", limit)
    bench.judge.check_writes()
    assert bench.judge.is_satisfied is is_allowed
    assert (bench.judge.missing() == []) is is_allowed


def test_lost_settings(bench: Bench) -> None:
    """What the charger lost, and what is shown otherwise."""
    bench.command("current_limit", 9.0)
    bench.command("start_stop", 0)
    bench.charger.power_on()
    assert len(bench.judge.missing()) == 2
    bench.judge.session_ended()
    assert len(bench.judge.missing()) == 1
    bench.judge.check_shown("fallback_limit", 10.0)
    assert bench.judge.is_satisfied
    bench.judge.check_shown("current_limit", 10.0)
    assert not bench.judge.is_satisfied


def test_fallbacks(bench: Bench) -> None:
    """Each one counts, also one that has ended since."""
    bench.command("current_limit", 9.0)
    bench.now += 301
    bench.write("current_limit", 9.0)
    assert not bench.charger.fallback_active
    assert bench.judge.fallbacks == [0]
    assert not bench.judge.is_satisfied


@pytest.mark.parametrize(("cuts", "is_bridged"), [(0, True), (1, True), (2, False)])
def test_fallbacks_after_cuts(bench: Bench, cuts: int, is_bridged: bool) -> None:
    """A link that is cut once has to be bridged, one that is cut repeatedly cannot."""
    bench.judge.link_cut()
    bench.now += 1
    bench.command("current_limit", 9.0)
    for _ in range(cuts):
        bench.now += 100
        bench.judge.link_cut()
    bench.now += 301
    bench.charger.advance()
    bench.judge.link_cut()
    assert bench.judge.fallbacks == [cuts]
    assert bench.judge.is_satisfied is not is_bridged


@pytest.mark.timeout(180)
async def test_a_short_soak(
    socket_enabled: None, tmp_path: Path, unused_tcp_port: int
) -> None:
    """Nothing unasked is written, and nothing is lost."""
    # A shorter time scale than that of the ten minutes.
    habits = replace(
        load_profile("strange"), first_answer_delay=0.5, closes_idle_after=2.0
    )
    run = await soak(
        4.0,
        habits,
        scan_interval=3,
        longest_pause=0.5,
        folder=tmp_path / "soak",
        port=unused_tcp_port,
    )
    assert run.judge.is_satisfied, report(run)
    assert run.judge.done
