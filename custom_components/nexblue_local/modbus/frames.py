"""Recognize the response to a request in the bytes that were received."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

MAX_LENGTH: Final = 254
"""Maximum length in the header of a response, in bytes."""

EXCEPTION_LENGTH: Final = 3
"""The length of an exception response."""


class Progress(Enum):
    """How much of the expected response was received."""

    INCOMPLETE = auto()
    COMPLETE = auto()
    OTHER = auto()
    """The data is not Modbus, or not the response to the request."""


def split(data: bytes) -> tuple[bytes, bytes]:
    """Return the first frame, by the length in its header, and what follows."""
    end = 6 + int.from_bytes(data[4:6])
    return data[:end], data[end:]


@dataclass(frozen=True)
class ExpectedResponse:
    """The response to a request.

    pymodbus waits for more after data that is not Modbus, raises into the event loop
    if it cannot decode the body, and accepts the response to another write.
    """

    start: bytes
    """First bytes, beginning with the function code."""
    length: int
    """Length in the header, in bytes."""

    @property
    def function(self) -> int:
        """Return the function code."""
        return self.start[0]

    def progress(self, data: bytes) -> Progress:
        """Return how much of the response, or of an exception, the data holds."""
        length = int.from_bytes(data[4:6])
        protocol = data[2:4]
        if len(data) < 6 + length and protocol in (b"", b"\0", b"\0\0"):
            return Progress.INCOMPLETE if length <= MAX_LENGTH else Progress.OTHER
        if len(data) != 6 + length or protocol != b"\0\0":
            return Progress.OTHER
        if data[7:8] == self.start[:1]:
            is_complete = data[7:].startswith(self.start) and length == self.length
        else:
            is_exception = data[7:8] == bytes([self.function | 0x80])
            is_complete = is_exception and length == EXCEPTION_LENGTH
        return Progress.COMPLETE if is_complete else Progress.OTHER
