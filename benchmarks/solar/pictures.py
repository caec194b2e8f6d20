"""Pictures of days as SVG: solar, house, car and grid."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from .days import Day, Watts
from .score import Score
from .strategies import OURS, STRATEGIES
from .synthetic import synthetic
from .world import Setup, simulate

PICTURES = (("clear summer", 1), ("broken clouds", 3), ("cloudy morning", 3))
"""Days and phases of the homes."""

POINT = 120  # s that a point is the mean of
WIDTH, LEFT, RIGHT = 860, 46, 20
TOP, UPPER, GAP, LOWER, BOTTOM = 52, 210, 14, 110, 30
"""Heights from above: title, solar and car, space, grid, hours."""
HEIGHT = TOP + UPPER + GAP + LOWER + BOTTOM

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-size: 14px; font-weight: 600; fill: #1f2328 }
.axis { stroke: #d0d7de; fill: none }
.solar { fill: #f2c037; fill-opacity: .45; stroke: #bf8700 }
.car { fill: #2f81f7; fill-opacity: .35; stroke: #0969da }
.house { fill: none; stroke: #8250df }
.import { fill: #cf222e; fill-opacity: .55; stroke: #cf222e }
.export { fill: #2da44e; fill-opacity: .35; stroke: #2da44e }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 }
  .title { fill: #f0f6fc }
  .axis { stroke: #3d444d }
  .solar { stroke: #d29922 }
  .car { stroke: #4493f8 }
  .house { stroke: #ab7df8 }
  .import { fill: #f85149; stroke: #f85149 }
  .export { fill: #3fb950; stroke: #3fb950 }
}
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of a picture with an axis of its own, in W."""

    top: float
    height: float
    lowest: float
    highest: float

    def y(self, watts: float) -> float:
        """Return the vertical position of a power."""
        share = (self.highest - watts) / (self.highest - self.lowest)
        return self.top + share * self.height

    def axis(self) -> Iterable[str]:
        """Return lines and labels, at most five."""
        step = next(
            step
            for step in (500, 1000, 2000, 5000, 10000)
            if (self.highest - self.lowest) / step <= 5
        )
        first = int(np.ceil(self.lowest / step)) * step
        for watts in range(first, int(self.highest) + 1, step):
            y = self.y(watts)
            yield f'<path class="axis" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
            yield (
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
                f"{watts / 1000:g}</text>"
            )

    def curve(self, name: str, powers: Watts, *, filled: bool = True) -> str:
        """Return a curve, filled down to zero."""
        xs = np.linspace(LEFT, WIDTH - RIGHT, len(powers))
        points = " ".join(
            f"{x:.0f},{self.y(watts):.0f}" for x, watts in zip(xs, powers, strict=True)
        )
        if not filled:
            return f'<polyline class="{name}" points="{points}"/>'
        zero = self.y(0)
        ends = f"{WIDTH - RIGHT},{zero:.0f} {LEFT},{zero:.0f}"
        return f'<polygon class="{name}" points="{points} {ends}"/>'


def draw(title: str, day: Day, car: Watts) -> str:
    """Return a picture of a day on which a car charged."""
    title = escape(title)
    solar, house, drawn = (_points(powers) for powers in (day.solar, day.house, car))
    grid = house + drawn - solar
    highest = float(max(solar.max(), house.max(), drawn.max()))
    upper = Panel(TOP, UPPER, 0.0, highest)
    lower = Panel(
        TOP + UPPER + GAP, LOWER, min(float(grid.min()), -100.0), float(grid.max())
    )
    body = [
        f'<text class="title" x="{LEFT}" y="18">{title}</text>',
        *_legend(("solar", "car", "house", "import", "export")),
        *upper.axis(),
        upper.curve("solar", solar),
        upper.curve("car", drawn),
        upper.curve("house", house, filled=False),
        *lower.axis(),
        lower.curve("import", np.maximum(grid, 0.0)),
        lower.curve("export", np.minimum(grid, 0.0)),
        *_hours(len(day)),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f"<title>{title}</title><style>{STYLE}</style>\n"
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _points(powers: Watts) -> Watts:
    """Return the means of a power over the length of a point."""
    whole = len(powers) // POINT * POINT
    means: Watts = powers[:whole].reshape(-1, POINT).mean(axis=1)
    return means


def _legend(names: Iterable[str]) -> Iterable[str]:
    for index, name in enumerate(names):
        x = LEFT + index * 84
        yield f'<rect class="{name}" x="{x}" y="30" width="12" height="10"/>'
        yield f'<text x="{x + 17}" y="39">{name}</text>'
    yield f'<text x="{WIDTH - RIGHT}" y="39" text-anchor="end">kW</text>'


def _hours(duration: int) -> Iterable[str]:
    for hour in range(0, duration // 3600 + 1, 2):
        x = LEFT + (WIDTH - RIGHT - LEFT) * hour * 3600 / duration
        yield f'<text x="{x:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{hour} h</text>'


def write(folder: Path) -> None:
    """Write the pictures of some days on which this controller charged."""
    folder.mkdir(parents=True, exist_ok=True)
    days = {day.name: day for day in synthetic()}
    for name, phases in PICTURES:
        setup = Setup(phases=phases)
        day = days[name].in_home(phases, seed=0)
        outcome = simulate(day, STRATEGIES[OURS].make(setup.site), setup)
        file = folder / f"solar-{name.replace(' ', '-')}.svg"
        title = _title(name, phases, outcome.score)
        file.write_text(draw(title, day, np.array(outcome.car)))
        print(file)


def _title(name: str, phases: int, score: Score) -> str:
    home = {1: "one phase", 3: "three phases"}[phases]
    return (
        f"{name.capitalize()}, {home}: {score.solar:.1f} kWh solar, "
        f"{score.grid:.1f} kWh grid, {score.stops} stops, {score.switches} switches"
    )
