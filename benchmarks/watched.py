"""Home Assistant that is watched from within: `python -m benchmarks.watched`.

It takes the arguments of Home Assistant, has a meter that reports every two seconds, and
some actions: `benchmark.begin` begins to measure, `benchmark.end` returns what was
measured, `benchmark.look` returns what there is now, and `benchmark.meter` lets the meter
be silent, unavailable or on.
"""

import asyncio
from contextlib import ExitStack, suppress
import gc
from itertools import count
from pathlib import Path
import sys
import threading
import time
from typing import Any, Final

from homeassistant import __main__, bootstrap
from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
    ConfigEntryState,
)
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.util.json import JsonValueType

from .lateness import lateness, percentile
from .meter import SENSORS, report

DOMAIN: Final = "benchmark"
CHARGERS: Final = "nexblue_local"
METER_EVERY: Final = 2.0
LOOK_EVERY: Final = 1.0
"""Seconds between two looks at how old the readings are."""
PARTS: Final = (0.5, 0.99, 0.999, 1.0)
"""The percentiles that are returned."""


class Watch:
    """Measures a Home Assistant in its own event loop."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Initialize before anything is set up."""
        self._hass = hass
        self._measuring = ExitStack()
        self._measured: dict[str, list[float]] = {}
        self._cpu = 0.0
        self._shown: list[str] = []
        self._set_up: list[float] = []
        self._collection_began_at = 0.0
        self._numbers = count()
        self._meter = "on"
        gc.callbacks.append(self._collected)
        async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, self._entry_changed)
        hass.services.async_register(DOMAIN, "begin", self._begin)
        hass.services.async_register(
            DOMAIN, "end", self._end, supports_response=SupportsResponse.ONLY
        )
        hass.services.async_register(
            DOMAIN, "look", self._count, supports_response=SupportsResponse.ONLY
        )
        hass.services.async_register(DOMAIN, "meter", self._set_meter)
        self._report()
        self._look()

    @callback
    def _entry_changed(self, _: ConfigEntryChange, entry: ConfigEntry[Any]) -> None:
        """Notice when the first entry begins to be set up, and when the last is."""
        if entry.domain == CHARGERS and entry.state in (
            ConfigEntryState.SETUP_IN_PROGRESS,
            ConfigEntryState.LOADED,
        ):
            self._set_up.append(time.monotonic())

    def _report(self) -> None:
        entries = self._hass.config_entries
        chargers = len(entries.async_entries(CHARGERS)) - 1 if entries else 1
        if self._meter == "on":
            report(self._hass, next(self._numbers), chargers)
        elif self._meter == "unavailable":
            for name in SENSORS:
                self._hass.states.async_set(f"sensor.{name}", "unavailable")
        self._hass.loop.call_later(METER_EVERY, self._report)

    def _look(self) -> None:
        """Look how old the readings are that are shown."""
        now = time.time()
        for entity_id in self._shown:
            if (state := self._hass.states.get(entity_id)) is not None:
                self._measured["ages"].append(now - state.last_reported_timestamp)
        self._hass.loop.call_later(LOOK_EVERY, self._look)

    def _collected(self, phase: str, _: dict[str, int]) -> None:
        """Note for how many ms the garbage collection blocks everything."""
        now = time.perf_counter()
        if phase == "start":
            self._collection_began_at = now
        else:
            pause = 1000 * (now - self._collection_began_at)
            self._measured.setdefault("collections", []).append(pause)

    async def _set_meter(self, call: ServiceCall) -> None:
        self._meter = call.data["state"]

    async def _count(self, _: ServiceCall) -> ServiceResponse:
        """Return how many tasks, sockets and threads there are."""
        descriptors = await self._hass.async_add_executor_job(_open_files)
        return {
            "tasks": len(asyncio.all_tasks()),
            "sockets": sum(name.startswith("socket:") for name in descriptors),
            "threads": threading.active_count(),
        }

    async def _begin(self, call: ServiceCall) -> None:
        """Begin to measure; `looks` is whether at delays and ages, which costs time."""
        self._measured = {}
        self._cpu = time.process_time()
        if call.data["looks"]:
            self._measured["ages"] = []
            self._shown = [
                entity.entity_id
                for entity in er.async_get(self._hass).entities.values()
                if entity.platform == CHARGERS and entity.translation_key == "power"
            ]
            self._measured["delays"] = self._measuring.enter_context(lateness())

    async def _end(self, _: ServiceCall) -> ServiceResponse:
        """Return what was measured: delays and collections in ms, the rest in s."""
        cpu = time.process_time() - self._cpu
        self._measuring.close()
        measured, self._measured, self._shown = self._measured, {}, []
        figures: dict[str, JsonValueType] = {
            "cpu": cpu,
            "set_up": self._set_up[-1] - self._set_up[0],
        }
        for name, values in measured.items():
            figures[name] = {
                str(part): percentile(values, part) for part in PARTS if values
            }
        return figures


def _open_files() -> list[str]:
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        # The one that lists them is closed by now.
        with suppress(OSError):
            names.append(str(descriptor.readlink()))
    return names


def main() -> int:
    """Run Home Assistant."""
    set_up = bootstrap.async_from_config_dict

    async def watched(
        config: dict[str, Any], hass: HomeAssistant
    ) -> HomeAssistant | None:
        Watch(hass)
        return await set_up(config, hass)

    bootstrap.async_from_config_dict = watched
    return __main__.main()


if __name__ == "__main__":
    sys.exit(main())
