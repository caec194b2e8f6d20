"""What may be written to a charger, and what it has to have, given the commands."""

from collections import Counter
from collections.abc import Sequence
import math

from custom_components.nexblue_local.modbus.registers import Settings
from simulator import Request, SimulatedCharger

type Value = float

LEAST_CURRENT = 6.0
"""A; a car charges with no less."""

REFUSED_BUT_KEPT = "not_lowered"
"""Error of a lower limit that is written again all the same."""

BRIDGED_CUTS = 1
"""Cuts of the link since the last keep-alive that must not let the fallback engage."""

UNKNOWN = "perhaps_executed"
"""Error of a command that may be found executed later."""


class Judge:
    """Compares the charger and its request log with the commands and their answers.

    `expected` holds, by the name of the setting, the values that may be desired: one,
    unless an answer was lost. None is among them if perhaps nothing is desired. A site
    may reduce the current limit, to nothing or to as little as 6 A.
    """

    def __init__(
        self,
        charger: SimulatedCharger,
        log: Sequence[Request],
        *,
        has_site: bool = False,
    ) -> None:
        """Initialize before the first command."""
        self.expected: dict[str, set[Value | None]] = {
            name: {None} for name in Settings.registers
        }
        self.done = 0
        self.errors: Counter[str] = Counter()
        self.unasked: list[str] = []
        self.lost: list[str] = []
        self._has_site = has_site
        self._charger = charger
        self._log = log
        self._seen = 0
        self._before: set[Value | None] = {None}
        self._cuts: list[float] = []

    @property
    def fallbacks(self) -> list[int]:
        """Return for each fallback how often the link was cut since the last keep-alive."""
        return [
            sum(
                fallback.limit_written_at <= cut <= fallback.engaged_at
                for cut in self._cuts
            )
            for fallback in self._charger.fallbacks
        ]

    @property
    def broken_fallbacks(self) -> int:
        """Return how often the fallback engaged although the link was up.

        One cut has to be bridged: a third of the timeout is the time between two
        keep-alives, and the rest is for connecting again.
        """
        return sum(cuts <= BRIDGED_CUTS for cuts in self.fallbacks)

    @property
    def is_satisfied(self) -> bool:
        """Return whether every promise was kept so far."""
        return not (self.unasked or self.lost or self.broken_fallbacks)

    def link_cut(self) -> None:
        """Note that the link was cut."""
        self._cuts.append(self._charger.clock())

    def commanded(self, setting: str, value: Value) -> None:
        """Allow the value of a command, which is given now."""
        self.check_writes()
        self._before = self.expected[setting]
        self.expected[setting] = self._before | {value}

    def answered(self, setting: str, value: Value, error: str | None) -> None:
        """Conclude what is desired from the answer to a command, None for success."""
        self.check_writes()
        if error is None:
            self.done += 1
        else:
            self.errors[error] += 1
        if error in (None, REFUSED_BUT_KEPT):
            self.expected[setting] = {value}
        elif error != UNKNOWN:
            self.expected[setting] = self._before

    def session_ended(self) -> None:
        """Expect that START and STOP may be dropped."""
        self.expected["start_stop"] = self.expected["start_stop"] | {None}

    def check_writes(self) -> None:
        """Find writes since the last call whose value nobody asked for."""
        for request in self._log[self._seen :]:
            if not request.words:
                continue
            image = dict(enumerate(request.words, request.address))
            for name, register in Settings.registers.items():
                if register.address not in image:
                    continue
                value = register.decode(image, self._charger.layout)
                # In the charger's step, and one less if it rounds up.
                if not self._is_expected(name, value, below=2):
                    self.unasked.append(f"{name} = {value}")
        self._seen = len(self._log)

    def check_shown(self, setting: str, value: Value) -> None:
        """Find a desired value that is shown and was not asked for."""
        values = self.expected[setting]
        if None not in values and not _is_among(value, values):
            self.lost.append(f"{setting} is shown as {value}, not {values}")

    def missing(self) -> list[str]:
        """Return the settings that the charger does not have as desired."""
        return [
            f"{name} is {self._charger.settings[name]}, not {values}"
            for name, values in self.expected.items()
            if None not in values
            and not self._is_expected(
                name, self._charger.settings[name], below=2, above=1
            )
        ]

    def _is_expected(
        self, name: str, value: Value | None, *, below: int, above: int = 0
    ) -> bool:
        """Return whether a value is expected, give or take steps of the charger."""
        values = self.expected[name]
        is_limit = name == "current_limit"
        step = self._charger.habits.limit_step if is_limit else 0.0
        if value is None:
            return False
        if (
            is_limit
            and self._has_site
            and (value == 0 or value >= LEAST_CURRENT - step)
        ):
            most = max((wanted for wanted in values if wanted is not None), default=0.0)
            return value <= most + above * step + 0.01
        return any(
            wanted is not None
            and wanted - below * step - 0.01 <= value <= wanted + above * step + 0.01
            for wanted in values
        )


def _is_among(value: Value, values: set[Value | None]) -> bool:
    return any(v is not None and math.isclose(value, v, abs_tol=0.01) for v in values)
