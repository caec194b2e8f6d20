"""What the entities show of a simulated charger."""

from datetime import timedelta
import time

from freezegun import freeze_time
from homeassistant.components.sensor import ATTR_STATE_CLASS, DOMAIN as SENSOR
from homeassistant.const import (
    ATTR_DEVICE_CLASS,
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
)
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from hypothesis import HealthCheck, given, settings, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.modbus.enums import (
    ChargePointState,
    ChargerErrors,
    ChargerWarnings,
    WaitingReasons,
)
from simulator import Car, Fault, FaultKind, Simulator
from simulator.world import phase_shift
from tests.commands import LIMIT
from tests.conftest import SERIAL, entry_for
from tests.test_init import poll


def states(hass: HomeAssistant) -> dict[str, State]:
    """Return the states of the charger's entities by their key."""
    return {
        f"{entity.domain}.{entity.unique_id.removeprefix(f'{SERIAL}_')}": state
        for entity in er.async_get(hass).entities.values()
        if entity.platform == DOMAIN
        and (state := hass.states.get(entity.entity_id)) is not None
    }


@pytest.fixture
def charging(simulator: Simulator) -> Simulator:
    """Return the simulator with a car that has charged for a minute."""
    simulator.charger.plug_in(Car())
    simulator.charger.clock = lambda: time.monotonic() + 60
    return simulator


async def test_values(
    hass: HomeAssistant, charging: Simulator, entry: MockConfigEntry
) -> None:
    """Every entity shows what the simulated charger does."""
    charger = charging.charger
    shown = {key: state.state for key, state in states(hass).items()}
    energy = charger.session_energy
    assert 0.1 < energy < 0.2
    numbers = {
        "sensor.power": sum(charger.powers),
        "sensor.session_energy": energy,
        "sensor.lifetime_energy": charger.lifetime_energy / 1000,
        **{
            f"sensor.{name}_l{phase}": values[phase - 1]
            for name, values in (
                ("power", charger.powers),
                ("current", charger.currents),
                ("voltage", charger.voltages),
            )
            for phase in (1, 2, 3)
            if name == "voltage" or (name, phase) == ("current", 1)
        },
    }
    for key, number in numbers.items():
        assert float(shown.pop(key)) == pytest.approx(number, rel=1e-3, abs=0.5), key
    assert shown == {
        "sensor.status": "charging",
        "binary_sensor.charging": "on",
        "binary_sensor.vehicle_connected": "on",
        "binary_sensor.fault": "off",
        "binary_sensor.warning": "off",
        "binary_sensor.fallback_active": "off",
        "binary_sensor.start_stop_refused": "off",
        "binary_sensor.settings_not_applied": "off",
        "binary_sensor.phase_switch_allowed": "on",
        "sensor.limited_by": "app_maximum",
        "sensor.active_current_limit": "16.0",
        "sensor.app_fallback_current": "6.0",
        "sensor.app_max_current": "16.0",
        "sensor.control": "charger",
        "sensor.phase_switches_left": "2",
        "sensor.next_phase_switch": "unknown",
        "number.current_limit": "16.0",
        "number.fallback_limit": "6.0",
        "number.fallback_timeout": "5.0",
        "select.phase_mode": "adaptive",
        "switch.charging": "on",
        "button.release_control": "unknown",
        "event.control_event": "unknown",
        "event.session": "unknown",
        "sensor.last_session_energy": "unknown",
        "sensor.last_session_duration": "unknown",
    }


# Everyday values are there from the start, the rest when somebody wants it.
OFF_BY_DEFAULT = {
    *(
        f"sensor.{name}_l{phase}"
        for name in ("power", "phase_angle")
        for phase in (1, 2, 3)
    ),
    *("sensor.current_l2", "sensor.current_l3"),
    *("sensor.active_fallback_limit", "sensor.active_fallback_timeout"),
    *("sensor.active_phase_mode", "sensor.active_start_stop"),
    *("sensor.app_phase_mode", "binary_sensor.phase_mode_not_restored"),
    *("sensor.clock_offset", "sensor.mapping_version", "sensor.connector_count"),
    "button.test_charger",
    *(f"binary_sensor.error_{str(flag.name).lower()}" for flag in ChargerErrors),
    *(f"binary_sensor.warning_{str(flag.name).lower()}" for flag in ChargerWarnings),
    *(
        f"binary_sensor.waiting_{str(flag.name).lower()}"
        for flag in WaitingReasons
        if flag is not WaitingReasons.MODBUS_FALLBACK
    ),
}


async def test_off_by_default(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Angles, single bits, metadata and the test are there, but off."""
    off = {
        f"{entity.domain}.{entity.unique_id.removeprefix(f'{SERIAL}_')}"
        for entity in er.async_entries_for_config_entry(
            er.async_get(hass), entry.entry_id
        )
        if entity.disabled_by is er.RegistryEntryDisabler.INTEGRATION
    }
    assert off == OFF_BY_DEFAULT
    assert len(off) == 17 + 1 + 12 + 10 + 6


@pytest.mark.usefixtures("all_entities_on")
async def test_values_off_by_default(
    hass: HomeAssistant, charging: Simulator, entry: MockConfigEntry
) -> None:
    """Angles, clock and metadata."""
    shown = {key: state.state for key, state in states(hass).items()}
    assert shown.keys() >= OFF_BY_DEFAULT
    for phase, angle in ((1, 0.0), (2, 240.0), (3, 120.0)):
        assert float(shown[f"sensor.phase_angle_l{phase}"]) == pytest.approx(
            angle + phase_shift(16.0), abs=0.5
        )
    assert abs(float(shown["sensor.clock_offset"])) < 3
    for phase in (1, 2, 3):
        number = float(shown[f"sensor.power_l{phase}"])
        assert number == pytest.approx(charging.charger.powers[phase - 1], abs=2)
    assert shown["sensor.active_fallback_limit"] == "6.0"
    assert shown["sensor.active_fallback_timeout"] == "5.0"
    assert shown["sensor.active_phase_mode"] == "adaptive"
    assert shown["sensor.active_start_stop"] == "start"
    assert shown["sensor.mapping_version"] == "0x0100"
    assert shown["sensor.connector_count"] == "1"
    bits = {key: shown[key] for key in OFF_BY_DEFAULT if key.startswith("binary")}
    assert set(bits.values()) == {"off"}


@pytest.mark.usefixtures("all_entities_on")
@pytest.mark.parametrize(
    ("address", "bit", "on"),
    [
        (400, 0, {"error_cp_voltage", "fault"}),
        (400, 11, {"error_pp", "fault"}),
        (400, 15, {"fault"}),
        (401, 5, {"warning_cover_open", "warning"}),
        (401, 10, {"warning_mid_mode"}),
        (401, 6, {"warning"}),
        (402, 0, {"waiting_ct_offline"}),
        (402, 6, {"fallback_active"}),
        (402, 9, set()),
    ],
)
async def test_bits(
    hass: HomeAssistant, simulator: Simulator, address: int, bit: int, on: set[str]
) -> None:
    """Each documented bit has its entity; the others count as some fault."""
    simulator.overrides[address] = 1 << bit
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    shown = {
        key.removeprefix("binary_sensor.")
        for key, state in states(hass).items()
        if key.startswith("binary_sensor.") and state.state == "on"
    }
    assert shown - {"phase_switch_allowed"} == on


@pytest.mark.usefixtures("all_entities_on")
async def test_refused_bitsets_are_unknown(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """A charger without the alarm registers shows everything else."""
    for address in (36, 400, 401, 402):
        simulator.faults.append(
            Fault(kind=FaultKind.EXCEPTION, address=address, code=2)
        )
    entry = entry_for(simulator)
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    shown = states(hass)
    unknown = {key for key, state in shown.items() if state.state == STATE_UNKNOWN}
    assert unknown == {
        *(
            key
            for key in OFF_BY_DEFAULT
            if key.startswith(("binary_sensor.error", "binary_sensor.wa"))
        ),
        *("sensor.limited_by", "binary_sensor.warning"),
        # Zero is not believed at once, as the meter may not be ready yet.
        "sensor.session_energy",
        # Nothing is the matter with these.
        *("sensor.next_phase_switch", "button.release_control", "button.test_charger"),
        *("event.control_event", "event.session"),
        *("sensor.last_session_energy", "sensor.last_session_duration"),
        *("binary_sensor.fault", "binary_sensor.fallback_active"),
    }


async def test_jitter_does_not_show(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """A value shows its own precision once it has left the band of the last one."""
    volts = {
        200.0: ([0x0000, 0x4843], "200.0"),  # 0x43480000 is 200.0
        231.5: ([0x0080, 0x6743], "231.5"),  # 0x43678000 is 231.5
        230.8: ([0xCDCC, 0x6643], "231.5"),  # 0x4366CCCD is 230.8
        230.6: ([0x9A99, 0x6643], "230.6"),  # 0x4366999A is 230.6
        230.2: ([0x3333, 0x6643], "230.6"),  # 0x43663333 is 230.2
    }
    for words, shown in volts.values():
        simulator.overrides |= dict(enumerate(words, 108))
        await poll(hass, entry)
        assert states(hass)["sensor.voltage_l1"].state == shown


async def test_jitter_of_power_is_relative(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Power jitters with the mains voltage: by more watts, the more there are."""
    for words, shown in (
        ([0x00F0, 0x2D46], "11132.0"),  # 0x462DF000 is 11132 W
        ([0x0070, 0x2E46], "11132.0"),  # 0x462E7000 is 11164 W
        ([0x0080, 0x2E46], "11168.0"),  # 0x462E8000 is 11168 W
        ([0x0000, 0x4041], "12.0"),  # 0x41400000 is 12 W
        ([0x0000, 0x5041], "13.0"),  # 0x41500000 is 13 W
    ):
        simulator.overrides |= dict(enumerate(words, 126))
        await poll(hass, entry)
        assert states(hass)["sensor.power"].state == shown


async def test_energy_is_exact_when_it_stands_still(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """While a car charges, its energy is shown in steps; at the end exactly."""
    for words, shown in (
        ([0x0000, 0x0040], "unknown"),  # 0x40000000 is 2.0 kWh
        ([0x0000, 0x0040], "2.0"),
        ([0x8941, 0x0540], "2.082"),  # 0x40054189 is 2.0821 kWh
        *[([0xEB51, 0x0640], "2.082")] * 3,  # 0x400651EB is 2.09874 kWh
        ([0xEB51, 0x0640], "2.098"),
        ([0x14AE, 0x0740], "2.098"),  # 0x4007AE14 is 2.12 kWh
        ([0x3333, 0x0B40], "2.175"),  # 0x400B3333 is 2.1749999 kWh
    ):
        simulator.overrides |= dict(enumerate(words, 128))
        await poll(hass, entry)
        assert states(hass)["sensor.session_energy"].state == shown


async def test_each_poll_reports_all_states(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """Unchanged states are reported too, which Home Assistant's integral needs."""
    simulator.overrides |= dict.fromkeys(range(102, 128), 0)
    await poll(hass, entry)
    before = {
        key: (state.last_reported, state.last_updated)
        for key, state in states(hass).items()
    }
    await poll(hass, entry)
    after = states(hass)
    assert len(after) > 20
    for key, (reported, updated) in before.items():
        if key.startswith("event"):
            continue
        assert after[key].last_reported > reported, key
        assert after[key].last_updated == updated, key


async def test_idle_hours_integrate_to_nothing(
    hass: HomeAssistant, simulator: Simulator
) -> None:
    """An integral of the power adds nothing while the charger is idle."""
    with freeze_time("2026-11-02 12:00:00", real_asyncio=True) as clock:
        assert await async_setup_component(
            hass,
            SENSOR,
            {
                SENSOR: {
                    "platform": "integration",
                    "name": "energy",
                    "source": "sensor.nexblue_delta_max_power",
                    "unit_prefix": "k",
                }
            },
        )
        entry = entry_for(simulator)
        entry.add_to_hass(hass)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        simulator.overrides |= {126: 0x00F0, 127: 0x2D46}  # 0x462DF000 is 11132 W
        await poll(hass, entry)
        clock.tick(3600)
        await poll(hass, entry)
        simulator.overrides |= {126: 0, 127: 0}
        clock.tick(5)
        await poll(hass, entry)
        found = hass.states.get("sensor.energy")
        assert found is not None
        charged = float(found.state)
        assert charged == pytest.approx(11.132, abs=0.01)
        for _ in range(2):
            clock.tick(3600)
            await poll(hass, entry)
        simulator.overrides |= {126: 0x00F0, 127: 0x2D46}
        clock.tick(5)
        await poll(hass, entry)
        found = hass.states.get("sensor.energy")
        assert found is not None
        assert float(found.state) - charged < 0.01


async def test_maximum_of_the_current_limit(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """It follows the maximum in the app, if that is known and a car can charge."""

    async def maximum(app_max_current: float) -> float:
        simulator.charger.app_max_current = app_max_current
        await poll(hass, entry)
        number = states(hass)["number.current_limit"]
        assert number.attributes["step"] == 1
        assert number.attributes["mode"] == "box"
        return float(number.attributes["max"])

    assert await maximum(16) == 16
    assert await maximum(20) == 20
    assert await maximum(0) == 20
    simulator.overrides |= {136: 0x0000, 137: 0xC07F}  # no number
    assert await maximum(20) == 20
    simulator.overrides.clear()
    assert await maximum(63) == 32
    await LIMIT.give(hass)
    assert await maximum(6) == 10.5


async def test_device(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """There is one device per charger, described without padding."""
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert device.identifiers == {(DOMAIN, SERIAL)}
    assert (
        device.manufacturer,
        device.model,
        device.serial_number,
        device.sw_version,
        device.hw_version,
        device.name,
    ) == ("NexBlue", "Delta Max", SERIAL, "04.00.19", "1.2", "NexBlue Delta Max")


@pytest.mark.parametrize(
    ("key", "device_class", "state_class", "unit"),
    [
        ("power", "power", "measurement", "W"),
        ("current_l1", "current", "measurement", "A"),
        ("voltage_l3", "voltage", "measurement", "V"),
        ("session_energy", "energy", "total_increasing", "kWh"),
        ("lifetime_energy", "energy", "total_increasing", "kWh"),
    ],
)
async def test_classes(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    key: str,
    device_class: str,
    state_class: str,
    unit: str,
) -> None:
    """Statistics and the Energy dashboard get what they need."""
    attributes = states(hass)[f"{SENSOR}.{key}"].attributes
    assert attributes[ATTR_DEVICE_CLASS] == device_class
    assert attributes[ATTR_STATE_CLASS] == state_class
    assert attributes[ATTR_UNIT_OF_MEASUREMENT] == unit


@pytest.mark.parametrize(
    ("status", "name", "connected", "charging", "fault"),
    [
        (0, "available", "off", "off", "off"),
        (1, "preparing", "on", "off", "off"),
        (2, "charging", "on", "on", "off"),
        (3, "suspended_evse", "on", "off", "off"),
        (4, "suspended_ev", "on", "off", "off"),
        (5, "finishing", "on", "off", "off"),
        (6, "reserved", "off", "off", "off"),
        (7, "inoperative", "unknown", "off", "off"),
        (8, "faulted", "unknown", "off", "on"),
        (9, "unknown", "unknown", "unknown", "unknown"),
    ],
)
async def test_status(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    status: int,
    name: str,
    connected: str,
    charging: str,
    fault: str,
) -> None:
    """Each of the nine states, and a tenth that nobody knows."""
    simulator.overrides[100] = status
    await poll(hass, entry)
    shown = states(hass)
    assert shown["sensor.status"].state == name
    assert shown["binary_sensor.vehicle_connected"].state == connected
    assert shown["binary_sensor.charging"].state == charging
    assert shown["binary_sensor.fault"].state == fault
    assert len(shown["sensor.status"].attributes["options"]) == len(ChargePointState)


async def test_error_bits_are_a_fault(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """An error bit counts, whatever the state says."""
    simulator.overrides[400] = 1 << 6
    await poll(hass, entry)
    assert states(hass)["binary_sensor.fault"].state == "on"


async def test_no_number_is_unknown(
    hass: HomeAssistant, simulator: Simulator, entry: MockConfigEntry
) -> None:
    """NaN makes one value unknown, and none of the others."""
    simulator.overrides |= {126: 0x0000, 127: 0xC07F}
    await poll(hass, entry)
    shown = states(hass)
    assert shown["sensor.power"].state == STATE_UNKNOWN
    assert shown["sensor.current_l1"].state == "0.0"


ADDRESSES = [*range(100, 139), *range(400, 403), *range(1000, 1008)]


def test_any_registers(
    hass: HomeAssistant,
    simulator: Simulator,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Any contents of the registers give states or "unknown", never an exception."""
    entities = len(states(hass))

    @settings(
        max_examples=100,
        deadline=timedelta(seconds=5),
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(
        words=st.lists(
            st.integers(0, 0xFFFF) | st.sampled_from([0, 0x7F80, 0x807F, 0xC07F]),
            min_size=len(ADDRESSES),
            max_size=len(ADDRESSES),
        )
    )
    def check(words: list[int]) -> None:
        simulator.overrides = dict(zip(ADDRESSES, words, strict=True))
        hass.loop.run_until_complete(poll(hass, entry))
        shown = states(hass)
        assert len(shown) == entities
        for key, state in shown.items():
            assert state.state != STATE_UNAVAILABLE, key

    check()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
