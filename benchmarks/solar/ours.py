"""The surplus controller of the integration."""

from benchmarks import standalone  # noqa: F401  # isort: skip
from custom_components.nexblue_local.surplus.controller import Controller
from custom_components.nexblue_local.surplus.readings import (
    ChargerReading,
    Reading as SurplusReading,
    Status,
)
from custom_components.nexblue_local.surplus.settings import (
    ChargerSettings,
    PhaseMode,
    Settings,
)

from .strategy import MIN_CURRENT, Answer, ChargerRead, Reading, Site

CHARGER = "charger"
MODES = {1: PhaseMode.ONE, 3: PhaseMode.THREE}
PHASES = {mode: phases for phases, mode in MODES.items()}


class Ours:
    """Mode `solar`, with the settings a user gets."""

    def __init__(self, site: Site) -> None:
        """Start paused."""
        charger = ChargerSettings(
            id=CHARGER,
            ceiling_a=site.ceiling,
            min_a=MIN_CURRENT,
            supply_phases=site.supply_phases,
            can_switch=site.can_switch,
        )
        self._controller = Controller(Settings(chargers=(charger,)))

    def decide(self, reading: Reading) -> Answer:
        """Return the answer to a reading."""
        meter = reading.meter
        decision = self._controller.decide(
            SurplusReading(
                t=reading.t,
                grid_w=None if meter is None else meter.grid,
                grid_at=None if meter is None else meter.at,
                chargers=() if reading.charger is None else (_read(reading.charger),),
            )
        )
        charger = decision.chargers[0]
        mode = charger.phase_mode
        return Answer(charger.current_a or 0.0, None if mode is None else PHASES[mode])


def _read(charger: ChargerRead) -> ChargerReading:
    return ChargerReading(
        id=CHARGER,
        at=charger.at,
        status=Status(charger.status),
        power_w=charger.powers,
        current_a=charger.currents,
        voltage_v=charger.voltages,
        offered_a=charger.offered,
        phase_mode=MODES[charger.phases],
    )
