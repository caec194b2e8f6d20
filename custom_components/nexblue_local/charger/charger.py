"""Read the registers of a charger, and write its settings."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
import time
from typing import Final

from . import wall_clock
from .codec import Layout
from .energy import EnergyCounter
from .errors import (
    BadAnswer,
    CannotConnect,
    ChargerError,
    ConnectionCut,
    InUse,
    NoAnswer,
    NotACharger,
    NotWritable,
    Refused,
    WrongCharger,
)
from .model import Image, Register, RegisterGroup, Span, Table, spans
from .registers import Clock, Identity, Reading, Settings
from .transport import ILLEGAL_DATA_ADDRESS, ILLEGAL_DATA_VALUE, Connection, Link

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

SETTLING: Final = 5.0
"""Seconds after a write in which the old value may still be read."""

LIFETIME_HOLD: Final = 60.0
"""Seconds for which a jump of the lifetime energy is held back."""

SESSION_HOLD: Final = 10.0
"""Seconds for which a jump of the session energy is held back.

It is short because each session starts with a reset.
"""

BRIDGE: Final = 4
"""Maximum number of reserved registers to include in a read to save a request."""

HISTORY: Final = 30
"""Number of connection events to keep for diagnostics."""

READ_AGAIN_AFTER: Final = (BadAnswer, ConnectionCut, NoAnswer)
"""Errors after which a refresh is retried once on a new connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """All values of a charger at one time."""

    identity: Identity
    clock: Clock
    clock_offset: float | None
    """Seconds by which the charger's clock was ahead when it was last read."""
    reading: Reading
    session_energy_read: float | None
    """Session energy in kWh as it was read, including misreads."""
    settings: Settings

    def __getitem__[T](self, register: Register[T]) -> T | None:
        """Return the value of a register of any group, None if it is unknown."""
        group = next(
            group
            for group in (self.reading, self.settings, self.identity, self.clock)
            if type(group) is register.group
        )
        return register.__get__(group, register.group)


class _Session:
    """A connection on which the charger has been identified.

    The session `is_over` after a request without a response. A gateway keeps its
    connection then, but the charger behind it may have been replaced.
    """

    def __init__(self, connection: Connection, number: int, unit_id: int) -> None:
        self.connection = connection
        self.number = number
        self.images: dict[Table, dict[int, int]] = {table: {} for table in Table}
        self.is_over = False
        self._unit_id = unit_id
        self._split: set[Span] = set()

    async def read(self, *groups: type[RegisterGroup]) -> Image:
        """Return the words of all registers of groups in the same table."""
        request = {
            Table.INPUT: self.connection.read_input,
            Table.HOLDING: self.connection.read_holding,
        }[groups[0].table]
        registers = [register for group in groups for register in group.registers]
        image: dict[int, int] = {}
        for span in spans(registers, bridge=BRIDGE):
            if span not in self._split:
                words = await self._read_span(request, span)
                if words is not None:
                    image.update(enumerate(words, span[0]))
                    continue
                # Probably because of a reserved register. A register that is
                # refused on its own stays unknown.
                self._split.add(span)
            parts = spans(
                register
                for register in registers
                if span[0] <= register.address < span[0] + span[1]
            )
            for part in parts:
                if words := await self._read_span(request, part):
                    image.update(enumerate(words, part[0]))
        self.images[groups[0].table] |= image
        return image

    async def _read_span(
        self, request: Callable[[int, int, int], Awaitable[list[int]]], span: Span
    ) -> list[int] | None:
        """Return the words of a span, None if its addresses or length are refused."""
        try:
            return await self._answered(request(self._unit_id, *span))
        except Refused as error:
            if error.code not in (ILLEGAL_DATA_ADDRESS, ILLEGAL_DATA_VALUE):
                raise
            return None

    async def write(self, address: int, words: list[int]) -> None:
        """Write the words of a register."""
        await self._answered(self.connection.write(self._unit_id, address, words))

    async def _answered[T](self, request: Awaitable[T]) -> T:
        try:
            return await request
        except NoAnswer:
            self.is_over = True
            raise


class Charger:
    """A charger at an address and Modbus unit ID.

    The serial number is checked after each connect, before anything else is read
    or written.

    For diagnostics, `images` holds the words that were last read, and `history`
    the times of connects and failures.
    """

    def __init__(
        self,
        link: Link,
        unit_id: int,
        *,
        serial_number: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Initialize the charger.

        Without a serial number, any charger at the address is accepted. `clock`
        returns monotonic seconds, `now` the current time.
        """
        self._link = link
        self._unit_id = unit_id
        self._serial_number = serial_number
        self._time = clock
        self._now = now
        self.images: dict[Table, dict[int, int]] = {table: {} for table in Table}
        self.history: deque[tuple[datetime, str]] = deque(maxlen=HISTORY)
        self._session: _Session | None = None
        self._connections = 0
        self._suspended_until = 0.0
        self._connecting = asyncio.Lock()
        self._failing = False
        self._identity = Identity({})
        self._clock = Clock({})
        self._clock_offset: float | None = None
        self._clock_read_at = 0.0
        self._settings = Settings({})
        self._settings_read_at = 0.0
        self._settings_settled_at = 0.0
        self._layout = Layout.DCBA
        self._date_agrees = False
        self._lifetime_energy = EnergyCounter(wh_per_unit=1, hold=LIFETIME_HOLD)
        self._session_energy = EnergyCounter(wh_per_unit=1000, hold=SESSION_HOLD)

    @property
    def layout(self) -> Layout:
        """Return the byte layout in which values are decoded."""
        return self._layout

    def restore_lifetime_energy(self, value: float, age: float) -> None:
        """Restore a lifetime energy in Wh that was accepted `age` seconds ago."""
        self._lifetime_energy.restore(value, self._time() - age)

    def restore_session_energy(self, value: float, age: float) -> None:
        """Restore a session energy in kWh that was accepted `age` seconds ago."""
        self._session_energy.restore(value, self._time() - age)

    def disconnect(self) -> None:
        """Close the connection; the next request connects again."""
        self._link.disconnect()

    def release_connection(self, seconds: float) -> None:
        """Close the connection for some seconds, so that another program can use it.

        Until then, or until `reclaim_connection`, requests raise ConnectionReleased.
        """
        self._suspended_until = self._link.suspend(seconds)

    def reclaim_connection(self) -> None:
        """End the release of the connection, if this charger released it."""
        self._link.resume(self._suspended_until)

    @property
    def was_flooded(self) -> bool:
        """Return whether data without a request closed the connection."""
        return self._session is not None and self._session.connection.was_flooded

    @property
    def shares_connection(self) -> bool:
        """Return whether the connection has other users, as behind a gateway."""
        return self._link.users > 1

    async def identify(self) -> Identity:
        """Connect and return the identity (input registers 0-51).

        Raises NotACharger if the structure is not that of a NexBlue charger, or
        another ChargerError if it cannot be read.
        """
        session = await self._connected()
        reading = Reading.decode(await session.read(Reading), self._layout)
        if (
            not wall_clock.is_unset(self._clock)
            and wall_clock.calendar_date(self._clock) is None
        ):
            raise NotACharger("no date")
        if reading.status is None:
            raise NotACharger("no state")
        return self._identity

    async def refresh(self) -> Snapshot:
        """Read the charger and return all values.

        Measurements are read each time, the settings every SETTINGS_EVERY and the
        clock every CLOCK_EVERY seconds. Raises ChargerError if the charger cannot be
        read. The first failure after a success is retried immediately, so that a
        short disturbance is not visible.
        """
        try:
            try:
                return await self._refresh()
            except READ_AGAIN_AFTER:
                if self._failing:
                    raise
                return await self._refresh()
        except ChargerError as error:
            if not self._failing:
                self._log(f"{error.key}: {error}")
            self._failing = True
            raise

    async def _refresh(self) -> Snapshot:
        # During an outage each refresh connects only once.
        session = await self._connected(patient=not self._failing)
        reading, session_energy_read = await self._read_reading(session)
        if not self._lifetime_energy.is_settled:
            # The first value has to be confirmed by a second read.
            reading, session_energy_read = await self._read_reading(session)
        now = self._time()
        if (
            now - self._settings_read_at >= SETTINGS_EVERY
            or self._settings_read_at < self._settings_settled_at
        ):
            await self._read_settings(session)
        # A clock without a date is read more often, because the date confirms the
        # byte layout for writes.
        if now - self._clock_read_at >= (
            CLOCK_EVERY if self._date_agrees else SETTINGS_EVERY
        ):
            await self._read_clock(session)
        self._failing = False
        return Snapshot(
            identity=self._identity,
            clock=self._clock,
            clock_offset=self._clock_offset,
            reading=reading,
            session_energy_read=session_energy_read,
            settings=self._settings,
        )

    async def _read_reading(self, session: _Session) -> tuple[Reading, float | None]:
        """Return the reading with checked energies, and the raw session energy."""
        reading = Reading.decode(await session.read(Reading), self._layout)
        now = self._time()
        checked = reading.replace(
            lifetime_energy=self._lifetime_energy.accept(reading.lifetime_energy, now),
            session_energy=self._session_energy.accept(reading.session_energy, now),
        )
        return checked, reading.session_energy

    @property
    def settings(self) -> Settings:
        """Return the settings that were last read."""
        return self._settings

    async def connect(self, *, patient: bool = True) -> int:
        """Connect if necessary, and return the number of the connection.

        The number increases with each connection. Its settings have been read.
        If `patient`, connecting is retried for PATIENCE seconds. Raises
        ChargerError.
        """
        return (await self._connected(patient=patient)).number

    async def read_settings(self, connection: int) -> Settings:
        """Read the settings (holding registers 1000-1007) on a connection.

        Raises ChargerError; ConnectionCut if the connection has been replaced.
        """
        await self._read_settings(self._on(connection))
        return self._settings

    async def write[T](self, register: Register[T], value: T, connection: int) -> None:
        """Write a register of the settings on a connection.

        The old value may be read for another second or two. Raises ValueError if
        the value is out of range, before anything is sent. Raises NotWritable,
        Refused, or another ChargerError; ConnectionCut if the connection has been
        replaced. A write is never repeated: after BadAnswer, ConnectionCut and
        NoAnswer it may have been executed or not.
        """
        register.encode(value, Layout.DCBA)
        await self.check_writable(connection)
        words = register.encode(value, self._layout)
        self._settings_settled_at = self._time() + SETTLING
        await self._on(connection).write(register.address, words)

    async def check_writable(self, connection: int) -> None:
        """Check that registers can be written; raise NotWritable if not.

        Reads the clock and the settings again if necessary.
        """
        session = self._on(connection)
        if not self._is_writable:
            await self._read_clock(session)
            await self._read_settings(session)
            if not self._is_writable:
                raise NotWritable(f"byte layout {self._layout} is not certain")

    def _on(self, connection: int) -> _Session:
        session = self._session
        if session is None or session.is_over or session.number != connection:
            raise ConnectionCut("the connection has been replaced")
        return session

    @property
    def _is_writable(self) -> bool:
        """Return whether the byte layout is certain.

        A valid date confirms the documented layout. Another layout also needs a
        valid fallback timeout (holding register 1004).
        """
        return self._date_agrees and (
            self._layout is Layout.DCBA or self._settings.fallback_timeout is not None
        )

    async def _connected(self, *, patient: bool = True) -> _Session:
        """Return a session with the expected charger; connect if necessary."""
        async with self._connecting:
            deadline = self._time() + (PATIENCE if patient else 0)
            while True:
                try:
                    return await self._connect()
                except (CannotConnect, ConnectionCut) as error:
                    is_over = self._time() + RETRY_AFTER > deadline
                    if is_over or self._link.is_closed:
                        if isinstance(error, ConnectionCut):
                            raise InUse("each connection was closed") from error
                        raise
                await asyncio.sleep(RETRY_AFTER)

    async def _connect(self) -> _Session:
        connection = await self._link.connect()
        session = self._session
        if (
            session is not None
            and session.connection is connection
            and not session.is_over
        ):
            return session
        self._session = None
        self._connections += 1
        session = _Session(connection, self._connections, self._unit_id)
        image = await session.read(Identity, Clock)
        identity = Identity.decode(image, self._layout)
        if identity.serial_number is None:
            raise NotACharger("no serial number")
        expected = self._serial_number or identity.serial_number
        if identity.serial_number != expected:
            if self._link.users <= 1:
                # The charger may have another user, and accepts one client.
                self._link.disconnect()
            raise WrongCharger(expected, identity.serial_number)
        self._identity = identity
        self.images = session.images
        self._update_clock(image)
        await self._read_settings(session)
        self._session = session
        self._log("connected")
        return session

    def _log(self, event: str) -> None:
        self.history.append((self._now(), event))

    async def _read_settings(self, session: _Session) -> None:
        image = await session.read(Settings)
        if not self._date_agrees:
            # Sufficient for reading while the clock is not set.
            self._layout = _layout_of_settings(image) or self._layout
        self._settings = Settings.decode(image, self._layout)
        self._settings_read_at = self._time()

    async def _read_clock(self, session: _Session) -> None:
        self._update_clock(await session.read(Clock))

    def _update_clock(self, image: Image) -> None:
        """Update the clock, and the byte layout from its date.

        Without a valid date the layout does not change.
        """
        layout = _layout(image)
        self._date_agrees = layout is not None
        self._layout = layout or self._layout
        self._clock = Clock.decode(image, self._layout)
        self._clock_offset = wall_clock.offset(self._clock, self._now())
        self._clock_read_at = self._time()


def _layout(image: Image) -> Layout | None:
    """Return the layout in which the date is valid; the documented one is preferred."""
    for layout in Layout:
        if wall_clock.calendar_date(Clock.decode(image, layout)) is not None:
            return layout
    return None


def _layout_of_settings(image: Image) -> Layout | None:
    """Return the layout in which the fallback timeout is in its range."""
    for layout in Layout:
        if Settings.decode(image, layout).fallback_timeout is not None:
            return layout
    return None
