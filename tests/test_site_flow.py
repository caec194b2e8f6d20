"""The config flow of the site, and the options that chargers have for it."""

from dataclasses import replace
import math
import time
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_USER,
    ConfigFlowResult,
    FlowType,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local import coordinator
from custom_components.nexblue_local.const import CONF_MODBUS, DOMAIN
from custom_components.nexblue_local.energy_dashboard import site_answers
from custom_components.nexblue_local.phase_currents import ChargerLoad
from custom_components.nexblue_local.repairs import async_create_sign_issue
from custom_components.nexblue_local.site_check import (
    APART,
    Sentence,
    is_comparable,
    sentences,
    wrong_sign,
)
from custom_components.nexblue_local.site_config import (
    ChargerConfig,
    SiteConfig,
    async_follow_renames,
)
from custom_components.nexblue_local.site_meter import SETTLING, MeterReading
from custom_components.nexblue_local.steady_power import SteadyPower
from simulator import Car, SimulatedCharger, Simulator
from tests.conftest import SERIAL, entry_data, entry_for, user_enters
from tests.ocpp.conftest import ocpp_entry
from tests.test_config_flow import discover
from tests.test_init import poll
from tests.test_translations import TEXTS

GRID = "sensor.grid"
EMPTY: dict[str, Any] = {
    "battery": {"invert_battery_power": False},
    "fuse": {},
    "price": {},
    "solar": {},
}
SENSORS = {
    GRID: ("420", "W"),
    "sensor.export": ("0", "W"),
    "sensor.charge": ("0.5", "kW"),
    "sensor.discharge": ("0", "kW"),
    "sensor.soc": ("60", "%"),
    "sensor.l1": ("1.2", "A"),
    "sensor.l2": ("300", "W"),
    "sensor.l3": ("-2.5", "A"),
    "sensor.solar": ("0", "W"),
    "sensor.energy": ("9", "kWh"),
    "sensor.price": ("250", "EUR/MWh"),
}


def answers(**changes: Any) -> dict[str, Any]:
    """Return the answers of the site form."""
    return {"grid_power": GRID, "invert_grid_power": False, **EMPTY, **changes}


def battery(**sensors: str) -> dict[str, Any]:
    """Return the answers of the battery's section."""
    return {"battery": {"invert_battery_power": False, **sensors}}


@pytest.fixture(autouse=True)
def _sensors(hass: HomeAssistant) -> None:
    """Let the sensors of the house have values."""
    for entity_id, (value, unit) in SENSORS.items():
        hass.states.async_set(entity_id, value, {"unit_of_measurement": unit})


@pytest.fixture
def site_entry(hass: HomeAssistant) -> MockConfigEntry:
    """Return the entry of a site."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        unique_id="site",
        title="Solar and main fuse",
        data={"site": answers(solar={"solar_power": "sensor.solar"})},
        options={"restarts": "few"},
    )
    entry.add_to_hass(hass)
    return entry


async def start(hass: HomeAssistant) -> ConfigFlowResult:
    """Choose the site in the menu."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert menu["type"] is FlowResultType.MENU
    assert menu["menu_options"] == ["charger", "site", "ocpp"]
    form = await hass.config_entries.flow.async_configure(
        menu["flow_id"], {"next_step_id": "site"}
    )
    assert form["step_id"] == "site"
    assert not form["errors"]
    return form


def intro(form: ConfigFlowResult) -> str:
    """Return what the site form begins with."""
    assert form["description_placeholders"] is not None
    return form["description_placeholders"]["intro"]


async def submit(
    hass: HomeAssistant, form: ConfigFlowResult, data: dict[str, Any]
) -> ConfigFlowResult:
    """Submit a form."""
    return await hass.config_entries.flow.async_configure(form["flow_id"], data)


def suggested(form: ConfigFlowResult) -> dict[str, Any]:
    """Return the values that a form starts with, and which sections are open."""
    assert form["data_schema"] is not None
    found: dict[str, Any] = {}
    for key, field in form["data_schema"].schema.items():
        if hasattr(field, "schema") and hasattr(field, "options"):
            inner = suggested({"data_schema": field.schema})  # type: ignore[typeddict-item]
            found[str(key)] = inner
            assert field.options["collapsed"] is not any(inner.values())
        elif key.description:
            found[str(key)] = key.description["suggested_value"]
    return found


def said(result: ConfigFlowResult) -> str:
    """Return what the check says about the meters."""
    assert result["step_id"] == "check"
    assert result["description_placeholders"] is not None
    return result["description_placeholders"]["meters"]


async def test_site(hass: HomeAssistant) -> None:
    """One sensor is enough; the check says what it shows."""
    form = await start(hass)
    assert suggested(form) == {"battery": {}, "fuse": {}, "price": {}, "solar": {}}
    check = await submit(hass, form, answers())
    assert check["errors"] == {}
    assert said(check) == (
        "- Your house **imports** 420 W from the grid.\n"
        "- No charger can be read at the moment, so the power of the car is unknown."
    )
    result = await submit(hass, check, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Solar and main fuse"
    assert result["data"] == {"site": answers()}
    assert result["result"].unique_id == "site"
    assert "next_flow" not in result
    assert not hass.config_entries.flow.async_progress()


async def test_title_in_the_users_language(hass: HomeAssistant) -> None:
    """The entry is named in Home Assistant's language, and numbers have its mark."""
    hass.config.language = "de"
    hass.states.async_set(GRID, "1.42", {"unit_of_measurement": "kW"})
    check = await submit(hass, await start(hass), answers())
    assert "**bezieht** 1,4 kW" in said(check)
    result = await submit(hass, check, {})
    assert result["title"] == "PV und Hauptsicherung"


async def test_all_sensors(hass: HomeAssistant) -> None:
    """Everything that is chosen is stored, and shown in the check."""
    data = answers(
        grid_export_power="sensor.export",
        **battery(
            battery_power="sensor.discharge",
            battery_charge_power="sensor.charge",
            battery_soc="sensor.soc",
        ),
        fuse={
            "main_fuse": 25,
            "house_current_l1": "sensor.l1",
            "house_current_l2": "sensor.l2",
            "house_current_l3": "sensor.l3",
        },
        solar={"solar_power": "sensor.solar"},
        price={"electricity_price": "sensor.price"},
    )
    check = await submit(hass, await start(hass), data)
    assert said(check).splitlines()[2:] == [
        "- The solar panels produce 0 W.",
        "- The battery **charges** with 500 W.",
        "- The battery level is 60 %.",
        "- Energy from the grid costs 0.25 EUR per kWh.",
        "- Phase L1 imports 1.2 A. The main fuse allows 25 A.",
        "- Phase L2 imports 1.3 A. The main fuse allows 25 A.",
        "- Phase L3 exports 2.5 A. The main fuse allows 25 A.",
    ]
    result = await submit(hass, check, {})
    assert result["data"] == {"site": data}


@pytest.mark.parametrize(
    ("changes", "field", "error", "sensor"),
    [
        ({"grid_power": "sensor.none"}, "grid_power", "sensor_not_found", "none"),
        ({"grid_power": "sensor.energy"}, "grid_power", "not_a_power", "energy"),
        (
            {"grid_export_power": "sensor.l1"},
            "grid_export_power",
            "not_a_power",
            "l1",
        ),
        (
            {"grid_export_power": GRID},
            "grid_export_power",
            "sensor_chosen_twice",
            GRID,
        ),
        (
            {"solar": {"solar_power": GRID}},
            "solar",
            "sensor_chosen_twice",
            GRID,
        ),
        (battery(battery_power="sensor.soc"), "battery", "not_a_power", "soc"),
        (
            battery(battery_power="sensor.charge", battery_soc="sensor.energy"),
            "battery",
            "not_a_percentage",
            "energy",
        ),
        (
            battery(battery_charge_power="sensor.charge"),
            "battery",
            "battery_power_missing",
            "",
        ),
        (battery(battery_soc="sensor.soc"), "battery", "battery_power_missing", ""),
        (
            {"fuse": {"house_current_l2": "sensor.l2"}},
            "fuse",
            "main_fuse_missing",
            "",
        ),
        (
            {"fuse": {"main_fuse": 20, "house_current_l2": "sensor.soc"}},
            "fuse",
            "not_a_current",
            "soc",
        ),
        (
            {"price": {"electricity_price": "sensor.energy"}},
            "price",
            "not_a_price",
            "energy",
        ),
    ],
)
async def test_errors(
    hass: HomeAssistant,
    changes: dict[str, Any],
    field: str,
    error: str,
    sensor: str,
) -> None:
    """An answer that cannot be used is an error, and everything else is kept."""
    form = await submit(hass, await start(hass), answers(**changes))
    assert form["step_id"] == "site"
    assert form["errors"] == {field: error}
    assert form["description_placeholders"] is not None
    assert sensor in form["description_placeholders"]["sensor"]
    assert suggested(form) == answers(**changes)
    check = await submit(hass, form, answers())
    assert check["step_id"] == "check"


@pytest.mark.parametrize("amps", [-5, 0, 5, 1000])
async def test_fuse_out_of_range(hass: HomeAssistant, amps: int) -> None:
    """A main fuse that no house has is an error beside the fuse."""
    form = await submit(hass, await start(hass), answers(fuse={"main_fuse": amps}))
    assert form["errors"] == {"fuse": "main_fuse_out_of_range"}
    assert form["description_placeholders"] is not None
    limits = {"low": "6", "high": "400"}
    assert limits.items() <= form["description_placeholders"].items()


async def test_sensor_that_is_not_available_yet(hass: HomeAssistant) -> None:
    """The unit of a sensor without a state is known from the registry."""
    er.async_get(hass).async_get_or_create(
        "sensor", "meter", "1", unit_of_measurement="kW"
    )
    data = answers(grid_power="sensor.meter_1")
    check = await submit(hass, await start(hass), data)
    assert said(check).startswith("- The grid sensors have no value at the moment.")


async def test_sensors_of_chargers_are_not_offered(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """The power of a charger is not that of the grid."""
    form = await start(hass)
    with pytest.raises(InvalidData):
        await submit(hass, form, answers(grid_power="sensor.nexblue_delta_max_power"))


async def poll_ago(hass: HomeAssistant, entry: MockConfigEntry, seconds: float) -> None:
    """Poll a charger some seconds ago, on the clock of its coordinator."""
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() - seconds)
    with patch.object(coordinator, "time", clock):
        await poll(hass, entry)


async def test_wrong_sign(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A car that charges shows that import and export are the wrong way round."""
    simulator.charger.plug_in(Car())
    simulator.charger.clock = lambda: time.monotonic() + 60
    await poll_ago(hass, entry, SETTLING)
    car = entry.runtime_data.coordinator.data.reading.power
    assert car > 5000
    hass.states.async_set(GRID, str(200 - car), {"unit_of_measurement": "W"})
    data = answers(fuse={"main_fuse": 20.0, "house_current_l1": "sensor.l1"})
    check = await submit(hass, await start(hass), data)
    assert check["errors"] == {"invert_grid_power": "wrong_sign"}
    # The house does not export, so that nothing is said about its currents.
    assert "never negative" not in said(check)
    assert f"**exports** {(car - 200) / 1000:.1f} kW" in said(check)
    assert f"The car takes {car / 1000:.1f} kW." in said(check)

    check = await submit(hass, check, {"invert_grid_power": True})
    assert check["errors"] == {}
    assert f"**imports** {(car - 200) / 1000:.1f} kW" in said(check)
    result = await submit(hass, check, {"invert_grid_power": True})
    assert result["data"] == {"site": {**data, "invert_grid_power": True}}
    assert result["description"] in TEXTS["config"]["create_entry"]


async def test_sign_while_a_car_starts(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The meter, which reported before or too soon, does not look wrong."""
    hass.states.async_set(GRID, "-6500", {"unit_of_measurement": "W"})
    data = answers(solar={"solar_power": "sensor.solar"})
    hass.states.async_set("sensor.solar", "7000", {"unit_of_measurement": "W"})
    simulator.charger.plug_in(Car())
    simulator.charger.clock = lambda: time.monotonic() + 60
    await poll_ago(hass, entry, SETTLING - 5)
    check = await submit(hass, await start(hass), data)
    assert "The car takes 7" in said(check) or "The car takes 1" in said(check)
    assert check["errors"] == {}


async def test_sign_while_a_car_stops(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """The meter, which reported after the last poll, does not look wrong."""
    simulator.charger.plug_in(Car())
    simulator.charger.clock = lambda: time.monotonic() + 60
    await poll_ago(hass, entry, 60)
    assert entry.runtime_data.coordinator.data.reading.power > 5000
    simulator.charger.unplug()
    hass.states.async_set(GRID, "-6500", {"unit_of_measurement": "W"})
    hass.states.async_set("sensor.solar", "7000", {"unit_of_measurement": "W"})
    data = answers(solar={"solar_power": "sensor.solar"})
    check = await submit(hass, await start(hass), data)
    assert "The car takes 0 W." in said(check)
    assert check["errors"] == {}


@pytest.mark.parametrize(
    ("changes", "since", "comparable"),
    [
        ({}, -math.inf, True),
        ({}, 1000.0 - SETTLING, True),
        ({}, 1001.0 - SETTLING, False),
        ({"grid_at": None}, -math.inf, False),
        ({"solar_w": 9.0, "solar_at": 1000.0 - APART}, 0.0, True),
        ({"solar_w": 9.0, "solar_at": 999.0 - APART}, 0.0, False),
        ({"solar_w": 9.0, "solar_at": 1001.0 + APART}, 0.0, False),
        ({"battery_w": -9.0, "battery_at": 999.0 - APART}, 0.0, False),
        # An inverter that sleeps reports nothing.
        ({"solar_w": 0.0, "solar_at": 10.0}, 0.0, True),
    ],
)
def test_comparable(changes: dict[str, Any], since: float, comparable: bool) -> None:
    """Powers are compared if they are of about the same time."""
    reading = replace(MeterReading(grid_w=500.0, grid_at=1000.0), **changes)
    assert is_comparable(reading, since) is comparable


def test_steady_power() -> None:
    """It notes when a power changes by much, also in small steps, or is unknown."""
    steady = SteadyPower()
    since = []
    reads = (0.0, 100.0, 3700.0, 3900.0, 3500.0, 4100.0, None, 4100.0, 4100.0)
    for t, power in enumerate(reads):
        steady.update(float(t), power)
        since.append(steady.since)
    assert since == [0, 0, 2, 2, 2, 5, 6, 7, 7]


async def test_power_after_a_failed_read(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """What the power was meanwhile is unknown."""
    steady = entry.runtime_data.coordinator.steady_power
    before = steady.since
    await poll(hass, entry)
    assert steady.since == before
    await simulator.stop()
    await poll(hass, entry)
    failed_at = steady.since
    assert failed_at > before
    await simulator.start()
    await poll(hass, entry)
    assert entry.runtime_data.coordinator.last_update_success
    assert steady.since > failed_at


async def test_battery_is_turned_round(hass: HomeAssistant) -> None:
    """The sign of the battery is changed in the check as well."""
    data = answers(**battery(battery_power="sensor.charge"))
    check = await submit(hass, await start(hass), data)
    assert "**discharges** with 500 W" in said(check)
    check = await submit(hass, check, {"invert_battery_power": True})
    assert "**charges** with 500 W" in said(check)
    result = await submit(hass, check, {})
    assert result["data"]["site"]["battery"]["invert_battery_power"] is True


@pytest.mark.parametrize(
    ("grid", "car", "solar", "battery_w", "dark", "wrong"),
    [
        # The charger draws 7 kW, and the grid says -6.8 kW.
        (-6800.0, 7000.0, None, None, False, "invert_grid_power"),
        (-7500.0, 7000.0, 0.0, None, False, "invert_grid_power"),
        (7200.0, 7000.0, None, None, False, None),
        # With more sun than the car takes, or than is known, it may be true.
        (-6800.0, 7000.0, 14_500.0, None, False, None),
        (-9000.0, 7000.0, None, None, False, None),
        (-3000.0, 7000.0, None, None, False, None),
        (-500.0, 0.0, None, None, False, None),
        (-500.0, None, None, None, True, "invert_grid_power"),
        (-500.0, None, None, 900.0, True, None),
        (600.0, None, None, None, True, None),
        # The sensors do not agree to a watt.
        (-250.0, None, 0.0, None, False, None),
        (-600.0, 7000.0, 7000.0, None, False, None),
        # The battery supplies the car.
        (100.0, 7000.0, None, 7000.0, False, None),
        # What the solar sensor says counts in the dark as well.
        (-500.0, None, 500.0, None, True, None),
        (1000.0, 7000.0, 0.0, -6300.0, False, "invert_battery_power"),
        # Neither sign explains it.
        (100.0, 7000.0, 0.0, None, False, None),
        (None, 7000.0, None, None, False, None),
    ],
)
def test_which_sign_is_wrong(
    grid: float | None,
    car: float | None,
    solar: float | None,
    battery_w: float | None,
    dark: bool,
    wrong: str | None,
) -> None:
    """A sign is wrong where the house would use less than nothing."""
    reading = MeterReading(grid_w=grid, solar_w=solar, battery_w=battery_w)
    assert wrong_sign(reading, car, is_dark=dark) == wrong


CONFIG = SiteConfig.from_answers(
    answers(
        **battery(battery_power="sensor.b", battery_soc="sensor.s"),
        fuse={"main_fuse": 20.0, "house_current_l1": "sensor.l1"},
        solar={"solar_power": "sensor.solar"},
    )
)
TWO_PHASES = SiteConfig.from_answers(
    answers(
        fuse={
            "main_fuse": 20.0,
            "house_current_l1": "sensor.l1",
            "house_current_l3": "sensor.l3",
        }
    )
)


@pytest.mark.parametrize(
    ("config", "reading", "chargers", "expected"),
    [
        (
            CONFIG,
            MeterReading(),
            [],
            [
                Sentence.GRID_UNKNOWN,
                Sentence.CAR_UNKNOWN,
                Sentence.SOLAR_UNKNOWN,
                Sentence.BATTERY_UNKNOWN,
                Sentence.BATTERY_SOC_UNKNOWN,
                Sentence.PHASES_UNKNOWN,
            ],
        ),
        (
            CONFIG,
            MeterReading(
                grid_w=-420.0,
                grid_at=800.0,
                solar_w=1.0,
                battery_w=2500.0,
                battery_soc=5.0,
                house_a=(4.0, None, None),
                unsigned_phases=(1,),
            ),
            [ChargerLoad(voltage_v=(230.0, None, None))],
            [
                (Sentence.GRID_EXPORTS, {"power": "420 W"}),
                (Sentence.GRID_OLD, {"minutes": "3"}),
                (Sentence.CAR, {"power": "0 W"}),
                (Sentence.SOLAR, {"power": "1 W"}),
                (Sentence.BATTERY_DISCHARGES, {"power": "2.5 kW"}),
                (Sentence.BATTERY_SOC, {"soc": "5"}),
                (
                    Sentence.PHASE_IMPORTS,
                    {"phase": "1", "current": "4.0", "fuse": "20"},
                ),
                (Sentence.PHASES_UNSIGNED, {"phases": "L1"}),
            ],
        ),
        (
            TWO_PHASES,
            MeterReading(grid_w=3.0, grid_at=999.0, house_a=(1.0, None, -2.0)),
            [ChargerLoad(power_w=900.0), ChargerLoad(power_w=100.0)],
            [
                Sentence.GRID_BALANCED,
                (Sentence.CAR, {"power": "1.0 kW"}),
                Sentence.PHASE_IMPORTS,
                (
                    Sentence.PHASE_EXPORTS,
                    {"phase": "3", "current": "2.0", "fuse": "20"},
                ),
                (Sentence.PHASE_UNMEASURED, {"phase": "2"}),
            ],
        ),
        (
            CONFIG,
            MeterReading(
                grid_w=1.0, grid_at=999.0, solar_w=0.0, battery_w=-5.0, battery_soc=1.0
            ),
            [],
            [
                Sentence.GRID_BALANCED,
                Sentence.CAR_UNKNOWN,
                Sentence.SOLAR,
                Sentence.BATTERY_RESTS,
                Sentence.BATTERY_SOC,
                Sentence.PHASES_UNKNOWN,
            ],
        ),
        (
            # One phase is measured, and the charger shows that there are more.
            SiteConfig.from_answers(
                answers(fuse={"main_fuse": 20.0, "house_current_l1": "sensor.l1"})
            ),
            MeterReading(grid_w=3.0, grid_at=999.0, house_a=(1.0, None, None)),
            [ChargerLoad(voltage_v=(230.0, 230.0, 230.0))],
            [
                Sentence.GRID_BALANCED,
                Sentence.CAR,
                Sentence.PHASE_IMPORTS,
                (Sentence.PHASE_UNMEASURED, {"phase": "2"}),
                (Sentence.PHASE_UNMEASURED, {"phase": "3"}),
            ],
        ),
        (
            SiteConfig.from_answers(answers(fuse={"main_fuse": 20.0})),
            MeterReading(grid_w=3000.0, grid_at=999.0),
            [],
            [
                (Sentence.GRID_IMPORTS, {"power": "3.0 kW"}),
                Sentence.CAR_UNKNOWN,
                Sentence.PHASES_SHARED,
            ],
        ),
        (
            SiteConfig.from_answers(answers(price={"electricity_price": "sensor.x"})),
            MeterReading(grid_w=3000.0, grid_at=999.0),
            [],
            [Sentence.GRID_IMPORTS, Sentence.CAR_UNKNOWN, Sentence.PRICE_UNKNOWN],
        ),
    ],
)
def test_sentences(
    config: SiteConfig,
    reading: MeterReading,
    chargers: list[ChargerLoad],
    expected: list[Sentence | tuple[Sentence, dict[str, str]]],
) -> None:
    """The check says what is known, and what is not."""
    found = list(sentences(config, reading, chargers, 1000.0))
    assert len(found) == len(expected)
    for sentence, wanted in zip(found, expected, strict=True):
        assert wanted in (sentence, sentence[0])


GRID_SOURCE = {"type": "grid", "stat_energy_from": "sensor.kwh"}
BATTERY_SOURCE = {"type": "battery", "stat_energy_from": "a.b", "stat_energy_to": "a.c"}


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([], {}),
        ([GRID_SOURCE, {"type": "water", "stat_rate": "sensor.flow"}], {}),
        ([GRID_SOURCE | {"stat_rate": GRID}], {"grid_power": GRID}),
        (
            # The sensor that Energy creates is not used.
            [
                GRID_SOURCE
                | {
                    "stat_rate": "sensor.grid_inverted",
                    "power_config": {"stat_rate_inverted": GRID},
                }
            ],
            {"grid_power": GRID, "invert_grid_power": True},
        ),
        (
            [
                GRID_SOURCE
                | {
                    "stat_rate": "sensor.energy_grid_net_power",
                    "power_config": {
                        "stat_rate_from": GRID,
                        "stat_rate_to": "sensor.export",
                    },
                },
                BATTERY_SOURCE
                | {
                    "stat_rate": "sensor.energy_battery_net_power",
                    "power_config": {
                        "stat_rate_from": "sensor.discharge",
                        "stat_rate_to": "sensor.charge",
                    },
                    "stat_soc": "sensor.soc",
                },
                {"type": "solar", "stat_rate": "sensor.solar"},
            ],
            {
                "grid_power": GRID,
                "grid_export_power": "sensor.export",
                "battery": {
                    "battery_power": "sensor.discharge",
                    "battery_charge_power": "sensor.charge",
                    "battery_soc": "sensor.soc",
                },
                "solar": {"solar_power": "sensor.solar"},
            },
        ),
        # One of several is not the whole, but only one is measured here.
        (
            [
                GRID_SOURCE,
                GRID_SOURCE | {"power_config": {"stat_rate": GRID}},
                {"type": "solar", "stat_rate": "sensor.east"},
                {"type": "solar", "stat_rate": "sensor.west"},
            ],
            {"grid_power": GRID},
        ),
        # Statistics of a service have no state.
        ([GRID_SOURCE | {"stat_rate": "tibber:power"}], {}),
        ([BATTERY_SOURCE | {"stat_soc": "sensor.soc"}], {}),
        (
            [GRID_SOURCE | {"entity_energy_price": "input_number.price"}],
            {"price": {"electricity_price": "input_number.price"}},
        ),
        ([GRID_SOURCE | {"entity_energy_price": None}], {}),
    ],
)
def test_answers_of_the_energy_dashboard(
    sources: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    """The original sensors of the Energy dashboard are the answers."""
    assert site_answers(sources) == expected


async def test_filled_in_from_the_energy_dashboard(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    """What Energy knows is filled in, and its sections are open."""
    sources = [
        GRID_SOURCE | {"entity_energy_price": "sensor.price", "stat_rate": GRID},
        {"type": "solar", "stat_energy_from": "a.b", "stat_rate": "sensor.solar"},
    ]
    hass_storage["energy"] = {
        "version": 1,
        "minor_version": 3,
        "key": "energy",
        "data": {"energy_sources": sources, "device_consumption": []},
    }
    assert suggested(await start(hass)) == {
        "battery": {},
        "fuse": {},
        "price": {},
        "solar": {},
    }
    hass.config.components.add("energy")
    assert suggested(await start(hass)) == {
        "grid_power": GRID,
        "battery": {},
        "fuse": {},
        "price": {"electricity_price": "sensor.price"},
        "solar": {"solar_power": "sensor.solar"},
    }


async def test_energy_dashboard_that_is_empty(hass: HomeAssistant) -> None:
    """Nothing is filled in before the user has set up Energy."""
    hass.config.components.add("energy")
    assert suggested(await start(hass)) == {
        "battery": {},
        "fuse": {},
        "price": {},
        "solar": {},
    }


async def test_offered_after_the_first_charger(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The site follows the first charger, and is not shown as discovered."""
    result = await user_enters(hass, entry_data(simulator)[CONF_MODBUS])
    kind, flow_id = result["next_flow"]
    assert kind is FlowType.CONFIG_FLOW
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["flow_id"], flow["step_id"]) == (flow_id, "site")
    assert flow["context"]["source"] == SOURCE_USER
    assert flow["context"].get("unique_id") is None
    form = await hass.config_entries.flow.async_configure(flow_id)
    assert intro(form).startswith("The charger is added.")

    # The user closes it, and adds the site later.
    check = await submit(hass, await start(hass), answers())
    result = await submit(hass, check, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    check = await hass.config_entries.flow.async_configure(flow_id, answers())
    result = await submit(hass, check, {})
    assert result["reason"] == "site_already_configured"


async def test_offered_after_a_discovered_charger(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The site follows a charger that was discovered; then it is complete."""
    result = await discover(hass, simulator)
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    _, flow_id = result["next_flow"]
    check = await hass.config_entries.flow.async_configure(flow_id, answers())
    assert "The car takes 0 W." in said(check)
    result = await submit(hass, check, {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["result"].unique_id == "site"


async def test_offered_after_a_charger_that_was_ignored(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """The charger takes the place of the entry that ignored it."""
    await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": SERIAL, "title": "Charger"},
    )
    result = await user_enters(hass, entry_data(simulator)[CONF_MODBUS])
    _, flow_id = result["next_flow"]
    assert hass.config_entries.flow.async_get(flow_id)["step_id"] == "site"
    assert hass.config_entries.async_entries(DOMAIN) == [result["result"]]


async def test_not_offered_after_the_second_charger(
    hass: HomeAssistant, socket_enabled: None, entry: MockConfigEntry
) -> None:
    """The user who did not want it is not asked again."""
    other = SimulatedCharger(serial_number="ANOTHER")
    async with Simulator(charger=other) as another:
        result = await user_enters(hass, entry_data(another)[CONF_MODBUS])
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert "next_flow" not in result
        await hass.config_entries.async_unload(result["result"].entry_id)


async def test_not_offered_after_one_is_ignored(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A charger of somebody else's is none."""
    entry_for(simulator).add_to_hass(hass)
    result = await hass.config_entries.flow.async_init(
        DOMAIN,
        context={"source": SOURCE_IGNORE},
        data={"unique_id": "OTHER", "title": "Neighbour's"},
    )
    assert "next_flow" not in result


async def test_site_is_there(
    hass: HomeAssistant, simulator: Simulator, site_entry: MockConfigEntry
) -> None:
    """There is one site, and one OCPP back end; a further entry is a charger."""
    menu = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert menu["menu_options"] == ["charger", "ocpp"]
    ocpp_entry().add_to_hass(hass)
    form = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert form["step_id"] == "charger"
    result = await submit(hass, form, entry_data(simulator)[CONF_MODBUS])
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "next_flow" not in result
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}, data={"next_step_id": "site"}
    )
    assert result["reason"] == "site_already_configured"


async def test_discovery_beside_the_site(
    hass: HomeAssistant, simulator: Simulator, site_entry: MockConfigEntry
) -> None:
    """Chargers are discovered as without a site."""
    result = await discover(hass, simulator)
    assert result["step_id"] == "zeroconf_confirm"
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["result"].unique_id == SERIAL


async def test_reconfigure(hass: HomeAssistant, site_entry: MockConfigEntry) -> None:
    """The same steps show what is stored, and change it."""
    form = await site_entry.start_reconfigure_flow(hass)
    assert form["step_id"] == "site"
    assert "close this dialog" not in intro(form)
    assert suggested(form) == {
        "grid_power": GRID,
        "invert_grid_power": False,
        "battery": {"invert_battery_power": False},
        "fuse": {},
        "price": {},
        "solar": {"solar_power": "sensor.solar"},
    }
    async_create_sign_issue(hass, site_entry, "invert_grid_power")
    changed = answers(invert_grid_power=True, fuse={"main_fuse": 35.0})
    check = await submit(hass, form, changed)
    assert "**exports** 420 W" in said(check)
    result = await submit(hass, check, {})
    assert result["reason"] == "site_updated"
    # The user has looked at the signs.
    assert ir.async_get(hass).async_get_issue(DOMAIN, "grid_sign_wrong") is None
    await hass.async_block_till_done()
    assert site_entry.data == {"site": changed}
    assert site_entry.options == {"restarts": "few"}


async def test_renamed_sensor(hass: HomeAssistant, site_entry: MockConfigEntry) -> None:
    """The site follows a sensor that the user renames."""
    registry = er.async_get(hass)
    hass.states.async_remove(GRID)
    for entity_id in (GRID, "sensor.other"):
        created = registry.async_get_or_create("sensor", "meter", entity_id)
        registry.async_update_entity(created.entity_id, new_entity_id=entity_id)
    stop = async_follow_renames(hass, site_entry, [GRID, "sensor.solar"])
    with patch.object(hass.config_entries, "async_schedule_reload") as reload:
        registry.async_update_entity("sensor.other", new_entity_id="sensor.another")
        registry.async_update_entity(GRID, name="Grid")
        await hass.async_block_till_done()
        reload.assert_not_called()
        registry.async_update_entity(GRID, new_entity_id="sensor.main_meter")
        await hass.async_block_till_done()
        reload.assert_called_once_with(site_entry.entry_id)
    stop()
    config = SiteConfig.from_entry(site_entry)
    assert config.grid.power == "sensor.main_meter"
    assert config.solar == "sensor.solar"


async def test_options_of_a_charger(
    hass: HomeAssistant, entry: MockConfigEntry, site_entry: MockConfigEntry
) -> None:
    """A charger has options for the site; the site has none."""
    form = await hass.config_entries.options.async_init(entry.entry_id)
    result = await hass.config_entries.options.async_configure(
        form["flow_id"],
        {
            "supply_phases": "3",
            "phase_rotation": "L2, L3, L1",
            "min_current": 7,
            "priority": 90,
            "switch_phases": False,
        },
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert ChargerConfig.from_entry(entry) == ChargerConfig(
        supply_phases=3,
        rotation=(2, 3, 1),
        min_current=7,
        priority=90,
        switch_phases=False,
    )
    assert entry.supports_options
    assert not site_entry.supports_options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("min_current", 5),
        ("min_current", 17),
        ("priority", 0),
        ("priority", 101),
        ("supply_phases", "2"),
        ("phase_rotation", "L1, L1, L2"),
    ],
)
async def test_options_out_of_range(
    hass: HomeAssistant, entry: MockConfigEntry, option: str, value: object
) -> None:
    """An option out of its range is rejected."""
    form = await hass.config_entries.options.async_init(entry.entry_id)
    with pytest.raises(InvalidData):
        await hass.config_entries.options.async_configure(
            form["flow_id"], {option: value}
        )
