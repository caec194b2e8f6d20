"""What the sensors of a site say: units, signs, phases and ages."""

from dataclasses import replace
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.modbus.registers import Reading
from custom_components.nexblue_local.phase_currents import (
    ChargerLoad,
    has_one_phase,
    shared_currents,
    signed_current,
)
from custom_components.nexblue_local.site_config import (
    ChargerConfig,
    PowerSensors,
    SiteConfig,
)
from custom_components.nexblue_local.site_meter import (
    MeterReading,
    SiteMeter,
    current_a,
    net_power,
    percentage,
    power_of_phase,
    power_w,
)
from tests.site import site_entry

GRID = "sensor.meter_power"
EXPORT = "sensor.meter_export"
CURRENTS = ("sensor.meter_current_l1", "sensor.meter_current_l2", "sensor.current_l3")
POWERS = ("sensor.meter_power_l1", "sensor.meter_power_l2")
CHARGING = ChargerLoad(
    power_w=6900.0, current_a=(10.0, 10.0, 10.0), voltage_v=(230.0,) * 3
)
ONE_PHASE = ChargerLoad(voltage_v=(230.0, None, None))
THREE_PHASES = ChargerLoad(voltage_v=(230.0, 230.0, 230.0))


def state(value: object, unit: str | None) -> State:
    """Return the state of a sensor."""
    return State("sensor.any", str(value), {"unit_of_measurement": unit})


def say(hass: HomeAssistant, entity_id: str, value: object, unit: str = "W") -> None:
    """Let a sensor report a value."""
    hass.states.async_set(entity_id, str(value), {"unit_of_measurement": unit})


def site(**sensors: Any) -> SiteConfig:
    """Return the configuration of a site with one grid sensor."""
    return SiteConfig(**{"grid": PowerSensors(power=GRID), **sensors})


def register(
    hass: HomeAssistant,
    device: dr.DeviceEntry,
    entity_id: str,
    device_class: str,
    unique_id: str | None = None,
) -> None:
    """Register a sensor of a device."""
    registry = er.async_get(hass)
    entry = registry.async_get_or_create(
        "sensor",
        "meter",
        unique_id or entity_id,
        device_id=device.id,
        original_device_class=device_class,
    )
    registry.async_update_entity(entry.entity_id, new_entity_id=entity_id)


@pytest.fixture
def device(hass: HomeAssistant) -> dr.DeviceEntry:
    """Return the device of a meter."""
    entry = MockConfigEntry(domain="meter")
    entry.add_to_hass(hass)
    return dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={("meter", "1")}
    )


@pytest.fixture
def meter_device(hass: HomeAssistant, device: dr.DeviceEntry) -> dr.DeviceEntry:
    """Return the device of a meter that has a total and two phases."""
    for entity_id in CURRENTS[:2]:
        register(hass, device, entity_id, "current")
    for entity_id in (GRID, *POWERS):
        register(hass, device, entity_id, "power")
    return device


@pytest.mark.parametrize(
    ("found", "watts"),
    [
        (state("-420", "W"), -420.0),
        (state("1.5", "kW"), 1500.0),
        (state("1", "MW"), 1e6),
        (state("unavailable", "W"), None),
        (state("unknown", "W"), None),
        (state("nan", "W"), None),
        (state("inf", "W"), None),
        (state("12", "kWh"), None),
        (state("12", "A"), None),
        (state("12", None), None),
        (None, None),
    ],
)
def test_power(found: State | None, watts: float | None) -> None:
    """A power is understood in any unit of power, and in no other."""
    assert power_w(found) == watts


@pytest.mark.parametrize(
    ("found", "amps"),
    [
        (state("-3.5", "A"), -3.5),
        (state("1500", "mA"), 1.5),
        (state("12", "W"), None),
        (state("unavailable", "A"), None),
        (None, None),
    ],
)
def test_current(found: State | None, amps: float | None) -> None:
    """A current is understood in any unit of current, and in no other."""
    assert current_a(found) == amps


@pytest.mark.parametrize(
    ("found", "percent"), [(state("55", "%"), 55.0), (state("55", "kWh"), None)]
)
def test_percentage(found: State, percent: float | None) -> None:
    """A level is a percentage, not an energy."""
    assert percentage(found) == percent


@pytest.mark.parametrize(
    ("power", "opposite", "inverted", "net"),
    [
        (500.0, None, False, 500.0),
        (500.0, None, True, -500.0),
        (500.0, 0.0, False, 500.0),
        (0.0, 300.0, False, -300.0),
        (0.0, 300.0, True, 300.0),
        # Sensors that show the other direction as negative.
        (-300.0, 300.0, False, -300.0),
        (500.0, -500.0, False, 500.0),
    ],
)
def test_net_power(
    power: float, opposite: float | None, inverted: bool, net: float
) -> None:
    """Two sensors and a sensor that is turned round give one sign."""
    assert net_power(power, opposite, is_inverted=inverted) == net


@pytest.mark.parametrize(
    ("current", "power", "signed"),
    [
        (10.0, -2300.0, -10.0),
        (10.0, 2300.0, 10.0),
        (10.0, None, 10.0),
        # A power factor of 0.7.
        (10.0, -1610.0, -10.0),
        # A load of 20 A that the power does not show yet.
        (20.0, -500.0, 20.0),
        # Next to nothing, with a power that is rounded to 0.
        (0.4, -10.0, -0.4),
        (0.4, 10.0, 0.4),
    ],
)
def test_signed_current(current: float, power: float | None, signed: float) -> None:
    """A current has the direction of its power if that can be its power."""
    assert signed_current(current, 230.0, power) == signed


@pytest.mark.parametrize(
    ("other", "chargers", "currents"),
    [
        (2300.0, (), (10.0, 10.0, 10.0)),
        (1150.0, (CHARGING,), (15.0, 15.0, 15.0)),
        (
            2300.0,
            (CHARGING, ChargerLoad(power_w=2000.0, current_a=(0.0, 8.0, 0.0))),
            (20.0, 28.0, 20.0),
        ),
        (2000.0, (ChargerLoad(voltage_v=(200.0, 250.0, None)),), (10.0, 8.0, 8.696)),
    ],
)
def test_shared_currents(
    other: float, chargers: tuple[ChargerLoad, ...], currents: tuple[float, ...]
) -> None:
    """A phase may carry everything that is not known to be on another one."""
    assert shared_currents(other, chargers) == pytest.approx(currents, rel=1e-3)


@pytest.mark.parametrize(
    ("measured", "chargers", "one"),
    [
        ([0], (ONE_PHASE,), True),
        ([0], (), False),
        ([0], (ONE_PHASE, THREE_PHASES), False),
        ([1], (ONE_PHASE,), False),
        ([0, 1], (ONE_PHASE,), False),
        ([0, 1, 2], (THREE_PHASES,), False),
    ],
)
def test_has_one_phase(
    measured: list[int], chargers: tuple[ChargerLoad, ...], one: bool
) -> None:
    """A house has one phase if nothing shows another one, and a charger this one."""
    assert has_one_phase(measured, chargers) is one


def test_load_of_a_charger() -> None:
    """What a charger draws is put on the phases of the house that it is wired to."""
    entry = MockConfigEntry(options={"phase_rotation": "L3, L1, L2"})
    reading = Reading(
        **dict.fromkeys(Reading.registers)
        | {"power": 2300.0, "current_l1": 10.0, "voltage_l1": 231.0, "voltage_l2": 3.0}
    )
    assert ChargerLoad.from_reading(
        reading, ChargerConfig.from_entry(entry)
    ) == ChargerLoad(
        power_w=2300.0, current_a=(0.0, 0.0, 10.0), voltage_v=(None, None, 231.0)
    )


def test_charger_config() -> None:
    """An entry without options has the defaults, and options are understood."""
    default = ChargerConfig.from_entry(MockConfigEntry(options={"scan_interval": 5}))
    assert default == ChargerConfig(
        supply_phases=None,
        rotation=(1, 2, 3),
        min_current=6,
        priority=50,
        switch_phases=True,
    )
    options = {"supply_phases": "1", "min_current": 8, "switch_phases": False}
    config = ChargerConfig.from_entry(MockConfigEntry(options=options))
    assert (config.supply_phases, config.min_current, config.switch_phases) == (
        1,
        8,
        False,
    )


async def test_all_sensors(hass: HomeAssistant) -> None:
    """Each value is where it belongs, in W, A and percent."""
    config = site(
        grid=PowerSensors(power=GRID, opposite=EXPORT),
        battery=PowerSensors(power="sensor.battery", is_inverted=True),
        battery_soc="sensor.soc",
        solar="sensor.solar",
        main_fuse=25.0,
        house_currents=CURRENTS,
    )
    meter = SiteMeter(hass, config)
    say(hass, GRID, 0)
    say(hass, EXPORT, 1.2, "kW")
    say(hass, "sensor.battery", 800)
    say(hass, "sensor.soc", 44, "%")
    say(hass, "sensor.solar", 3, "kW")
    say(hass, CURRENTS[0], -4, "A")
    say(hass, CURRENTS[1], -460, "W")
    say(hass, CURRENTS[2], 3000, "mA")
    reading = meter.read(100.0)
    assert reading.grid_w == -1200.0
    assert reading.battery_w == -800.0
    assert reading.battery_soc == 44.0
    assert reading.solar_w == 3000.0
    for at in (reading.battery_at, reading.solar_at):
        assert at == pytest.approx(100.0, abs=0.5)
    assert reading.house_a == (-4.0, -2.0, 3.0)
    assert reading.unsigned_phases == ()
    assert meter.entity_ids == config.entity_ids
    assert config.entity_ids == {
        GRID,
        EXPORT,
        "sensor.battery",
        "sensor.soc",
        "sensor.solar",
        *CURRENTS,
    }


async def test_nothing_is_there(hass: HomeAssistant) -> None:
    """Sensors that do not exist, or have no value, make nothing up."""
    config = site(
        battery=PowerSensors(power="sensor.battery"),
        battery_soc="sensor.soc",
        main_fuse=25.0,
    )
    assert SiteMeter(hass, config).read(0.0) == MeterReading()
    say(hass, GRID, "unavailable")
    assert SiteMeter(hass, config).read(0.0) == MeterReading()


async def test_one_phase_without_a_value(hass: HomeAssistant) -> None:
    """A phase that has lost its sensor is not one without: all are unknown."""
    meter = SiteMeter(hass, site(main_fuse=25.0, house_currents=(*CURRENTS[:2], None)))
    say(hass, CURRENTS[0], 4, "A")
    say(hass, CURRENTS[1], 5, "A")
    assert meter.read(0.0).house_a == (4.0, 5.0, None)
    say(hass, CURRENTS[1], "unavailable", "A")
    reading = meter.read(1.0)
    assert (reading.house_a, reading.house_at) == (None, None)


async def test_phases_without_sensors(hass: HomeAssistant) -> None:
    """Everything that is used may be on each phase, whoever produces it."""
    config = site(
        main_fuse=25.0,
        solar="sensor.solar",
        battery=PowerSensors(power="sensor.battery"),
    )
    meter = SiteMeter(hass, config)
    say(hass, GRID, -1000)
    say(hass, "sensor.solar", 2300)
    say(hass, "sensor.battery", 1000)
    reading = meter.read(5.0)
    assert reading.house_a == (10.0, 10.0, 10.0)
    assert reading.house_at == reading.grid_at == pytest.approx(5.0, abs=0.5)
    # A solar sensor that is the wrong way round hides no load.
    say(hass, GRID, 2300)
    say(hass, "sensor.solar", -2300)
    say(hass, "sensor.battery", 0)
    assert meter.read(30.0).house_a == (10.0, 10.0, 10.0)
    # A battery that charges is a load, which the grid power has already.
    say(hass, "sensor.solar", 0)
    say(hass, "sensor.battery", -2000)
    assert meter.read(60.0).house_a == (10.0, 10.0, 10.0)
    # A report of the price is no reason to decide.
    assert SiteMeter(hass, site(price="sensor.price")).entity_ids == {GRID}
    # Without a fuse, nobody asks for currents.
    assert SiteMeter(hass, site()).read(0.0).house_a is None


async def test_phases_without_sensors_beside_a_car(hass: HomeAssistant) -> None:
    """What a car draws is no load of the house, whoever shows it first."""
    meter = SiteMeter(hass, site(main_fuse=25.0))
    idle, charging = (10.0, 10.0, 10.0), (20.0, 20.0, 20.0)
    say(hass, GRID, 2300)
    assert meter.read(0.0, [THREE_PHASES]).house_a == idle
    # The meter shows that the car starts, then the charger does.
    say(hass, GRID, 2300 + 6900)
    assert meter.read(2.0, [THREE_PHASES]).house_a == idle
    assert meter.read(5.0, [CHARGING]).house_a == charging
    # It stops, and the charger shows it first.
    assert meter.read(19.0, [THREE_PHASES]).house_a == idle
    say(hass, GRID, 2300)
    assert meter.read(21.0, [THREE_PHASES]).house_a == idle
    # What does not settle is load of the house; what ends is none at once.
    say(hass, GRID, 4600)
    assert meter.read(37.0, [THREE_PHASES]).house_a == charging
    say(hass, GRID, -500)
    assert meter.read(38.0, [THREE_PHASES]).house_a == (0.0, 0.0, 0.0)


async def test_age(hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
    """A value has the age of its last report, changed or not."""
    meter = SiteMeter(hass, site())
    say(hass, GRID, 100)
    freezer.tick(7)
    assert meter.read(1000.0).grid_at == 993.0
    # The same report keeps its time, even if the clock is set meanwhile.
    freezer.tick(3600)
    assert meter.read(1001.5).grid_at == 993.0
    say(hass, GRID, 100)
    assert meter.read(1003.0).grid_at == 1003.0
    freezer.tick(-3600)
    assert meter.read(1004.0).grid_at == 1003.0
    say(hass, GRID, 100)
    assert meter.read(1005.0).grid_at == 1005.0
    # Set between a report and its reading, the clock makes no report older.
    freezer.tick(1)
    say(hass, GRID, 100)
    freezer.tick(3600)
    assert meter.read(1006.0).grid_at == 1005.0
    say(hass, GRID, 100)
    freezer.tick(-7200)
    assert meter.read(1007.0).grid_at == 1007.0


async def test_age_of_a_device(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, meter_device: dr.DeviceEntry
) -> None:
    """A sensor that stays the same is as fresh as its device."""
    helper = MockConfigEntry(domain="integration")
    helper.add_to_hass(hass)
    energy = er.async_get(hass).async_get_or_create(
        "sensor",
        "integration",
        "energy",
        config_entry=helper,
        device_id=meter_device.id,
    )
    meter = SiteMeter(hass, site())
    say(hass, GRID, 100)
    freezer.tick(60)
    say(hass, POWERS[0], 40)
    freezer.tick(1)
    assert meter.read(1000.0).grid_at == 999.0
    # The device is gone, and a helper that was added to it reports by itself.
    freezer.tick(60)
    say(hass, energy.entity_id, 5)
    say(hass, POWERS[0], "unavailable")
    say(hass, POWERS[1], "unknown")
    assert meter.read(1060.0).grid_at == 999.0
    assert GRID in meter.device_entity_ids
    assert POWERS[0] in meter.device_entity_ids
    assert energy.entity_id not in meter.device_entity_ids


async def test_age_of_two_sensors(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """A sensor at 0 may stay silent while the other one has a value."""
    meter = SiteMeter(hass, site(grid=PowerSensors(power=GRID, opposite=EXPORT)))
    say(hass, GRID, 0)
    freezer.tick(100)
    say(hass, EXPORT, 500)
    assert meter.read(1000.0).grid_at == 1000.0
    # It does not vouch for the one that has.
    freezer.tick(100)
    say(hass, GRID, 0)
    assert meter.read(1100.0).grid_at == 1000.0
    say(hass, EXPORT, 0)
    freezer.tick(1)
    assert meter.read(1101.0).grid_at == 1100.0
    # Neither shows anything: any report counts.
    freezer.tick(9)
    say(hass, GRID, 0)
    assert meter.read(1110.0).grid_at == 1110.0
    # Both show something: the older one counts.
    say(hass, EXPORT, 500)
    freezer.tick(10)
    say(hass, GRID, 500)
    assert meter.read(1120.0).grid_at == 1110.0


async def test_age_of_phases(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """The currents are as old as the oldest of them."""
    meter = SiteMeter(hass, site(main_fuse=25.0, house_currents=CURRENTS))
    for entity_id in CURRENTS:
        say(hass, entity_id, 1, "A")
        freezer.tick(10)
    assert meter.read(100.0).house_at == 70.0


async def test_inverted_meter(
    hass: HomeAssistant, meter_device: dr.DeviceEntry
) -> None:
    """The phases of a meter are turned round with its total; other sensors are not."""
    config = site(
        grid=PowerSensors(power=GRID, is_inverted=True),
        main_fuse=25.0,
        house_currents=(POWERS[0], None, "sensor.clamp"),
    )
    meter = SiteMeter(hass, config)
    say(hass, GRID, 1000)
    say(hass, POWERS[0], 920)
    say(hass, "sensor.clamp", 690, "W")
    reading = meter.read(0.0)
    assert reading.grid_w == -1000.0
    assert reading.house_a == (-4.0, None, 3.0)
    # The power of a phase has a sign, also if that of the total is wrong.
    assert reading.unsigned_phases == ()
    # So has a current without a direction, from the power of its phase.
    say(hass, CURRENTS[1], 4, "A")
    say(hass, POWERS[1], 920)
    currents = (None, CURRENTS[1], None)
    meter = SiteMeter(hass, replace(config, house_currents=currents))
    assert meter.read(1.0).house_a == (None, -4.0, None)
    say(hass, CURRENTS[1], -5, "A")
    assert meter.read(2.0).house_a == (None, 5.0, None)
    # Of two sensors for the total, each has its direction, and the phases have theirs.
    say(hass, "sensor.export", 0)
    grid = PowerSensors(power=GRID, opposite="sensor.export", is_inverted=True)
    meter = SiteMeter(hass, replace(config, grid=grid))
    assert meter.read(1.0).house_a == (4.0, None, 3.0)
    assert meter.read(1.0).unsigned_phases == ()


@pytest.mark.parametrize(
    ("current", "powers", "found"),
    [
        # The total, reactive power and other phases are not that of the phase.
        (
            ("sensor.em_phase_a_current", "c4-em:0-a_current"),
            {
                "sensor.em_phase_a_power": ("c4-em:0-a_act_power", "power"),
                "sensor.em_phase_a_apparent": ("c4-a_aprt_power", "apparent_power"),
                "sensor.em_phase_b_power": ("c4-em:0-b_act_power", "power"),
                "sensor.em_power": ("c4-em:0-total_act_power", "power"),
            },
            "sensor.em_phase_a_power",
        ),
        # Entity IDs in another language.
        (
            ("sensor.zaehler_strom_1", "p1_123_active_current_l1_a"),
            {
                "sensor.zaehler_leistung_1": ("p1_123_active_power_l1_w", "power"),
                "sensor.zaehler_leistung_2": ("p1_123_active_power_l2_w", "power"),
            },
            "sensor.zaehler_leistung_1",
        ),
        # Two that may be it.
        (
            ("sensor.m_current_l1", "x1"),
            {
                "sensor.m_power_l1": ("x2", "power"),
                "sensor.m_active_power_l1": ("x3", "power"),
            },
            None,
        ),
        (("sensor.clamp_1", "y1"), {"sensor.clamp_2": ("y2", "power")}, None),
    ],
)
async def test_power_of_phase(
    hass: HomeAssistant,
    device: dr.DeviceEntry,
    current: tuple[str, str],
    powers: dict[str, tuple[str, str]],
    found: str | None,
) -> None:
    """The power that belongs to a current has the same name on the same device."""
    register(hass, device, current[0], "current", current[1])
    for entity_id, (unique_id, device_class) in powers.items():
        register(hass, device, entity_id, device_class, unique_id)
    assert power_of_phase(hass, current[0]) == found


async def test_unsigned_with_powers(
    hass: HomeAssistant, meter_device: dr.DeviceEntry
) -> None:
    """A current gets the sign of the power that its meter has for the same phase."""
    config = site(main_fuse=25.0, house_currents=(*CURRENTS[:2], None))
    meter = SiteMeter(hass, config)
    assert set(POWERS) <= meter.entity_ids
    say(hass, GRID, -4000)
    for entity_id in CURRENTS[:2]:
        say(hass, entity_id, 20, "A")
    say(hass, POWERS[0], -4500)
    say(hass, POWERS[1], 4500)
    reading = meter.read(0.0)
    assert reading.house_a == (-20.0, 20.0, None)
    assert reading.unsigned_phases == ()
    # The power is unknown: the current counts as import.
    say(hass, POWERS[0], "unavailable")
    reading = meter.read(1.0)
    assert reading.house_a == (20.0, 20.0, None)
    assert reading.unsigned_phases == (1, 2)


async def test_power_of_a_phase_is_renamed(
    hass: HomeAssistant, meter_device: dr.DeviceEntry
) -> None:
    """The site follows it, although nobody chose it."""
    entry = site_entry(
        grid_power=GRID, fuse={"main_fuse": 25.0, "house_current_l1": CURRENTS[0]}
    )

    def report(power: str) -> None:
        say(hass, GRID, -2300)
        say(hass, CURRENTS[0], 10.0, "A")
        say(hass, power, -2300)

    report(POWERS[0])
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    er.async_get(hass).async_update_entity(POWERS[0], new_entity_id="sensor.renamed")
    await hass.async_block_till_done()
    hass.states.async_remove(POWERS[0])
    report("sensor.renamed")
    entry.runtime_data.async_decide()
    assert entry.runtime_data.reading.house_a == (-10.0, None, None)


async def test_unsigned_in_a_house_with_one_phase(hass: HomeAssistant) -> None:
    """The total power has the sign of the only phase."""
    config = site(main_fuse=25.0, house_currents=(CURRENTS[0], None, None))
    meter = SiteMeter(hass, config)
    say(hass, GRID, -2300)
    say(hass, CURRENTS[0], 10, "A")
    assert meter.read(0.0, [ONE_PHASE]).house_a == (-10.0, None, None)
    reading = meter.read(0.0, [THREE_PHASES])
    assert reading.house_a == (10.0, None, None)
    assert reading.unsigned_phases == (1,)


async def test_unsigned_without_any_help(hass: HomeAssistant) -> None:
    """Currents that hide the export count as import, until one is negative."""
    meter = SiteMeter(hass, site(main_fuse=25.0, house_currents=CURRENTS))
    say(hass, GRID, 500)
    for entity_id in CURRENTS:
        say(hass, entity_id, 5, "A")
    assert meter.read(0.0).unsigned_phases == ()
    # The currents of a house that hardly exports need not be negative.
    say(hass, GRID, -190)
    assert meter.read(0.5).unsigned_phases == ()
    say(hass, GRID, -3000)
    reading = meter.read(1.0)
    assert reading.house_a == (5.0, 5.0, 5.0)
    assert reading.unsigned_phases == (1, 2, 3)
    say(hass, CURRENTS[1], -5, "A")
    reading = meter.read(2.0)
    assert reading.house_a == (5.0, -5.0, 5.0)
    assert reading.unsigned_phases == ()


async def test_signed_current_keeps_its_sign(
    hass: HomeAssistant, meter_device: dr.DeviceEntry
) -> None:
    """Once a current was negative, its own sign counts, not that of a late power."""
    meter = SiteMeter(
        hass, site(main_fuse=25.0, house_currents=(CURRENTS[0], None, None))
    )
    say(hass, POWERS[0], -4600)
    say(hass, CURRENTS[0], -20, "A")
    assert meter.read(0.0).house_a == (-20.0, None, None)
    say(hass, CURRENTS[0], 20, "A")
    assert meter.read(1.0).house_a == (20.0, None, None)
