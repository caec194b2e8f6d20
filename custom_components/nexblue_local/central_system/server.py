"""The central system: charge points, and who may connect as one."""

import asyncio
from collections.abc import Mapping, Sequence
import logging
from types import MappingProxyType
from typing import Any, Final

from .authentication import Authentication, Backoff, Credentials, is_valid_id
from .charge_point import ChargePoint
from .conversation import CLOSE_TIMEOUT, Conversation
from .environment import Environment
from .events import WrongPasswords
from .tags import Tags
from .transactions import TransactionNumbers
from .websocket import Socket

_LOGGER = logging.getLogger(__name__)

SUBPROTOCOL: Final = "ocpp1.6"

MAX_NOT_ADOPTED: Final = 20
"""Charge points that may be connected without being adopted."""


def fits_subprotocol(offered: Sequence[str]) -> bool:
    """Return whether one of the offered subprotocols is ours, or none is offered."""
    return not offered or SUBPROTOCOL in offered


class CentralSystem:
    """The back end of charge points that connect with OCPP 1.6J.

    Nothing is written to a charge point on its own: all that is sent unasked are answers,
    and a TriggerMessage if it does not say who it is.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        credentials: Credentials,
        tags: Tags,
        stored: Mapping[str, Any] | None = None,
    ) -> None:
        """Initialize with what was stored; what of it is damaged is dropped."""
        stored = stored or {}
        self.credentials = credentials
        """May be replaced."""
        self.tags = tags
        """May be replaced."""
        self._environment = environment
        self._backoff = Backoff(asyncio.get_running_loop().time)
        self._numbers = TransactionNumbers(
            stored.get("transaction_number"), environment.now()
        )
        self._saving = asyncio.Lock()
        self._version = 0
        self._saved_version = 0
        self._conversations: dict[Conversation, asyncio.Task[None]] = {}
        self._charge_points: dict[str, ChargePoint] = {}
        self._is_closed = False
        charge_points = stored.get("charge_points")
        if isinstance(charge_points, Mapping):
            for charge_point_id, record in charge_points.items():
                self._add(charge_point_id, record if isinstance(record, dict) else {})

    @property
    def charge_points(self) -> Mapping[str, ChargePoint]:
        """Return the charge points that are adopted or connected."""
        return MappingProxyType(self._charge_points)

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return {
            "transaction_number": self._numbers.last,
            "charge_points": {
                each.id: each.as_dict()
                for each in self._charge_points.values()
                if each.state.is_adopted
            },
        }

    def authenticate(
        self, charge_point_id: str, authorization: str | None, address: str
    ) -> Authentication:
        """Return whether a charge point may connect.

        Args:
            charge_point_id: Last segment of the path, decoded.
            authorization: The header of this name.
            address: Where the request is from; wrong passwords are counted by it.

        """
        if self._backoff.is_locked(address):
            return Authentication.TOO_MANY_REQUESTS
        if not is_valid_id(charge_point_id):
            return Authentication.UNAUTHORIZED
        if authorization is None:
            # Not counted: some send it only once they are asked for it.
            if not self.credentials.allow_without_password:
                return Authentication.UNAUTHORIZED
        elif not self.credentials.fit(charge_point_id, authorization):
            if self._backoff.failed(address):
                _LOGGER.warning("Too many wrong passwords of %s", address)
                self._environment.notify(WrongPasswords(address, charge_point_id))
            return Authentication.UNAUTHORIZED
        if charge_point_id not in self._charge_points and self._is_full():
            return Authentication.TOO_MANY_REQUESTS
        return Authentication.ACCEPTED

    def _is_full(self) -> bool:
        strangers = [
            each for each in self._charge_points.values() if not each.state.is_adopted
        ]
        return len(strangers) >= MAX_NOT_ADOPTED

    async def connect(self, charge_point_id: str, socket: Socket) -> None:
        """Serve an authenticated charge point until its connection ends.

        It is served by a task of the central system: a message is processed to its end
        even if this is cancelled. An older connection of the charge point is closed.
        """
        if self._is_closed:
            await socket.close()
            return
        charge_point = self._charge_points.get(charge_point_id)
        if charge_point is None:
            charge_point = self._add(charge_point_id, None)
        conversation = Conversation(charge_point_id, socket, charge_point)
        task = asyncio.create_task(
            self._serve(charge_point, conversation), name=f"ocpp {charge_point_id}"
        )
        self._conversations[conversation] = task
        task.add_done_callback(lambda _: self._conversations.pop(conversation))
        await asyncio.wait([task])

    async def _serve(
        self, charge_point: ChargePoint, conversation: Conversation
    ) -> None:
        try:
            before = charge_point.attach(conversation)
            if before is None:
                await conversation.run()
            else:
                # Closing a connection whose other end is gone takes a while.
                await asyncio.gather(conversation.run(), before.close())
        finally:
            charge_point.detach(conversation)
            state = charge_point.state
            if (
                not (state.is_adopted or state.is_connected)
                and self._charge_points.get(charge_point.id) is charge_point
            ):
                del self._charge_points[charge_point.id]

    async def adopt(self, charge_point_id: str, charger_id: str) -> ChargePoint:
        """Accept a charge point from now on, connected or not.

        Args:
            charge_point_id: Its ID.
            charger_id: Serial number of the charger in the ledger.

        """
        charge_point = self._charge_points.get(charge_point_id)
        if charge_point is None:
            charge_point = self._add(charge_point_id, {})
        charge_point.adopt(charger_id)
        await self.save()
        return charge_point

    async def forget(self, charge_point_id: str) -> None:
        """Forget a charge point; it may be discovered again."""
        charge_point = self._charge_points.pop(charge_point_id, None)
        if charge_point is not None:
            await charge_point.close()
            await self.save()

    async def close(self) -> None:
        """Close all connections; messages that were received are still processed."""
        self._is_closed = True
        tasks = list(self._conversations.values())
        await asyncio.gather(*(each.close() for each in list(self._conversations)))
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        await self.save()

    def _add(
        self, charge_point_id: str, stored: Mapping[str, Any] | None
    ) -> ChargePoint:
        charge_point = ChargePoint(
            charge_point_id,
            environment=self._environment,
            numbers=self._numbers,
            tags=lambda: self.tags,
            save=self.save,
            stored=stored,
        )
        self._charge_points[charge_point_id] = charge_point
        return charge_point

    async def save(self) -> bool:
        """Store the state as it is now, return whether that succeeded.

        One write may do for several callers.
        """
        self._version += 1
        wanted = self._version
        async with self._saving:
            if self._saved_version < wanted:
                version = self._version
                try:
                    await self._environment.save(self.as_dict())
                except OSError:
                    _LOGGER.exception("The state of the charge points was not stored")
                    return False
                self._saved_version = version
        return True
