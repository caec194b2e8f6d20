"""Every text that is shown exists, and every text that exists is shown."""

from collections import Counter
from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import section
from homeassistant.util.yaml import load_yaml_dict
import pytest

from custom_components.nexblue_local import (
    binary_sensor,
    button,
    event,
    number,
    ocpp_entities,
    select,
    sensor,
    session_sensors,
    site_sensors,
    switch,
)
from custom_components.nexblue_local.central_system.errors import ErrorKey
from custom_components.nexblue_local.charge_points import CHARGE_POINT_KEYS
from custom_components.nexblue_local.condition import CONDITIONS
from custom_components.nexblue_local.config_flow import FLOW_ERRORS, INVALID_HOST
from custom_components.nexblue_local.const import CONF_SUPPLY_PHASES, DOMAIN
from custom_components.nexblue_local.control.controller import ERRORS
from custom_components.nexblue_local.dashboard import Text
from custom_components.nexblue_local.modbus import errors
from custom_components.nexblue_local.ocpp_flow import OcppError, TagError
from custom_components.nexblue_local.options_flow import OPTIONS_SCHEMA
from custom_components.nexblue_local.repairs import (
    FALLBACK_SCHEMA,
    FIXABLE,
    FUSE_NOT_PROTECTED,
    SIGN_WRONG,
    WRONG_PASSWORD,
    Issue,
)
from custom_components.nexblue_local.services import FIELDS, async_setup_services
from custom_components.nexblue_local.site_check import Intro, Sentence
from custom_components.nexblue_local.site_config import SUPPLY_PHASES
from custom_components.nexblue_local.site_flow import SiteError, site_schema
from custom_components.nexblue_local.texts import CommonText
from custom_components.nexblue_local.trigger import TRIGGERS

INTEGRATION = Path(sensor.__file__).parent
ENGLISH = INTEGRATION / "translations/en.json"
TEXTS: dict[str, Any] = json.loads(ENGLISH.read_text())
OTHER_LANGUAGES = sorted(set(INTEGRATION.glob("translations/*.json")) - {ENGLISH})
SAME_AS_ENGLISH = frozenset(
    {
        "{intro}",
        "{name} ({host})",
        "{reason}",
        "CSV",
        "Home Assistant",
        "NexBlue Local",
    }
)
"""Texts that are the same in each language."""
LIKE_ENGLISH = frozenset(
    {
        "Control",
        "Dashboard",
        "Details",
        "Fallback",
        "Format",
        "Host",
        "Manual",
        "No",
        "Options",
        "Phases",
        "Port",
        "Sessions",
        "Start",
        "Status",
        "Stop",
    }
)
"""Words that some languages share with English."""
TILE = 24
"""How many characters a name or state may have, unless the English one has more."""
HALF_TILE = 14
"""The same for the dashboard's own names, which are on narrow tiles."""
ICONS: dict[str, Any] = json.loads((INTEGRATION / "icons.json").read_text())
DESCRIPTIONS: dict[str, tuple[Any, ...]] = {
    "binary_sensor": (
        *binary_sensor.DESCRIPTIONS,
        *binary_sensor.CONTROL_DESCRIPTIONS,
        binary_sensor.METER_LOST_DESCRIPTION,
        ocpp_entities.CONNECTED,
    ),
    "button": (*button.DESCRIPTIONS, *ocpp_entities.BUTTONS),
    "event": (
        event.CONTROL_DESCRIPTION,
        event.SESSION_DESCRIPTION,
        ocpp_entities.TAG,
    ),
    "number": (
        *number.DESCRIPTIONS,
        number.ENERGY_DESCRIPTION,
        *number.SITE_DESCRIPTIONS,
    ),
    "select": (
        select.DESCRIPTION,
        select.CHARGE_MODE_DESCRIPTION,
        select.RESTARTS_DESCRIPTION,
    ),
    "sensor": (
        *sensor.DESCRIPTIONS,
        *sensor.CONTROL_DESCRIPTIONS,
        *session_sensors.LAST_SESSION_DESCRIPTIONS,
        session_sensors.LAST_SOLAR_SHARE_DESCRIPTION,
        session_sensors.LAST_COST_DESCRIPTION,
        sensor.LIMITED_BY_DESCRIPTION,
        sensor.NEXT_CHANGE_DESCRIPTION,
        session_sensors.SOLAR_ENERGY_DESCRIPTION,
        session_sensors.SOLAR_SHARE_DESCRIPTION,
        *site_sensors.SITE_DESCRIPTIONS,
        *ocpp_entities.SENSORS,
    ),
    "switch": (
        switch.DESCRIPTION,
        switch.FAST_DESCRIPTION,
        ocpp_entities.OPERATIVE,
    ),
}


def test_entities() -> None:
    """Each entity has a name, each state of an enumeration its text."""
    assert {platform: set(texts) for platform, texts in TEXTS["entity"].items()} == {
        platform: {description.key for description in descriptions}
        for platform, descriptions in DESCRIPTIONS.items()
    }
    for platform, descriptions in DESCRIPTIONS.items():
        for description in descriptions:
            states = TEXTS["entity"][platform][description.key].get("state", {})
            assert set(states) == set(
                getattr(description, "options", None)
                or (("on", "off") if states and platform == "binary_sensor" else ())
            )


def test_entities_of_a_charge_point() -> None:
    """All of them go with the OCPP back end."""
    descriptions = (
        ocpp_entities.CONNECTED,
        *ocpp_entities.BUTTONS,
        ocpp_entities.TAG,
        *ocpp_entities.SENSORS,
        ocpp_entities.OPERATIVE,
    )
    assert {description.key for description in descriptions} == CHARGE_POINT_KEYS


def test_icons() -> None:
    """Icons are for entities that exist."""
    for platform, icons in ICONS["entity"].items():
        keys = {description.key for description in DESCRIPTIONS[platform]}
        assert set(icons) <= keys


def test_errors() -> None:
    """Each error has a message, in actions and in the flow."""
    keys = {
        error.key
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, errors.ChargerError)
        and error is not errors.ChargerError
    }
    files = (
        "__init__",
        "charge_points",
        "controller",
        "create_dashboard",
        "ocpp_server",
        "services",
        "start_stop",
        "control/controller",
        "control/state",
    )
    source = "".join((INTEGRATION / f"{name}.py").read_text() for name in files)
    raised = r"(?:Rejected|CommandFailed|invalid)\(|translation_key="
    keys |= set(re.findall(rf'(?:{raised})\s*"(\w+)"', source))
    keys |= set(ERRORS.values())
    keys |= {"not_executed", "not_lowered"}
    keys |= set(ErrorKey)
    limits = ("current_limit", "fallback_limit", "fallback_timeout", "safe_limit")
    keys |= {f"{name}_out_of_range" for name in limits}
    assert set(TEXTS["exceptions"]) == keys
    assert set(TEXTS["config"]["error"]) == {
        *FLOW_ERRORS.values(),
        INVALID_HOST,
        *OcppError,
        *SiteError,
    }
    assert set(TEXTS["config_subentries"]["tag"]["error"]) == set(TagError)


@pytest.mark.parametrize(
    ("section", "keys"),
    [("triggers", set(TRIGGERS)), ("conditions", set(CONDITIONS))],
)
def test_triggers_and_conditions(section: str, keys: set[str]) -> None:
    """Each has its fields described, a text for each of them, and an icon."""
    fields = load_yaml_dict(str(INTEGRATION / f"{section}.yaml"))
    described = {key for key in fields if not key.startswith(".")}
    assert described == set(TEXTS[section]) == set(ICONS[section]) == keys
    for key in keys:
        texts = TEXTS[section][key].get("fields", {})
        assert set(texts) == set(fields[key].get("fields", {}))


async def test_services(hass: HomeAssistant) -> None:
    """Each action has its fields described, and a text for each of them."""
    async_setup_services(hass)
    actions = hass.services.async_services_for_domain(DOMAIN)
    described = {
        name: description
        for name, description in load_yaml_dict(
            str(INTEGRATION / "services.yaml")
        ).items()
        if not name.startswith(".")
    }
    assert set(actions) == set(described) == set(TEXTS["services"]) == set(FIELDS)
    assert set(described) == set(ICONS["services"])
    for name, description in described.items():
        fields, sections = set(), set()
        for key, field in description["fields"].items():
            if "fields" in field:
                sections.add(key)
                fields |= set(field["fields"])
            else:
                fields.add(key)
        assert fields == set(FIELDS[name]) == set(TEXTS["services"][name]["fields"])
        assert sections == set(TEXTS["services"][name].get("sections", {}))


def test_issues() -> None:
    """Each issue has a title, and a description or the steps that fix it."""
    issues = dict(TEXTS["issues"])
    for key in (FUSE_NOT_PROTECTED, *SIGN_WRONG.values()):
        of_site = issues.pop(key)
        assert of_site["title"]
        assert of_site["fix_flow"]["step"]["confirm"]["description"]
    of_ocpp = issues.pop(WRONG_PASSWORD)
    assert of_ocpp["title"]
    assert of_ocpp["description"]
    assert set(issues) == {str(issue) for issue in Issue}
    for issue, texts in issues.items():
        assert texts["title"]
        assert ("fix_flow" in texts) == (Issue(issue) in FIXABLE)
        assert ("description" in texts) != ("fix_flow" in texts)
        # A title is plain text; in Markdown, the name has to be escaped.
        assert "{name}" in texts["title"]
        assert "{charger}" not in texts["title"]
        assert "{name}" not in json.dumps(texts | {"title": ""})
    steps = TEXTS["issues"][Issue.NO_FALLBACK_CHOSEN]["fix_flow"]["step"]
    fields = {str(field) for field in FALLBACK_SCHEMA.schema}
    assert set(steps["fallback"]["data"]) == fields
    assert set(steps["fallback"]["data_description"]) == fields


def test_steps() -> None:
    """Each step of the flows has a title, and no step without code has."""
    files = ("config_flow", "site_steps", "ocpp_steps", "options_flow")
    source = "".join((INTEGRATION / f"{name}.py").read_text() for name in files)
    shown = set(re.findall(r'step_id="(\w+)"', source))
    steps = TEXTS["config"]["step"] | TEXTS["options"]["step"]
    assert set(steps) == shown
    for step in steps.values():
        assert step["title"]
        assert set(step.get("data", {})) == set(step.get("data_description", {}))
    menu = TEXTS["config"]["step"]["user"]
    assert set(menu["menu_options"]) == set(menu["menu_option_descriptions"])
    assert set(TEXTS["options"]["step"]["init"]["data"]) == set(OPTIONS_SCHEMA.schema)
    phases = TEXTS["selector"][CONF_SUPPLY_PHASES]["options"]
    assert set(phases) == set(SUPPLY_PHASES)


async def test_site_form(hass: HomeAssistant) -> None:
    """Each field of the site has its texts; so has all that we translate ourselves."""
    step = TEXTS["config"]["step"]["site"]
    form = site_schema(hass, {}).schema
    parts = {key: part for key, part in form.items() if isinstance(part, section)}
    assert set(step["data"]) == set(form) - set(parts)
    assert set(step["sections"]) == set(parts)
    for key, part in parts.items():
        texts = step["sections"][key]
        assert texts["name"]
        assert set(texts["data"]) == set(texts["data_description"])
        assert set(texts["data"]) == set(part.schema.schema)
    assert set(TEXTS["common"]) == {*Sentence, *Intro, *Text, *CommonText}


def strings(texts: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and text of each string, such as `services/set_limits/name`."""
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from strings(value, f"{path}{key}/")
        else:
            yield f"{path}{key}", value


ENGLISH_TEXTS = dict(strings(TEXTS))
in_each_language = pytest.mark.parametrize(
    "texts",
    [dict(strings(json.loads(file.read_text()))) for file in OTHER_LANGUAGES],
    ids=[file.stem for file in OTHER_LANGUAGES],
)


def test_there_are_other_languages() -> None:
    """The tests below have files to test."""
    assert OTHER_LANGUAGES


@in_each_language
def test_language_is_complete(texts: dict[str, str]) -> None:
    """A language has the keys, placeholders, Markdown, values, and numbers of English."""
    assert set(texts) == set(ENGLISH_TEXTS)
    for kind in (r"{\w+}", r"\*\*", r"\n", r"`[^`]*`", r"\w+_\w+", r"\d"):
        different = [
            path
            for path, text in ENGLISH_TEXTS.items()
            if Counter(re.findall(kind, text)) != Counter(re.findall(kind, texts[path]))
        ]
        assert different == [], kind


@in_each_language
def test_language_is_translated(texts: dict[str, str]) -> None:
    """No text is empty or left in English."""
    assert [
        path for path, text in texts.items() if not text or text != text.strip()
    ] == []
    assert [
        path
        for path, text in ENGLISH_TEXTS.items()
        if (texts[path] == text) != (text in SAME_AS_ENGLISH)
        and text not in LIKE_ENGLISH
    ] == []


@in_each_language
@pytest.mark.parametrize(
    ("start", "limit"), [("entity/", TILE), ("common/dashboard_", HALF_TILE)]
)
def test_language_fits_on_tiles(texts: dict[str, str], start: str, limit: int) -> None:
    """Names and states are short enough to be shown in full."""
    assert [
        f"{path}: {texts[path]}"
        for path, text in ENGLISH_TEXTS.items()
        if path.startswith(start)
        and "/state_attributes/" not in path
        and len(texts[path]) > max(limit, len(text))
    ] == []


@in_each_language
def test_language_quotes_its_own_names(texts: dict[str, str]) -> None:
    """What a text quotes is named as in the rest of the file."""
    for path, text in ENGLISH_TEXTS.items():
        for pair in re.findall(r'\*\*(.+?)\*\*|"(.+?)"', text):
            quoted = "".join(pair)
            names = {
                texts[key] for key, name in ENGLISH_TEXTS.items() if name == quoted
            }
            assert not names or any(name in texts[path] for name in names), path
