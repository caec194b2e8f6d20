"""Play ten minutes of a morning: what sun, house and meter do in them."""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from textwrap import wrap
from typing import Final

from .controls import KETTLE, METER, OVERCAST, PLUGGED, WorldControls
from .house import Roof
from .meter import Meter


@dataclass(frozen=True)
class ScriptedRoof:
    """Solar panels whose power is given by points, with straight lines between them."""

    points: tuple[tuple[float, float], ...]  # s and W, in the order of time
    overcast: float = 0.15  # share of the power that is left below a closed sky

    def power(self, time: float, *, is_overcast: bool) -> float:
        """Return the power in W at `time` in s after a sunrise."""
        index = bisect_right(self.points, time, key=lambda point: point[0])
        if index in (0, len(self.points)):
            clear = self.points[max(index - 1, 0)][1]
        else:
            (since, before), (until, after) = self.points[index - 1 : index + 1]
            clear = before + (after - before) * (time - since) / (until - since)
        return self.overcast * clear if is_overcast else clear


@dataclass(frozen=True, kw_only=True)
class Step:
    """What happens at a time of the script, and what it shows."""

    at: float
    """s since the script began."""
    title: str
    happens: str
    watch: str
    switch: int | None = None
    """The switch of the simulated world that is set, one of those in `controls`."""
    on: bool = False


SUNRISE: Final = ScriptedRoof(((0, 300),))
"""The roof before the script begins."""

MORNING: Final = ScriptedRoof(
    (
        (0, 300),
        (40, 1_400),
        (90, 2_500),
        (120, 2_700),
        (200, 3_900),
        (215, 8_200),
        (600, 7_800),
    )
)
"""A clear morning that goes by in minutes."""

WIDTH: Final = 72
"""Characters in a line that is said."""

DURATION: Final = 645.0
"""s until the script ends.

Home Assistant's Modbus integration tries to reach the meter 51 s and 102 s after it was
lost, so charging starts again at about 607 s.
"""

AFTERWARDS: Final = 900.0
"""s after sunrise at which the usual roof has the power with which the script ends."""

SCRIPT: Final = (
    Step(
        at=0,
        title="Plug in",
        happens="The sun has just risen, and a car is plugged in. The charger is set to"
        " one phase, as it was last night.",
        watch='The car gets nothing: "Limited by" is "Waiting for sun".',
        switch=PLUGGED,
        on=True,
    ),
    Step(
        at=40,
        title="Start",
        happens="The surplus comes near 1.4 kW, the least with which a car charges: 6 A"
        " on one phase.",
        watch='Charging starts when the surplus has lasted for a while. "Next change'
        ' expected" counts down to it.',
    ),
    Step(
        at=110,
        title="Follow",
        happens="The sun rises further.",
        watch="In the graph, the vehicle follows the sun, and the grid stays near 0 W.",
    ),
    Step(
        at=200,
        title="Phase switch",
        happens="The haze is gone. The sun gives 8 kW, and one phase can carry 3.7 kW.",
        watch="The car gets 16 A, the most of one phase, and the rest is exported. After"
        " one to two minutes, the charger switches to three phases, and the car takes"
        ' all of it. "Next change expected" counts down to the switch.',
    ),
    Step(
        at=335,
        title="Kettle on",
        happens="Somebody puts the kettle on, which takes 2 kW.",
        watch="The car gives up 2 kW within seconds.",
        switch=KETTLE,
        on=True,
    ),
    Step(
        at=365,
        title="Kettle off",
        happens="The water boils.",
        watch="The car takes the 2 kW back.",
        switch=KETTLE,
    ),
    Step(
        at=390,
        title="Cloud",
        happens="A cloud covers the sun.",
        watch="The car is reduced to 6 A. It is not stopped, as the cloud may be short:"
        ' "Limited by" is "Too little sun", and "Next change expected" is when it'
        " would be stopped.",
        switch=OVERCAST,
        on=True,
    ),
    Step(
        at=420,
        title="Cloud gone",
        happens="The cloud has passed.",
        watch="The car gets all of the surplus again.",
        switch=OVERCAST,
    ),
    Step(
        at=440,
        title="Meter lost",
        happens="The grid meter loses its power, so the surplus is unknown.",
        watch='The car is reduced to 6 A at once: "Limited by" is "Grid meter lost". A'
        " minute later, charging is paused.",
        switch=METER,
    ),
    Step(
        at=515,
        title="Meter back",
        happens="The grid meter has power again.",
        watch="Home Assistant reads the meter again after half a minute. Three reports"
        ' are enough for the sun, and the main fuse waits for a minute: "Limited by" is'
        ' "Waiting for sun", then "Main fuse", until charging starts again.',
        switch=METER,
        on=True,
    ),
)
"""The phases can be switched once every 10 minutes, so there is one switch."""


async def play(
    controls: WorldControls,
    meter: Meter,
    say: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Play the script, say at each step what happens, and return to the usual roof."""
    house, clock = meter.house, meter.simulator.charger.clock
    meter.measure()
    house.change_roof(MORNING, 0)
    began_at = clock()
    for number, step in enumerate(SCRIPT, 1):
        await sleep(began_at + step.at - clock())
        minutes, seconds = divmod(int(step.at), 60)
        say(f"{minutes}:{seconds:02}  {number} of {len(SCRIPT)}: {step.title}")
        for line in (*wrap(step.happens, WIDTH), *wrap(f"Watch: {step.watch}", WIDTH)):
            say(f"      {line}")
        if step.switch is not None:
            await controls.set(step.switch, on=step.on)
    await sleep(began_at + DURATION - clock())
    meter.measure()
    house.change_roof(Roof(), AFTERWARDS)
    say("10:45  The script is over. The day goes on, with small clouds, and the")
    say("       switches on the dashboard are yours.")
