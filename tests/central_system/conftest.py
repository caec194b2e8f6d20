"""Fixtures of the central system."""

from collections.abc import AsyncIterator

import pytest

from custom_components.nexblue_local.central_system.server import CentralSystem

from .fakes import ID, Charger, Home


@pytest.fixture(autouse=True)
def _use_custom_integrations() -> None:
    """Do without Home Assistant."""


@pytest.fixture(autouse=True)
def _short_waits() -> None:
    """Do without Modbus."""


@pytest.fixture
def home() -> Home:
    """Return what surrounds the central system."""
    return Home()


@pytest.fixture
async def central(home: Home) -> AsyncIterator[CentralSystem]:
    """Return a central system that has adopted a charge point."""
    central = home.central_system()
    await central.adopt(ID, ID)
    yield central
    await central.close()


@pytest.fixture
async def charger(central: CentralSystem) -> AsyncIterator[Charger]:
    """Return the adopted charge point, connected and booted."""
    async with Charger(central) as charger:
        await charger.boot()
        yield charger
