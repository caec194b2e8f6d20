"""Run a real Home Assistant that discovers a simulated charger: scripts/demo."""

import argparse
import asyncio
from collections.abc import AsyncIterator
import contextlib
import fcntl
import os
from pathlib import Path
import re
import signal
import sys

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.modbus.enums import PhaseMode
from simulator import Car, SimulatedCharger, Simulator
from simulator.announcement import Announcement
from simulator.controls import WorldControls
from simulator.house import Battery, House, Roof
from simulator.meter import Meter
from simulator.sky import SUNRISE, play

from .demo_ocpp import connected_by_ocpp, present_card
from .demo_set_up import (
    Ids,
    add_by_address,
    add_site,
    configure_device,
    configure_sources,
    configured_entry,
    create_dashboard,
    discovered_flow,
    extend_dashboard,
    import_history,
    meter_ids,
    registered_entities,
    save_dashboard,
)
from .demo_world import MAIN_FUSE, meter_configuration, world_configuration
from .forward import port_to_socket, socket_to_port
from .home_assistant import (
    FLOWS,
    HOST,
    ROOT,
    HomeAssistantProcess,
    StartFailed,
    first,
    free_port,
)

FOLDER = ROOT / ".demo"
PORT = 8123
SOCKET = FOLDER / "http.socket"
CONFIGURATION = """\
automation: !include automations.yaml
energy:
history:
logbook:
repairs:
recorder:
  commit_interval: 1
zeroconf:
"""

DISCOVERY_TIMEOUT = 60.0  # s; loaded machines are slow
CHARGING_TIMEOUT = 60.0  # s

# Set by scripts/isolated.
ISOLATED = "NEXBLUE_ISOLATED" in os.environ
# The port on which the outer process serves Home Assistant's web interface.
PUBLIC_PORT = int(os.environ.get("NEXBLUE_DEMO_PORT", "0"))


def say(text: str) -> None:
    """Print a progress message, in the place of the current values on a terminal."""
    start = "\r\033[K" if sys.stdout.isatty() else ""
    print(f"{start}==> {text}", flush=True)


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait until it has ended."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def charging_line(states: dict[str, str]) -> str | None:
    """Return the current values as one line of text, None before they are known."""
    values = {key.partition("_")[2]: state for key, state in states.items()}
    if "lifetime_energy" not in values:
        return None

    def shown(key: str, decimals: int, unit: str) -> str:
        with contextlib.suppress(ValueError):
            return f"{float(values[key]):.{decimals}f} {unit}"
        return values[key]

    return (
        f"{values['status']:<12} {shown('power', 0, 'W'):>8}"
        f"  L1 {shown('current_l1', 1, 'A'):>6}"
        f"  session {shown('session_energy', 3, 'kWh')}"
        f"  lifetime {shown('lifetime_energy', 3, 'kWh')}"
    )


async def set_up(
    home: HomeAssistantProcess,
    simulator: Simulator,
    ids: Ids,
    *,
    url: str,
    manual: bool,
) -> None:
    """Wait until the charger is discovered, and add it, and then the site.

    With `manual`, wait until the user has added the charger.
    """
    flow = await first(lambda: discovered_flow(home), DISCOVERY_TIMEOUT)
    if flow is None:
        say("The charger was not discovered: multicast does not work on this machine.")
        say(f"Adding the charger by its address, {HOST} port {simulator.port}")
        result = await add_by_address(home, simulator.port)
        await add_site(home, result["next_flow"][1], ids)
        return
    found = flow["context"]["title_placeholders"]
    say(f"Home Assistant discovered a {found['name']} at {found['host']}")
    if manual:
        say(f"Add it yourself: {url}/config/integrations/dashboard")
        await first(lambda: configured_entry(home), timeout=None)
        return
    say("Confirming it, as the Add button does")
    result = await home.post(f"{FLOWS}/{flow['flow_id']}", {})
    say("Setting up solar charging and the main fuse, which Home Assistant offers next")
    await add_site(home, result["next_flow"][1], ids)


async def watch(home: HomeAssistantProcess, *, once: bool) -> None:
    """Print the current values repeatedly; with `once`, until the car charges."""
    is_terminal = sys.stdout.isatty()
    while True:
        line = charging_line(await home.states(DOMAIN))
        if line is not None:
            print(
                f"\r\033[K{line}" if is_terminal else line,
                end="" if is_terminal else "\n",
                flush=True,
            )
            if once and re.match(r"charging +[1-9]", line):
                print()
                return
        await asyncio.sleep(1 if is_terminal or once else 5)


async def run_isolated(arguments: list[str]) -> int | None:
    """Run the demo in a network namespace, and forward a port to it.

    In a namespace, mDNS works on every machine, and this Home Assistant can neither
    be seen on the real network nor discover anything there. Return the exit code, or
    None where namespaces are not available.
    """
    isolated = str(ROOT / "scripts" / "isolated")
    with contextlib.suppress(OSError):
        probe = await asyncio.create_subprocess_exec(
            isolated, "true", stderr=asyncio.subprocess.DEVNULL
        )
        if await probe.wait():
            return None
    port = free_port(PORT)
    async with port_to_socket(HOST, port, SOCKET):
        demo = await asyncio.create_subprocess_exec(
            isolated,
            *(sys.executable, "-m", "scripts.demo", *arguments),
            env=os.environ | {"NEXBLUE_DEMO_PORT": str(port)},
        )
        try:
            return await demo.wait()
        finally:
            if demo.returncode is None:
                demo.terminate()
                await demo.wait()


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    *,
    manual: bool = False,
    sky: bool = False,
    ocpp: bool = False,
    has_battery: bool = False,
    unsigned_currents: bool = False,
) -> AsyncIterator[HomeAssistantProcess]:
    """Run Home Assistant with a charger that is set up and a car that charges.

    With `manual`, the user adds the charger and the site. With `sky`, the car is
    plugged in by the script of `simulator.sky`. With `ocpp`, the charger connects to
    Home Assistant by OCPP as well, and charges after a card was presented.
    """
    say(f"Starting Home Assistant in {folder.name} (about ten seconds)")
    async with contextlib.AsyncExitStack() as stack:
        charger = SimulatedCharger()
        if sky:
            # A switch to one phase would count, and leave none to three for an hour.
            charger.change("phase_mode", PhaseMode.SINGLE_PHASE)
        simulator = await stack.enter_async_context(
            Simulator(charger=charger, port=free_port(5020))
        )
        house = House(
            roof=SUNRISE if sky else Roof(),
            battery=Battery() if has_battery else None,
            started_at=simulator.charger.clock(),
            main_fuse=MAIN_FUSE,
        )
        meter = await stack.enter_async_context(
            Meter(
                house=house,
                simulator=simulator,
                port=free_port(5022),
                unsigned_currents=unsigned_currents,
            )
        )
        controls = await stack.enter_async_context(
            WorldControls(simulator, free_port(5021), meter=meter)
        )
        port = free_port(PORT)
        # Without a namespace, Home Assistant must not be visible on the real network.
        adapters = {} if ISOLATED else {"configured_adapters": ["lo"]}
        home = await stack.enter_async_context(
            HomeAssistantProcess(
                folder,
                port,
                configuration=CONFIGURATION
                + world_configuration(controls.port)
                + meter_configuration(meter.port, has_battery=has_battery),
                storage={"core.network": adapters},
            )
        )
        if PUBLIC_PORT:
            await stack.enter_async_context(socket_to_port(SOCKET, HOST, port))
        url = f"http://{HOST}:{PUBLIC_PORT or port}"
        say(f"Announcing a charger by mDNS on {HOST} port {simulator.port}")
        await stack.enter_async_context(Announcement(HOST, simulator.port))
        ids = await first(lambda: meter_ids(home), DISCOVERY_TIMEOUT)
        if ids is None:
            raise StartFailed("the grid meter was not set up")
        await configure_sources(home, ids)
        if manual:
            # What the meter shows has to fit the car when the site is checked.
            charger.plug_in(Car())
        await set_up(home, simulator, ids, url=url, manual=manual)
        if await first(lambda: configured_entry(home), CHARGING_TIMEOUT) is None:
            raise StartFailed("the charger was not set up")
        say("The charger is set up")
        charge_point = None
        if ocpp:
            charge_point = await stack.enter_async_context(
                connected_by_ocpp(home, charger, port, say)
            )
        if not (sky or manual):
            say("Plugging a car in")
            charger.plug_in(Car())
        if charge_point is not None:
            await present_card(charge_point, say)
        charger_ids = (await registered_entities(home))[charger.serial_number]
        if not manual:
            say("Charging from surplus solar power")
            await home.call(
                "call_service",
                domain="select",
                service="select_option",
                service_data={"option": "solar"},
                target={"entity_id": charger_ids["select.charge_mode"]},
            )
            await configure_device(home, charger_ids)
        await import_history(home, charger_ids["sensor.lifetime_energy"])
        await create_dashboard(home)
        await save_dashboard(home)
        say(f"Dashboard: {url}  (Ctrl-C ends the demo)")
        if manual:
            extend = extend_dashboard(home, charger.serial_number)
            stack.push_async_callback(ended, asyncio.create_task(extend))
        if sky:
            script = play(controls, meter, say)
            stack.push_async_callback(ended, asyncio.create_task(script))
        yield home


async def run(options: argparse.Namespace) -> None:
    """Run the demo until it is cancelled, or with `once` until the car charges."""
    async with running(
        options.folder,
        manual=options.manual,
        sky=options.sky,
        ocpp=options.ocpp,
        has_battery=options.battery,
        unsigned_currents=options.unsigned_currents,
    ) as home:
        try:
            async with asyncio.timeout(CHARGING_TIMEOUT if options.once else None):
                await watch(home, once=options.once)
        except TimeoutError as error:
            raise StartFailed("the car did not charge") from error
    if options.once:
        say("The car charges. Done.")


def lock_folder() -> None:
    """Exit with an error if another demo uses this checkout's .demo folder."""
    # Held until this process ends, and not inherited by the processes it starts.
    lock = os.open(__file__, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("error: a demo is already running in this checkout")


async def supervise(options: argparse.Namespace) -> int:
    """Run the demo, in a namespace where possible, and stop it in order on a signal."""
    task = asyncio.current_task()
    assert task is not None

    def end() -> None:
        # Ctrl-C also reaches the outer process, which then sends a second signal. That
        # must not interrupt the stopping of Home Assistant.
        if not task.cancelling():
            task.cancel()

    for signal_number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signal_number, end)
    if not ISOLATED:
        lock_folder()
        code = await run_isolated(sys.argv[1:])
        if code is not None:
            return code
    await run(options)
    return 0


def main() -> int:
    """Parse the options and run the demo; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "--manual",
        action="store_true",
        help="let you add the discovered charger, and set up solar charging",
    )
    script = parser.add_mutually_exclusive_group()
    script.add_argument(
        "--sky",
        action="store_true",
        help="play ten minutes of a morning, and say at each step what to watch",
    )
    script.add_argument(
        "--ocpp",
        action="store_true",
        help="connect the charger by OCPP as well, and present a card",
    )
    # It would take the surplus that the script is about.
    script.add_argument(
        "--battery", action="store_true", help="add a battery to the house"
    )
    parser.add_argument(
        "--unsigned-currents",
        action="store_true",
        help="let the grid meter show exported currents like imported ones",
    )
    parser.add_argument("--once", action="store_true", help="end when the car charges")
    parser.add_argument(
        "--folder",
        type=Path,
        default=FOLDER,
        help="where Home Assistant stores its data; what is there is deleted",
    )
    options = parser.parse_args()
    if options.sky and (options.manual or options.once):
        parser.error(
            "--sky sets up everything and runs on: not with --manual or --once"
        )
    if options.ocpp and options.manual:
        parser.error("--ocpp needs what is set up: not with --manual")
    try:
        return asyncio.run(supervise(options))
    except asyncio.CancelledError:
        print()
        return 0
    except StartFailed as error:
        print(
            f"error: {error}; Home Assistant's log is {options.folder}/console.log",
            file=sys.stderr,
        )
        return 1


if __name__ == "__main__":
    sys.exit(main())
