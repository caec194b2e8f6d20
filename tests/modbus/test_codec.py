"""Test the conversion between words and values in each layout."""

import math
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.nexblue_local.modbus.codec import (
    FLOAT32,
    INT16,
    UINT16,
    UINT32,
    UINT64,
    DataType,
    Layout,
    Text,
)
from custom_components.nexblue_local.modbus.model import Register
from custom_components.nexblue_local.modbus.registers import (
    CURRENT_LIMIT,
    FALLBACK_LIMIT,
    FALLBACK_TIMEOUT,
    START_STOP,
    Clock,
    Identity,
    Reading,
    Settings,
)

# 20251202 is 0x01350242.
DATE = {
    Layout.DCBA: [0x4202, 0x3501],
    Layout.CDAB: [0x0242, 0x0135],
    Layout.ABCD: [0x0135, 0x0242],
}
# 123456789012 is 0x0000001CBE991A14.
ENERGY = {
    Layout.DCBA: [0x141A, 0x99BE, 0x1C00, 0x0000],
    Layout.CDAB: [0x1A14, 0xBE99, 0x001C, 0x0000],
    Layout.ABCD: [0x0000, 0x001C, 0xBE99, 0x1A14],
}


@pytest.mark.parametrize("layout", Layout)
def test_layouts(layout: Layout) -> None:
    """The bytes are in the order of the layout's name."""
    assert UINT32.decode(DATE[layout], layout) == 20251202
    assert UINT32.encode(20251202, layout) == DATE[layout]
    assert UINT64.decode(ENERGY[layout], layout) == 123456789012
    assert UINT64.encode(123456789012, layout) == ENERGY[layout]
    assert UINT16.decode([0x0102], layout) == 0x0102
    assert UINT16.encode(0x0102, layout) == [0x0102]


@pytest.mark.parametrize(
    ("minutes", "word"), [(-60, 0xFFC4), (0, 0), (120, 0x0078), (-570, 0xFDC6)]
)
def test_timezone_is_signed(minutes: int, word: int) -> None:
    """Time zones west of UTC are negative."""
    assert INT16.decode([word], Layout.DCBA) == minutes
    assert INT16.encode(minutes, Layout.DCBA) == [word]


@pytest.mark.parametrize(
    "words",
    [
        [0x0000, 0xC07F],  # NaN
        [0x0000, 0x807F],  # infinity
        [0x0000, 0x80FF],  # minus infinity
    ],
)
def test_not_a_number(words: list[int]) -> None:
    """NaN and infinity decode to None."""
    assert FLOAT32.decode(words, Layout.DCBA) is None
    assert Reading.decode(dict(enumerate(words, 126)), Layout.DCBA).power is None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"AB12\0\0\0\0", "AB12"),
        (b"AB12    ", "AB12"),
        (b"AB12\xff\xff\xff\xff", "AB12"),
        (b"AB 12\0xy", "AB 12"),
        (b"ABCDEFGH", "ABCDEFGH"),
        ("Größe ".encode(), "Größe"),
        (b"\0\0\0\0\0\0\0\0", None),
        (b"        ", None),
        (b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe", None),
        (b"A\x01B\0\0\0\0\0", None),
    ],
)
def test_text(data: bytes, text: str | None) -> None:
    """Padding is removed, and text that is not printable decodes to None."""
    words = [int.from_bytes(data[i : i + 2]) for i in range(0, 8, 2)]
    assert Text(4).decode(words, Layout.DCBA) == text


def test_values_out_of_range_are_not_encoded() -> None:
    """Values out of range raise ValueError."""
    out_of_range: list[tuple[Register[Any], float]] = [
        (CURRENT_LIMIT, 32.1),
        (CURRENT_LIMIT, -0.1),
        (CURRENT_LIMIT, math.nan),
        (FALLBACK_LIMIT, 16.5),
        (FALLBACK_TIMEOUT, 29),
        (FALLBACK_TIMEOUT, 1801),
    ]
    for register, value in out_of_range:
        with pytest.raises(ValueError, match=register.name):
            register.encode(value, Layout.DCBA)
    with pytest.raises(ValueError, match="does not fit"):
        UINT16.encode(65536, Layout.DCBA)
    with pytest.raises(ValueError, match="longer"):
        Text(1).encode("abc", Layout.DCBA)
    with pytest.raises(ValueError, match="2"):
        START_STOP.encode(2, Layout.DCBA)  # type: ignore[arg-type]


WORD = st.integers(0, 0xFFFF)


@given(
    image=st.dictionaries(st.integers(0, 1010), WORD, max_size=400),
    layout=st.sampled_from(Layout),
)
def test_any_words_decode(image: dict[int, int], layout: Layout) -> None:
    """Any words decode to a value in range or None."""
    for group in (Identity, Clock, Reading, Settings):
        decoded = group.decode(image, layout)
        for name, register in group.registers.items():
            value = getattr(decoded, name)
            if register.valid and value is not None:
                assert register.valid[0] <= value <= register.valid[1]


@given(data=st.data(), layout=st.sampled_from(Layout))
def test_round_trip(data: st.DataObject, layout: Layout) -> None:
    """Encoding a decoded value returns the same words."""
    data_type: DataType[Any] = data.draw(
        st.sampled_from([UINT16, INT16, UINT32, UINT64, FLOAT32])
    )
    words = data.draw(
        st.lists(WORD, min_size=data_type.count, max_size=data_type.count)
    )
    value = data_type.decode(words, layout)
    if value is not None:
        assert data_type.encode(value, layout) == words
