"""What was learned of a charger is stored, and holds for its firmware."""

from typing import Any

import pytest

from custom_components.nexblue_local.modbus.codec import Layout
from custom_components.nexblue_local.modbus.learned import Learned, Learning
from custom_components.nexblue_local.modbus.registers import Identity

KNOWN = Learned(
    firmware_version="1.2.3",
    mapping_version=0x0102,
    layout=Layout.CDAB,
    refused_reads=frozenset({(100, 39), (0, 52)}),
    largest_read=32,
    first_answer=4.2,
)


def test_record() -> None:
    """Everything that was learned comes back from its record."""
    assert Learned.from_dict(KNOWN.as_dict()) == KNOWN
    assert Learned.from_dict(Learned().as_dict()) == Learned()


@pytest.mark.parametrize(
    "damage",
    [
        {"layout": "BADC"},
        {"refused_reads": [[1]]},
        {"refused_reads": None},
        {"largest_read": "many"},
        {"first_answer": None},
        {"mapping_version": []},
    ],
)
def test_damaged_record(damage: dict[str, Any]) -> None:
    """A damaged record is no record, and no error."""
    assert Learned.from_dict(KNOWN.as_dict() | damage) is None
    record = KNOWN.as_dict()
    del record[next(iter(damage))]
    assert Learned.from_dict(record) is None


@pytest.mark.parametrize(
    ("firmware_version", "mapping_version", "is_kept"),
    [("1.2.3", 0x0102, True), ("1.2.4", 0x0102, False), ("1.2.3", 0x0103, False)],
)
def test_other_versions(
    firmware_version: str, mapping_version: int, is_kept: bool
) -> None:
    """It is forgotten with other firmware or another register map."""
    learning = Learning()
    learning.restore(KNOWN)
    identity = Identity(
        firmware_version=firmware_version, mapping_version=mapping_version
    )
    learning.identified(identity)
    if is_kept:
        assert learning.learned == KNOWN
        assert learning.layout.is_certain
    else:
        assert learning.learned == Learned(
            firmware_version=firmware_version, mapping_version=mapping_version
        )
        assert not learning.layout.is_certain


def test_first_identification() -> None:
    """What was learned before the versions are known is not forgotten."""
    learning = Learning()
    learning.refused_reads.add((0, 52))
    learning.answered(32)
    learning.identified(Identity(firmware_version="1.2.3"))
    assert learning.learned.refused_reads == {(0, 52)}
    assert learning.learned.largest_read == 32


def test_first_answer() -> None:
    """The longest time counts, without a record for each small difference."""
    learning = Learning()
    for seconds, longest in ((0.2, 0.0), (4.13, 4.1), (4.5, 4.1), (1.0, 4.1), (6, 6)):
        learning.answered_first(seconds)
        assert learning.learned.first_answer == longest
