"""The manifest and what goes with it."""

import json
from pathlib import Path
import re
import struct

import homeassistant.components

from custom_components.nexblue_local import PLATFORMS
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


def test_modules_that_home_assistant_loads() -> None:
    """One that has the name of an integration is taken for a platform of that."""
    components = Path(homeassistant.components.__file__).parent
    modules = {path.stem for path in INTEGRATION.glob("*.py")}
    taken = {name for name in modules if (components / name).is_dir()}
    assert taken == {*PLATFORMS, "diagnostics", "repairs"}


def test_promises_have_tests() -> None:
    """Each test that the documentation names is there."""
    pages = ("docs/guarantees-and-tests.md", "docs/hardware.md")
    text = "".join((ROOT / page).read_text() for page in pages)
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    names = set(re.findall(r"`(?:\w+\.py::)?(test_\w+)`", text))
    assert len(names) > 20
    assert [name for name in names if f"def {name}(" not in sources] == []


def test_icons() -> None:
    """The icons have the sizes that the frontend asks for."""
    for name, size in (("icon.png", 256), ("icon@2x.png", 512)):
        for theme in ("", "dark_"):
            data = (INTEGRATION / "brand" / f"{theme}{name}").read_bytes()
            assert struct.unpack(">II", data[16:24]) == (size, size)
