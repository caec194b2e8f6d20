"""Repair issues, on real sockets."""

import asyncio
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.config_entries import ConfigEntryDisabler, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.translation import async_load_integrations
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import coordinator as coordinator_module
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.control import fallback
from custom_components.nexblue_local.repairs import (
    Issue,
    async_create_sign_issue,
    escape_markdown,
)
from simulator import Fault, FaultKind, Simulator
from tests.commands import COMMANDS, LIMIT, age_keep_alive, number
from tests.conftest import SERIAL, entry_for
from tests.site import site_entry, with_fuse
from tests.test_config_flow import ESCAPED_LINK, LINK
from tests.test_init import poll
from tests.test_services import act

pytestmark = pytest.mark.usefixtures("quick_commands")


def issues(hass: HomeAssistant) -> set[str]:
    """Return the translation keys of the issues."""
    return {
        str(issue.translation_key)
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN
    }


async def repair(hass: HomeAssistant, issue_id: str) -> dict[str, Any]:
    """Start the repair flow of an issue."""
    assert await async_setup_component(hass, "repairs", {})
    manager = repairs_flow_manager(hass)
    assert manager is not None
    return dict(await manager.async_init(DOMAIN, context={"issue_id": issue_id}))


async def confirm(hass: HomeAssistant, flow: dict[str, Any]) -> dict[str, Any]:
    """Submit a form without fields."""
    manager = repairs_flow_manager(hass)
    assert manager is not None
    return dict(await manager.async_configure(flow["flow_id"], {}))


async def start_fix(hass: HomeAssistant, entry: MockConfigEntry) -> dict[str, Any]:
    """Start the repair flow that sets the fallback."""
    return await repair(hass, f"{Issue.NO_FALLBACK_CHOSEN}_{entry.entry_id}")


async def go_on(
    hass: HomeAssistant, flow: dict[str, Any], limit: float, timeout: int
) -> dict[str, Any]:
    """Submit the form."""
    manager = repairs_flow_manager(hass)
    assert manager is not None
    form = {"fallback_limit": limit, "fallback_timeout": timeout}
    return dict(await manager.async_configure(flow["flow_id"], form))


async def test_nobody_chose_a_fallback(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The first current limit creates the issue; the form shows the present values."""
    await poll(hass, entry)
    assert issues(hass) == set()
    await LIMIT.give(hass)
    assert issues(hass) == {"no_fallback_chosen"}

    flow = await start_fix(hass, entry)
    assert flow["type"] is FlowResultType.FORM
    assert flow["description_placeholders"]["fallback_limit"] == "6 A"
    assert flow["description_placeholders"]["fallback_timeout"] == "5 min"
    suggested = {
        str(field): field.description["suggested_value"]
        for field in flow["data_schema"].schema
    }
    assert suggested == {"fallback_limit": 6, "fallback_timeout": 5}

    result = await go_on(hass, flow, 8, 2)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert simulator.charger.settings["fallback_limit"] == 8
    assert simulator.charger.settings["fallback_timeout"] == 120
    assert issues(hass) == set()


async def test_a_fallback_that_cannot_be_chosen(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The form shows the error, and can be submitted again."""
    simulator.charger.settings["fallback_limit"] = 6.5
    await LIMIT.give(hass)
    flow = await start_fix(hass, entry)
    result = await go_on(hass, flow, 4, 2)
    assert result["errors"] == {"base": "not_set"}
    assert "0 A, or between 6 and 16 A" in result["description_placeholders"]["reason"]
    fault = Fault(kind=FaultKind.EXCEPTION, function=0x10, code=4)
    simulator.faults.append(fault)
    result = await go_on(hass, flow, 8, 2)
    assert "refused" in result["description_placeholders"]["reason"]
    assert issues(hass) == {"no_fallback_chosen"}
    hass.config.language = "de"
    # Home Assistant does so when it starts.
    await async_load_integrations(hass, {DOMAIN})
    result = await go_on(hass, flow, 8, 2)
    assert "abgelehnt" in result["description_placeholders"]["reason"]
    assert result["description_placeholders"]["fallback_limit"] == "6,5 A"
    hass.config.language = "en"
    simulator.faults.clear()
    result = await go_on(hass, flow, 8, 2)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_a_fallback_for_a_charger_that_is_gone(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """A form that is submitted after the charger was unloaded aborts."""
    await LIMIT.give(hass)
    flow = await start_fix(hass, entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    result = await go_on(hass, flow, 8, 2)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "not_loaded"


@pytest.mark.parametrize("way", ["number", "release"])
async def test_a_fallback_that_is_chosen_otherwise(
    hass: HomeAssistant, entry: MockConfigEntry, way: str
) -> None:
    """The issue is deleted when the fallback is set or control is released."""
    await LIMIT.give(hass)
    assert issues(hass) == {"no_fallback_chosen"}
    if way == "number":
        await COMMANDS[1].give(hass)
    else:
        await act(hass, entry, "release_control")
    assert issues(hass) == set()


async def in_control(hass: HomeAssistant) -> None:
    """Set a fallback limit and a current limit."""
    await COMMANDS[1].give(hass)
    await LIMIT.give(hass)


async def test_fallback_in_spite_of_control(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A fallback although the limit was written in time is an issue for an hour."""
    await in_control(hass)
    await poll(hass, entry)
    simulator.charger.fallback_active = True
    await poll(hass, entry)
    assert issues(hass) == {"fallback_fired"}
    simulator.charger.fallback_active = False
    await poll(hass, entry)
    assert issues(hass) == {"fallback_fired"}
    with patch.object(fallback, "FORGOTTEN", 0.1):
        await asyncio.sleep(0.2)
        await poll(hass, entry)
        assert issues(hass) == set()


async def test_fallback_that_stays(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A fallback after an outage is an issue when writing does not end it."""
    await in_control(hass)
    await simulator.stop()
    await poll(hass, entry)
    simulator.charger.settings["fallback_timeout"] = 60
    simulator.overrides[402] = 1 << 6
    with patch.object(fallback, "GOES", 0.3):
        age_keep_alive(entry, 400)
        await simulator.start()
        await poll(hass, entry)
        assert issues(hass) == set()
        await asyncio.sleep(0.4)
        await poll(hass, entry)
        assert issues(hass) == {"fallback_fired"}


async def test_fallback_of_an_outage(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A fallback that an outage explains is not an issue."""
    await in_control(hass)
    await poll(hass, entry)
    await simulator.stop()
    await poll(hass, entry)
    simulator.charger.fallback_active = True
    age_keep_alive(entry, 400)
    await simulator.start()
    await poll(hass, entry)
    assert issues(hass) == set()


async def test_fallback_of_a_restart(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A fallback while Home Assistant was stopped is not an issue."""
    await in_control(hass)
    assert await hass.config_entries.async_unload(entry.entry_id)
    simulator.charger.fallback_active = True
    assert await hass.config_entries.async_setup(entry.entry_id)
    await poll(hass, entry)
    assert issues(hass) == set()


async def test_another_client(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Another client is an issue once it has been connected for minutes."""
    simulator.occupy(3600)
    await asyncio.sleep(0.05)
    await poll(hass, entry)
    assert issues(hass) == set()
    with patch.object(coordinator_module, "IN_USE_FOR", 0.0):
        await poll(hass, entry)
        assert issues(hass) == {"in_use"}
    simulator.occupy(0)
    await poll(hass, entry)
    assert issues(hass) == set()


async def test_another_client_after_an_unload(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The minutes are counted from the set-up, not from before the unload."""
    simulator.occupy(3600)
    await asyncio.sleep(0.05)
    await poll(hass, entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await asyncio.sleep(0.5)
    with patch.object(coordinator_module, "IN_USE_FOR", 0.3):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert issues(hass) == set()


async def test_another_client_from_the_start(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The minutes are counted over all set-up retries, and end with another failure."""
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    simulator.occupy(3600)
    with patch.object(coordinator_module, "IN_USE_FOR", 0.3):
        assert not await hass.config_entries.async_setup(entry.entry_id)
        assert issues(hass) == set()
        assert not await hass.config_entries.async_reload(entry.entry_id)
        assert issues(hass) == {"in_use"}
    await simulator.stop()
    assert not await hass.config_entries.async_reload(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert issues(hass) == set()


async def test_clock(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A clock that is far off is an issue until it is right."""
    wall_clock = simulator.charger.wall_clock
    # The issue is deleted only when the clock is clearly better.
    steps: tuple[tuple[float, set[str]], ...] = (
        (-4.5, set()),
        (-40, {"clock_off"}),
        (-4.5, {"clock_off"}),
        (-3, set()),
    )
    for minutes, expected in steps:
        simulator.charger.wall_clock = lambda minutes=minutes: (  # type: ignore[misc]
            wall_clock() + timedelta(minutes=minutes)
        )
        simulator.cut()
        await asyncio.sleep(0.2)
        await poll(hass, entry)
        assert issues(hass) == expected


async def test_an_issue_that_is_ignored_stays_so(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """An ignored issue stays ignored after a reload."""
    await number("current_limit", 9, 1000).give(hass)
    issue_id = f"{Issue.NO_FALLBACK_CHOSEN}_{entry.entry_id}"
    ir.async_ignore_issue(hass, DOMAIN, issue_id, ignore=True)
    assert await hass.config_entries.async_reload(entry.entry_id)
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.dismissed_version is not None


@pytest.mark.parametrize("loaded", [True, False])
async def test_issues_go_with_a_charger_that_is_disabled(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry, loaded: bool
) -> None:
    """The issues of a charger are deleted when it is disabled, loaded or not."""
    await number("current_limit", 9, 1000).give(hass)
    if not loaded:
        simulator.charger.serial_number = "ANOTHER"
        assert not await hass.config_entries.async_reload(entry.entry_id)
        assert "wrong_charger" in issues(hass)
    await hass.config_entries.async_set_disabled_by(
        entry.entry_id, ConfigEntryDisabler.USER
    )
    await hass.async_block_till_done()
    assert issues(hass) == set()


async def test_issues_go_with_the_entry(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The issues of a charger are deleted with its entry."""
    await number("current_limit", 9, 1000).give(hass)
    assert issues(hass) == {"no_fallback_chosen"}
    await hass.config_entries.async_remove(entry.entry_id)
    assert issues(hass) == set()


async def test_main_fuse_without_a_site(hass: HomeAssistant) -> None:
    """The issue stays until the user confirms it."""
    site = site_entry(**with_fuse())
    site.add_to_hass(hass)
    assert await hass.config_entries.async_setup(site.entry_id)
    await hass.config_entries.async_remove(site.entry_id)
    assert issues(hass) == {"fuse_not_protected"}
    flow = await repair(hass, "fuse_not_protected")
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "confirm")
    assert issues(hass) == {"fuse_not_protected"}
    assert (await confirm(hass, flow))["type"] is FlowResultType.CREATE_ENTRY
    assert issues(hass) == set()


async def test_main_fuse_of_a_site_that_is_disabled(hass: HomeAssistant) -> None:
    """A confirmed issue does not come back with another change of the entry."""
    site = site_entry(**with_fuse())
    site.add_to_hass(hass)
    entries = hass.config_entries
    assert await entries.async_setup(site.entry_id)
    for _ in range(2):
        await entries.async_set_disabled_by(site.entry_id, ConfigEntryDisabler.USER)
        await hass.async_block_till_done()
        assert issues(hass) == {"fuse_not_protected"}
        await confirm(hass, await repair(hass, "fuse_not_protected"))
        entries.async_update_entry(site, title="My house")
        await hass.async_block_till_done()
        assert issues(hass) == set()
        await entries.async_set_disabled_by(site.entry_id, None)


@pytest.mark.parametrize("field", ["invert_grid_power", "invert_battery_power"])
async def test_signs_of_a_site_that_is_removed(hass: HomeAssistant, field: str) -> None:
    """Their issues go with it."""
    site = site_entry()
    site.add_to_hass(hass)
    assert await hass.config_entries.async_setup(site.entry_id)
    async_create_sign_issue(hass, site, field)
    assert len(issues(hass)) == 1
    await hass.config_entries.async_remove(site.entry_id)
    assert issues(hass) == set()


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("NexBlue Delta Max", "NexBlue Delta Max"),
        (LINK, ESCAPED_LINK),
        ("www.evil.tld", r"www\.evil\.tld"),
        ("a@evil.tld", r"a\@evil\.tld"),
        ("<img src=x>", r"\<img src\=x\>"),
        ("`a` *b* _c_ ~d~", r"\`a\` \*b\* \_c\_ \~d\~"),
        ("\\[a]", r"\\\[a\]"),
        ("Ladesäule 1", "Ladesäule 1"),
    ],
)
def test_escape_markdown(text: str, escaped: str) -> None:
    """Punctuation is escaped, letters and digits are not."""
    assert escape_markdown(text) == escaped


async def test_issue_escapes_markdown(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Text from an unknown device is not rendered as Markdown."""
    hass.config_entries.async_update_entry(entry, title=LINK)
    simulator.charger.serial_number = LINK
    simulator.cut()
    await asyncio.sleep(0.2)
    await poll(hass, entry)
    (issue,) = ir.async_get(hass).issues.values()
    assert issue.translation_placeholders == {
        "name": LINK,
        "charger": ESCAPED_LINK,
        "host": r"127\.0\.0\.1",
        "expected": SERIAL,
        "found": ESCAPED_LINK,
    }
