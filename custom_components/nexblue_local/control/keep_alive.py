"""The keep-alive: write the current limit again before the fallback engages."""

import asyncio
from dataclasses import dataclass, field
import logging

from .environment import Environment
from .link import Connection, Link, LinkError
from .reconciler import Reconciler
from .settings import Setting
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
    link: Link
    control: ControlState
    writer: Writer
    reconciler: Reconciler
    lock: asyncio.Lock
    """Held by whoever writes."""
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Calculate again when the next write is due."""
        self._wake.set()

    @property
    def _period(self) -> float:
        timeout = self.link.settings.fallback_timeout
        return self.environment.timing.keep_alive_period(timeout)

    @property
    def _due_at(self) -> float:
        """Return when the current limit has to be written again."""
        return self.writer.limit_written_at + self._period

    async def run(self) -> None:
        """Keep control alive until it is released."""
        notifier, timing = self.environment.notifier, self.environment.timing
        retry_at = 0.0
        while self.control.is_in_control:
            self._wake.clear()
            wake_at = max(self._due_at, retry_at)
            if (lease := self.control.lease) is not None:
                left = lease.remaining(self.environment.now()).total_seconds()
                wake_at = min(wake_at, clock() + left)
            try:
                async with asyncio.timeout_at(wake_at):
                    await self._wake.wait()
                continue
            except TimeoutError:
                pass
            try:
                async with self.lock:
                    if await self.reconciler.expire():
                        notifier.updated(is_fresh=False)
                    # This writes the limit as well if it has to restore it.
                    connection = await self.reconciler.ready(patient=False)
                    await self._write_if_due(connection)
            except LinkError as error:
                _LOGGER.debug("%s: keep-alive failed: %s", notifier.name, error)
                wait = min(timing.retry_after, self._period)
                if error.retry_after is not None:
                    wait = min(error.retry_after, LEAVE_ALONE)
            except Exception:
                # A fault of our own must not end the only task that keeps control.
                _LOGGER.exception("%s: keep-alive failed", notifier.name)
                wait = timing.retry_after
            else:
                # A limit that was refused is still due.
                wait = timing.retry_after if self._due_at <= clock() else 0.0
            retry_at = clock() + wait

    async def _write_if_due(self, connection: Connection) -> None:
        limit = self.control.limits.effective
        if limit is not None and clock() >= self._due_at:
            await self.writer.send(connection, Setting.CURRENT_LIMIT, limit)

    async def write_meanwhile(self) -> None:
        """Write the current limit if it is due, while something else waits.

        On a connection that is not restored yet, it is not known what is safe. A
        failure is not one of what waits.
        """
        if (connection := self.reconciler.connection) is None:
            return
        try:
            await self._write_if_due(connection)
        except LinkError as error:
            name = self.environment.notifier.name
            _LOGGER.debug("%s: keep-alive failed: %s", name, error)
