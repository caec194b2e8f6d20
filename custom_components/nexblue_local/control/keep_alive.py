"""The keep-alive: write the current limit again before the fallback engages."""

import asyncio
import logging

from .environment import Environment
from .link import Connection, Link, LinkError
from .reconciler import Reconciler
from .settings import Setting
from .state import ControlState
from .writer import Writer

_LOGGER = logging.getLogger(__name__)

LEAVE_ALONE = 10.0
"""Longest time in seconds between two attempts while somebody else is connected."""


class KeepAlive:
    """Write the current limit in time, and the safe one when it expires."""

    def __init__(
        self,
        link: Link,
        state: ControlState,
        writer: Writer,
        reconciler: Reconciler,
        environment: Environment,
        lock: asyncio.Lock,
    ) -> None:
        """Initialize without a task; `lock` is held by whoever writes."""
        self._link = link
        self._state = state
        self._writer = writer
        self._reconciler = reconciler
        self._notifier = environment.notifier
        self._timing = environment.timing
        self._clock = environment.clock
        self._now = environment.now
        self._lock = lock
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Calculate again when the next write is due."""
        self._wake.set()

    @property
    def _period(self) -> float:
        return self._timing.keep_alive_period(self._link.settings.fallback_timeout)

    @property
    def due_at(self) -> float:
        """Return when the current limit has to be written again."""
        return self._writer.limit_written_at + self._period

    async def run(self) -> None:
        """Keep control alive until it is released."""
        retry_at = 0.0
        while self._state.is_in_control:
            self._wake.clear()
            due_at = max(self.due_at, retry_at)
            if (lease := self._state.lease) is not None:
                left = lease.remaining(self._now()).total_seconds()
                due_at = min(due_at, self._clock() + left)
            try:
                async with asyncio.timeout(max(0.0, due_at - self._clock())):
                    await self._wake.wait()
                continue
            except TimeoutError:
                pass
            try:
                async with self._lock:
                    if await self._reconciler.expire():
                        self._notifier.updated(is_fresh=False)
                    # This writes the limit as well if it has to restore it.
                    connection = await self._reconciler.ready(patient=False)
                    await self.write_if_due(connection)
            except LinkError as error:
                _LOGGER.debug("%s: keep-alive failed: %s", self._notifier.name, error)
                retry_at = self._clock() + self._wait_after(error)
            except Exception:
                # A fault of our own must not end the only task that keeps control.
                _LOGGER.exception("%s: keep-alive failed", self._notifier.name)
                retry_at = self._clock() + self._timing.retry_after
            else:
                retry_at = self._retry_if_refused()

    def _retry_if_refused(self) -> float:
        """Return when a limit that was refused is tried again."""
        is_due = self.due_at <= self._clock()
        return self._clock() + self._timing.retry_after if is_due else 0.0

    def _wait_after(self, error: LinkError) -> float:
        """Return the time to the next attempt, in seconds."""
        if error.retry_after is not None:
            return min(error.retry_after, LEAVE_ALONE)
        return min(self._timing.retry_after, self._period)

    async def write_if_due(self, connection: Connection) -> None:
        """Write the current limit if it is due; raises LinkError if it is lost."""
        limit = self._state.limits.effective
        if limit is not None and self._clock() >= self.due_at:
            await self._writer.send(connection, Setting.CURRENT_LIMIT, limit)

    async def write_meanwhile(self) -> None:
        """Write the current limit if it is due, while something else waits.

        On a connection that is not restored yet, it is not known what is safe. A
        failure is not one of what waits.
        """
        connection = self._reconciler.connection
        if connection is None:
            return
        try:
            await self.write_if_due(connection)
        except LinkError as error:
            _LOGGER.debug("%s: keep-alive failed: %s", self._notifier.name, error)
