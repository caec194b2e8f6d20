"""What a day's charging is worth."""

from dataclasses import dataclass, field

GRID_PRICE = 2.0  # kWh of solar that a kWh from the grid costs
STOP_PRICE = 0.05  # kWh
SWITCH_PRICE = 0.05  # kWh


@dataclass(slots=True)
class Score:
    """Energies in kWh and counts, of one day or of several."""

    solar: float = 0.0
    grid: float = 0.0
    stops: int = 0
    switches: int = 0
    refused: int = 0  # phase switches
    changes: int = 0  # of the current limit
    charging: int = 0  # s with a current limit above 0
    worst_hour: int = 0  # changes within 3600 s
    decisions: int = 0
    decision_time: float = 0.0  # s
    change_times: list[int] = field(default_factory=list, repr=False)

    @property
    def net(self) -> float:
        """Solar energy less what grid energy, stops and switches cost, in kWh."""
        return (
            self.solar
            - GRID_PRICE * self.grid
            - STOP_PRICE * self.stops
            - SWITCH_PRICE * self.switches
        )

    @property
    def changes_an_hour(self) -> float:
        """Changes in an hour of charging, 0 where there was none."""
        return self.changes * 3600 / self.charging if self.charging else 0.0

    @property
    def decision(self) -> float:
        """Mean time of a decision in microseconds."""
        return self.decision_time / self.decisions * 1e6 if self.decisions else 0.0

    def add(self, other: Score) -> None:
        """Add another day."""
        self.solar += other.solar
        self.grid += other.grid
        self.stops += other.stops
        self.switches += other.switches
        self.refused += other.refused
        self.changes += other.changes
        self.charging += other.charging
        self.worst_hour = max(self.worst_hour, other.worst_hour)
        self.decisions += other.decisions
        self.decision_time += other.decision_time


def busiest_hour(times: list[int]) -> int:
    """Return the highest number of events within 3600 s."""
    first = most = 0
    for index, time in enumerate(times):
        while time - times[first] >= 3600:
            first += 1
        most = max(most, index - first + 1)
    return most


def total(scores: list[Score]) -> Score:
    """Return the sum of several days."""
    result = Score()
    for score in scores:
        result.add(score)
    return result
