"""A disk that cannot be written: no transaction number is given that is not stored."""

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store
from homeassistant.util.json import load_json_object
from ocpp.v16 import call
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.nexblue_local.charge_points import BACK_END
from custom_components.nexblue_local.const import DOMAIN
from custom_components.nexblue_local.storage import ocpp_store
from simulator import Car, Simulator
from simulator.charge_point import ChargePoint
from tests.conftest import SERIAL
from tests.waiting import until

from .other_maker import connected, now
from .test_ocpp_only import add

WRITE = Store._async_write_data
"""What writes files, before the fixtures of Home Assistant replace it."""


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Use a folder of its own."""
    return hass_tmp_config_dir


async def test_not_stored(
    hass: HomeAssistant,
    linked: MockConfigEntry,
    simulator: Simulator,
    charge_point: ChargePoint,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The charge point repeats StartTransaction until its number is on the disk."""
    file = Path(ocpp_store(hass).path)
    point = hass.data[BACK_END].central.charge_points[SERIAL]
    simulator.charger.plug_in(Car())
    await until(lambda: charge_point._shown_status == "Preparing")
    with patch.object(Store, "_async_write_data", WRITE):
        # Nobody, not even root, can replace a folder by a file.
        await asyncio.to_thread(file.mkdir, parents=True)
        await point.start()
        failed = f"{SERIAL}: StartTransaction failed"
        await until(lambda: caplog.text.count(failed) > 1)
        transaction = charge_point.transaction
        assert transaction is not None
        assert transaction.number == -1
        assert point.state.transaction is None
        await asyncio.to_thread(file.rmdir)
        shown = await until(lambda: point.state.transaction)
    stored: Any = await asyncio.to_thread(load_json_object, file)
    number = stored["data"]["transaction_number"]
    assert number == shown.number
    await until(lambda: transaction.number == number)


async def test_end_not_stored(
    hass: HomeAssistant, url: str, back_end: MockConfigEntry
) -> None:
    """The charge point repeats StopTransaction until its session is on the disk."""
    with patch.object(Store, "_async_write_data", WRITE):
        async with connected(url) as charger:
            await add(hass, charger)
            await charger.start_transaction("CARD")
            folder = Path(ocpp_store(hass).path).parent
            files = [folder / f"{DOMAIN}.{name}" for name in ("ocpp", "sessions")]
            for file in files:
                await asyncio.to_thread(file.unlink, missing_ok=True)
                await asyncio.to_thread(file.mkdir)
            assert charger.transaction is not None
            stop = call.StopTransaction(
                meter_stop=5000, timestamp=now(), transaction_id=charger.transaction
            )
            answers: list[object] = [await charger.call(stop)]  # type: ignore[no-untyped-call]
            for file in files:
                await asyncio.to_thread(file.rmdir)
            answers.append(await charger.call(stop))  # type: ignore[no-untyped-call]
            # An error first, then the confirmation.
            assert [answer is None for answer in answers] == [True, False]
            stored: Any = await asyncio.to_thread(load_json_object, files[1])
            [session] = stored["data"]["sessions"]
            assert session["energy_wh"] == 5000
