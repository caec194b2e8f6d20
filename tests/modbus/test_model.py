"""Test the read requests of register groups, and the imports of the package."""

import ast
from pathlib import Path

import pytest

from custom_components.nexblue_local.modbus.blocks import spans
from custom_components.nexblue_local.modbus.registers import (
    Clock,
    Identity,
    Reading,
    Settings,
)

IDENTITY_AND_CLOCK = [*Identity.registers.values(), *Clock.registers.values()]


def test_few_requests() -> None:
    """A refresh needs two requests, and identity and settings one each."""
    assert spans(Reading.registers.values(), bridge=4) == [(100, 39), (400, 3)]
    assert spans(IDENTITY_AND_CLOCK, bridge=4) == [(0, 52)]
    assert spans(Clock.registers.values(), bridge=4) == [(38, 5)]
    assert spans(Settings.registers.values(), bridge=4) == [(1000, 8)]


def test_split_at_reserved_registers() -> None:
    """Without a bridge no reserved registers are read."""
    assert spans(Reading.registers.values()) == [(100, 1), (102, 37), (400, 3)]
    assert spans(IDENTITY_AND_CLOCK) == [(0, 43), (44, 8)]


def test_long_requests_are_divided() -> None:
    """Read requests do not exceed the maximum of Modbus."""
    assert spans(Reading.registers.values(), bridge=300) == [(100, 39), (400, 3)]


INTEGRATION = Path(__file__).parents[2] / "custom_components" / "nexblue_local"


@pytest.mark.parametrize(
    "path",
    sorted(INTEGRATION.glob("modbus/*.py")),
    ids=lambda path: path.name,
)
def test_modbus_imports_no_home_assistant(path: Path) -> None:
    """The package imports no Home Assistant, and only transport.py pymodbus."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1
            names = [node.module or ""]
        else:
            continue
        assert not any(
            name.startswith(("homeassistant", "custom_components")) for name in names
        )
        if path.name != "transport.py":
            assert not any(name.startswith("pymodbus") for name in names)
