"""Where the energy of a car comes from: sun, grid or battery of the house."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the power of all cars, 0 to 1; together they are 1."""

    solar: float
    grid: float
    battery: float

    @classmethod
    def of(cls, cars_w: float, grid_w: float, battery_w: float) -> Self:
        """Return the mix of what the cars take, in W; more than 0.

        What is imported, and what the battery gives, is counted as theirs first.
        """
        grid = min(1.0, max(0.0, grid_w) / cars_w)
        battery = min(1.0 - grid, max(0.0, battery_w) / cars_w)
        return cls(solar=1.0 - grid - battery, grid=grid, battery=battery)


@dataclass(slots=True)
class Supply:
    """Energy from each source in Wh, and what that from the grid costs."""

    solar_wh: float = 0.0
    grid_wh: float = 0.0
    battery_wh: float = 0.0
    cost: float | None = None
    """None while no price is known."""

    @property
    def energy_wh(self) -> float:
        """Return the energy from all sources in Wh."""
        return self.solar_wh + self.grid_wh + self.battery_wh

    def add(self, energy_wh: float, mix: Mix, price: float | None) -> None:
        """Add an energy in Wh; the price is that of 1 kWh from the grid."""
        self.solar_wh += energy_wh * mix.solar
        self.grid_wh += energy_wh * mix.grid
        self.battery_wh += energy_wh * mix.battery
        if price is not None:
            cost = energy_wh * mix.grid * price / 1000
            self.cost = (self.cost or 0.0) + cost
