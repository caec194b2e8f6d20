"""Run a simulated charger: `python -m simulator`."""

import argparse
import asyncio
from collections.abc import Callable, Coroutine, Mapping
import contextlib
from dataclasses import replace
from pathlib import Path
import shlex
import sys
from typing import Any

from .announcement import NAME, Announcement
from .charge_point import ChargePoint
from .charger import Ocpp, SimulatedCharger
from .controls import KETTLE, LOAD, METER, OVERCAST, WorldControls
from .faults import Fault, FaultKind
from .habits import AS_DOCUMENTED, HABITS, Habits, load_profile
from .house import Battery, House
from .meter import Meter
from .replay import ReplayedCharger
from .server import Simulator
from .world import Car

HELP = """\
commands on standard input, one per line:
  plug [phases=1|3] [max_current=A] [charge=KWH] [battery=KWH]
  unplug
  power-cycle [SECONDS]        switch the power off and on; the settings are lost
  ocpp none|refuse|ignore      how an OCPP back end handles start and stop
  fault KIND [name=value ...]  drop, mute, slow, exception, garbage, truncated
                               with function=, address=, times=, seconds=,
                               code=, executed=1
  occupy SECONDS               a dead client occupies the only connection
  clear                        remove all faults
  status                       print state, currents and power
  quit
with --central-system:
  card TAG                     present a card
  offline SECONDS              the OCPP connection is lost for a while
with --house:
  sky|kettle|load|meter on|off an overcast sky, the kettle, a load on L1 that leaves
                               the car 8 A below the main fuse, the meter's power
"""

type Handler = Callable[[Simulator, list[str]], Coroutine[Any, Any, None]]


def _options(words: list[str]) -> dict[str, Any]:
    """Parse `name=value` words with numeric values."""
    pairs = (word.split("=", 1) for word in words)
    return {name: float(v) if "." in v else int(v) for name, v in pairs}


async def _plug(simulator: Simulator, words: list[str]) -> None:
    simulator.charger.plug_in(Car(**_options(words)))


async def _unplug(simulator: Simulator, words: list[str]) -> None:
    simulator.charger.unplug()


async def _power_cycle(simulator: Simulator, words: list[str]) -> None:
    await simulator.power_cycle(float(words[0]) if words else 0.0)


async def _ocpp(simulator: Simulator, words: list[str]) -> None:
    simulator.charger.ocpp = Ocpp(words[0])


async def _fault(simulator: Simulator, words: list[str]) -> None:
    simulator.faults.append(Fault(kind=FaultKind(words[0]), **_options(words[1:])))


async def _occupy(simulator: Simulator, words: list[str]) -> None:
    simulator.occupy(float(words[0]))


async def _clear(simulator: Simulator, words: list[str]) -> None:
    simulator.faults.clear()


async def _status(simulator: Simulator, words: list[str]) -> None:
    charger = simulator.charger
    charger.advance()
    currents = " ".join(f"{current:.1f} A" for current in charger.currents)
    print(f"{charger.state.name.lower()}  {currents}  {sum(charger.powers):.0f} W")


COMMANDS: dict[str, Handler] = {
    "plug": _plug,
    "unplug": _unplug,
    "power-cycle": _power_cycle,
    "ocpp": _ocpp,
    "fault": _fault,
    "occupy": _occupy,
    "clear": _clear,
    "status": _status,
}


def _central_system_commands(charge_point: ChargePoint) -> dict[str, Handler]:
    """Return the commands of a charger that is connected to an OCPP back end."""

    async def card(simulator: Simulator, words: list[str]) -> None:
        try:
            await charge_point.present(words[0])
        except OSError:
            print("not connected", file=sys.stderr)

    async def offline(simulator: Simulator, words: list[str]) -> None:
        await charge_point.go_offline(float(words[0]))

    return {"card": card, "offline": offline}


HOUSE_SWITCHES = {"sky": OVERCAST, "kettle": KETTLE, "load": LOAD, "meter": METER}


def _house_commands(controls: WorldControls) -> dict[str, Handler]:
    """Return the commands that switch something in the house."""

    def handler(switch: int) -> Handler:
        async def set_switch(simulator: Simulator, words: list[str]) -> None:
            await controls.set(switch, on={"on": True, "off": False}[words[0]])

        return set_switch

    return {name: handler(switch) for name, switch in HOUSE_SWITCHES.items()}


async def _read_commands(
    simulator: Simulator,
    handlers: Mapping[str, Handler],
    commands: asyncio.StreamReader,
) -> None:
    """Execute commands until `quit`; keep running when the input ends."""
    while line := (await commands.readline()).decode():
        words = shlex.split(line)
        if not words:
            continue
        if words[0] == "quit":
            return
        try:
            await handlers[words[0]](simulator, words[1:])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            print(f"invalid command: {line.strip()} ({error})\n{HELP}", file=sys.stderr)
    await asyncio.get_running_loop().create_future()


async def _run(options: argparse.Namespace) -> None:
    habits = habits_of(options)
    charger = (
        SimulatedCharger(serial_number=options.serial, ocpp=options.ocpp, habits=habits)
        if options.replay is None
        else ReplayedCharger.load(options.replay, habits)
    )
    simulator = Simulator(
        charger=charger,
        host=options.host,
        port=options.port,
        unit_id=options.unit_id,
    )
    if options.car:
        charger.plug_in(Car())
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(simulator)
        if options.announce:
            await stack.enter_async_context(Announcement(options.host, simulator.port))
        if options.impostor:
            impostor = await stack.enter_async_context(
                Simulator(
                    charger=SimulatedCharger(serial_number=charger.serial_number),
                    host=options.host,
                    unit_id=options.unit_id,
                )
            )
            await stack.enter_async_context(
                Announcement(options.host, impostor.port, name=f"{NAME}-2")
            )
        handlers = COMMANDS
        if options.central_system:
            charge_point = await stack.enter_async_context(
                ChargePoint(
                    charger=charger,
                    url=options.central_system,
                    password=options.password,
                )
            )
            handlers = handlers | _central_system_commands(charge_point)
        if options.house:
            meter = await stack.enter_async_context(
                Meter(
                    house=House(
                        battery=Battery() if options.battery else None,
                        started_at=charger.clock(),
                    ),
                    simulator=simulator,
                    port=options.meter_port,
                    unsigned_currents=options.unsigned_currents,
                )
            )
            handlers = handlers | _house_commands(WorldControls(simulator, meter=meter))
            print(f"grid meter at {options.host} port {meter.port}")
        print(
            f"charger {charger.serial_number} at {options.host} port {simulator.port},"
            f" unit id {options.unit_id}",
            flush=True,
        )
        commands = asyncio.StreamReader()
        # There are no commands if standard input is not a terminal or a pipe.
        with contextlib.suppress(OSError, ValueError):
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
            )
        await _read_commands(simulator, handlers, commands)


def _add_habits(parser: argparse._ArgumentGroup) -> None:
    """Add a switch for each habit, which overrides the profile."""
    for name, habit in HABITS.items():
        metadata = habit.metadata
        switch = f"--{name.replace('_', '-')}"
        if metadata["unit"]:
            parser.add_argument(
                switch,
                type=metadata["parse"],
                metavar=metadata["unit"],
                default=argparse.SUPPRESS,
                help=metadata["text"],
            )
        else:
            parser.add_argument(
                switch,
                action=argparse.BooleanOptionalAction,
                default=argparse.SUPPRESS,
                help=metadata["text"],
            )


def _profile(name: str) -> Habits:
    try:
        return load_profile(name)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def habits_of(options: argparse.Namespace) -> Habits:
    """Return the habits of the profile, and those given by switches instead."""
    given = vars(options)
    profile: Habits = options.profile
    return replace(profile, **{name: given[name] for name in HABITS if name in given})


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Simulate a NexBlue charger with a car on Modbus TCP.",
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="IP address to listen on")
    parser.add_argument("--port", type=int, default=5020)
    parser.add_argument("--unit-id", type=int, default=200)
    parser.add_argument("--serial", default="NB10SIM00001", help="serial number")
    parser.add_argument("--car", action="store_true", help="plug a car in at start")
    parser.add_argument(
        "--announce", action="store_true", help="announce the charger by mDNS"
    )
    parser.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="serve the registers of a diagnostics file, and no others",
    )
    parser.add_argument(
        "--ocpp",
        type=Ocpp,
        choices=Ocpp,
        default=Ocpp.NONE,
        help="how an OCPP back end handles start and stop",
    )
    parser.add_argument(
        "--central-system",
        metavar="URL",
        help="connect to this OCPP back end, too; the charger appends its ID",
    )
    parser.add_argument("--password", help="of the OCPP back end")
    parser.add_argument(
        "--impostor",
        action="store_true",
        help="announce another charger with the same serial number",
    )
    parser.add_argument(
        "--house",
        action="store_true",
        help="add a house with solar panels, and its grid meter on a port of its own",
    )
    parser.add_argument("--meter-port", type=int, default=5022)
    parser.add_argument(
        "--battery", action="store_true", help="add a battery to the house"
    )
    parser.add_argument(
        "--unsigned-currents",
        action="store_true",
        help="let the grid meter show exported currents like imported ones",
    )
    parser.add_argument(
        "--profile",
        type=_profile,
        default=AS_DOCUMENTED,
        metavar="NAME|FILE",
        help="a combination of the habits below: strange, or a TOML file",
    )
    _add_habits(parser.add_argument_group("habits"))
    return parser


def main() -> None:
    """Parse the options and run."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser().parse_args()))


if __name__ == "__main__":
    main()
