"""Packages know nothing of those above them, and only the top level Home Assistant."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from custom_components import nexblue_local
from custom_components.nexblue_local.control.reconciler import TRANSITIONS

INTEGRATION = Path(nexblue_local.__file__).parent
ROOT = INTEGRATION.parents[1]

ALLOWED: dict[str, set[str]] = {
    "central_system": {"ledger"},
    "control": set(),
    "ledger": set(),
    "modbus": set(),
    "surplus": set(),
}
"""The packages of ours that each package may import, besides itself."""

TRANSPORT = {"pymodbus": Path("modbus/transport.py")}
"""Libraries that one file knows."""


def imports(file: Path) -> Iterator[str]:
    """Return the modules that a file imports, those of ours from the integration."""
    depth = len(file.relative_to(INTEGRATION).parts)
    package = file.relative_to(INTEGRATION).parts[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            assert node.module is not None
            yield node.module
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= depth
            base = [*package[: len(package) - node.level + 1], *([node.module or ""])]
            module = ".".join(filter(None, base))
            names = (
                [f".{name.name}" for name in node.names] if not node.module else [""]
            )
            yield from (f"nexblue_local.{module}{name}" for name in names)


def test_packages() -> None:
    """Each package is in the table."""
    packages = {file.parent.name for file in INTEGRATION.glob("*/__init__.py")}
    assert packages == set(ALLOWED)


@pytest.mark.parametrize("package", ALLOWED)
def test_imports(package: str) -> None:
    """A package imports only what is below it, and not Home Assistant."""
    for file in (INTEGRATION / package).rglob("*.py"):
        for module in imports(file):
            top, *rest = module.split(".")
            assert top not in ("homeassistant", "custom_components", "simulator"), file
            if top == "nexblue_local":
                assert rest, file
                assert rest[0] in {package, *ALLOWED[package]}, (file, module)


def test_pymodbus_is_known_to_one_file() -> None:
    """A change of the library changes one file."""
    for library, owner in TRANSPORT.items():
        users = {
            file.relative_to(INTEGRATION)
            for file in INTEGRATION.rglob("*.py")
            if any(module.split(".")[0] == library for module in imports(file))
        }
        assert users == {owner}


def test_diagram_of_the_states() -> None:
    """The diagram in CONTRIBUTING.md is that of the code."""
    diagram = [
        f"    {state} --> {following}: {reason}"
        for (state, following), reason in TRANSITIONS.items()
    ]
    assert "\n".join(diagram) in (ROOT / "CONTRIBUTING.md").read_text()
