"""What is varied of the simulated home, one thing at a time."""

from dataclasses import replace

from .car import CarModel
from .world import Setup

CARS: dict[str, CarModel] = {
    "usual": CarModel(),
    "slow": CarModel(rate=0.25, delay=10),
    "from 8 A": CarModel(min_current=8.0),
    "0.7 A less": CarModel(gap=0.7),
    "10 A at most": CarModel(max_current=10.0),
}

USUAL = "as above"
RARE_METER = "meter every 30 s"
LATE_METER = "meter 10 s late"


def needed(setup: Setup) -> dict[str, Setup]:
    """Return the variants that an aim is about."""
    return {
        RARE_METER: replace(setup, meter_interval=30),
        LATE_METER: replace(setup, meter_lag=10),
    }


def all_variants(setup: Setup) -> dict[str, Setup]:
    """Return all variants."""
    return {
        "meter every 1 s": replace(setup, meter_interval=1),
        "meter every 10 s": replace(setup, meter_interval=10),
        **needed(setup),
        "meter 1 s late": replace(setup, meter_lag=1),
        "noise of 50 W": replace(setup, noise=50.0),
        "hob of 1500 W": replace(setup, flicker=1500.0),
        **{
            f"car: {name}": replace(setup, car=car)
            for name, car in CARS.items()
            if car != setup.car
        },
    }
