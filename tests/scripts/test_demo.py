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


async def measured(home: HomeAssistantProcess, ids: list[str]) -> list[float] | None:
    """Return the numbers that entities show, None while one shows none."""
    states = {state["entity_id"]: state for state in await home.call("get_states")}
    try:
        return [float(states[entity_id]["state"]) for entity_id in ids]
    except ValueError:
        return None


@pytest.mark.timeout(180)
async def test_demo(tmp_path: Path) -> None:
    """Dashboard, solar charging and Energy are set up, and the log is clean."""
    async with running(tmp_path / "demo", has_battery=True) as home:
        core = await home.call("frontend/get_system_data", key="core")
        first_page = core["value"]["default_panel"]
        dashboard = await home.call("lovelace/config", url_path=first_page)
        assert dashboard["views"][0]["title"] == "Charger"

        (now, *_) = dashboard["views"][0]["sections"]
        shown = {card.get("name"): card.get("entity") for card in now["cards"]}
        states = {state["entity_id"]: state for state in await home.call("get_states")}
        names = ("Sun", "Car", "From the grid", "Surplus")
        ids = [shown[name] for name in names]
        values = await first(lambda: measured(home, ids), TIMEOUT)
        assert values is not None
        assert values[0] > 4_000
        assert states["select.nexblue_delta_max_charge_mode"]["state"] == "solar"

        energy = await home.call("energy/get_prefs")
        units = {
            entity_id: state["attributes"].get("unit_of_measurement")
            for entity_id, state in states.items()
        }
        grid, solar, battery = energy["energy_sources"]
        assert units[grid["stat_energy_from"]] == units[solar["stat_energy_from"]]
        assert units[grid["power_config"]["stat_rate"]] == "W"
        assert units[battery["stat_soc"]] == "%"
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
