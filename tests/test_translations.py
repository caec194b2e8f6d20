"""Every text that is shown exists, and every text that exists is shown."""

import json
from pathlib import Path
import re
from typing import Any

from custom_components.nexblue_local import (
    binary_sensor,
    button,
    number,
    select,
    sensor,
    switch,
)
from custom_components.nexblue_local.charger import errors
from custom_components.nexblue_local.config_flow import FLOW_ERRORS

INTEGRATION = Path(sensor.__file__).parent
TEXTS: dict[str, Any] = json.loads((INTEGRATION / "translations/en.json").read_text())
ICONS: dict[str, Any] = json.loads((INTEGRATION / "icons.json").read_text())
DESCRIPTIONS: dict[str, tuple[Any, ...]] = {
    "binary_sensor": binary_sensor.DESCRIPTIONS,
    "button": (button.DESCRIPTION,),
    "number": number.DESCRIPTIONS,
    "select": (select.DESCRIPTION,),
    "sensor": (*sensor.DESCRIPTIONS, *sensor.CONTROL_DESCRIPTIONS),
    "switch": (switch.DESCRIPTION,),
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
            assert set(states) == set(getattr(description, "options", None) or ())


def test_icons() -> None:
    """Icons are for entities that exist."""
    for platform, icons in ICONS["entity"].items():
        keys = {description.key for description in DESCRIPTIONS[platform]}
        assert set(icons) <= keys


def test_errors() -> None:
    """Each failure has a sentence, in the flow and for the log."""
    keys = {
        error.key
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, errors.ChargerError)
        and error is not errors.ChargerError
    }
    source = "".join(
        (INTEGRATION / name).read_text()
        for name in ("controller.py", "control/control.py")
    )
    keys |= set(re.findall(r'(?:Rejected|_error|_invalid)\(\s*"(\w+)"', source))
    assert set(TEXTS["exceptions"]) == keys
    assert set(TEXTS["config"]["error"]) == set(FLOW_ERRORS.values())


def test_steps() -> None:
    """Each step of the flows has a title, and no step without code has."""
    source = (INTEGRATION / "config_flow.py").read_text()
    shown = set(re.findall(r'step_id="(\w+)"', source))
    steps = TEXTS["config"]["step"] | TEXTS["options"]["step"]
    assert set(steps) == shown
    for step in steps.values():
        assert step["title"]
        assert set(step.get("data", {})) == set(step.get("data_description", {}))
