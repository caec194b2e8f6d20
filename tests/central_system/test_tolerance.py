"""Any message, and values that real chargers send."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus, Reason
import pytest

from custom_components.nexblue_local.central_system.messages import (
    Answer,
    Failure,
    Malformed,
    Request,
    decode,
    encode_failure,
    for_log,
)
from custom_components.nexblue_local.central_system.meter_values import MeterValues
from custom_components.nexblue_local.central_system.tolerance import (
    ErrorCode,
    Status,
    end_reason,
    error_code,
    integer,
    number,
    status,
    text,
)
from custom_components.nexblue_local.ledger.session import EndReason

from .fakes import CARD, Charger, Home

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1970-01-01T00:00:00Z", "1e400", "-0", "Celcius", "L1", CARD]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "connectorId",
                    "errorCode",
                    "idTag",
                    "measurand",
                    "meterStart",
                    "meterStop",
                    "meterValue",
                    "phase",
                    "sampledValue",
                    "status",
                    "timestamp",
                    "transactionData",
                    "transactionId",
                    "unit",
                    "value",
                ]
            ),
            inner,
        )
    ),
    max_leaves=20,
)

ACTIONS = [
    "Authorize",
    "BootNotification",
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
]


@given(st.text() | JSON.map(json.dumps) | st.lists(JSON).map(json.dumps))
def test_any_text(message: str) -> None:
    """No text raises an error, and what can be answered is answered in JSON."""
    decoded = decode(message)
    if not isinstance(decoded, Malformed):
        json.loads(encode_failure(decoded.id, "GenericError"))
    assert len(for_log(message)) <= 200


@pytest.mark.parametrize(
    ("message", "decoded"),
    [
        ('[2,"1","Heartbeat",{}]', Request("1", "Heartbeat", {})),
        ('[2,"1","Heartbeat",{},{"x":1}]', Request("1", "Heartbeat", {})),
        ('[2,"1","Heartbeat"]', Request("1", "Heartbeat", {})),
        ('[2,1,"Heartbeat",[]]', Request(1, "Heartbeat", {})),
        ('[2,"1","Heartbeat",null]', Request("1", "Heartbeat", {})),
        ('[2,"1","Heartbeat",7]', Malformed("1")),
        ('[2,"1"]', Malformed("1")),
        ('[3,"1"]', Answer("1", {})),
        ('[3,"1",{"status":"Accepted"}]', Answer("1", {"status": "Accepted"})),
        ('[3,"1",5]', Malformed(None)),
        ('[4,"1"]', Failure("1", "")),
        ('[4,"1","NotSupported","",{}]', Failure("1", "NotSupported")),
        ('[5,"1",{}]', Malformed(None)),
        ('[2,{},"Heartbeat",{}]', Malformed(None)),
        (f'[2,"{"1" * 300}","Heartbeat",{{}}]', Malformed(None)),
        ("[" * 60_000, Malformed(None)),
        (f'[2,"1","Heartbeat",{"1" * 5000}]', Malformed(None)),
        ("", Malformed(None)),
        ("{}", Malformed(None)),
        ("[]", Malformed(None)),
    ],
)
def test_messages(message: str, decoded: object) -> None:
    """What is understood, and what is answered with an error."""
    assert decode(message) == decoded


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), JSON), min_size=1, max_size=8))
async def test_any_payload(home: Home, messages: list[tuple[str, Any]]) -> None:
    """Each request is answered with a result, whatever it says, and can be stored."""
    central = home.central_system()
    await central.adopt("fuzz", "fuzz")
    async with Charger(central, "fuzz") as charger:
        for number_, (action, value) in enumerate(messages):
            payload = value if isinstance(value, dict) else {"meterValue": value}
            charger.send(json.dumps([2, str(number_), action, payload]))
            kind, message_id, *_ = await charger.receive()
            assert (kind, message_id) == (3, str(number_))
    await central.close()
    json.dumps(home.disk, allow_nan=False)


@given(JSON)
def test_any_value(value: object) -> None:
    """No value raises an error."""
    for understand in (number, integer, text, status, error_code, end_reason):
        understand(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5.5", 5.5),
        (5, 5),
        (" 7 ", 7),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("", None),
        ("12,5", None),
        (None, None),
        (True, None),
        ([], None),
        (10**400, None),
        (float("nan"), None),
    ],
)
def test_numbers(value: object, expected: float | None) -> None:
    """Numbers as texts and as numbers; what is none is no value."""
    assert number(value) == expected


def test_integers_and_texts() -> None:
    """Integers of OCPP have 32 bits; texts are without what could not be stored."""
    assert integer("7.0") == 7
    assert integer(7.5) is integer(2**31) is None
    assert integer(2**31 - 1) == 2**31 - 1
    assert text(" a\0b ") == "ab"
    assert text("\0") is None


def test_names() -> None:
    """Each name of OCPP 1.6 is known, however it is spelled."""
    assert status("SuspendedEVSE") is Status.SUSPENDED_EVSE
    assert status("suspended_ev") is Status.SUSPENDED_EV
    assert error_code("EVCommunicationError") is ErrorCode.EV_COMMUNICATION_ERROR
    assert error_code(None) is ErrorCode.NO_ERROR
    assert error_code("Bang") is ErrorCode.OTHER_ERROR
    assert end_reason("EVDisconnected") is EndReason.UNPLUGGED
    assert end_reason(None) is EndReason.LOCAL
    assert end_reason("Bang") is EndReason.OTHER


def test_names_of_the_library() -> None:
    """No status, error code or reason of OCPP 1.6 is taken for another one."""
    assert len({status(each) for each in ChargePointStatus}) == len(ChargePointStatus)
    assert Status.OTHER not in {status(each) for each in ChargePointStatus}
    codes = {error_code(each) for each in ChargePointErrorCode}
    assert len(codes) == len(ChargePointErrorCode)
    others = [each for each in Reason if end_reason(each) is EndReason.OTHER]
    assert others == [Reason.other]


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ({"value": "5"}, {"energy": 5}),
        ({"value": 5.5, "unit": "kWh"}, {"energy": 5500}),
        ({"value": "5", "unit": "varh"}, {}),
        ({"value": "5", "phase": "L1"}, {}),
        ({"value": "5", "phase": ["L1"]}, {}),
        ({"value": "nan"}, {}),
        (
            {"value": "3.7", "unit": "kW", "measurand": "Power.Active.Import"},
            {"power": 3700},
        ),
        (
            {"value": "9", "measurand": "Power.Active.Import", "phase": "L1-N"},
            {"power_l1": 9, "power": 9},
        ),
        (
            {"value": "16", "measurand": "Current.Import", "phase": "L3"},
            {"current_l3": 16},
        ),
        ({"value": "16", "measurand": "Current.Import"}, {"current": 16}),
        ({"value": "1", "measurand": "Current.Import", "phase": "N"}, {}),
        ({"value": "1", "measurand": "Current.Import", "phase": ["L1"]}, {}),
        (
            {"value": "230", "measurand": "Voltage", "phase": "L2-N"},
            {"voltage_l2": 230},
        ),
        ({"value": "400", "measurand": "Voltage", "phase": "L1-L2"}, {}),
        ({"value": "50", "measurand": "Frequency", "unit": "Hz"}, {"frequency": 50}),
        ({"value": "0.98", "measurand": "Power.Factor"}, {"power_factor": 0.98}),
        *[
            ({"value": v, "measurand": "Temperature", "unit": u}, {"temperature": 30})
            for v, u in (
                ("30", "C"),
                ("30", "Celcius"),
                ("30", "Celsius"),
                ("30", None),
                ("86", "Fahrenheit"),
                ("303.15", "K"),
            )
        ],
        ({"value": "5", "measurand": "Made.Up"}, {}),
        ({"value": "5", "measurand": ["Voltage"]}, {}),
    ],
)
async def test_meter_values(
    charger: Charger, sample: dict[str, Any], expected: dict[str, float]
) -> None:
    """Each quantity has one unit, and what cannot be told is left out."""
    values = [{"timestamp": None, "sampledValue": [sample]}]
    assert await charger.call("MeterValues", connectorId=1, meterValue=values) == {}
    found = charger.seen_by_us.state.meter_values
    known = {n: getattr(found, n) for n in MeterValues.__slots__}
    assert {n: v for n, v in known.items() if v is not None} == pytest.approx(expected)


async def test_what_is_left_out_is_unchanged(charger: Charger) -> None:
    """Charge points send only what changed; those of connector 0 fill the gaps."""
    for connector, measurand, value in (
        (1, "Temperature", 30),
        (0, "Temperature", 99),
        (0, "Frequency", 50),
        (2, "Temperature", 98),
        (1, "Voltage", 231),
    ):
        sampled = [{"measurand": measurand, "value": value}]
        values = [{"sampledValue": sampled}]
        await charger.call("MeterValues", connectorId=connector, meterValue=values)
    found = charger.seen_by_us.state.meter_values
    assert (found.temperature, found.frequency, found.voltage) == (30, 50, 231)
