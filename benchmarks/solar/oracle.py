"""The best that was possible on a day, knowing all of it.

Dynamic programming backward in time, in steps of 15 s. A state is whether the car is
allowed to charge, how often the phases have been switched, and how long ago the last
two switches were. The second matters only until the next switch is allowed. So a state
is either free to switch at the age of the last switch, or locked until its lock ends.

Within a step the car draws what is best each second, and it needs no time to follow.
So the net is an upper bound, but for the length of the steps.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .car import VOLTAGE
from .days import Day, Watts
from .phase_limits import APART, HOUR, IN_A_SESSION
from .score import GRID_PRICE, STOP_PRICE, SWITCH_PRICE, Score
from .world import Setup

STEP = 15  # s
KWH = 3.6e6  # J
SHORTEST = APART // STEP  # steps that a lock lasts at least
OLDEST = HOUR // STEP  # steps after which the age of a switch does not matter
LONGEST = OLDEST - SHORTEST  # steps that a lock lasts at most
AGES = np.arange(SHORTEST, OLDEST + 1)
LOCKS = np.maximum(OLDEST - AGES, SHORTEST)
"""Steps until the switch after the next, by the age of the last one at the next."""
LENGTHS = np.arange(SHORTEST, LONGEST + 1)

Values = npt.NDArray[np.float64]
Choices = npt.NDArray[np.bool_]


class Energy(NamedTuple):
    """What the car draws in each step, in kWh."""

    solar: Values
    grid: Values

    @property
    def worth(self) -> Values:
        """What each step is worth in kWh."""
        return self.solar - GRID_PRICE * self.grid

    def at(self, step: int) -> tuple[float, float]:
        """Return solar and grid energy of a step in kWh."""
        return float(self.solar[step]), float(self.grid[step])


@dataclass(frozen=True, slots=True)
class Running:
    """Energy of a step with the car running, on one number of phases."""

    phases: int
    full: Energy
    resuming: Energy  # the step in which a phase switch ends


@dataclass(frozen=True, slots=True)
class Step:
    """What to do in a step: offer current or not, and on how many phases."""

    on: bool
    phases: int


@dataclass(frozen=True, slots=True)
class Best:
    """The best plan for a day, its score, and the net that it was chosen for."""

    score: Score
    plan: list[Step]
    net: float  # kWh

    def take(self, energy: tuple[float, float], on: bool, following: Values) -> bool:
        """Return whether the car runs on, and count the step if it does."""
        paused, running = following
        if not on:
            return bool(running > paused)
        solar, grid = energy
        if paused - STOP_PRICE > running + solar - GRID_PRICE * grid:
            self.score.stops += 1
            return False
        self.score.solar += solar
        self.score.grid += grid
        return True


def solve(day: Day, setup: Setup) -> Best:
    """Return the best plan for a day in a home."""
    one = running(day, setup, 1)
    if setup.phases == 1:
        return _Solution(one, one, switches=0).best()
    return _Solution(one, running(day, setup, 3), switches=IN_A_SESSION).best()


def running(day: Day, setup: Setup, phases: int) -> Running:
    """Return what a running car would draw, drawing the best power each second."""
    surplus = day.solar - day.house
    lowest, highest = (
        amps * VOLTAGE * phases for amps in setup.car.limits(setup.ceiling)
    )
    power = np.clip(surplus, lowest, highest)
    solar = np.minimum(power, np.maximum(surplus, 0.0))
    lost = setup.car.switch % STEP
    return Running(
        phases,
        Energy(_steps(solar, 0), _steps(power - solar, 0)),
        Energy(_steps(solar, lost), _steps(power - solar, lost)),
    )


def _steps(power: Watts, lost: int) -> Values:
    """Return the energy of each step in kWh, without its first seconds."""
    padded = np.append(power, np.zeros(-len(power) % STEP)).reshape(-1, STEP)
    result: Values = padded[:, lost:].sum(axis=1) / KWH
    return result


class _Solution:
    """The values of all states, and the plan that follows from them.

    `free[n, on, k, age]` is the value from step n on, with k switches made. Before the
    first switch the age is the oldest.
    """

    def __init__(self, one: Running, three: Running, switches: int) -> None:
        self._modes = [(one, three)[count % 2] for count in range(switches + 1)]
        self._steps = len(one.full.solar)
        shape = (self._steps + 1, 2, switches + 1, len(AGES))
        self._free: Values = np.zeros(shape)
        self._switch: Choices = np.zeros(shape, dtype=bool)
        self._fill()

    def _fill(self) -> None:
        full = np.array([mode.full.worth for mode in self._modes])
        older = np.minimum(np.arange(len(AGES)) + 1, len(AGES) - 1)
        locks = np.array([_locks(mode) for mode in self._modes[:2]])
        switched_to = np.arange(1, len(self._modes)) % 2
        for n in reversed(range(self._steps)):
            free = self._free[n]
            free[:] = self._free[n + 1][:, :, older]
            _go_back(free, full[:, n, None])
            if not len(switched_to):
                continue
            ends = np.minimum(n + LENGTHS, self._steps)
            following = self._free[ends, :, 1:, LENGTHS - SHORTEST]
            # By number of switches, length of the lock, on before, and on after it.
            values = locks[switched_to, n] + following.transpose(2, 0, 1)[:, :, None]
            by_age = values.max(axis=3)[:, LOCKS - SHORTEST].transpose(2, 0, 1)
            switching = by_age - SWITCH_PRICE
            self._switch[n, :, :-1] = switching > free[:, :-1]
            np.maximum(free[:, :-1], switching, out=free[:, :-1])

    def best(self) -> Best:
        """Return the best plan, from a pause on one phase."""
        best = Best(Score(), [], float(self._free[0, 0, 0, -1]))
        count, age, on = 0, OLDEST, False
        while len(best.plan) < self._steps:
            n = len(best.plan)
            if self._switch[n, int(on), count, age - SHORTEST]:
                age = int(LOCKS[age - SHORTEST])
                count += 1
                best.score.switches += 1
                on = self._while_locked(count, age, on, best)
                continue
            age = min(age + 1, OLDEST)
            following = self._free[n + 1, :, count, age - SHORTEST]
            on = best.take(self._modes[count].full.at(n), on, following)
            best.plan.append(Step(on, self._modes[count].phases))
        return best

    def _while_locked(self, count: int, length: int, on: bool, best: Best) -> bool:
        """Add the steps of a lock to the plan, and return whether the car runs."""
        mode = self._modes[count]
        first = len(best.plan)
        last = min(first + length, self._steps)
        energies = [
            (0.0, 0.0),
            *(mode.resuming.at(n) for n in range(first + 1, min(first + 2, last))),
            *(mode.full.at(n) for n in range(first + 2, last)),
        ]
        values = np.zeros((last - first + 1, 2))
        if first + length <= self._steps:
            values[-1] = self._free[last, :, count, length - SHORTEST]
        for index in reversed(range(last - first)):
            values[index] = values[index + 1]
            _go_back(
                values[index], energies[index][0] - GRID_PRICE * energies[index][1]
            )
        for energy, following in zip(energies, values[1:], strict=True):
            on = best.take(energy, on, following)
            best.plan.append(Step(on, mode.phases))
        return on


def _locks(mode: Running) -> Values:
    """Return the best net energy of locks in kWh, without the price of the switch.

    By the step of the switch, the length, whether the car runs before the lock, and
    whether it does after it.
    """
    steps = len(mode.full.solar)
    values = np.full((steps, 2, 2), -np.inf)
    values[:, 0, 0] = values[:, 1, 1] = 0.0
    result = np.zeros((steps, len(LENGTHS), 2, 2))
    for step in range(LONGEST):
        worth = np.zeros(steps)
        if step:
            energy = mode.resuming if step == 1 else mode.full
            worth[:-step] = energy.worth[step:]
        paused, running = values[:, :, 0], values[:, :, 1]
        values = np.stack(
            (
                np.maximum(paused, running - STOP_PRICE),
                np.maximum(paused, running + worth[:, None]),
            ),
            axis=2,
        )
        if step + 1 >= SHORTEST:
            result[:, step + 1 - SHORTEST] = values
    return result


def _go_back(values: Values, worth: Values | float) -> None:
    """Turn the values of a paused and a running car into those one step earlier.

    `worth` is what the step is worth to a running car. A start takes a step.
    """
    paused, running = values
    stopping = paused - STOP_PRICE
    values[0] = np.maximum(paused, running)
    values[1] = np.maximum(running + worth, stopping)
