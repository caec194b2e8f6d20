"""The keep-alive: write the current limit again before the fallback engages."""

import asyncio
from dataclasses import dataclass, field
import logging

from .environment import Environment
from .link import LinkError
from .reconciler import Reconciler
from .state import ControlState
from .timing import clock
from .writer import Writer

_LOGGER = logging.getLogger(__name__)

LEAVE_ALONE = 10.0
"""Longest time in seconds between two attempts while somebody else is connected."""


@dataclass(eq=False)
class KeepAlive:
    """Write the current limit in time, and the safe one when it expires."""

    environment: Environment
    control: ControlState
    writer: Writer
    reconciler: Reconciler
    lock: asyncio.Lock
    """Held by whoever writes."""
    is_stopped: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Return whether the current limit is written again and again."""
        return self._task is not None and not self._task.done()

    def update(self) -> None:
        """Run while in control, and calculate again when the next write is due."""
        self._wake.set()
        if self.is_stopped or not self.control.is_in_control:
            if self._task is not None:
                self._task.cancel()
                self._task = None
        elif not self.is_running:
            self._task = self.environment.start(self._run())

    async def _write(self) -> bool:
        """Write the limit if it is due; return whether nothing is left to do.

        It does not wait for whoever writes other settings: with a slow charger, that
        may take longer than the fallback timeout.
        """
        connection = self.reconciler.connection
        if connection is not None and self.lock.locked():
            if self.writer.limits_on_trial:
                return False
            await self._expire()
            return await self.writer.write_limit_if_due(connection)
        try:
            # Whoever holds it may be connecting: then it is looked at again soon.
            async with asyncio.timeout(self.environment.timing.retry_after):
                await self.lock.acquire()
        except TimeoutError:
            return False
        try:
            await self._expire()
            # This writes the limit as well if it has to restore it.
            connection = await self.reconciler.ready(patient=False)
            return await self.writer.write_limit_if_due(connection)
        finally:
            self.lock.release()

    async def _expire(self) -> None:
        """Replace a limit that was not renewed in time."""
        if await self.reconciler.expire():
            self.environment.notifier.updated(is_fresh=False)

    async def _run(self) -> None:
        """Keep control alive until it is released."""
        notifier, timing = self.environment.notifier, self.environment.timing
        retry_at = 0.0
        while self.control.is_in_control:
            self._wake.clear()
            wake_at = self.writer.limit_due_at
            if (lease := self.control.lease) is not None:
                left = lease.remaining(self.environment.now()).total_seconds()
                wake_at = min(wake_at, clock() + left)
            wake_at = max(wake_at, retry_at)
            try:
                async with asyncio.timeout_at(wake_at):
                    await self._wake.wait()
                continue
            except TimeoutError:
                pass
            try:
                is_done = await self._write()
            except LinkError as error:
                _LOGGER.debug("%s: keep-alive failed: %s", notifier.name, error)
                wait = min(timing.retry_after, self.writer.period)
                if error.retry_after is not None:
                    wait = min(error.retry_after, LEAVE_ALONE)
            except Exception:
                # A fault of our own must not end the only task that keeps control.
                _LOGGER.exception("%s: keep-alive failed", notifier.name)
                wait = timing.retry_after
            else:
                wait = 0.0 if is_done else min(timing.retry_after, self.writer.period)
            retry_at = clock() + wait
