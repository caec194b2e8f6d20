"""Constants of the NexBlue Local integration."""

import logging
from typing import Final

DOMAIN: Final = "nexblue_local"
LOGGER: Final = logging.getLogger(__package__)

CONF_MODBUS: Final = "modbus"
CONF_UNIT_ID: Final = "unit_id"

DEFAULT_PORT: Final = 502
DEFAULT_SCAN_INTERVAL: Final = 5  # seconds
DEFAULT_UNIT_ID: Final = 200

# The site: one config entry, beside those of the chargers.
CONF_SITE: Final = "site"
SITE_UNIQUE_ID: Final = "site"
CONF_GRID_POWER: Final = "grid_power"
CONF_INVERT_GRID_POWER: Final = "invert_grid_power"
CONF_GRID_EXPORT_POWER: Final = "grid_export_power"
CONF_BATTERY: Final = "battery"
CONF_BATTERY_POWER: Final = "battery_power"
CONF_INVERT_BATTERY_POWER: Final = "invert_battery_power"
CONF_BATTERY_CHARGE_POWER: Final = "battery_charge_power"
CONF_BATTERY_SOC: Final = "battery_soc"
CONF_FUSE: Final = "fuse"
CONF_MAIN_FUSE: Final = "main_fuse"
CONF_HOUSE_CURRENTS: Final = (
    "house_current_l1",
    "house_current_l2",
    "house_current_l3",
)
CONF_SOLAR: Final = "solar"
CONF_SOLAR_POWER: Final = "solar_power"
CONF_PRICE: Final = "price"
CONF_PRICE_SENSOR: Final = "electricity_price"

# The OCPP back end: one config entry as well.
CONF_OCPP: Final = "ocpp"
OCPP_UNIQUE_ID: Final = "ocpp"
CONF_ALLOW_UNKNOWN_TAGS: Final = "allow_unknown_tags"
CONF_ALLOW_WITHOUT_PASSWORD: Final = "allow_without_password"  # noqa: S105
CONF_START_AUTOMATICALLY: Final = "start_automatically"

# The tags of the OCPP back end: subentries of it.
SUBENTRY_TAG: Final = "tag"
CONF_TAG_ID: Final = "tag_id"
CONF_EXPIRY_DATE: Final = "expiry_date"
CONF_BLOCKED: Final = "blocked"

# The OCPP link of a charger, beside the Modbus address.
CONF_CHARGE_POINT_ID: Final = "charge_point_id"

# Options of a charger.
CONF_SUPPLY_PHASES: Final = "supply_phases"
CONF_PHASE_ROTATION: Final = "phase_rotation"
CONF_MIN_CURRENT: Final = "min_current"
CONF_PRIORITY: Final = "priority"
CONF_SWITCH_PHASES: Final = "switch_phases"
