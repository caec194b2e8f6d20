"""Packages know nothing of those above them, and only the top level Home Assistant."""

import ast
from collections.abc import Iterator
from pathlib import Path
import re

import pytest

from custom_components import nexblue_local
from custom_components.nexblue_local import PLATFORMS
from custom_components.nexblue_local.control.reconciler import TRANSITIONS

INTEGRATION = Path(nexblue_local.__file__).parent
ROOT = INTEGRATION.parents[1]
ARCHITECTURE = ROOT / "docs/architecture.md"

EXPECTED = {"config_flow", "diagnostics", "entity"}
"""Modules whose names say to a Home Assistant developer what they hold."""

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


def owner(module: str) -> str:
    """Return the name that the picture of the layers has for a module."""
    top = module.split(".", maxsplit=1)[0]
    return "platforms" if top in set(PLATFORMS) else top


def test_picture_of_the_layers() -> None:
    """Its arrows are the imports between what it shows."""
    page = ARCHITECTURE.read_text()
    shown = set(
        re.findall(r"^    (\w+) --> (\w+)$", page.split("```")[1], re.MULTILINE)
    )
    nodes = {node for arrow in shown for node in arrow}
    assert set(ALLOWED) <= nodes
    found = {
        (owner(file.relative_to(INTEGRATION).parts[0].removesuffix(".py")), owner(name))
        for file in INTEGRATION.rglob("*.py")
        for module in imports(file)
        if (name := module.removeprefix("nexblue_local.")) != module
    }
    assert shown == {
        (user, used) for user, used in found if user != used and {user, used} <= nodes
    }


def source(name: str) -> str:
    """Return the source of a class, by its module in the integration and its name."""
    module, _, name = name.rpartition(".")
    path = INTEGRATION / f"{module.replace('.', '/')}.py"
    return next(
        ast.unparse(node)
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and node.name == name
    )


def test_picture_of_a_command() -> None:
    """Each of its arrows is a call of a method that is there."""
    calls = re.findall(
        r"^    ([\w.]+)->>([\w.]+): (\w+)$", ARCHITECTURE.read_text(), re.MULTILINE
    )
    assert len(calls) > 5
    for caller, called, method in calls:
        assert re.search(rf"\.{method}\b", source(caller)), (caller, method)
        assert re.search(rf"def {method}\b", source(called)), (called, method)


def test_each_file_is_described() -> None:
    """A reader finds each module of the packages on the architecture page."""
    page = ARCHITECTURE.read_text()
    for package in (*ALLOWED, ""):
        for file in (INTEGRATION / package).glob("*.py"):
            if file.stem not in {"__init__", "const", *PLATFORMS, *EXPECTED}:
                assert f"`{file.name}`" in page, file


def test_diagram_of_the_states() -> None:
    """The diagram in docs/architecture.md is that of the code."""
    diagram = [
        f"    {state} --> {following}: {reason}"
        for (state, following), reason in TRANSITIONS.items()
    ]
    assert "\n".join(diagram) in ARCHITECTURE.read_text()
