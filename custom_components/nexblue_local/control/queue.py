"""Commands that wait for one another, of which a newer one replaces an older."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from .settings import Setting, Settings

type Ticket = asyncio.Future[bool]
"""A command: whether it was executed, or its error; False if it was cancelled."""


class CommandQueue:
    """Knows the newest command for each setting."""

    def __init__(self) -> None:
        """Initialize an empty queue."""
        self._newest: dict[Setting, Ticket] = {}

    @property
    def is_empty(self) -> bool:
        """Return whether no command is waiting or executed."""
        return not self._newest

    @contextmanager
    def enter(self, wanted: Settings) -> Iterator[Ticket]:
        """Replace older commands for the same settings while this one is waiting."""
        ticket: Ticket = asyncio.get_running_loop().create_future()
        self._newest |= {setting: ticket for setting, _ in wanted}
        try:
            yield ticket
            ticket.set_result(True)
        except Exception as error:
            ticket.set_exception(error)
            # Whoever was replaced by it may have gone.
            ticket.exception()
            raise
        finally:
            for setting, _ in wanted:
                if self._newest.get(setting) is ticket:
                    del self._newest[setting]
            # Also when it is cancelled: those it replaced wait for it.
            if not ticket.done():
                ticket.set_result(False)

    def successor(self, ticket: Ticket, setting: Setting) -> Ticket | None:
        """Return the newer command that replaces this one for a setting."""
        newest = self._newest.get(setting)
        return None if newest is ticket else newest

    def is_superseded(self, ticket: Ticket, setting: Setting) -> bool:
        """Return whether a newer command replaces this one for a setting."""
        return self.successor(ticket, setting) is not None
