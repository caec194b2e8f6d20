"""The client of one charger: connecting, and polling at the intervals of each value."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
import time
from typing import Final

from . import wall_clock
from .codec import Layout
from .connection_pool import Endpoint
from .energy import EnergyFilter
from .errors import (
    BadAnswer,
    CannotConnect,
    ChargerError,
    ConnectionCut,
    InUse,
    NoAnswer,
    NotACharger,
    Refused,
    WrongCharger,
)
from .learned import Learned, Learning
from .model import Table
from .registers import Identity, Settings
from .session import Session
from .snapshot import Snapshot

SETTINGS_EVERY: Final = 30.0
"""Seconds between reads of the holding registers."""

CLOCK_EVERY: Final = 600.0
"""Seconds between reads of the charger's clock."""

PATIENCE: Final = 6.0
"""Seconds for which connecting is retried.

A charger accepts one client at a time, and rejects new connections until it has
noticed that the previous one was closed.
"""

RETRY_AFTER: Final = 1.0
"""Seconds between two attempts to connect."""

HISTORY: Final = 30
"""Number of connection events to keep for diagnostics."""

READ_AGAIN_AFTER: Final = (BadAnswer, ConnectionCut, NoAnswer, Refused)
"""Errors after which a poll is retried once, on a new connection if it was lost."""


class Client:
    """The client of a charger at an endpoint and Modbus unit ID.

    The serial number is checked after each connect, before anything else is read
    or written. For diagnostics, `history` holds the times of connects and failures.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        unit_id: int,
        *,
        serial_number: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Initialize the client; it connects when it is used.

        Without a serial number, any charger at the address is accepted. `clock`
        returns monotonic seconds, `now` the current time.
        """
        self.history: deque[tuple[datetime, str]] = deque(maxlen=HISTORY)
        self._endpoint = endpoint
        self._unit_id = unit_id
        self._serial_number = serial_number
        self._time = clock
        self._now = now
        self._learning = Learning()
        self._energies = EnergyFilter()
        # The last one that was identified, which may be over.
        self._session: Session | None = None
        self._connecting = asyncio.Lock()
        self._suspended_until = 0.0
        self._is_failing = False

    @property
    def settings(self) -> Settings:
        """Return the settings that were last read."""
        return Settings() if self._session is None else self._session.settings

    @property
    def images(self) -> dict[Table, dict[int, int]]:
        """Return the words that were last read, for diagnostics."""
        if self._session is None:
            return {table: {} for table in Table}
        return self._session.images

    @property
    def layout(self) -> Layout:
        """Return the byte layout in which values are decoded."""
        return self._learning.layout.layout

    @property
    def is_layout_certain(self) -> bool:
        """Return whether the byte layout is certain enough to write registers."""
        return self._learning.layout.is_certain

    @property
    def was_flooded(self) -> bool:
        """Return whether data without a request closed the connection."""
        return self._endpoint.was_flooded

    @property
    def shares_connection(self) -> bool:
        """Return whether the connection has other users, as behind a gateway."""
        return self._endpoint.users > 1

    @property
    def addresses(self) -> set[str]:
        """Return the IP addresses that errors may contain."""
        return self._endpoint.addresses

    @property
    def learned(self) -> Learned:
        """Return what was learned of the charger, which is worth storing."""
        return self._learning.learned

    def restore_learned(self, learned: Learned) -> None:
        """Restore what was learned; it is forgotten with other firmware."""
        self._learning.restore(learned)

    def restore_lifetime_energy(self, value: float, age: float) -> None:
        """Restore a lifetime energy in Wh that was accepted `age` seconds ago."""
        self._energies.restore_lifetime(value, self._time() - age)

    def restore_session_energy(self, value: float, age: float) -> None:
        """Restore a session energy in kWh that was accepted `age` seconds ago."""
        self._energies.restore_session(value, self._time() - age)

    def disconnect(self) -> None:
        """Close the connection; the next request connects again."""
        self._endpoint.disconnect()

    def release_connection(self, seconds: float) -> None:
        """Close the connection for some seconds, so that another program can use it.

        Until then, or until `reclaim_connection`, requests raise ConnectionReleased.
        """
        self._suspended_until = self._endpoint.suspend(seconds)

    def reclaim_connection(self) -> None:
        """End the release of the connection, if this client released it."""
        self._endpoint.resume(self._suspended_until)

    async def identify(self) -> Identity:
        """Connect and return the identity (input registers 0-51).

        A NexBlue charger has a serial number and at least two plausible values among
        state, settings, voltages and date. Raises NotACharger, or another
        ChargerError if it cannot be read.
        """
        session = await self.connect()
        reading = await session.read_reading()
        voltages = (reading.voltage_l1, reading.voltage_l2, reading.voltage_l3)
        plausible = (
            reading.status is not None,
            session.settings.fallback_timeout is not None,
            session.settings.start_stop is not None
            and session.settings.phase_mode is not None,
            any(voltage is not None and voltage >= 80 for voltage in voltages),
            wall_clock.calendar_date(session.clock) is not None,
        )
        if sum(plausible) < 2:
            raise NotACharger("its registers hold no plausible values")
        return session.identity

    async def poll(self) -> Snapshot:
        """Read the charger and return all values.

        Measurements are read each time, the settings every SETTINGS_EVERY and the
        clock every CLOCK_EVERY seconds. Raises ChargerError if the charger cannot be
        read. The first failure after a success is retried immediately, so that a
        short disturbance is not visible.
        """
        try:
            try:
                return await self._poll()
            except READ_AGAIN_AFTER:
                if self._is_failing:
                    raise
                return await self._poll()
        except ChargerError as error:
            if not self._is_failing:
                self._log(f"{error.key}: {error}")
            self._is_failing = True
            raise

    async def _poll(self) -> Snapshot:
        # During an outage each poll connects only once.
        session = await self.connect(patient=not self._is_failing)
        read = await session.read_reading()
        reading = self._energies.apply(read, self._time())
        if self._energies.needs_second_read:
            read = await session.read_reading()
            reading = self._energies.apply(read, self._time())
        now = self._time()
        if (
            now - session.settings_read_at >= SETTINGS_EVERY
            or session.settings_read_at < session.settings_settled_at
        ):
            await session.read_settings()
        # A clock without a date is read more often, until it is set.
        clock_every = (
            CLOCK_EVERY if self._learning.layout.has_valid_date else SETTINGS_EVERY
        )
        if now - session.clock_read_at >= clock_every:
            await session.read_clock()
        self._is_failing = False
        return Snapshot(
            identity=session.identity,
            clock=session.clock,
            clock_offset=session.clock_offset,
            reading=reading,
            session_energy_read=read.session_energy,
            settings=session.settings,
        )

    async def connect(self, *, patient: bool = True) -> Session:
        """Return the session with the charger; connect if it is over.

        The settings of a new session have been read. If `patient`, connecting is
        retried for PATIENCE seconds. Raises ChargerError.
        """
        async with self._connecting:
            deadline = self._time() + (PATIENCE if patient else 0)
            while True:
                try:
                    return await self._connect()
                except (CannotConnect, ConnectionCut) as error:
                    is_late = self._time() + RETRY_AFTER > deadline
                    if is_late or self._endpoint.is_closed:
                        if isinstance(error, ConnectionCut):
                            raise InUse("each connection was closed") from error
                        raise
                await asyncio.sleep(RETRY_AFTER)

    async def _connect(self) -> Session:
        connection = await self._endpoint.connect()
        last = self._session
        if last is not None and last.uses(connection) and not last.is_over:
            return last
        session = Session(
            connection, self._unit_id, self._learning, clock=self._time, now=self._now
        )
        try:
            await session.identify(self._serial_number)
        except WrongCharger:
            if self._endpoint.users <= 1:
                # The charger may have another user, and accepts one client.
                self._endpoint.disconnect()
            raise
        if last is not None:
            # The old value may still be read on the new connection.
            session.settings_settled_at = last.settings_settled_at
        self._session = session
        self._log("connected")
        return session

    def _log(self, event: str) -> None:
        self.history.append((self._now(), event))
