"""The steps of the config flow that set up the site."""

import asyncio
import math
from typing import Any

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.helpers import sun

from .const import CONF_INVERT_GRID_POWER, CONF_SITE, SITE_UNIQUE_ID
from .coordinator import async_loaded_modbus
from .energy_dashboard import async_energy_answers
from .phase_currents import ChargerLoad
from .repairs import async_delete_sign_issues
from .site_check import (
    Intro,
    async_as_list,
    car_power,
    is_comparable,
    sentences,
    wrong_sign,
)
from .site_config import ChargerConfig, SiteConfig, is_site
from .site_flow import (
    MAIN_FUSES,
    SiteError,
    check_schema,
    find_problem,
    site_schema,
    with_signs,
)
from .site_meter import SiteMeter
from .texts import CommonText, async_common_texts


class SiteSteps(ConfigFlow):
    """Add or reconfigure the site."""

    _answers: dict[str, Any]
    """The answers of the form."""
    _follows_charger = False
    """Whether this flow was offered after a charger was added."""

    def _site_entry(self) -> ConfigEntry[Any] | None:
        return next(filter(is_site, self._async_current_entries()), None)

    async def async_step_site(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the sensors of the house and its main fuse."""
        errors: dict[str, str] = {}
        placeholders = {"low": str(MAIN_FUSES[0]), "high": str(MAIN_FUSES[1])}
        if user_input is not None:
            if (problem := find_problem(self.hass, user_input)) is None:
                self._answers = user_input
                return await self.async_step_check()
            errors[problem.field] = problem.error
            placeholders["sensor"] = problem.sensor
            answers = user_input
        elif self.source == SOURCE_RECONFIGURE:
            answers = self._get_reconfigure_entry().data[CONF_SITE]
        elif self._site_entry() is not None:
            return self.async_abort(reason="site_already_configured")
        else:
            answers = await async_energy_answers(self.hass)
        intro = Intro.NEW
        if self.source == SOURCE_RECONFIGURE:
            intro = Intro.CHANGE
        elif self._follows_charger:
            intro = Intro.FIRST
        placeholders["intro"] = (await async_common_texts(self.hass))[intro]
        return self.async_show_form(
            step_id="site",
            data_schema=self.add_suggested_values_to_schema(
                site_schema(self.hass, answers), answers
            ),
            errors=errors,
            description_placeholders=placeholders,
            last_step=False,
        )

    async def async_step_check(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what the meters say, until the user leaves the signs as they are."""
        if user_input is not None:
            answers = with_signs(self._answers, user_input)
            if answers == self._answers:
                return await self._async_save_site()
            self._answers = answers
        config = SiteConfig.from_answers(self._answers)
        chargers, car_since = await self._async_read_chargers()
        now = self.hass.loop.time()
        reading = SiteMeter(self.hass, config).read(now, chargers)
        wrong = None
        if is_comparable(reading, car_since):
            wrong = wrong_sign(
                reading, car_power(chargers), is_dark=not sun.is_up(self.hass)
            )
        return self.async_show_form(
            step_id="check",
            data_schema=check_schema(self._answers),
            errors={} if wrong is None else {wrong: SiteError.WRONG_SIGN},
            description_placeholders={
                "meters": await async_as_list(
                    self.hass,
                    sentences(
                        config,
                        reading,
                        chargers,
                        now,
                        is_grid_wrong=wrong == CONF_INVERT_GRID_POWER,
                    ),
                )
            },
            last_step=True,
        )

    async def _async_read_chargers(self) -> tuple[list[ChargerLoad], float]:
        """Read the chargers; return what they draw, and since when about that much.

        The time is in s on the clock of the event loop. Chargers that cannot be read
        are left out.
        """
        entries = [
            entry
            for entry in async_loaded_modbus(self.hass)
            if entry.runtime_data.coordinator.last_update_success
        ]
        # The meter may have reported since they were polled.
        await asyncio.gather(
            *(entry.runtime_data.coordinator.async_refresh() for entry in entries)
        )
        loads, since = [], -math.inf
        for entry in entries:
            coordinator = entry.runtime_data.coordinator
            if coordinator.last_update_success:
                config = ChargerConfig.from_entry(entry)
                loads.append(ChargerLoad.from_reading(coordinator.data.reading, config))
                since = max(since, coordinator.steady_power.since)
        return loads, since

    async def _async_save_site(self) -> ConfigFlowResult:
        data = {CONF_SITE: self._answers}
        if self.source == SOURCE_RECONFIGURE:
            async_delete_sign_issues(self.hass)
            return self.async_update_reload_and_abort(
                self._get_reconfigure_entry(), data_updates=data, reason="site_updated"
            )
        # With a unique ID any earlier, a flow that waits would be taken for a
        # discovery, and would abort the one that the user starts.
        await self.async_set_unique_id(SITE_UNIQUE_ID, raise_on_progress=False)
        self._abort_if_unique_id_configured(error="site_already_configured")
        title = (await async_common_texts(self.hass))[CommonText.SITE_TITLE]
        return self.async_create_entry(title=title, data=data, description="site")
