"""What a person does with the demo, step by step, and what is seen at each."""

from collections.abc import Callable
import json
import re

from .frontend import Frontend
from .texts import entity, state, text, untranslated

CHARGER = "NexBlue Delta Max"
ADDRESS = "127.0.0.1"
SERIAL_NUMBER = "NB10SIM00001"
SITE = text("common.site_title")
LANGUAGES = ("de", "fi", "fr")
DEMO_DASHBOARD = "/nexblue-charger"
DASHBOARD = "nexblue-charging"
GRAPH_HOURS = 0.25
AUTOMATION = "Charge slowly at first"

# As they are on the dashboard.
VEHICLE = text("common.dashboard_vehicle")
LIMITED_BY = entity("sensor.limited_by")
LIMIT = entity("number.current_limit")
FALLBACK = entity("number.fallback_limit")


def find_discovered_charger(home: Frontend) -> None:
    """Find the charger that Home Assistant discovered."""
    home.open("/config/integrations/dashboard")
    home.see(f"{CHARGER} ({ADDRESS})", text("config.step.user.title"))
    home.picture("discovered", everywhere=True)


def add_charger(home: Frontend) -> None:
    """Add it."""
    home.press("Add")
    home.see(text("config.step.zeroconf_confirm.title"), SERIAL_NUMBER, ADDRESS)
    home.picture("add-charger", everywhere=True)
    home.press("Submit")


def describe_site(home: Frontend) -> None:
    """Choose the sensors of the house, of which Energy knows some."""
    home.see(text("config.step.site.title"))
    home.see_button(f"{text('config.step.site.data.grid_power')} Meter power")
    solar, fuse = (f"config.step.site.sections.{name}" for name in ("solar", "fuse"))
    home.see_button(f"{text(f'{solar}.data.solar_power')} Solar power")
    home.press(text(f"{fuse}.name"))
    for phase in ("L1", "L2", "L3"):
        home.choose_entity(
            text(f"{fuse}.data.house_current_{phase.lower()}"), f"Meter current {phase}"
        )
    home.enter(text(f"{fuse}.data.main_fuse"), "20")
    home.picture("site", everywhere=True, height=1900)
    home.press("Next")


def check_site(home: Frontend) -> None:
    """Check what the sensors say, and finish."""
    imports = text("common.grid_imports").replace("*", "").partition("{")[0]
    home.see(text("config.step.check.title"), imports, "The main fuse allows 20 A.")
    home.see_nothing_of(text("config.error.wrong_sign"))
    home.picture("site-check", everywhere=True)
    home.press("Submit")
    home.press("Skip and finish")
    home.see_nothing_of("Skip and finish")


def look_at_devices(home: Frontend) -> None:
    """Look at the pages of charger and site."""
    home.open("/config/integrations/integration/nexblue_local")
    home.see(SITE)
    home.picture("integration", everywhere=True)
    open_device(home, CHARGER)
    home.see(entity("sensor.status"), LIMIT, entity("sensor.power"))
    home.picture("charger-device", everywhere=True, height=2700)
    open_device(home, SITE)
    home.see(entity("sensor.surplus_power"), entity("sensor.fuse_headroom"))
    home.picture("site-device", everywhere=True, height=1000)


def open_device(home: Frontend, name: str) -> None:
    """Open the page of a device."""
    home.open("/config/devices/dashboard")
    home.page.get_by_role("row", name=name).click()


def open_dashboard(home: Frontend) -> None:
    """Open the dashboard, on which the car charges as fast as it can."""
    home.page.get_by_role("link", name="Charger", exact=True).click()
    home.see_tile(VEHICLE, r"1\d,\d{3} W")
    home.see_heading(CHARGER, state("sensor.status", "charging"))
    home.see_tile(LIMITED_BY, state("sensor.limited_by", "app_maximum"))


def lower_ceiling(home: Frontend) -> None:
    """Lower the charging current limit to 10 A, see the car follow, and raise it."""
    change_limit(home, "Decrement", *range(15, 9, -1))
    home.see_tile(VEHICLE, r"6,\d{3} W")
    home.see_tile(LIMITED_BY, state("sensor.limited_by", "current_limit"))
    home.picture("ceiling", everywhere=True)
    open_tab(home, "common.dashboard_details")
    home.see(entity("sensor.current_l1"), "10.0 A")
    home.picture("details", everywhere=True, height=1700)
    open_tab(home, "common.dashboard_title")
    change_limit(home, "Increment", *range(11, 17))


def change_limit(home: Frontend, button: str, *limits: int, name: str = LIMIT) -> None:
    """Press a button of a limit's tile, and see it take each value in A."""
    tile = home.page.get_by_role("group", name=name)
    for limit in limits:
        tile.get_by_role("button", name=button).click()
        home.see_tile(name, f"{limit} A")


def open_tab(home: Frontend, title: str, language: str = "en") -> None:
    """Open a view of the dashboard by the key of its title."""
    home.page.get_by_role("tab", name=text(title, language)).click()


def choose_fallback(home: Frontend) -> None:
    """Choose a fallback limit, which a repair asks for until then."""
    home.see_repairs(1)
    open_tab(home, "common.dashboard_details")
    # A charger may round 7 A to the 6 A that it has anyway.
    change_limit(home, "Increment", 7, 8, name=FALLBACK)
    home.see_repairs(0)
    open_tab(home, "common.dashboard_title")


def pause_soon(home: Frontend) -> None:
    """Let charging stop and start more readily, which shortens the walk."""
    open_tab(home, "common.dashboard_details")
    choose(home, "select.restarts", "many")
    open_tab(home, "common.dashboard_title")


def charge_from_sun(home: Frontend) -> None:
    """Charge from the sun only."""
    choose(home, "select.charge_mode", "solar")
    see_solar_charging(home)


def see_solar_charging(home: Frontend) -> None:
    """See the car charge with what the sun gives."""
    home.see_heading(CHARGER, state("sensor.status", "charging"))
    home.see_tile(LIMITED_BY, state("sensor.limited_by", "sun"))
    home.see_tile(VEHICLE, r"[4-9],\d{3} W")


def choose(home: Frontend, key: str, option: str) -> None:
    """Choose an option of a select entity, and see it chosen."""
    name = state(key, option)
    home.page.get_by_role("radio", name=name, exact=True).click()
    home.see_tile(entity(key), name)


def cloud_over(home: Frontend) -> None:
    """Draw clouds over the sky, and read that the car will be paused, why and when."""
    home.press("Toggle Overcast sky")
    see_clouds(home)
    home.picture("clouds", everywhere=True)


def see_clouds(home: Frontend) -> None:
    """See that the car will be paused, and when."""
    home.see_tile(LIMITED_BY, state("sensor.limited_by", "pausing_soon"))
    home.see_tile(entity("sensor.next_change"), "In .+")


def build_automation(home: Frontend) -> None:
    """Build an automation that lowers the limit when a vehicle is connected."""
    home.open("/config/automation/dashboard")
    home.press("Create automation")
    home.page.get_by_text("Create new automation").click()
    trigger = text("triggers.vehicle_connected.name")
    action = text("services.set_limits.name")
    for button, name in (("Add trigger", trigger), ("Add action", action)):
        home.press(button)
        home.page.get_by_role("treeitem", name="Devices", exact=True).click()
        home.page.get_by_role("treeitem", name=CHARGER, exact=True).click()
        home.see_button(f"{name} {CHARGER}")
        home.picture(button.lower().replace(" ", "-"))
        home.press(f"{name} {CHARGER}")
    home.enter_optional(text("services.set_limits.fields.current_limit.name"), "13")
    home.picture("automation", everywhere=True)
    home.press("Save")
    home.page.get_by_role("textbox", name="Name").fill(AUTOMATION)
    home.button("Save").last.click()
    home.see("Traces")
    home.open("/config/automation/dashboard")
    home.see(AUTOMATION)


def clear_sky(home: Frontend) -> None:
    """Read why the car is paused meanwhile, and clear the sky."""
    home.open(DEMO_DASHBOARD)
    home.see_tile(LIMITED_BY, state("sensor.limited_by", "waiting_for_sun"))
    home.see_heading(CHARGER, state("sensor.status", "suspended_evse"))
    home.see_tile(VEHICLE, "0 W")
    home.picture("paused")
    home.press("Toggle Overcast sky")
    see_solar_charging(home)


def pull_plug(home: Frontend) -> None:
    """Pull the plug; plug it in again, which the automation notices."""
    home.press("Toggle Car plugged in")
    home.see_heading(CHARGER, state("sensor.status", "available"))
    home.see_tile(VEHICLE, "0 W")
    home.see_tile(entity("sensor.last_session_energy"), r"0\.\d+ kWh")
    home.picture("unplugged")
    home.press("Toggle Car plugged in")
    home.see_tile(LIMIT, "13 A")
    see_solar_charging(home)


def cut_power(home: Frontend) -> None:
    """Cut the charger's power, and see it come back with its settings."""
    home.press("Toggle Charger power")
    home.see_tile(VEHICLE, "Unavailable")
    home.see_tile(LIMIT, "13 A")
    home.picture("no-power", everywhere=True)
    home.press("Toggle Charger power")
    see_solar_charging(home)
    home.picture("dashboard", everywhere=True)
    home.picture("dashboard-whole", everywhere=True, height=2400)
    open_device(home, CHARGER)
    home.see(
        text("entity.event.control_event.state_attributes.event_type.state.restored")
    )


def create_dashboard(home: Frontend) -> None:
    """Create a dashboard with the action, and open it from the sidebar."""
    name = text("services.create_dashboard.name")
    home.open("/config/tools/action")
    home.press("Action")
    home.page.get_by_placeholder("Search").fill(name)
    home.page.get_by_role("option", name=name).click()
    home.press("Add target")
    home.page.get_by_role("option", name=f"{CHARGER} NexBlue Local").click()
    home.see_button("Exclude target")
    home.press("Perform action")
    title = text("common.dashboard_title")
    home.page.get_by_role("link", name=title, exact=True).click()
    home.see_tile(LIMIT, "16 A")
    home.picture("created-dashboard", everywhere=True, height=1900)


def speak_other_languages(home: Frontend) -> None:
    """Read the dashboard in other languages: nothing is cut off or left in English."""
    for language in LANGUAGES:
        # The entry of the site keeps the name with which it was added.
        english = untranslated(language) - {SITE}
        home.speak(language, CHARGER)
        home.open(f"/{DASHBOARD}")
        home.see(text("entity.number.current_limit.name", language))
        home.see_none_of(english, "Texts are in English")
        home.picture(f"dashboard-{language}", everywhere=True, height=1900)
        open_tab(home, "common.dashboard_details", language)
        home.see(text("entity.number.fallback_limit.name", language))
        home.see_none_of(english, "Texts are in English")
        home.picture(f"details-{language}", everywhere=True, height=2000)
    home.speak("en", CHARGER)


def add_to_energy(home: Frontend) -> None:
    """Add the charger to the Energy dashboard, in three clicks."""
    home.page.get_by_role("link", name="Energy", exact=True).click()
    home.press("Edit dashboard")
    home.press("Add device")
    sensor = f"{entity('sensor.lifetime_energy')} {CHARGER}"
    home.choose_entity("Device energy consumption", sensor)
    home.press("Save")
    home.see_nothing_of("Add a device")
    home.see(CHARGER)
    home.open("/energy/electricity")
    home.see_button(CHARGER)
    home.picture("energy", everywhere=True, height=2000)


def fill_graph(home: Frontend) -> None:
    """Charge from the sun for a quarter of an hour, in which water boils once."""
    home.open(DEMO_DASHBOARD)
    home.wait(9)
    home.press("Toggle Kettle")
    home.wait(1)
    home.press("Toggle Kettle")
    home.wait(5)
    open_tab(home, "common.dashboard_details")
    choose(home, "select.restarts", "balanced")
    open_tab(home, "common.dashboard_title")
    see_solar_charging(home)


def picture_dashboard(home: Frontend) -> None:
    """Open the dashboard that the action created, and draw clouds over the sky."""
    home.shorten_graph(DASHBOARD, GRAPH_HOURS)
    home.open(f"/{DASHBOARD}")
    see_solar_charging(home)
    home.picture("sun", everywhere=True)
    home.open(DEMO_DASHBOARD)
    home.press("Toggle Overcast sky")
    home.open(f"/{DASHBOARD}")
    see_clouds(home)
    home.picture("clouds-in-graph", everywhere=True)


def download_diagnostics(home: Frontend) -> None:
    """Download the diagnostics, which name neither serial number nor address."""
    open_device(home, CHARGER)
    file = home.download("Download diagnostics")
    assert json.loads(file)["data"], "The diagnostics have no data."
    for secret in (SERIAL_NUMBER, ADDRESS):
        assert not re.search(re.escape(secret), file), f"{secret} is in the diagnostics"


type Step = Callable[[Frontend], None]

STEPS: tuple[Step, ...] = (
    find_discovered_charger,
    add_charger,
    describe_site,
    check_site,
    look_at_devices,
    open_dashboard,
    lower_ceiling,
    choose_fallback,
    charge_from_sun,
    cloud_over,
    pause_soon,
    # The car is paused meanwhile.
    build_automation,
    add_to_energy,
    download_diagnostics,
    create_dashboard,
    clear_sky,
    pull_plug,
    cut_power,
    speak_other_languages,
)

# With these, the walk is followed by a quarter of an hour.
PICTURE_STEPS = (fill_graph, picture_dashboard)
