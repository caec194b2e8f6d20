"""A connection on which the charger has been identified."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from . import wall_clock
from .blocks import BlockReader
from .codec import Layout
from .errors import (
    ConnectionCut,
    NoAnswer,
    NotACharger,
    NotWritable,
    Refused,
    WrongCharger,
)
from .layout import Decoded, LayoutDetector
from .learned import Learning
from .model import Image, Register, RegisterGroup, Table
from .registers import Clock, Identity, Reading, Settings
from .transport import Connection

BUSY_PAUSES: Final = (0.2, 0.4, 0.8)
"""Seconds before each repetition of a request that found the charger busy."""

SETTLING: Final = 5.0
"""Seconds after a write in which the old value may still be read."""


class Session:
    """A connection on which the charger has been identified.

    `Client.connect` returns it. A session never connects again: once it `is_over`,
    its requests raise an error, and whoever holds it asks the client for another one.

    `identity`, `clock` and `settings` are what was last read.
    """

    def __init__(
        self,
        connection: Connection,
        unit_id: int,
        learning: Learning,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        """Initialize the session, on which `identify` has to be called first.

        `clock` returns monotonic seconds, `now` the current time.
        """
        self.identity = Identity()
        self.clock_read_at = 0.0
        self.settings_read_at = 0.0
        self.settings_settled_at = 0.0
        self._connection = connection
        self._unit_id = unit_id
        self._learning = learning
        self._started_at = clock()
        self._time = clock
        self._now = now
        self._blocks = BlockReader(connection, unit_id, learning, clock)
        self._was_unanswered = False
        self._clock = Decoded(Clock, learning.layout)
        self._clock_seen = now()
        self._settings = Decoded(Settings, learning.layout)

    async def identify(self, serial_number: str | None) -> None:
        """Check the serial number, and read identity, clock and settings.

        Without a serial number, any charger is accepted. Raises NotACharger,
        WrongCharger or another ChargerError.
        """
        image = await self._read(Identity, Clock)
        answered_at = self._time()
        self.identity = self._layout.decode(Identity, image)
        found = self.identity.serial_number
        if found is None:
            raise NotACharger("no serial number")
        if serial_number is not None:
            if serial_number.casefold() != found.casefold():
                raise WrongCharger(serial_number, found)
            # The letter case may change with the firmware.
            self.identity = replace(self.identity, serial_number=serial_number)
        self._learning.identified(self.identity)
        self._learning.answered_first(answered_at - self._started_at)
        self._update_clock(image)
        await self.read_settings()

    @property
    def clock(self) -> Clock:
        """Return the clock that was last read, in the byte layout as it is known now."""
        return self._clock.values

    @property
    def clock_offset(self) -> float | None:
        """Return the seconds by which the clock was ahead when it was last read."""
        return wall_clock.offset(self.clock, self._clock_seen)

    @property
    def settings(self) -> Settings:
        """Return the settings that were last read, in the byte layout as known now."""
        return self._settings.values

    @property
    def is_over(self) -> bool:
        """Return whether the session has ended.

        It ends with its connection, and after a request without a response: a gateway
        keeps its connection then, but the charger behind it may have been replaced.
        """
        return self._was_unanswered or not self._connection.is_open

    @property
    def _layout(self) -> LayoutDetector:
        return self._learning.layout

    @property
    def images(self) -> dict[Table, dict[int, int]]:
        """Return the words that were last read, for diagnostics."""
        return self._blocks.images

    def uses(self, connection: Connection) -> bool:
        """Return whether this is a session of a connection."""
        return self._connection is connection

    async def read_reading(self) -> Reading:
        """Read state, measurements and alarms; energies may be misreads."""
        image = await self._read(Reading)
        if not self._layout.is_certain:
            self._layout.observe(Table.INPUT, image)
        return self._layout.decode(Reading, image)

    async def read_settings(self) -> Settings:
        """Read the settings (holding registers 1000-1007).

        Raises ChargerError; ConnectionCut if the session is over.
        """
        image = await self._read(Settings)
        self._layout.observe(Table.HOLDING, image)
        self._settings.update(image)
        self.settings_read_at = self._time()
        return self.settings

    async def read_clock(self) -> Clock:
        """Read the clock (input registers 38-42), which also updates the layout."""
        self._update_clock(await self._read(Clock))
        return self.clock

    async def read_words(self, table: Table, address: int, count: int) -> list[int]:
        """Return the words of one request as they are, whatever they mean.

        It is not repeated if the charger is busy. Raises ChargerError; ConnectionCut
        if the session is over.
        """
        self._check_not_over()
        return await self._answered_once(
            partial(self._blocks.read_words, table, address, count)
        )

    def _update_clock(self, image: Image) -> None:
        self._layout.observe(Table.INPUT, image)
        self._clock.update(image)
        self._clock_seen = self._now()
        self.clock_read_at = self._time()

    async def write[T](self, register: Register[T], value: T) -> None:
        """Write a register of the settings.

        The old value may be read for another second or two. Raises ValueError if
        the value is out of range, before anything is sent. Raises NotWritable,
        Refused, or another ChargerError; ConnectionCut if the session is over. A write
        is repeated only while the charger says that it is busy: after BadAnswer,
        ConnectionCut and NoAnswer it may have been executed or not.
        """
        register.encode(value, Layout.DCBA)
        await self.check_writable()
        words = register.encode(value, self._layout.layout)
        self.settings_settled_at = self._time() + SETTLING
        await self._answered(
            partial(self._connection.write, self._unit_id, register.address, words)
        )

    async def check_writable(self) -> None:
        """Check that registers can be written; raise NotWritable if not.

        Reads the clock and the settings again if necessary.
        """
        self._check_not_over()
        if not self._layout.is_certain:
            await self.read_clock()
            await self.read_settings()
            await self.read_reading()
            if not self._layout.is_certain:
                layout = self._layout.layout
                raise NotWritable(f"byte layout {layout} is not certain")

    async def _read(self, *groups: type[RegisterGroup]) -> Image:
        self._check_not_over()
        return await self._answered(partial(self._blocks.read, *groups))

    def _check_not_over(self) -> None:
        # A closed connection raises its own error.
        if self._was_unanswered:
            raise ConnectionCut("the session is over")

    async def _answered[T](self, request: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a request, which is repeated while the charger is busy."""
        for pause in BUSY_PAUSES:
            try:
                return await self._answered_once(request)
            except Refused as error:
                if not error.is_busy:
                    raise
            await asyncio.sleep(pause)
        return await self._answered_once(request)

    async def _answered_once[T](self, request: Callable[[], Awaitable[T]]) -> T:
        try:
            return await request()
        except NoAnswer:
            self._was_unanswered = True
            raise
