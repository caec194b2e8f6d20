"""Commands that wait for one another, of which a newer one replaces an older."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from .settings import Setting, Settings


class Ticket:
    """A command in the queue."""

    def __init__(self, wanted: Settings) -> None:
        """Initialize a command that waits."""
        self.settings = frozenset(setting for setting, _ in wanted)
        self.done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """Whether it was executed, or the error; False if it was cancelled."""


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
        ticket = Ticket(wanted)
        for setting in ticket.settings:
            self._newest[setting] = ticket
        try:
            yield ticket
        except BaseException as error:
            # Also when it is cancelled: those it replaced wait for it.
            self._leave(ticket)
            if isinstance(error, Exception):
                ticket.done.set_exception(error)
                # Whoever was replaced by it may have gone.
                ticket.done.exception()
            else:
                ticket.done.set_result(False)
            raise
        self._leave(ticket)
        ticket.done.set_result(True)

    def _leave(self, ticket: Ticket) -> None:
        for setting in ticket.settings:
            if self._newest.get(setting) is ticket:
                del self._newest[setting]

    def successor(self, ticket: Ticket, setting: Setting) -> Ticket | None:
        """Return the newer command that replaces this one for a setting."""
        newest = self._newest.get(setting)
        return None if newest is ticket else newest

    def is_superseded(self, ticket: Ticket, setting: Setting) -> bool:
        """Return whether a newer command replaces this one for a setting."""
        return self.successor(ticket, setting) is not None
