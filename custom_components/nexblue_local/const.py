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
