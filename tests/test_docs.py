"""The pages for users name what there is."""

from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components.nexblue_local.limited_by import LimitedBy

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
ENGLISH: dict[str, Any] = json.loads(
    (
        ROOT / "custom_components" / "nexblue_local" / "translations" / "en.json"
    ).read_text()
)
HOME_ASSISTANT = {"Reconfigure", "Preview", "Import blueprint", "Download diagnostics"}
"""Names that are Home Assistant's."""
OTHERS = {"Home Assistant", "Charger", "Nexblue", "Error: ...", "Warning: ..."}
"""Names in evcc, and beginnings of names."""


def texts(node: Any) -> Iterator[str]:
    """Return all texts of the translations."""
    if isinstance(node, str):
        yield node
    else:
        for child in node.values():
            yield from texts(child)


def test_troubleshooting() -> None:
    """Each state of `limited_by` has a row, with the name that users see."""
    page = (DOCS / "troubleshooting.md").read_text()
    rows = re.findall(r"^\| (.+?) \(`(\w+)`\) \| .+ \| .+ \|$", page, re.MULTILINE)
    names = ENGLISH["entity"]["sensor"]["limited_by"]["state"]
    assert {key: name for name, key in rows} == names
    assert len(rows) == len(LimitedBy)


@pytest.mark.parametrize(
    "name", ["blueprints", "evcc", "how-it-decides", "replay", "troubleshooting"]
)
def test_names(name: str) -> None:
    """What is in italics is the name of something."""
    page = (DOCS / f"{name}.md").read_text()
    page = re.sub(r"```.*?```|`[^`]*`", "", page, flags=re.DOTALL).replace("**", "")
    # A name may be broken over two lines.
    named = {" ".join(each.split()) for each in re.findall(r"\*([^*]+)\*", page)}
    known = {*texts(ENGLISH), *HOME_ASSISTANT, *OTHERS, "Limited by"}
    titles = {
        text
        for file in (ROOT / "blueprints").rglob("*.yaml")
        for text in re.findall(
            r'^  name: "NexBlue: (.+)"$', file.read_text(), re.MULTILINE
        )
    }
    known |= {title[0].upper() + title[1:] for title in titles}
    unknown = {
        each
        for each in named
        if each not in known and not each.startswith("Settings > ")
    }
    assert unknown == set()


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures inside the repository."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    return re.findall(r"(?:\]\(|src=\")(?!\w+:)([^)\"\s]+)", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """Links lead to a file, and to a heading that is there."""
    for link in links(page):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), path
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            anchors = {
                re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-")
                for each in headings
            }
            assert heading in anchors, (path, heading)


def test_pages_are_linked() -> None:
    """Each page can be found from the README, over other pages."""
    reached: set[Path] = set()
    found = [PAGES[0]]
    while found:
        page = found.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            files = [link.partition("#")[0] for link in links(page)]
            found.extend((page.parent / file).resolve() for file in files if file)
    assert set(PAGES) - reached == set()


def test_pictures_are_shown() -> None:
    """Each picture is on a page."""
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    assert set((DOCS / "images").iterdir()) - shown == set()
