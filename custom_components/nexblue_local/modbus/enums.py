"""States, modes and flags of the registers.

The member names are those of the vendor and of OCPP. In lower case they are the
states and translation keys in Home Assistant.
"""

from enum import FlagBoundary, IntEnum, IntFlag


class ChargePointState(IntEnum):
    """Chargepoint State (input register 100): the connector states of OCPP 1.6.

    "Unavailable" is called INOPERATIVE here, because "unavailable" is the state of
    an entity without data in Home Assistant.
    """

    AVAILABLE = 0
    PREPARING = 1
    CHARGING = 2
    SUSPENDED_EVSE = 3
    SUSPENDED_EV = 4
    FINISHING = 5
    RESERVED = 6
    INOPERATIVE = 7
    FAULTED = 8


class PhaseMode(IntEnum):
    """Phase Charging (input register 138) and Runtime Phase Mode (holding 1007)."""

    ADAPTIVE = 0
    SINGLE_PHASE = 1
    THREE_PHASE = 2


class StartStop(IntEnum):
    """IF_START (holding register 1006)."""

    STOP = 0
    START = 1


class ChargerErrors(IntFlag, boundary=FlagBoundary.KEEP):
    """Error Bitset (input register 400)."""

    CP_VOLTAGE = 1 << 0
    PHASE_LINE_LEAKAGE = 1 << 1
    CURRENT = 1 << 2
    VOLTAGE = 1 << 3
    TEMPERATURE = 1 << 4
    RELAY_STUCK = 1 << 5
    RCD_SELF_TEST = 1 << 6
    CP_DIODE_SHORT = 1 << 7
    PEN_OPEN = 1 << 8
    PE_LEAKAGE = 1 << 9
    PE_OPEN = 1 << 10
    PP = 1 << 11


class ChargerWarnings(IntFlag, boundary=FlagBoundary.KEEP):
    """Warning Bitset (input register 401)."""

    METER_CHIP = 1 << 0
    INTER_BOARD_COMMUNICATION = 1 << 1
    RFID_RF = 1 << 2
    RF_868 = 1 << 3
    MODULE_4G = 1 << 4
    COVER_OPEN = 1 << 5
    TN_PHASE_LOSS = 1 << 7
    IT_NEUTRAL_OVERCURRENT = 1 << 8
    GRID = 1 << 9
    MID_MODE = 1 << 10


class WaitingReasons(IntFlag, boundary=FlagBoundary.KEEP):
    """Waiting Bitset (input register 402): why the current is limited."""

    CT_OFFLINE = 1 << 0
    MAIN_UNIT_OFFLINE = 1 << 1
    LOW_SEVERITY_ERROR_OR_OCPP_PAUSE = 1 << 2
    HOST_REDUCES_CURRENT = 1 << 3
    HOST_NOT_RESPONDING = 1 << 4
    LOAD_SHEDDING = 1 << 5
    MODBUS_FALLBACK = 1 << 6
