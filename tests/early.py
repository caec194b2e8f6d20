"""What pytest loads before the test plugin of Home Assistant, by `-p` in pyproject.toml.

Home Assistant 2026.11 replaces httpx by another package when it is imported, which has
to be before anything else imports httpx. It also moved a function that the test
plugin, made for 2026.10, imports from its former place.
"""

from homeassistant.components import logger
from homeassistant.components.logger import helpers

vars(logger).setdefault(
    "_clear_logger_overwrites", vars(helpers)["_clear_logger_overwrites"]
)
