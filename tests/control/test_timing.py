"""Durations of control."""

import pytest

from custom_components.nexblue_local.control.timing import Timing


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(30, 10), (60, 20), (180, 60), (300, 60), (1800, 60), (None, 10)],
)
def test_keep_alive_period(timeout: int | None, seconds: float) -> None:
    """The period is a third of the fallback timeout, and at most a minute."""
    assert Timing().keep_alive_period(timeout) == seconds
    assert Timing().longest_silence(timeout) == (timeout or 30) - seconds
