"""The release: what users download can be installed and set up."""

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path
import shutil

import pytest

from scripts.try_release import try_release

ROOT = Path(__file__).parents[2]


async def output(*command: str | Path) -> str:
    """Run a command and return what it prints, errors included."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    return b"".join(await process.communicate()).decode()


@pytest.fixture
async def clone(tmp_path: Path) -> Path:
    """Return a clone of this repository."""
    folder = tmp_path / "clone"
    await output("git", "clone", "--quiet", ROOT, folder)
    shutil.copy(ROOT / "scripts/release", folder / "scripts/release")
    return folder


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("socket_enabled")
async def test_release(clone: Path, tmp_path: Path) -> None:
    """A charger can be added in an empty Home Assistant with the release."""
    await output(clone / "scripts/release")
    states = await try_release(clone / "nexblue_local.zip", tmp_path)
    assert {"preparing", "charging"} & set(states.values())


async def test_a_tag_of_another_version(clone: Path) -> None:
    """No release is built for a tag that is not the version in the manifest."""
    assert "error: the tag is v9.9.9" in await output(
        clone / "scripts/release", "v9.9.9"
    )
    assert not (clone / "nexblue_local.zip").exists()
