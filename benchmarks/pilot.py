"""The surplus controller as a black box: `python -m benchmarks.pilot`.

Settings and then readings come in, one JSON object a line, and decisions go out. The
only clock is the time in the readings. It is the controller of the integration, without
Home Assistant and without a charger.
"""

import json
import sys
from typing import BinaryIO

from . import standalone  # noqa: F401  # isort: skip
from custom_components.nexblue_local.surplus.controller import Controller

from . import pilot_messages as messages


class Pilot:
    """Answers one line after the other."""

    def __init__(self) -> None:
        """Initialize; the first line brings the settings."""
        self._controller: Controller | None = None
        self._t = float("-inf")

    def answer(self, line: bytes) -> bytes:
        """Return the answer to a line."""
        try:
            answer = self._answer(messages.parse(line))
        except ValueError as error:
            answer = {"error": str(error)}
        return json.dumps(answer, allow_nan=False).encode() + b"\n"

    def _answer(self, fields: messages.Fields) -> messages.Fields:
        """Return the answer to an object; raises ValueError, and changes nothing then."""
        if self._controller is None:
            self._controller = Controller(
                messages.settings(fields), messages.state(fields)
            )
            return {"ready": True}
        t = messages.time(fields)
        if t < self._t:
            raise messages.InvalidMessage("t must not fall")
        if messages.wants_dump(fields):
            self._t = t
            return {"t": t, "state": self._controller.dump()}
        chargers = [each.id for each in self._controller.settings.chargers]
        reading = messages.reading(fields, chargers)
        self._t = t
        return messages.answer(self._controller.decide(reading))


def run(lines: BinaryIO, answers: BinaryIO) -> None:
    """Answer all lines."""
    pilot = Pilot()
    for line in lines:
        answers.write(pilot.answer(line))
        answers.flush()


if __name__ == "__main__":
    run(sys.stdin.buffer, sys.stdout.buffer)
