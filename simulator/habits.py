"""What a simulated charger does otherwise than the vendor's document says.

`Habits` is the table: each field is a switch of `python -m simulator`, and a key of
the profiles in `simulator/profiles`.
"""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
import tomllib
from typing import Any

from custom_components.nexblue_local.modbus.codec import Layout

PROFILES = Path(__file__).parent / "profiles"


class DateFormat(StrEnum):
    """What the date register (input register 38) holds."""

    YYYYMMDD = "yyyymmdd"
    """The date, as documented."""
    YYMMDD = "yymmdd"
    """The date without the century."""
    EPOCH = "1900"
    """The first of January 1900."""
    BLANK = "0xffff"
    """0xFFFF in each register."""


def _habit[T](
    default: T, text: str, *, unit: str = "", parse: Callable[[Any], Any] | None = None
) -> T:
    """Return the dataclass field of a habit; without a `unit` it takes no argument."""
    habit: T = field(
        default=default,
        metadata={"text": text, "unit": unit, "parse": parse or type(default)},
    )
    return habit


@dataclass(frozen=True, kw_only=True)
class Habits:
    """Habits of a charger; the defaults are those of the vendor's document.

    Shares are between 0 and 1, and their requests are picked at random.
    """

    limit_step: float = _habit(
        0.0, "round the current limit to this step", unit="AMPERES"
    )
    limit_rounds_up: bool = _habit(False, "round up instead of down")
    shows_offered: bool = _habit(
        False, "read back what is offered as the current limit"
    )
    starts_when_unplugged: bool = _habit(
        False, "set start/stop back to START when the car is unplugged"
    )
    date_format: DateFormat = _habit(
        DateFormat.YYYYMMDD,
        "what the date register holds: yyyymmdd, yymmdd, 1900 or 0xffff",
        unit="FORMAT",
    )
    date_layout: Layout | None = _habit(
        None, "byte order of the date: DCBA, CDAB or ABCD", unit="ORDER", parse=Layout
    )
    clock_unset_for: float = _habit(
        0.0, "time after power-up for which date and time are 0", unit="SECONDS"
    )
    zeros_for: float = _habit(
        0.0, "time after power-up for which measurements are 0", unit="SECONDS"
    )
    zeros_every: float = _habit(
        0.0, "time from then on after which they are 0 again", unit="SECONDS"
    )
    padding_0xff: bool = _habit(False, "pad strings with 0xFF instead of 0x00")
    changes_letter_case: bool = _habit(
        False, "change the letter case of the serial number at each power-up"
    )
    reserved_refused: bool = _habit(
        False, "answer reserved registers with an exception instead of zeros"
    )
    max_read: int = _habit(125, "registers in a read at most", unit="COUNT")
    first_answer_delay: float = _habit(
        0.0, "delay of the first answer on each connection", unit="SECONDS"
    )
    answer_delay: float = _habit(0.0, "delay of all other answers", unit="SECONDS")
    splits_answers: bool = _habit(False, "send each answer in three parts")
    refuses: float = _habit(
        0.0, "share of the requests that are refused (exception 4)", unit="SHARE"
    )
    busy: float = _habit(
        0.0, "share of the requests answered with busy (exception 6)", unit="SHARE"
    )
    repeats: float = _habit(
        0.0, "share of the answers that are sent with a repeat", unit="SHARE"
    )
    closes_idle_after: float = _habit(
        0.0, "time without a request after which a connection is closed", unit="SECONDS"
    )


AS_DOCUMENTED = Habits()

HABITS: Mapping[str, Field[Any]] = {habit.name: habit for habit in fields(Habits)}


def load_profile(name: str) -> Habits:
    """Return the habits of a profile in `simulator/profiles`, or of a TOML file.

    Raises OSError or ValueError, also for a key that is no habit.
    """
    included = PROFILES / f"{name}.toml"
    path = included if included.is_file() else Path(name)
    values = tomllib.loads(path.read_text())
    if unknown := values.keys() - HABITS.keys():
        raise ValueError(f"unknown habits in {path}: {', '.join(sorted(unknown))}")
    return Habits(
        **{name: HABITS[name].metadata["parse"](v) for name, v in values.items()}
    )
