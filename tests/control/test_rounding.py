"""Chargers that round limits, or show what they offer as the current limit."""

import pytest

from custom_components.nexblue_local.control.errors import CommandFailed
from custom_components.nexblue_local.control.limits import LimitStep
from custom_components.nexblue_local.control.settings import Setting, Settings
from tests.control.fakes import Fault, Rig, now
from tests.control.virtual_time import in_virtual_time

SET_POINTS = [6.3, 10.4, 9.7, 8.8, 12.1, 15.9, 7.6]


@pytest.mark.parametrize("rounds_up", [False, True])
@pytest.mark.parametrize("step", [0.5, 1.0])
@in_virtual_time
async def test_a_charger_that_rounds(step: float, rounds_up: bool) -> None:
    """Set-points in tenths take no longer, and are not exceeded for long."""
    rig = Rig()
    rig.charger.step, rig.charger.rounds_up = step, rounds_up
    for limit in SET_POINTS * 2:
        started = now()
        await rig.controller.set(Settings(current_limit=limit))
        assert now() - started < 0.2
        assert rig.desired.current_limit == limit
        found = rig.charger.settings.current_limit
        assert found is not None
        assert limit - 1 <= found <= limit
        await rig.run_for(5)
    assert rig.state.limits.step.step == step
    assert rig.stored is not None
    assert rig.stored["learned"]["limit_step"] == step
    rig.charger.power_cycle()
    rig.link.cut()
    await rig.poll()
    assert rig.charger.settings.current_limit == (7.5 if step == 0.5 else 7.0)
    assert rig.notifier.events[-1] == ("restored", [Setting.CURRENT_LIMIT])


async def durations(step: float, *, rounds_up: bool, is_late: bool) -> list[float]:
    """Return how long set-points take that are given every five seconds."""
    rig = Rig()
    rig.charger.step, rig.charger.rounds_up = step, rounds_up
    if is_late:
        rig.link.lasting_faults[Setting.CURRENT_LIMIT] = Fault.LATE
    result = []
    for limit in SET_POINTS * 2:
        started = now()
        await rig.controller.set(Settings(current_limit=limit))
        result.append(now() - started)
        await rig.run_for(5 - result[-1])
    rig.kill()
    return result


@pytest.mark.parametrize("is_late", [False, True])
@pytest.mark.parametrize("rounds_up", [False, True])
@pytest.mark.parametrize("step", [0.5, 1.0])
@in_virtual_time
async def test_set_points_take_no_longer(
    step: float, rounds_up: bool, is_late: bool
) -> None:
    """A charger that rounds takes as long as one that does not, once it is known."""
    friendly = await durations(0.0, rounds_up=False, is_late=is_late)
    rounding = await durations(step, rounds_up=rounds_up, is_late=is_late)
    longer = [took - usual for took, usual in zip(rounding, friendly, strict=True)]
    # One more write while the step is not known yet, of 0.02 s.
    assert max(longer[:2]) < 0.05
    assert max(longer[2:]) < 0.001


@pytest.mark.parametrize("offers", [0.0, 7.0, 13.0])
@in_virtual_time
async def test_a_charger_that_shows_what_it_offers(offers: float) -> None:
    """Less than requested is no failure, and does not become the desired limit."""
    rig = Rig()
    rig.charger.offers = offers
    started = now()
    await rig.controller.set(Settings(current_limit=16.0))
    assert now() - started < 0.2
    assert rig.desired.current_limit == 16
    await rig.run_for(3600)
    assert not rig.charger.is_fallback_active
    assert set(rig.written(Setting.CURRENT_LIMIT)) == {16.0}
    assert rig.state.limits.step.step is None


@in_virtual_time
async def test_a_limit_that_is_not_lowered() -> None:
    """It is an error, and the keep-alive goes on writing the lower limit."""
    rig = Rig()
    await rig.controller.set(Settings(current_limit=16.0))
    rig.link.faults.append(Fault.IGNORED)
    with pytest.raises(CommandFailed) as raised:
        await rig.controller.set(Settings(current_limit=6.0))
    assert (raised.value.key, raised.value.found) == ("not_lowered", 16.0)
    assert rig.desired.current_limit == 6
    await rig.run_for(65)
    assert rig.charger.settings.current_limit == 6


@in_virtual_time
async def test_a_limit_that_is_raised_too_far() -> None:
    """The old limit applies."""
    rig = Rig()
    await rig.controller.set(Settings(current_limit=10.0))
    rig.charger.settings = rig.charger.settings.with_value(Setting.CURRENT_LIMIT, 8.0)
    rig.charger.step, rig.charger.rounds_up = 16.0, True
    with pytest.raises(CommandFailed) as raised:
        await rig.controller.set(Settings(current_limit=12.0))
    assert raised.value.key == "not_taken"
    rig.charger.step = 0.0
    await rig.run_for(5)
    assert rig.charger.settings.current_limit == 10


@pytest.mark.parametrize(
    ("reads", "step"),
    [
        ([(10.4, 10.0, 16.0)], None),
        ([(10.4, 10.0, 16.0), (9.7, 9.0, 10.0)], 1.0),
        ([(10.4, 10.0, 16.0), (9.7, 9.5, 10.0)], 0.5),
        # It was there before, so that it may only be late.
        ([(10.4, 10.0, 10.0), (10.3, 10.0, 10.0)], None),
        # More than a rounding.
        ([(10.4, 8.0, 16.0), (10.3, 8.0, 16.0)], None),
        # Rounded up, which is more than was requested.
        ([(10.4, 11.0, 16.0)], 1.0),
        # Exact tenths: the charger does not round any more.
        ([(10.4, 11.0, 16.0), (9.3, 9.3, 11.0)], None),
    ],
)
def test_learning(reads: list[tuple[float, float, float]], step: float | None) -> None:
    """A step is assumed only once the read-backs prove it."""
    learned = LimitStep()
    for written, found, before in reads:
        learned.observe(written, found, before)
    assert learned.step == step


def test_a_limit_is_rounded_down() -> None:
    """Never more than requested."""
    assert [LimitStep(step=1.0).apply(limit) for limit in (6.0, 10.9, 0.0)] == [
        6,
        10,
        0,
    ]
    assert [LimitStep(step=0.5).apply(limit) for limit in (6.4, 10.5)] == [6, 10.5]
    assert LimitStep().apply(10.4) == 10.4


@in_virtual_time
async def test_a_refused_timeout_is_restored_later() -> None:
    """A charger that refuses now and then gets its settings all the same."""
    rig = Rig()
    await rig.controller.set(Settings(fallback_timeout=120, fallback_limit=8.0))
    rig.charger.power_cycle()
    rig.link.cut()
    rig.link.faults.extend([Fault.REFUSED, Fault.REFUSED])
    await rig.run_for(20)
    assert rig.charger.settings.fallback_timeout == 120
    assert rig.charger.settings.fallback_limit == 8


@in_virtual_time
async def test_what_was_learned_holds_for_a_version() -> None:
    """Other firmware may take limits in another way."""
    rig = Rig()
    rig.charger.step = 1.0
    await rig.poll()
    for limit in (6.7, 8.8):
        await rig.controller.set(Settings(current_limit=limit))
    rig.charger.offers = 7.0
    await rig.controller.set(Settings(current_limit=12.0))
    assert rig.stored is not None
    learned = {"version": "1.0", "limit_step": 1.0, "shows_offered": True}
    assert rig.stored["learned"] == learned
    await rig.poll()
    assert rig.stored["learned"] == learned
    rig.charger.version = "1.1"
    await rig.poll()
    assert rig.stored["learned"] == {
        "version": "1.1",
        "limit_step": None,
        "shows_offered": False,
    }
