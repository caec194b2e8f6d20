"""Events of control."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ControlEventType(StrEnum):
    """What happened to control of a charger."""

    CEILING_CHANGED = "ceiling_changed"
    """The user's limit was changed while the charge mode decides below it.

    Its attribute `limit` is the new limit in A.
    """
    FALLBACK_ENGAGED = "fallback_engaged"
    """The charger switched to its fallback limit."""
    RESTORED = "restored"
    """Settings that the charger had lost were written again.

    Its attribute `settings` lists their names.
    """
    LIMIT_EXPIRED = "limit_expired"
    """A time-limited current limit was not renewed in time.

    Its attribute `limit` is the current limit that follows, in A.
    """


@dataclass(frozen=True)
class ControlEvent:
    """An event of control."""

    type: ControlEventType
    attributes: Mapping[str, object] = field(default_factory=dict)
