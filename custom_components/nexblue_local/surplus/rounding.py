"""Currents in steps of 0.1 A."""

import math


def tenths_down(amps: float) -> float:
    """Return a current rounded down to 0.1 A."""
    return round(math.floor(amps * 10 + 1e-6) / 10, 1)


def tenths_up(amps: float) -> float:
    """Return a current rounded up to 0.1 A."""
    return round(math.ceil(amps * 10 - 1e-6) / 10, 1)
