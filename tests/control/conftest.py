"""What tests of control share."""

import pytest


@pytest.fixture(autouse=True)
def _use_custom_integrations() -> None:
    """Do without Home Assistant."""


@pytest.fixture(autouse=True)
def _short_waits() -> None:
    """Wait in virtual time."""
