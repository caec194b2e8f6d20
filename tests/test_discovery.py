"""Discovery by the zeroconf integration of Home Assistant."""

import asyncio
import os
from unittest.mock import patch

from homeassistant.components import zeroconf
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest

from custom_components.nexblue_local.const import DOMAIN
from simulator import Simulator
from simulator.announcement import Announcement
from tests.conftest import SERIAL


# Another test that announces chargers must not run at the same time.
@pytest.mark.xdist_group("mdns")
@pytest.mark.skipif(
    "NEXBLUE_ISOLATED" not in os.environ,
    reason="needs the network namespace that scripts/test makes",
)
async def test_announcement_becomes_a_flow(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A charger that announces itself starts a config flow."""
    # That would also replace the class in later tests.
    with patch.object(zeroconf, "install_multiple_zeroconf_catcher"):
        assert await async_setup_component(hass, "zeroconf", {})
    await hass.async_start()
    async with Announcement(simulator.host, simulator.port):
        async with asyncio.timeout(20):
            while True:
                if flows := hass.config_entries.flow.async_progress_by_handler(DOMAIN):
                    break
                await asyncio.sleep(0.1)
    (flow,) = flows
    assert flow["step_id"] == "zeroconf_confirm"
    assert flow["context"]["unique_id"] == SERIAL
