"""Tags: who may charge."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ocpp.v16.datatypes import AuthorizationData, IdTagInfo
from ocpp.v16.enums import AuthorizationStatus

OWN_TAG: Final = "HOMEASSISTANT"
"""The tag of transactions that are started remotely."""

MAX_ID: Final = 20
"""Characters of the longest tag ID in OCPP 1.6."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A known tag."""

    id: str
    """Upper and lower case are the same."""
    name: str
    expiry: datetime | None = None
    """From when it is not accepted."""
    is_blocked: bool = False

    def status(self, time: datetime) -> AuthorizationStatus:
        """Return whether the tag is accepted at a time."""
        if self.is_blocked:
            return AuthorizationStatus.blocked
        if self.expiry is not None and time >= self.expiry:
            return AuthorizationStatus.expired
        return AuthorizationStatus.accepted

    def info(self, time: datetime) -> IdTagInfo:
        """Return what a charge point is told about the tag."""
        expiry = None if self.expiry is None else ocpp_time(self.expiry)
        return IdTagInfo(status=self.status(time), expiry_date=expiry)


class Tags:
    """The known tags. `OWN_TAG` cannot be one of them."""

    def __init__(
        self, tags: Iterable[Tag] = (), *, allow_unknown: bool = False
    ) -> None:
        """Initialize with the known tags; the last one of the same ID counts."""
        self._tags = {tag.id.casefold(): tag for tag in tags}
        self._tags.pop(OWN_TAG.casefold(), None)
        self._allow_unknown = allow_unknown

    def find(self, tag_id: str) -> Tag | None:
        """Return a known tag."""
        return self._tags.get(tag_id.casefold())

    def info(self, tag_id: str, time: datetime) -> IdTagInfo:
        """Return whether a tag is accepted at a time; `OWN_TAG` is not."""
        if tag := self.find(tag_id):
            return tag.info(time)
        if self._allow_unknown and tag_id and not is_own(tag_id):
            return IdTagInfo(status=AuthorizationStatus.accepted)
        return IdTagInfo(status=AuthorizationStatus.invalid)

    def local_list(self, time: datetime) -> list[AuthorizationData]:
        """Return the tags as the local authorization list of a charge point."""
        return [
            AuthorizationData(id_tag=tag.id, id_tag_info=tag.info(time))
            for tag in self._tags.values()
            if len(tag.id) <= MAX_ID
        ]


def is_own(tag_id: str) -> bool:
    """Return whether it is the tag of transactions that are started remotely."""
    return tag_id.casefold() == OWN_TAG.casefold()


def ocpp_time(time: datetime) -> str:
    """Return a time in the form that OCPP 1.6 requires, in UTC."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
