"""Fallbacks that should not have been."""

import pytest

from custom_components.nexblue_local.control.fallback import Fallback

TIMEOUT = 300


@pytest.mark.parametrize(
    ("looks", "unexpected"),
    [
        pytest.param([(False, 100, 60), (True, 105, 60)], True, id="in time"),
        pytest.param([(False, 100, 60), (True, 361, 60)], False, id="silent"),
        pytest.param([(False, 100, None), (True, 105, None)], False, id="never"),
        pytest.param([(True, 5, 4)], False, id="before the start"),
        pytest.param([(True, 5, 4), (True, 64, 60)], False, id="goes slowly"),
        pytest.param([(True, 5, 4), (True, 66, 60)], True, id="does not go"),
        pytest.param([(False, 5, 4), (None, 10, 4)], False, id="unknown"),
        pytest.param([(True, 5, 4), (False, 9, 4), (True, 70, 60)], True, id="again"),
    ],
)
def test_unexpected(
    looks: list[tuple[bool | None, float, float | None]], *, unexpected: bool
) -> None:
    """It is one when the limit was written within the timeout."""
    fallback = Fallback()
    now = 0.0
    for is_active, now, written_at in looks:
        fallback.observe(is_active, now, written_at=written_at, timeout=TIMEOUT)
    assert fallback.was_unexpected(now) is unexpected
    assert not fallback.was_unexpected(now + 3601)
