"""A store that tells whether it was written."""

from typing import Any, override

from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.storage import Store


class CheckedStore(Store[dict[str, Any]]):
    """Store that raises if a write fails, which Home Assistant's only logs."""

    _failure: HomeAssistantError | None = None

    @override
    async def async_save(self, data: dict[str, Any]) -> None:
        """Save data; raises OSError. A stopping Home Assistant writes them later."""
        self._failure = None
        await super().async_save(data)
        if self._failure is not None:
            raise OSError(f"{self.key} was not written") from self._failure

    @override
    async def _async_write_data(self, data: dict[str, Any]) -> None:
        try:
            await super()._async_write_data(data)
        except HomeAssistantError as error:
            # The caller logs it and goes on.
            self._failure = error
            raise
