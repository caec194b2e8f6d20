"""The surplus: what the cars could use without import."""

from dataclasses import dataclass


@dataclass(slots=True)
class Surplus:
    """The power in W that all chargers together may use.

    It is absolute: what the cars draw minus what is imported. The meter shows the
    past, and it is not known how late it is. So the surplus keeps its value as
    long as some power that the cars had lately explains what the meter shows.
    """

    value: float | None = None
    """W; None before the first report."""

    def clear(self) -> None:
        """Forget the value, as the meter was missing."""
        self.value = None

    def update(self, least: float, most: float, import_w: float) -> None:
        """Take a report of the meter.

        `least` and `most` are the powers in W that the cars may have had when the
        meter measured `import_w`.
        """
        low, high = least - import_w, most - import_w
        self.value = low if self.value is None else min(max(self.value, low), high)
