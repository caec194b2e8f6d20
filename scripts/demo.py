"""Run a real Home Assistant that discovers a simulated charger: scripts/demo."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import fcntl
import json
import os
from pathlib import Path
import re
import signal
import socket
import sys
from typing import Any

from custom_components.nexblue_local.const import DOMAIN, SITE_UNIQUE_ID
from custom_components.nexblue_local.dashboard import (
    ChargerEntities,
    SiteEntities,
    Text,
    dashboard_config,
)
from custom_components.nexblue_local.modbus.enums import PhaseMode
from simulator import Car, SimulatedCharger, Simulator
from simulator.announcement import Announcement
from simulator.controls import WorldControls
from simulator.house import Battery, House, Roof
from simulator.meter import Meter, address_of
from simulator.sky import SUNRISE, play

from .demo_ocpp import connected_by_ocpp, present_card
from .forward import port_to_socket, socket_to_port
from .home_assistant import HOST, ROOT, HomeAssistantProcess, StartFailed

TRANSLATIONS = ROOT / "custom_components" / DOMAIN / "translations" / "en.json"
FOLDER = ROOT / ".demo"
PORT = 8123
SOCKET = FOLDER / "http.socket"
DASHBOARD = "nexblue-charger"
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

# The names and icons of the simulated world's switches, in the order of their registers.
WORLD = {
    "Car plugged in": "mdi:car-electric",
    "Charger power": "mdi:ev-station",
    "OCPP control": "mdi:server-network",
    "Overcast sky": "mdi:weather-cloudy",
    "Kettle": "mdi:kettle",
    "Load on L1": "mdi:stove",
    "Grid meter": "mdi:meter-electric",
}
MAIN_FUSE = 20  # A


@dataclass(frozen=True)
class Quantity:
    """What Home Assistant has to know about a sensor."""

    device_class: str
    unit: str
    state_class: str = "measurement"
    precision: int = 0


POWER = Quantity("power", "W")
CURRENT = Quantity("current", "A", precision=1)
ENERGY = Quantity("energy", "kWh", "total_increasing", precision=3)

# The sensors of the grid meter, by what it measures.
METER = {
    "grid_power": ("Meter power", POWER),
    "grid_import": ("Meter import", ENERGY),
    "grid_export": ("Meter export", ENERGY),
    "current_l1": ("Meter current L1", CURRENT),
    "current_l2": ("Meter current L2", CURRENT),
    "current_l3": ("Meter current L3", CURRENT),
    "solar_power": ("Solar power", POWER),
    "solar_energy": ("Solar energy", ENERGY),
}
BATTERY = {
    "battery_power": ("Battery power", POWER),
    "battery_level": ("Battery level", Quantity("battery", "%")),
    "battery_discharged": ("Battery discharged", ENERGY),
    "battery_charged": ("Battery charged", ENERGY),
}


def world_configuration(port: int) -> str:
    """Return the YAML of the simulated world's switches."""
    lines = [
        "modbus:",
        "  - name: world",
        "    type: tcp",
        f"    host: {HOST}",
        f"    port: {port}",
        "    switches:",
    ]
    for address, name in enumerate(WORLD):
        lines += [
            f"      - name: {name}",
            f"        unique_id: world_{address}",
            "        slave: 1",
            f"        address: {address}",
            "        scan_interval: 5",
            "        verify: {}",
        ]
    return "\n".join([*lines, ""])


def meter_configuration(port: int, *, has_battery: bool) -> str:
    """Return the YAML of the grid meter's sensors."""
    lines = [
        "  - name: meter",
        "    type: tcp",
        f"    host: {HOST}",
        f"    port: {port}",
        "    timeout: 2",
        "    sensors:",
    ]
    for value, (name, quantity) in (METER | (BATTERY if has_battery else {})).items():
        lines += [
            f"      - name: {name}",
            f"        unique_id: meter_{value}",
            "        slave: 1",
            "        input_type: input",
            f"        address: {address_of(value)}",
            "        data_type: float32",
            f"        device_class: {quantity.device_class}",
            f"        unit_of_measurement: '{quantity.unit}'",
            f"        state_class: {quantity.state_class}",
            f"        precision: {quantity.precision}",
            # Home Assistant warns about less.
            "        scan_interval: 5",
        ]
    return "\n".join([*lines, ""])


# When the simulated charger charged in the past, and how much.
NIGHTLY_HOURS = range(1, 4)  # UTC
HOURLY_ENERGY = 10.8  # kWh
# What the house used besides in each hour.
HOUSE_ENERGY = 0.35  # kWh
FIRST_STATISTIC = "2000-01-01T00:00:00+00:00"

DISCOVERY_TIMEOUT = 60.0  # s; loaded machines are slow
CHARGING_TIMEOUT = 60.0  # s

# What a charger and the site have once both are set up.
LAST_OF_SITE = {"select.charge_mode", "sensor.next_change", "sensor.house_power"}

FLOWS = "/api/config/config_entries/flow"

# Entity IDs by what the meter measures.
type Ids = dict[str, str]

# Set by scripts/isolated.
ISOLATED = "NEXBLUE_ISOLATED" in os.environ
# The port on which the outer process serves Home Assistant's web interface.
PUBLIC_PORT = int(os.environ.get("NEXBLUE_DEMO_PORT", "0"))


def say(text: str) -> None:
    """Print a progress message, in the place of the current values on a terminal."""
    start = "\r\033[K" if sys.stdout.isatty() else ""
    print(f"{start}==> {text}", flush=True)


def free_port(wanted: int) -> int:
    """Return the wanted port of `HOST`, or any other that is free if it is in use."""
    with socket.socket() as probe:
        # The port of a demo that just ended is free, though its connections may linger.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((HOST, wanted))
            return wanted
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def first[T](
    ask: Callable[[], Awaitable[T | None]], timeout: float | None
) -> T | None:
    """Call `ask` until it returns a value, and return that; None after `timeout` s."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            while True:
                if (answer := await ask()) is not None:
                    return answer
                await asyncio.sleep(0.3)
    return None


async def discovered_flow(home: HomeAssistantProcess) -> dict[str, Any] | None:
    """Return the config flow of the discovered charger, None before there is one."""
    flows = await home.call("config_entries/flow/progress")
    return next((flow for flow in flows if flow["handler"] == DOMAIN), None)


async def add_by_address(home: HomeAssistantProcess, port: int) -> Any:
    """Add the charger by its address, as a user does, and return the result."""
    flow = await home.post(FLOWS, {"handler": DOMAIN})
    await home.post(f"{FLOWS}/{flow['flow_id']}", {"next_step_id": "charger"})
    return await home.post(
        f"{FLOWS}/{flow['flow_id']}", {"host": HOST, "port": port, "unit_id": 200}
    )


async def add_site(home: HomeAssistantProcess, flow_id: str, ids: Ids) -> None:
    """Answer the flow that the charger's flow offers next, as a user does.

    Energy has the same sensors of grid, sun and battery, so a user finds them filled in.
    """
    battery = {"battery_power": "battery_power", "battery_soc": "battery_level"}
    await home.post(
        f"{FLOWS}/{flow_id}",
        {
            "grid_power": ids["grid_power"],
            "invert_grid_power": False,
            "solar": {"solar_power": ids["solar_power"]},
            "battery": {"invert_battery_power": False}
            | {field: ids[value] for field, value in battery.items() if value in ids},
            "fuse": {"main_fuse": MAIN_FUSE}
            | {f"house_current_l{n}": ids[f"current_l{n}"] for n in (1, 2, 3)},
        },
    )
    await home.post(f"{FLOWS}/{flow_id}", {})


async def meter_ids(home: HomeAssistantProcess) -> Ids | None:
    """Return the meter's entity IDs by what they measure, None before there are any."""
    entities = (await registered_entities(home)).get("meter", {})
    return {key.partition(".")[2]: each for key, each in entities.items()} or None


async def configured_entry(home: HomeAssistantProcess) -> str | None:
    """Return the ID of the charger's config entry, None before it is loaded."""
    entries = await home.call("config_entries/get", domain=DOMAIN)
    return next((e["entry_id"] for e in entries if e["state"] == "loaded"), None)


async def registered_entities(home: HomeAssistantProcess) -> dict[str, Ids]:
    """Return entity IDs by domain and key, for each device by its unique ID.

    What Home Assistant reads by its Modbus integration are the devices `world` and
    `meter`. Disabled entities are left out.
    """
    devices: dict[str, Ids] = {}
    for entity in await home.call("config/entity_registry/list"):
        if entity["platform"] in (DOMAIN, "modbus") and not entity["disabled_by"]:
            device, _, key = entity["unique_id"].partition("_")
            domain = entity["entity_id"].partition(".")[0]
            devices.setdefault(device, {})[f"{domain}.{key}"] = entity["entity_id"]
    return devices


async def configure_sources(home: HomeAssistantProcess, ids: Ids) -> None:
    """Add what the meter measures to the Energy dashboard, by its entity IDs."""
    sources: list[dict[str, Any]] = [
        {
            "type": "grid",
            "stat_energy_from": ids["grid_import"],
            "stat_energy_to": ids["grid_export"],
            "power_config": {"stat_rate": ids["grid_power"]},
            "cost_adjustment_day": 0,
        },
        {
            "type": "solar",
            "stat_energy_from": ids["solar_energy"],
            "stat_rate": ids["solar_power"],
        },
    ]
    if "battery_power" in ids:
        sources.append(
            {
                "type": "battery",
                "stat_energy_from": ids["battery_discharged"],
                "stat_energy_to": ids["battery_charged"],
                "power_config": {"stat_rate": ids["battery_power"]},
                "stat_soc": ids["battery_level"],
            }
        )
    await home.call("energy/save_prefs", energy_sources=sources)
    await import_history(home, ids["grid_import"], HOUSE_ENERGY)


async def configure_device(home: HomeAssistantProcess, charger_ids: Ids) -> None:
    """Add the charger to the Energy dashboard as an individual device."""
    charger = {
        "name": "Charger",
        "stat_consumption": charger_ids["sensor.lifetime_energy"],
        "stat_rate": charger_ids["sensor.power"],
    }
    await home.call("energy/save_prefs", device_consumption=[charger])


async def import_history(
    home: HomeAssistantProcess, statistic_id: str, base: float = 0.0
) -> None:
    """Import a week of nightly charging, and of `base` in each hour, in kWh.

    The Energy dashboard shows whole hours only, so it would be empty at first.
    """
    hour = timedelta(hours=1)
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    # Home Assistant continues the sum from zero.
    total = 0.0
    statistics = []
    for _ in range(7 * 24):
        start -= hour
        statistics.append({"start": start.isoformat(), "sum": total})
        total -= base
        if start.hour in NIGHTLY_HOURS:
            total -= HOURLY_ENERGY
    # The whole sum of the first row counts for its hour, so that must be long ago.
    statistics.append({"start": FIRST_STATISTIC, "sum": total})
    await home.call(
        "recorder/import_statistics",
        metadata={
            "has_sum": True,
            "mean_type": 0,
            "name": None,
            "source": "recorder",
            "statistic_id": statistic_id,
            "unit_class": "energy",
            "unit_of_measurement": "kWh",
        },
        stats=statistics,
    )


async def create_dashboard(home: HomeAssistantProcess) -> None:
    """Create the charger's dashboard, and make it the first page that opens."""
    await home.call(
        "lovelace/dashboards/create",
        url_path=DASHBOARD,
        title="Charger",
        icon="mdi:ev-station",
        mode="storage",
    )
    await home.call(
        "frontend/set_system_data", key="core", value={"default_panel": DASHBOARD}
    )


def dashboard(devices: dict[str, Ids], names: dict[str, str]) -> dict[str, Any]:
    """Return the dashboard of the integration, and the simulated world's switches."""
    texts = json.loads(TRANSLATIONS.read_text())["common"]
    meter = devices["meter"]
    site = SiteEntities(
        name=names.get(SITE_UNIQUE_ID, ""),
        entities=devices.get(SITE_UNIQUE_ID, {}),
        solar_power=meter["sensor.solar_power"],
        battery_power=meter.get("sensor.battery_power"),
    )
    chargers = [
        ChargerEntities(name=names[device], entities=ids)
        for device, ids in devices.items()
        if device not in ("meter", "world", SITE_UNIQUE_ID)
    ]
    config = dashboard_config(
        chargers, site, {text: texts[text] for text in Text}, graph_hours=0.25
    )
    heading = {"type": "heading", "heading": "The simulated world"}
    tiles = [
        {"type": "tile", "entity": devices["world"][f"switch.{number}"], "icon": icon}
        for number, icon in enumerate(WORLD.values())
    ]
    section = {"type": "grid", "cards": [heading, *tiles]}
    config["views"][0]["sections"].append(section)
    return config


async def save_dashboard(home: HomeAssistantProcess) -> None:
    """Show what there is on the dashboard."""
    titles = {
        entry["entry_id"]: entry["title"]
        for entry in await home.call("config_entries/get", domain=DOMAIN)
    }
    names = {
        entity["unique_id"].partition("_")[0]: titles[entity["config_entry_id"]]
        for entity in await home.call("config/entity_registry/list")
        if entity["platform"] == DOMAIN
    }
    config = dashboard(await registered_entities(home), names)
    await home.call("lovelace/config/save", url_path=DASHBOARD, config=config)


async def has_site(home: HomeAssistantProcess, serial_number: str) -> bool | None:
    """Return True once the entities of the site exist, and those of the charger."""
    devices = await registered_entities(home)
    found = {*devices.get(SITE_UNIQUE_ID, ()), *devices.get(serial_number, ())}
    return True if found >= LAST_OF_SITE else None


async def extend_dashboard(home: HomeAssistantProcess, serial_number: str) -> None:
    """Show the site's entities as well, once the user has set it up."""
    await first(lambda: has_site(home, serial_number), timeout=None)
    await save_dashboard(home)


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
