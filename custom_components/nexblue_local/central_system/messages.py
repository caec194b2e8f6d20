"""Messages of OCPP-J as text, and back.

The ocpp library has the message types, and the JSON schemas for what is sent. What is
received is not checked by its schemas: real chargers send what they forbid.

Importing this module reads the schemas from files, so it blocks.
"""

from dataclasses import dataclass
from decimal import Decimal
import json
import re
from typing import Any, Final

from jsonschema.exceptions import ValidationError
from ocpp.charge_point import remove_nones, serialize_as_dict, snake_to_camel_case
from ocpp.messages import Call, CallError, CallResult, MessageType, get_validator
from ocpp.v16 import call

from .errors import CommandError, ErrorKey

MAX_MESSAGE: Final = 64 * 1024
"""Bytes of the longest message that is accepted."""

SHOWN_IN_LOG: Final = 200
"""Characters of a message that the log shows."""

MAX_MESSAGE_ID: Final = 255

REQUESTS: Final = (
    call.CancelReservation,
    call.ChangeAvailability,
    call.ChangeConfiguration,
    call.ClearCache,
    call.ClearChargingProfile,
    call.GetCompositeSchedule,
    call.GetConfiguration,
    call.GetDiagnostics,
    call.GetLocalListVersion,
    call.RemoteStartTransaction,
    call.RemoteStopTransaction,
    call.ReserveNow,
    call.Reset,
    call.SendLocalList,
    call.SetChargingProfile,
    call.TriggerMessage,
    call.UnlockConnector,
    call.UpdateFirmware,
)
"""What the central system may ask a charge point."""

# As decimal numbers, because the schemas limit a current to one decimal.
_SCHEMAS: Final = {
    request.__name__: get_validator(
        MessageType.Call, request.__name__, "1.6", parse_float=Decimal
    )
    for request in REQUESTS
}

_SECRETS: Final = re.compile(
    r'("(?:\w*idTag|password|data|value|location)"\s*:\s*)"[^"]*"?', re.IGNORECASE
)

type MessageId = str | int
"""Numbers are not allowed, but sent by some chargers; they are returned unchanged."""

type Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A CALL of the charge point."""

    id: MessageId
    action: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Answer:
    """A CALLRESULT."""

    id: MessageId
    payload: Payload


@dataclass(frozen=True, slots=True)
class Failure:
    """A CALLERROR."""

    id: MessageId
    code: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that cannot be understood; `id` is None if it is not to be answered."""

    id: MessageId | None


def decode(text: str) -> Request | Answer | Failure | Malformed:
    """Return a received message. No text raises an error."""
    try:
        frame = json.loads(text)
    # ValueError: not JSON, or a number with thousands of digits.
    except ValueError, RecursionError:
        return Malformed(None)
    if not isinstance(frame, list) or len(frame) < 2:
        return Malformed(None)
    kind, message_id, *rest = frame
    if not _is_message_id(message_id):
        return Malformed(None)
    # Some chargers leave an empty payload out, or send it as null or as a list.
    payload = dict(enumerate(rest)).get(int(kind == MessageType.Call)) or {}
    match kind, rest:
        case MessageType.Call, [str(action), *_] if isinstance(payload, dict):
            return Request(message_id, action, payload)
        case MessageType.CallResult, _ if isinstance(payload, dict):
            return Answer(message_id, payload)
        case MessageType.CallError, _:
            return Failure(message_id, str(rest[0])[:50] if rest else "")
        case MessageType.Call, _:
            return Malformed(message_id)
    return Malformed(None)


def _is_message_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= MAX_MESSAGE_ID
    return type(value) is int


def encode_answer(message_id: MessageId, result: object) -> str:
    """Return the CALLRESULT with a result of the ocpp library."""
    text: str = CallResult(message_id, _payload(result)).to_json()
    return text


def encode_failure(message_id: MessageId, code: str) -> str:
    """Return the CALLERROR with an error code of OCPP-J."""
    text: str = CallError(message_id, code, "").to_json()
    return text


def encode_request(message_id: str, request: object) -> str:
    """Return the CALL of a request; raise CommandError if OCPP 1.6 does not allow it."""
    action = type(request).__name__
    payload = _payload(request)
    exact = json.loads(json.dumps(payload), parse_float=Decimal)
    try:
        _SCHEMAS[action].validate(exact)
    except ValidationError as error:
        detail = str(error.message)
        raise CommandError(ErrorKey.INVALID_REQUEST, action, detail) from error
    text: str = Call(message_id, action, payload).to_json()
    return text


def _payload(message: object) -> Payload:
    payload: Payload = snake_to_camel_case(remove_nones(serialize_as_dict(message)))
    return payload


def for_log(text: str) -> str:
    """Return the beginning of a message without tags, passwords and other secrets."""
    # Cut first: a message may be long.
    return _SECRETS.sub(r'\1"**REDACTED**"', text[: 4 * SHOWN_IN_LOG])[:SHOWN_IN_LOG]
