"""Switches: START and STOP, and charging fast until the session ends."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .charge_points import async_add_charge_point, async_follow
from .control.settings import StartStop
from .coordinator import NexBlueConfigEntry
from .entity import NexBlueControlEntity
from .modbus.snapshot import Snapshot
from .ocpp_config import charge_point_id
from .site_entity import ChargingEntity, async_when_site
from .start_stop import async_has_transaction, async_start_stop, async_start_stop_link

# Commands wait for one another in the controller.
PARALLEL_UPDATES = 0

DESCRIPTION = SwitchEntityDescription(key="charging")
FAST_DESCRIPTION = SwitchEntityDescription(key="fast_until_unplugged")


async def async_setup_entry(
    hass: HomeAssistant,
    entry: NexBlueConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the switches of a charger."""
    if await async_add_charge_point(hass, entry, Platform.SWITCH, async_add_entities):
        return
    async_add_entities([NexBlueSwitch(entry=entry, description=DESCRIPTION)])
    async_when_site(
        hass,
        entry,
        lambda: async_add_entities(
            [FastSwitch(entry=entry, description=FAST_DESCRIPTION)]
        ),
    )


class NexBlueSwitch(NexBlueControlEntity, SwitchEntity):
    """Whether charging is allowed: as asked for, or by the charger where it was not.

    While OCPP decides about that, it is whether a transaction runs.
    """

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        hass, entry = self.coordinator.hass, self.coordinator.config_entry
        command = self._controller.control.wanted.start_stop
        self._attr_is_on = None if command is None else command is StartStop.START
        if (has_transaction := async_has_transaction(hass, entry)) is not None:
            self._attr_is_on = has_transaction
        if charge_point_id(entry) is not None:
            link = async_start_stop_link(hass, entry)
            self._attr_extra_state_attributes = {"link": link}

    @override
    async def async_added_to_hass(self) -> None:
        """Follow both links."""
        await super().async_added_to_hass()
        self.async_on_remove(
            async_follow(
                self.hass,
                self.coordinator.config_entry,
                self._handle_coordinator_update,
            )
        )

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Command START."""
        await self._async_command(StartStop.START)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Command STOP."""
        await self._async_command(StartStop.STOP)

    async def _async_command(self, command: StartStop) -> None:
        await async_start_stop(
            self.hass, self.coordinator.config_entry, self._controller, command
        )


class FastSwitch(ChargingEntity, SwitchEntity):
    """Whether this session is charged with the user's limit, whatever the mode."""

    @override
    def _update_from(self, snapshot: Snapshot) -> None:
        self._attr_is_on = self._charging.settings.is_fast_until_unplugged

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Charge fast until the vehicle is disconnected."""
        await self._charging.async_set_fast_until_unplugged(is_on=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Return to the charge mode."""
        await self._charging.async_set_fast_until_unplugged(is_on=False)
