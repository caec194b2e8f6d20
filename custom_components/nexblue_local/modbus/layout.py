"""Detect the byte layout of a charger from values that are known to be valid."""

from . import wall_clock
from .codec import Layout
from .model import Image
from .registers import Clock, Settings


class LayoutDetector:
    """The byte layout of one charger, and whether it is certain.

    A valid date (input register 38) confirms a layout. While there is none, a valid
    fallback timeout (holding register 1004) is sufficient for reading, and without
    either the last layout is kept.
    """

    def __init__(self) -> None:
        """Initialize with the documented layout."""
        self.layout = Layout.DCBA
        self.has_valid_date = False

    def observe_clock(self, image: Image) -> None:
        """Update the layout from the words of the clock."""
        layout = _layout_of_clock(image)
        self.has_valid_date = layout is not None
        self.layout = layout or self.layout

    def observe_settings(self, image: Image) -> None:
        """Update the layout from the words of the settings."""
        if not self.has_valid_date:
            self.layout = _layout_of_settings(image) or self.layout

    def is_certain(self, settings: Settings) -> bool:
        """Return whether the layout is certain enough to write registers.

        A layout that is not the documented one also needs a valid fallback timeout.
        """
        return self.has_valid_date and (
            self.layout is Layout.DCBA or settings.fallback_timeout is not None
        )


def _layout_of_clock(image: Image) -> Layout | None:
    """Return the layout in which the date is valid; the documented one is preferred."""
    for layout in Layout:
        if wall_clock.calendar_date(Clock.decode(image, layout)) is not None:
            return layout
    return None


def _layout_of_settings(image: Image) -> Layout | None:
    """Return the layout in which the fallback timeout is in its range."""
    for layout in Layout:
        if Settings.decode(image, layout).fallback_timeout is not None:
            return layout
    return None
