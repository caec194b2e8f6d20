"""The demo: a real Home Assistant, and what a user finds in it."""

from pathlib import Path
import re

import pytest

from scripts.demo import running

LOG_LINE = re.compile(
    r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL) \(.*?\) \[(.*?)\] .*", re.MULTILINE
)
EXPECTED_LOGGERS = {
    # Home Assistant logs this for each custom integration.
    "homeassistant.loader",
    # These name libraries and programs that may be missing on the machine.
    "haffmpeg.core",
    "haffmpeg.tools",
    "homeassistant.components.camera.img_util",
}

pytestmark = pytest.mark.usefixtures("socket_enabled")


@pytest.mark.timeout(180)
async def test_demo(tmp_path: Path) -> None:
    """The charger's dashboard opens first, Energy is set up, and the log is clean."""
    async with running(tmp_path / "demo") as home:
        core = await home.call("frontend/get_system_data", key="core")
        first_page = core["value"]["default_panel"]
        dashboard = await home.call("lovelace/config", url_path=first_page)
        assert dashboard["views"][0]["title"] == "Charger"

        energy = await home.call("energy/get_prefs")
        units = {
            state["entity_id"]: state["attributes"].get("unit_of_measurement")
            for state in await home.call("get_states")
        }
        (charger,) = energy["device_consumption"]
        assert units[charger["stat_consumption"]] == "kWh"
        assert units[charger["stat_rate"]] == "W"

        # The frontend shows integrations that could not be set up as a notification.
        assert await home.call("persistent_notification/get") == []
    unexpected = [
        line[0]
        for line in LOG_LINE.finditer(home.log.read_text())
        if line[1] not in EXPECTED_LOGGERS
    ]
    assert unexpected == []
