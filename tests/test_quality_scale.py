"""Every rule of the quality scale is met, or does not apply and says why."""

import json
from pathlib import Path

import homeassistant
from homeassistant.util.yaml import load_yaml_dict

from tests.test_manifest import INTEGRATION

# An integration of Home Assistant's own that has reached the same level.
PLATINUM = Path(homeassistant.__file__).parent / "components" / "peblar"


def test_every_rule() -> None:
    """No rule is missing, and none is to do."""
    rules = load_yaml_dict(str(INTEGRATION / "quality_scale.yaml"))["rules"]
    expected = load_yaml_dict(str(PLATINUM / "quality_scale.yaml"))["rules"]
    assert set(rules) == set(expected)
    for name, rule in rules.items():
        assert rule["status"] in ("done", "exempt"), name
        assert rule["comment"], name


def test_claim() -> None:
    """The manifest claims what the rules add up to."""
    manifest = json.loads((INTEGRATION / "manifest.json").read_text())
    assert manifest["quality_scale"] == "platinum"
