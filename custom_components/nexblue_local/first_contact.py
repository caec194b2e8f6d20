"""Test of a charger: what it does with unusual requests, for a report to the project."""

from dataclasses import replace

from homeassistant.components import persistent_notification
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration

from .const import DOMAIN
from .control.errors import CommandFailed
from .control.limit_trial import LimitTrial, Obstacle
from .coordinator import NexBlueConfigEntry
from .diagnostics import async_redact
from .exceptions import command_failed
from .first_contact_report import FirstContact, report_block, report_sentences
from .modbus.errors import ChargerError
from .modbus.probe import probe
from .modbus.registers import Identity
from .repairs import escape_markdown
from .texts import CommonText, async_common_texts


async def async_test_charger(
    hass: HomeAssistant, entry: NexBlueConfigEntry, *, test_limit: bool = False
) -> FirstContact:
    """Return what a test of a charger found out.

    Nothing is written, unless `test_limit` allows to step the current limit down and
    back. Raises HomeAssistantError if the charger cannot be read.
    """
    try:
        findings = await probe(entry.runtime_data.modbus)
    except ChargerError as error:
        failure = CommandFailed(error.key, str(error))
        raise command_failed(entry, failure) from error
    control = entry.runtime_data.controller.control
    trial: LimitTrial | Obstacle | str | None = None
    if test_limit:
        try:
            trial = await control.try_limits()
        except CommandFailed as error:
            # What was read is worth a report all the same.
            trial = error.key
    integration = await async_get_integration(hass, DOMAIN)
    return FirstContact(
        versions=f"NexBlue Local {integration.version}, Home Assistant {__version__}",
        findings=replace(
            findings, identity=await _async_redacted(entry, findings.identity)
        ),
        limit_step=control.state.limits.step.step,
        trial=trial,
    )


async def _async_redacted(entry: NexBlueConfigEntry, identity: Identity) -> Identity:
    """Return an identity whose texts do not contain serial number and address."""
    texts = {
        name: value
        for name in Identity.registers
        if isinstance(value := getattr(identity, name), str)
    }
    return replace(identity, **await async_redact(entry, texts))


async def async_notify(hass: HomeAssistant, entry: NexBlueConfigEntry) -> None:
    """Test a charger without writing, and show the result as a notification."""
    contact = await async_test_charger(hass, entry)
    texts = await async_common_texts(hass)
    # Some of the texts come from whatever device answers at the address.
    sentences = "\n".join(
        f"- {escape_markdown(sentence)}" for sentence in report_sentences(contact)
    )
    persistent_notification.async_create(
        hass,
        f"{sentences}\n\n{texts[CommonText.CHARGER_TEST_COPY]}\n\n"
        f"```text\n{report_block(contact)}\n```",
        title=texts[CommonText.CHARGER_TEST].format(name=entry.title),
        notification_id=f"{DOMAIN}_test_{entry.entry_id}",
    )
