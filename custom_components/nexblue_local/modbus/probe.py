"""Read a charger in ways that polls do not, to find out how it behaves.

Nothing is written. Polls and commands have their turn between two requests.
"""

import asyncio
import time
from typing import Final

from . import session
from .client import Client
from .errors import ChargerError, Refused
from .findings import HALF_VALUE, SHORT_WITH_RESERVED, Answer, Block, Findings
from .model import Table

DOCUMENTED_BLOCKS: Final = (
    # What polls read.
    Block(Table.INPUT, 0, 52),
    Block(Table.INPUT, 100, 39),
    Block(Table.INPUT, 400, 3),
    Block(Table.HOLDING, 1000, 8),
    SHORT_WITH_RESERVED,
    # Half of a value, then longer and longer without reserved registers.
    HALF_VALUE,
    *(Block(Table.INPUT, 102, count) for count in (2, 8, 16, 32, 37)),
    Block(Table.INPUT, 0, 43),
    # The longest reads that Modbus allows.
    *(Block(Table.INPUT, 100, count) for count in (64, 100, 125)),
)

RESERVED_INPUT: Final = (
    *(43, 52, 53, 99, 101),
    # The document reserves them for measurements.
    *range(139, 161),
    *(200, 300, 399, 403, 404),
)
RESERVED_HOLDING: Final = (*range(1008, 1016), 1999)

BLOCKS: Final = (
    *DOCUMENTED_BLOCKS,
    *(Block(Table.INPUT, address, 1) for address in RESERVED_INPUT),
    *(Block(Table.HOLDING, address, 1) for address in RESERVED_HOLDING),
)
"""The reads of a probe; the unusual ones come last."""

PAUSE: Final = 0.02
"""Seconds between two requests."""

SECONDS_AT_MOST: Final = 60.0
"""Seconds after which no further block is asked for."""

LOST_AT_MOST: Final = 2
"""Blocks without an answer after which no further block is asked for."""


async def probe(client: Client) -> Findings:
    """Read a charger and return how it behaves.

    Raises ChargerError if it cannot be read as a poll does. What is not answered
    after that is one of the findings.
    """
    # This replaces a connection that ended unnoticed.
    await client.poll()
    first = await client.connect()
    await first.read_clock()
    reading = await first.read_reading()
    await first.read_settings()
    ends_at = time.monotonic() + SECONDS_AT_MOST
    answers: list[Answer] = []
    busy = lost = 0
    for block in BLOCKS:
        if time.monotonic() > ends_at or lost >= LOST_AT_MOST:
            break
        await asyncio.sleep(PAUSE)
        answer, pauses = await _ask(client, block)
        answers.append(answer)
        busy += pauses
        lost += answer.error is not None and not isinstance(answer.error, Refused)
    return Findings(
        identity=first.identity,
        clock=first.clock,
        clock_offset=first.clock_offset,
        reading=reading,
        settings=first.settings,
        layout=client.layout,
        is_layout_certain=client.is_layout_certain,
        images={table: dict(image) for table, image in first.images.items()},
        answers=tuple(answers),
        busy=busy,
        is_complete=len(answers) == len(BLOCKS),
    )


async def _ask(client: Client, block: Block) -> tuple[Answer, int]:
    """Return the answer to a read, and how often the charger was busy before it."""
    busy = 0
    while True:
        started = time.monotonic()
        try:
            words = await (await client.connect()).read_words(
                block.table, block.address, block.count
            )
        except ChargerError as error:
            seconds = time.monotonic() - started
            if isinstance(error, Refused) and error.is_busy:
                busy += 1
                if busy <= len(session.BUSY_PAUSES):
                    await asyncio.sleep(session.BUSY_PAUSES[busy - 1])
                    continue
            return Answer(block, seconds, error=error), busy
        return Answer(block, time.monotonic() - started, tuple(words)), busy
