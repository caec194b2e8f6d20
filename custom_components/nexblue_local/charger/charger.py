"""One charger: reads its registers, writes its settings."""

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
"""Seconds for which a lost connection is made again before that is a failure.

A charger that takes one client at a time frees the place of a closed
connection only when it has noticed the close, and cuts off or refuses whoever
comes before that.
"""

RETRY_AFTER: Final = 1.0
"""Seconds between two attempts to connect."""

SETTLING: Final = 5.0
"""Seconds after a write in which the settings may still show the old value."""

LIFETIME_HOLD: Final = 60.0
"""Seconds for which a lifetime energy that jumped is held back."""

SESSION_HOLD: Final = 10.0
"""Seconds for which a session energy that jumped is held back.

It does so at the start of each session.
"""

BRIDGE: Final = 4
"""Reserved registers that a read may include, to cost one request less."""

HISTORY: Final = 30
"""Events of the connection to remember."""

READ_AGAIN_AFTER: Final = (BadAnswer, ConnectionCut, NoAnswer)
"""Failures after which a read is tried once more, on a new connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """Everything that is known about a charger at one time."""

    identity: Identity
    clock: Clock
    clock_offset: float | None
    """Seconds that the charger's clock was ahead when it was last read."""
    reading: Reading
    session_energy_read: float | None
    """The session energy in kWh as it was read, misreads included."""
    settings: Settings

    def __getitem__[T](self, register: Register[T]) -> T | None:
        """Return the value of a register of any group, None when unknown."""
        group = next(
            group
            for group in (self.reading, self.settings, self.identity, self.clock)
            if type(group) is register.group
        )
        return register.__get__(group, register.group)


class _Session:
    """A connection whose other end has been identified.

    That holds until it `is_over`: a gateway keeps the connection when the
    charger behind it is silent, and nobody knows what becomes of that one.
    """

    def __init__(self, connection: Connection, number: int, unit_id: int) -> None:
        self.connection = connection
        self.number = number
        self.images: dict[Table, dict[int, int]] = {table: {} for table in Table}
        self.is_over = False
        self._unit_id = unit_id
        self._split: set[Span] = set()

    async def read(self, *groups: type[RegisterGroup]) -> Image:
        """Read all registers of groups that are of one table."""
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
                # Most likely for a reserved register inside; a register that
                # is refused even without its neighbours stays unknown.
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
        """Return the words of a span, None when its addresses or length are refused."""
        try:
            return await self._answered(request(self._unit_id, *span))
        except Refused as error:
            if error.code not in (ILLEGAL_DATA_ADDRESS, ILLEGAL_DATA_VALUE):
                raise
            return None

    async def write(self, address: int, words: list[int]) -> None:
        """Write the words of one register of the map."""
        await self._answered(self.connection.write(self._unit_id, address, words))

    async def _answered[T](self, request: Awaitable[T]) -> T:
        try:
            return await request
        except NoAnswer:
            self.is_over = True
            raise


class Charger:
    """A charger behind a link, addressed by its Modbus unit id.

    Every connection is checked for the charger's serial number before anything
    else is read from it or written to it.

    For diagnostics, `images` holds the words that were last read, and `history`
    when the connection was made and what ended it.
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
        """Take the link, and the serial number unless it is yet to be found out."""
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
        """Return the byte layout in which the date last made sense."""
        return self._layout

    def restore_lifetime_energy(self, value: float, age: float) -> None:
        """Take over a lifetime energy in Wh that was shown some seconds ago."""
        self._lifetime_energy.remember(value, self._time() - age)

    def restore_session_energy(self, value: float, age: float) -> None:
        """Take over a session energy in kWh that was shown some seconds ago."""
        self._session_energy.remember(value, self._time() - age)

    def disconnect(self) -> None:
        """Close the connection; the next refresh makes a new one."""
        self._link.disconnect()

    def release_connection(self, seconds: float) -> None:
        """Give the connection up for a time, in which everything raises ConnectionReleased."""
        self._suspended_until = self._link.suspend(seconds)

    def reclaim_connection(self) -> None:
        """Take the connection back if this is who gave it up."""
        self._link.resume(self._suspended_until)

    @property
    def was_flooded(self) -> bool:
        """Return whether data that nobody requested closed the connection."""
        return self._session is not None and self._session.connection.was_flooded

    @property
    def shares_connection(self) -> bool:
        """Return whether others use the connection as well, as behind a gateway."""
        return self._link.users > 1

    async def identify(self) -> Identity:
        """Connect and return who the charger is; NotACharger when it is none."""
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
        """Return everything, read anew as far as it is due.

        Raises a ChargerError when the charger cannot be read. A connection that
        fails after it worked is replaced at once, so that a short disturbance
        does not show.
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
        # While an outage lasts the next refresh is soon enough to try again.
        session = await self._connected(patient=not self._failing)
        reading, session_energy_read = await self._read_reading(session)
        if not self._lifetime_energy.is_settled:
            # The very first values have no others to be measured by.
            reading, session_energy_read = await self._read_reading(session)
        now = self._time()
        if (
            now - self._settings_read_at >= SETTINGS_EVERY
            or self._settings_read_at < self._settings_settled_at
        ):
            await self._read_settings(session)
        # A clock that was not set yet is looked at more often: nothing can be
        # written before it shows a date.
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
        """Return what was read with its energies checked, and one of them as it was."""
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
        """Return the number of the connection, made where necessary.

        It counts up with each connection, whose settings have been read.
        """
        return (await self._connected(patient=patient)).number

    async def read_settings(self, connection: int) -> Settings:
        """Read the settings over a connection; ConnectionCut when it is gone."""
        await self._read_settings(self._on(connection))
        return self._settings

    async def write[T](self, register: Register[T], value: T, connection: int) -> None:
        """Write one register of the settings over a connection.

        The settings may show the old value for a second or two. Raises
        ValueError for a value out of range, before anything is sent, and a
        ChargerError when the charger cannot be reached or refuses;
        ConnectionCut also when the connection is another one by now. A write is
        never repeated: after NoAnswer and ConnectionCut nobody knows whether it
        was executed.
        """
        register.encode(value, Layout.DCBA)
        await self.check_writable(connection)
        words = register.encode(value, self._layout)
        self._settings_settled_at = self._time() + SETTLING
        await self._on(connection).write(register.address, words)

    async def check_writable(self, connection: int) -> None:
        """Check that something can be written; raises NotWritable."""
        session = self._on(connection)
        if not self._is_writable:
            await self._read_clock(session)
            await self._read_settings(session)
            if not self._is_writable:
                raise NotWritable(f"byte layout {self._layout} is not certain")

    def _on(self, connection: int) -> _Session:
        session = self._session
        if session is None or session.is_over or session.number != connection:
            raise ConnectionCut("the connection is another one by now")
        return session

    @property
    def _is_writable(self) -> bool:
        """Return whether the byte layout is certain.

        The date alone proves the documented layout; another one has to make
        sense of a second value as well.
        """
        return self._date_agrees and (
            self._layout is Layout.DCBA or self._settings.fallback_timeout is not None
        )

    async def _connected(self, *, patient: bool = True) -> _Session:
        """Return a session with the right charger, made anew where necessary."""
        async with self._connecting:
            deadline = self._time() + (PATIENCE if patient else 0)
            while True:
                try:
                    return await self._connect()
                except (CannotConnect, ConnectionCut) as error:
                    is_over = self._time() + RETRY_AFTER > deadline
                    if is_over or self._link.is_closed:
                        if isinstance(error, ConnectionCut):
                            raise InUse("the connection was cut each time") from error
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
                # The place is freed for those whom this charger belongs to.
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
            # Good enough to read by, as long as the clock is not set.
            self._layout = _layout_of_settings(image) or self._layout
        self._settings = Settings.decode(image, self._layout)
        self._settings_read_at = self._time()

    async def _read_clock(self, session: _Session) -> None:
        self._update_clock(await session.read(Clock))

    def _update_clock(self, image: Image) -> None:
        """Take over the clock, and the byte layout that its date proves.

        Without a date that makes sense the layout stays that of the last one.
        """
        layout = _layout(image)
        self._date_agrees = layout is not None
        self._layout = layout or self._layout
        self._clock = Clock.decode(image, self._layout)
        self._clock_offset = wall_clock.offset(self._clock, self._now())
        self._clock_read_at = self._time()


def _layout(image: Image) -> Layout | None:
    """Return the layout in which the date makes sense, the documented one first."""
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
