"""Current limits of several sources."""

from custom_components.nexblue_local.control.limits import HOLD, Limits, Source


def test_the_lowest_limit_is_effective() -> None:
    """It is the one that is written, whoever set it."""
    assert Limits().lowest is None
    limits = Limits()
    assert limits.effective is None
    limits.set(Source.USER, 16.0)
    assert limits.lowest == (16.0, Source.USER)
    limits.set("surplus", 10.0)
    limits.set("fuse", 12.0)
    assert limits.lowest == (10.0, "surplus")
    limits.set("surplus", 20.0)
    assert limits.lowest == (12.0, "fuse")
    limits.set("fuse", None)
    assert limits.lowest == (16.0, Source.USER)
    limits.set("surplus", 0.0)
    assert limits.lowest == (0.0, "surplus")


def test_a_held_limit() -> None:
    """The hold lowers a limit, and is none by itself."""
    limits = Limits()
    limits.phases.is_awaited = True
    assert limits.effective is None
    limits.set(Source.USER, 16.0)
    assert limits.lowest == (HOLD, Source.PHASES)
    limits.set(Source.USER, 6.0)
    assert limits.lowest == (6.0, Source.USER)
    limits.set(Source.USER, 0.0)
    assert limits.lowest == (0.0, Source.USER)


def test_a_limit_of_the_user_is_capped() -> None:
    """By the other sources and the hold, not by the limit that it replaces."""
    limits = Limits()
    limits.set(Source.USER, 8.0)
    assert limits.capped(16.0) == 16.0
    limits.set("fuse", 10.0)
    assert limits.capped(16.0) == 10.0
    assert limits.capped(9.0) == 9.0
    limits.phases.is_awaited = True
    assert limits.capped(16.0) == HOLD
    assert limits.capped(0.0) == 0.0
