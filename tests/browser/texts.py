"""What the integration is expected to show, as its translations have it."""

from collections.abc import Iterator
from functools import cache
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "custom_components" / "nexblue_local" / "translations"


@cache
def translations(language: str) -> dict[str, Any]:
    """Return the translations to a language."""
    found: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text())
    return found


def text(path: str, language: str = "en") -> str:
    """Return the text at a path of keys, separated by dots."""
    found: Any = translations(language)
    for key in path.split("."):
        found = found[key]
    assert isinstance(found, str)
    return found


def untranslated(language: str) -> set[str]:
    """Return the English texts that a language does not have."""
    english, other = (set(_texts(translations(each))) for each in ("en", language))
    return english - other


def _texts(node: Any) -> Iterator[str]:
    """Yield all texts of a part of the translations."""
    if isinstance(node, str):
        yield node
    else:
        for child in node.values():
            yield from _texts(child)


def entity(key: str) -> str:
    """Return the name of an entity, such as `sensor.power`."""
    return text(f"entity.{key}.name")


def state(key: str, value: str) -> str:
    """Return how a state of an entity is shown."""
    return text(f"entity.{key}.state.{value}")
