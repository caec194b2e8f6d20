"""The configuration of ruff, as pre-commit uses it."""

import asyncio
from pathlib import Path
import sys

from scripts.home_assistant import ROOT


async def test_excluded_file() -> None:
    """An excluded file passes even if it is named on the command line."""
    ruff = Path(sys.executable).with_name("ruff")
    process = await asyncio.create_subprocess_exec(
        ruff, "check", "typings/voluptuous.pyi", cwd=ROOT
    )
    assert await process.wait() == 0
