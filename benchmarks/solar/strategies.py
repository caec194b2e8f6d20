"""The strategies that are compared."""

from collections.abc import Callable
from dataclasses import dataclass

from .divert import Divert
from .evcc import Evcc
from .naive import Naive
from .ours import Ours
from .strategy import Site, Strategy

OURS = "this controller"
EVCC = "evcc"
EVCC_FINE = "evcc in 0.1 A"
EVCC_FREE = "evcc without phase limits"
ORACLE = "oracle"
REPLAY = "oracle's plan, replayed"


@dataclass(frozen=True, slots=True)
class Entry:
    """A strategy, and whether the charger enforces the vendor's phase limits on it."""

    make: Callable[[Site], Strategy]
    limited: bool = True


STRATEGIES: dict[str, Entry] = {
    OURS: Entry(Ours),
    EVCC: Entry(Evcc),
    EVCC_FINE: Entry(lambda site: Evcc(site, step=0.1)),
    EVCC_FREE: Entry(Evcc, limited=False),
    "OpenEVSE divert": Entry(Divert),
    "naive, every minute": Entry(Naive),
}

NAMES = (*STRATEGIES, REPLAY)
