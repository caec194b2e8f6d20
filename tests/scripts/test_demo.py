"""The demo: a real Home Assistant, and what a user finds in it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components.nexblue_local.const import DOMAIN
from scripts.demo import running
from scripts.home_assistant import HomeAssistantProcess, first
from tests.conftest import SERIAL

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
    # A thread of Home Assistant may end late on a slow machine.
    "homeassistant.util.executor",
}

TIMEOUT = 10.0

pytestmark = [
    pytest.mark.usefixtures("socket_enabled"),
    # Each demo takes the same ports if they are free.
    pytest.mark.xdist_group("demo"),
]


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


async def states_once_known(
    home: HomeAssistantProcess, numbers: list[str]
) -> dict[str, Any] | None:
    """Return all states by entity ID, None before some of them are numbers."""
    states = {state["entity_id"]: state for state in await home.call("get_states")}
    is_known = all(states[each]["state"].lstrip("-")[:1].isdigit() for each in numbers)
    return states if is_known else None


@pytest.mark.timeout(180)
async def test_demo(tmp_path: Path) -> None:
    """Dashboard, solar charging and Energy are set up, and the log is clean."""
    async with running(tmp_path / "demo", has_battery=True) as home:
        core = await home.call("frontend/get_system_data", key="core")
        first_page = core["value"]["default_panel"]
        dashboard = await home.call("lovelace/config", url_path=first_page)
        assert dashboard["views"][0]["title"] == "Charging"
        assert dashboard["views"][1]["title"] == "Details"

        sections = dashboard["views"][0]["sections"]
        shown = {
            card["name"]: card["entity"]
            for section in sections[:2]
            for card in section["cards"]
            if isinstance(card.get("name"), str)
        }
        names = ("Vehicle", "Sun", "House", "From grid", "From battery")
        known = [shown[name] for name in names]
        world = {card.get("entity") for card in sections[-1]["cards"]}
        assert {"switch.kettle", "switch.load_on_l1", "switch.grid_meter"} <= world
        states = await first(lambda: states_once_known(home, known), 30.0)
        assert states is not None
        assert float(states[shown["Sun"]]["state"]) > 4_000
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


@pytest.mark.timeout(180)
async def test_demo_with_ocpp(tmp_path: Path) -> None:
    """The charger connects by OCPP too, a card is presented, and a session runs."""
    async with running(tmp_path / "demo", ocpp=True) as home:

        async def session() -> str | None:
            states = await home.states(DOMAIN)
            both = {states.get(f"{SERIAL}_{key}") for key in ("status", "ocpp_status")}
            return states[f"{SERIAL}_session_tag"] if both == {"charging"} else None

        assert await first(session, 60) == "Blue card"
