"""Settings, their steps and their comparison."""

import math
from typing import Any

import pytest

from custom_components.nexblue_local.control.settings import (
    PhaseMode,
    Setting,
    Settings,
    StartStop,
    Value,
    agrees,
)


def test_steps() -> None:
    """Limits are written in tenths of amperes, the timeout in whole seconds."""
    wanted: dict[str, Any] = {"current_limit": 10.06, "fallback_timeout": 60.4}
    assert Settings(**wanted).rounded() == Settings(
        current_limit=10.1, fallback_timeout=60
    )
    # What is not finite is rejected later, with a reason.
    wrong = Settings(fallback_limit=math.inf)
    assert wrong.rounded() == wrong


def test_values() -> None:
    """Settings without a value are left out, and 0 is a value."""
    settings = Settings(current_limit=0.0, start_stop=StartStop.STOP)
    assert list(settings) == [
        (Setting.CURRENT_LIMIT, 0.0),
        (Setting.START_STOP, StartStop.STOP),
    ]
    assert settings
    assert not Settings()
    other = Settings(current_limit=16.0, fallback_limit=6.0)
    assert settings.over(other) == Settings(
        current_limit=0.0, fallback_limit=6.0, start_stop=StartStop.STOP
    )
    assert settings.with_value(Setting.START_STOP, None) == Settings(current_limit=0.0)


@pytest.mark.parametrize(
    ("found", "wanted", "agree"),
    [
        (10.0, 10.0, True),
        (10.04, 10.0, True),
        (10.06, 10.0, False),
        (None, 0.0, False),
        (PhaseMode.ADAPTIVE, PhaseMode.ADAPTIVE, True),
        (PhaseMode.ADAPTIVE, PhaseMode.SINGLE_PHASE, False),
    ],
)
def test_agrees(found: Value | None, wanted: Value, *, agree: bool) -> None:
    """Currents may differ by what a float of 32 bits loses."""
    assert agrees(found, wanted) is agree
