"""Replay the registers of a diagnostics file."""

from dataclasses import replace
import json
from pathlib import Path
from typing import Any, override

from custom_components.nexblue_local.modbus.model import Table
from custom_components.nexblue_local.modbus.registers import Settings

from .charger import ILLEGAL_DATA_ADDRESS, Refusal, SimulatedCharger
from .habits import AS_DOCUMENTED, Habits


class ReplayedCharger(SimulatedCharger):
    """A charger whose registers change only when they are written."""

    def __init__(
        self, registers: dict[str, dict[str, str]], habits: Habits = AS_DOCUMENTED
    ) -> None:
        """Initialize the charger with the registers of a diagnostics file.

        Registers that are not in it are refused.
        """
        super().__init__(habits=replace(habits, reserved_refused=True))
        self._words = {
            Table(table): {
                address: int(word, 16)
                for start, words in runs.items()
                for address, word in enumerate(words.split(), int(start))
            }
            for table, runs in registers.items()
        }

    @classmethod
    def load(cls, path: Path, habits: Habits = AS_DOCUMENTED) -> ReplayedCharger:
        """Return the charger of a diagnostics file as downloaded from Home Assistant."""
        diagnostics: dict[str, Any] = json.loads(path.read_text())
        return cls(diagnostics["data"]["registers"], habits)

    @override
    def input_words(self) -> dict[int, int]:
        return dict(self._words[Table.INPUT])

    @override
    def holding_words(self) -> dict[int, int]:
        return dict(self._words[Table.HOLDING])

    @override
    def write(self, address: int, words: list[int]) -> None:
        written = dict(enumerate(words, address))
        known = {
            a for register in Settings.registers.values() for a in register.addresses
        }
        if not written.keys() <= known:
            raise Refusal(ILLEGAL_DATA_ADDRESS)
        self._words[Table.HOLDING] |= written
