"""Waiting for what other tasks do."""

import asyncio
from collections.abc import Callable
from typing import Any


async def until(happened: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until something is true; return it."""
    async with asyncio.timeout(seconds):
        while True:
            if result := happened():
                return result
            await asyncio.sleep(0.02)
