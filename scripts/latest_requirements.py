"""Print which versions of the packages in requirements/newest.in Home Assistant requires.

scripts/setup latest installs them, because they are not pinned yet.
"""

from importlib.util import find_spec
import json
from pathlib import Path
import re
import sys

ROOT = Path(__file__).resolve().parent.parent


def package(requirement: str) -> str:
    """Return the package name of a requirement."""
    return re.split(r"[^\w.-]", requirement.strip())[0].lower().replace("_", "-")


def main() -> None:
    """Print the requirements, one per line."""
    home_assistant = find_spec("homeassistant")
    assert home_assistant is not None
    assert home_assistant.origin is not None
    components = Path(home_assistant.origin).parent / "components"
    lines = (ROOT / "requirements" / "newest.in").read_text().splitlines()
    wanted = {package(line) for line in lines if line and not line.startswith("#")}
    # The test plugin and analytics, which is always set up, import the hassio integration.
    wanted.add("aiohasupervisor")
    found = {
        requirement
        for manifest in components.glob("*/manifest.json")
        for requirement in json.loads(manifest.read_text()).get("requirements", ())
        if package(requirement) in wanted
    }
    sys.stdout.writelines(f"{requirement}\n" for requirement in sorted(found))


if __name__ == "__main__":
    main()
