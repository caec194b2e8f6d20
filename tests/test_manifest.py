"""The manifest and what goes with it."""

import json
from pathlib import Path
import struct

from custom_components.nexblue_local.const import DOMAIN
from simulator.announcement import SERVICE_TYPE

ROOT = Path(__file__).parent.parent
INTEGRATION = ROOT / "custom_components" / DOMAIN


def test_manifest() -> None:
    """What Home Assistant and HACS want of a custom integration."""
    manifest = json.loads((INTEGRATION / "manifest.json").read_text())
    assert manifest["domain"] == DOMAIN
    assert manifest["zeroconf"] == [SERVICE_TYPE]
    assert {"codeowners", "documentation", "issue_tracker", "version"} <= set(manifest)
    assert list(manifest)[:2] == ["domain", "name"]
    assert list(manifest)[2:] == sorted(list(manifest)[2:])
    hacs = json.loads((ROOT / "hacs.json").read_text())
    assert hacs["name"] == manifest["name"]


def test_icons() -> None:
    """The icons have the sizes that the frontend asks for."""
    for name, size in (("icon.png", 256), ("icon@2x.png", 512)):
        data = (INTEGRATION / "brand" / name).read_bytes()
        assert struct.unpack(">II", data[16:24]) == (size, size)
