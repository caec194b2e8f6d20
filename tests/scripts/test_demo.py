"""The demo: a real Home Assistant, and what a user finds in it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
import re

import pytest

from scripts.demo import first, running
from scripts.home_assistant import HomeAssistantProcess

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

TIMEOUT = 10.0

pytestmark = pytest.mark.usefixtures("socket_enabled")


async def past_energy(home: HomeAssistantProcess, statistic_id: str) -> float | None:
    """Return the energy in kWh of the last eight days, None before there is any."""
    statistics = await home.call(
        "recorder/statistics_during_period",
        start_time=(datetime.now(UTC) - timedelta(days=8)).isoformat(),
        statistic_ids=[statistic_id],
        period="hour",
        types=["change"],
    )
    return sum(row["change"] for row in statistics.get(statistic_id, ())) or None


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

        past = await first(
            lambda: past_energy(home, charger["stat_consumption"]), TIMEOUT
        )
        assert past == pytest.approx(7 * 3 * 10.8)

        # The frontend shows integrations that could not be set up as a notification.
        assert await home.call("persistent_notification/get") == []
    unexpected = [
        line[0]
        for line in LOG_LINE.finditer(home.log.read_text())
        if line[1] not in EXPECTED_LOGGERS
    ]
    assert unexpected == []
