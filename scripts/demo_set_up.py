"""What a user does to set the demo's charger, its site and its dashboards up."""

from datetime import UTC, datetime, timedelta
import json
from typing import Any

from custom_components.nexblue_local.const import DOMAIN, SITE_UNIQUE_ID
from custom_components.nexblue_local.dashboard import (
    ChargerEntities,
    SiteEntities,
    Text,
    dashboard_config,
)

from .demo_world import MAIN_FUSE, WORLD
from .home_assistant import FLOWS, HOST, ROOT, HomeAssistantProcess, first

TRANSLATIONS = ROOT / "custom_components" / DOMAIN / "translations" / "en.json"
DASHBOARD = "nexblue-charger"

# When the simulated charger charged in the past, and how much.
NIGHTLY_HOURS = range(1, 4)  # UTC
HOURLY_ENERGY = 10.8  # kWh
# What the house used besides in each hour.
HOUSE_ENERGY = 0.35  # kWh
FIRST_STATISTIC = "2000-01-01T00:00:00+00:00"

# What a charger and the site have once both are set up.
LAST_OF_SITE = {"select.charge_mode", "sensor.next_change", "sensor.house_power"}

# Entity IDs by what the meter measures.
type Ids = dict[str, str]


async def discovered_flow(home: HomeAssistantProcess) -> dict[str, Any] | None:
    """Return the config flow of the discovered charger, None before there is one."""
    flows = await home.call("config_entries/flow/progress")
    return next((flow for flow in flows if flow["handler"] == DOMAIN), None)


async def add_by_address(home: HomeAssistantProcess, port: int) -> Any:
    """Add the charger by its address, as a user does, and return the result."""
    flow = await home.post(FLOWS, {"handler": DOMAIN})
    await home.post(f"{FLOWS}/{flow['flow_id']}", {"next_step_id": "charger"})
    return await home.post(
        f"{FLOWS}/{flow['flow_id']}", {"host": HOST, "port": port, "unit_id": 200}
    )


async def add_site(home: HomeAssistantProcess, flow_id: str, ids: Ids) -> None:
    """Answer the flow that the charger's flow offers next, as a user does.

    Energy has the same sensors of grid, sun and battery, so a user finds them filled in.
    """
    battery = {"battery_power": "battery_power", "battery_soc": "battery_level"}
    await home.post(
        f"{FLOWS}/{flow_id}",
        {
            "grid_power": ids["grid_power"],
            "invert_grid_power": False,
            "solar": {"solar_power": ids["solar_power"]},
            "battery": {"invert_battery_power": False}
            | {field: ids[value] for field, value in battery.items() if value in ids},
            "fuse": {"main_fuse": MAIN_FUSE}
            | {f"house_current_l{n}": ids[f"current_l{n}"] for n in (1, 2, 3)},
        },
    )
    await home.post(f"{FLOWS}/{flow_id}", {})


async def meter_ids(home: HomeAssistantProcess) -> Ids | None:
    """Return the meter's entity IDs by what they measure, None before there are any."""
    entities = (await registered_entities(home)).get("meter", {})
    return {key.partition(".")[2]: each for key, each in entities.items()} or None


async def configured_entry(home: HomeAssistantProcess) -> str | None:
    """Return the ID of the charger's config entry, None before it is loaded."""
    entries = await home.call("config_entries/get", domain=DOMAIN)
    return next((e["entry_id"] for e in entries if e["state"] == "loaded"), None)


async def registered_entities(home: HomeAssistantProcess) -> dict[str, Ids]:
    """Return entity IDs by domain and key, for each device by its unique ID.

    What Home Assistant reads by its Modbus integration are the devices `world` and
    `meter`. Disabled entities are left out.
    """
    devices: dict[str, Ids] = {}
    for entity in await home.call("config/entity_registry/list"):
        if entity["platform"] in (DOMAIN, "modbus") and not entity["disabled_by"]:
            device, _, key = entity["unique_id"].partition("_")
            domain = entity["entity_id"].partition(".")[0]
            devices.setdefault(device, {})[f"{domain}.{key}"] = entity["entity_id"]
    return devices


async def configure_sources(home: HomeAssistantProcess, ids: Ids) -> None:
    """Add what the meter measures to the Energy dashboard, by its entity IDs."""
    sources: list[dict[str, Any]] = [
        {
            "type": "grid",
            "stat_energy_from": ids["grid_import"],
            "stat_energy_to": ids["grid_export"],
            "power_config": {"stat_rate": ids["grid_power"]},
            "cost_adjustment_day": 0,
        },
        {
            "type": "solar",
            "stat_energy_from": ids["solar_energy"],
            "stat_rate": ids["solar_power"],
        },
    ]
    if "battery_power" in ids:
        sources.append(
            {
                "type": "battery",
                "stat_energy_from": ids["battery_discharged"],
                "stat_energy_to": ids["battery_charged"],
                "power_config": {"stat_rate": ids["battery_power"]},
                "stat_soc": ids["battery_level"],
            }
        )
    await home.call("energy/save_prefs", energy_sources=sources)
    await import_history(home, ids["grid_import"], HOUSE_ENERGY)


async def configure_device(home: HomeAssistantProcess, charger_ids: Ids) -> None:
    """Add the charger to the Energy dashboard as an individual device."""
    charger = {
        "name": "Charger",
        "stat_consumption": charger_ids["sensor.lifetime_energy"],
        "stat_rate": charger_ids["sensor.power"],
    }
    await home.call("energy/save_prefs", device_consumption=[charger])


async def import_history(
    home: HomeAssistantProcess, statistic_id: str, base: float = 0.0
) -> None:
    """Import a week of nightly charging, and of `base` in each hour, in kWh.

    The Energy dashboard shows whole hours only, so it would be empty at first.
    """
    hour = timedelta(hours=1)
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    # Home Assistant continues the sum from zero.
    total = 0.0
    statistics = []
    for _ in range(7 * 24):
        start -= hour
        statistics.append({"start": start.isoformat(), "sum": total})
        total -= base
        if start.hour in NIGHTLY_HOURS:
            total -= HOURLY_ENERGY
    # The whole sum of the first row counts for its hour, so that must be long ago.
    statistics.append({"start": FIRST_STATISTIC, "sum": total})
    await home.call(
        "recorder/import_statistics",
        metadata={
            "has_sum": True,
            "mean_type": 0,
            "name": None,
            "source": "recorder",
            "statistic_id": statistic_id,
            "unit_class": "energy",
            "unit_of_measurement": "kWh",
        },
        stats=statistics,
    )


async def create_dashboard(home: HomeAssistantProcess) -> None:
    """Create the charger's dashboard, and make it the first page that opens."""
    await home.call(
        "lovelace/dashboards/create",
        url_path=DASHBOARD,
        title="Charger",
        icon="mdi:ev-station",
        mode="storage",
    )
    await home.call(
        "frontend/set_system_data", key="core", value={"default_panel": DASHBOARD}
    )


def dashboard(devices: dict[str, Ids], names: dict[str, str]) -> dict[str, Any]:
    """Return the dashboard of the integration, and the simulated world's switches."""
    texts = json.loads(TRANSLATIONS.read_text())["common"]
    meter = devices["meter"]
    site = SiteEntities(
        name=names.get(SITE_UNIQUE_ID, ""),
        entities=devices.get(SITE_UNIQUE_ID, {}),
        solar_power=meter["sensor.solar_power"],
        battery_power=meter.get("sensor.battery_power"),
    )
    chargers = [
        ChargerEntities(name=names[device], entities=ids)
        for device, ids in devices.items()
        if device not in ("meter", "world", SITE_UNIQUE_ID)
    ]
    config = dashboard_config(
        chargers, site, {text: texts[text] for text in Text}, graph_hours=0.25
    )
    heading = {"type": "heading", "heading": "The simulated world"}
    tiles = [
        {"type": "tile", "entity": devices["world"][f"switch.{number}"], "icon": icon}
        for number, icon in enumerate(WORLD.values())
    ]
    section = {"type": "grid", "cards": [heading, *tiles]}
    config["views"][0]["sections"].append(section)
    return config


async def save_dashboard(home: HomeAssistantProcess) -> None:
    """Show what there is on the dashboard."""
    titles = {
        entry["entry_id"]: entry["title"]
        for entry in await home.call("config_entries/get", domain=DOMAIN)
    }
    names = {
        entity["unique_id"].partition("_")[0]: titles[entity["config_entry_id"]]
        for entity in await home.call("config/entity_registry/list")
        if entity["platform"] == DOMAIN
    }
    config = dashboard(await registered_entities(home), names)
    await home.call("lovelace/config/save", url_path=DASHBOARD, config=config)


async def has_site(home: HomeAssistantProcess, serial_number: str) -> bool | None:
    """Return True once the entities of the site exist, and those of the charger."""
    devices = await registered_entities(home)
    found = {*devices.get(SITE_UNIQUE_ID, ()), *devices.get(serial_number, ())}
    return True if found >= LAST_OF_SITE else None


async def extend_dashboard(home: HomeAssistantProcess, serial_number: str) -> None:
    """Show the site's entities as well, once the user has set it up."""
    await first(lambda: has_site(home, serial_number), timeout=None)
    await save_dashboard(home)
