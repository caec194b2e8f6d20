"""The documentation: links lead somewhere, and every page is linked."""

from pathlib import Path
import re
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]


def text(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)


def links(page: Path) -> list[str]:
    """Return the targets of a page's links and pictures inside the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", text(page))
    return [target for target in found if not urlsplit(target).scheme]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", text(page), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    """Each link leads to a file, and to a heading that is there."""
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file), target


def test_pages_are_linked() -> None:
    """Each page can be found from the README, over other pages."""
    reached, todo = set(), [PAGES[0]]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        files = [target.partition("#")[0] for target in links(page)]
        todo.extend((page.parent / file).resolve() for file in files if file)
    assert set(PAGES) - reached == set()
