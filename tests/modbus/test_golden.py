"""Test the register map with words from the vendor's document."""

from typing import Any

import pytest

from custom_components.nexblue_local.modbus.codec import Layout
from custom_components.nexblue_local.modbus.enums import (
    ChargePointState,
    ChargerErrors,
    ChargerWarnings,
    PhaseMode,
    StartStop,
    WaitingReasons,
)
from custom_components.nexblue_local.modbus.model import RegisterGroup
from custom_components.nexblue_local.modbus.registers import (
    Clock,
    Identity,
    Reading,
    Settings,
)

GOLDEN: list[tuple[type[RegisterGroup], str, int, list[int], Any]] = [
    # NexBlue
    (Identity, "brand", 0, [0x4E65, 0x7842, 0x6C75, 0x6500, 0, 0, 0, 0], "NexBlue"),
    # Delta Max, padded with spaces
    (
        Identity,
        "model",
        8,
        [0x4465, 0x6C74, 0x6120, 0x4D61, 0x7820, 0x2020, 0x2020, 0x2020],
        "Delta Max",
    ),
    (
        Identity,
        "serial_number",
        16,
        [0x4E42, 0x3234, 0x3132, 0x4130, 0x3030, 0x3132, 0x3334, 0, 0, 0, 0, 0],
        "NB2412A0001234",
    ),
    (
        Identity,
        "firmware_version",
        28,
        [0x3034, 0x2E30, 0x302E, 0x3139, 0, 0, 0, 0],
        "04.00.19",
    ),
    (Identity, "mapping_version", 36, [0x0100], 0x0100),
    (Identity, "connector_count", 37, [0x0002], 2),
    (Identity, "hardware_version", 44, [0x5631, 0x2E32, 0, 0, 0, 0, 0, 0], "V1.2"),
    (Clock, "date", 38, [0x4202, 0x3501], 20251202),
    (Clock, "time", 40, [0xEE5F, 0x0200], 155630),
    (Clock, "timezone", 42, [0x0078], 120),
    (Reading, "status", 100, [0x0004], ChargePointState.SUSPENDED_EV),
    (Reading, "current_l1", 102, [0x0000, 0x8041], 16.0),
    (Reading, "current_l2", 104, [0x0000, 0x2841], 10.5),
    (Reading, "current_l3", 106, [0x0000, 0xC040], 6.0),
    (Reading, "voltage_l1", 108, [0x0080, 0x6643], 230.5),
    (Reading, "voltage_l2", 110, [0x0040, 0x6743], 231.25),
    (Reading, "voltage_l3", 112, [0x00C0, 0x6543], 229.75),
    (Reading, "phase_angle_l1", 114, [0x0000, 0xB040], 5.5),
    (Reading, "phase_angle_l2", 116, [0x0000, 0xF0C2], -120.0),
    (Reading, "phase_angle_l3", 118, [0x0000, 0xF042], 120.0),
    (Reading, "power_l1", 120, [0x0068, 0x6645], 3686.5),
    (Reading, "power_l2", 122, [0x0000, 0x0000], 0.0),
    (Reading, "power_l3", 124, [0x0000, 0x00BF], -0.5),
    (Reading, "power", 126, [0x00D1, 0x2C46], 11060.25),
    (Reading, "session_energy", 128, [0x0000, 0xE840], 7.25),
    (Reading, "lifetime_energy", 130, [0x141A, 0x99BE, 0x1C00, 0x0000], 123456789012),
    (Reading, "app_fallback_current", 134, [0x0000, 0xC040], 6.0),
    (Reading, "app_max_current", 136, [0x0000, 0x0042], 32.0),
    (Reading, "app_phase_mode", 138, [0x0001], PhaseMode.SINGLE_PHASE),
    (
        Reading,
        "errors",
        400,
        [0b0000_1000_0000_0001],
        ChargerErrors.CP_VOLTAGE | ChargerErrors.PP,
    ),
    (
        Reading,
        "warnings",
        401,
        [0b0000_0100_1010_0000],
        ChargerWarnings.COVER_OPEN
        | ChargerWarnings.TN_PHASE_LOSS
        | ChargerWarnings.MID_MODE,
    ),
    (
        Reading,
        "waiting_reasons",
        402,
        [0b0000_0000_0110_0000],
        WaitingReasons.LOAD_SHEDDING | WaitingReasons.MODBUS_FALLBACK,
    ),
    (Settings, "current_limit", 1000, [0x0000, 0x8041], 16.0),
    (Settings, "fallback_limit", 1002, [0x0000, 0xC040], 6.0),
    (Settings, "fallback_timeout", 1004, [0x2C01, 0x0000], 300),
    (Settings, "start_stop", 1006, [0x0001], StartStop.START),
    (Settings, "phase_mode", 1007, [0x0002], PhaseMode.THREE_PHASE),
]


@pytest.mark.parametrize(
    ("group", "name", "address", "words", "value"),
    GOLDEN,
    ids=[line[1] for line in GOLDEN],
)
def test_golden_words(
    group: type[RegisterGroup], name: str, address: int, words: list[int], value: Any
) -> None:
    """Address, length, type and byte order are as documented."""
    image = dict(enumerate(words, address))
    assert list(group.registers[name].addresses) == list(image)
    decoded = group.decode(image, Layout.DCBA)
    assert decoded == group(**{name: value})
    encoded = decoded.encode(Layout.DCBA)
    assert list(encoded) == list(image)
    assert group.decode(encoded, Layout.DCBA) == decoded


def test_every_register_has_golden_words() -> None:
    """Each register of the map is in GOLDEN."""
    listed = {(group, name) for group, name, *_ in GOLDEN}
    groups: list[type[RegisterGroup]] = [Identity, Clock, Reading, Settings]
    assert listed == {(group, name) for group in groups for name in group.registers}


@pytest.mark.parametrize(
    ("flags", "documented_bits"),
    [
        (ChargerErrors, range(12)),
        (ChargerWarnings, [*range(6), *range(7, 11)]),
        (WaitingReasons, range(7)),
    ],
)
def test_every_documented_bit_has_a_name(flags: Any, documented_bits: Any) -> None:
    """The flags are the documented bits, and no others."""
    assert [flag.bit_length() - 1 for flag in flags] == list(documented_bits)
