"""Makes packages of the integration importable without Home Assistant.

Importing a package imports those around it first, and the integration itself imports
Home Assistant. Import this module before them.
"""

import sys
from types import ModuleType

import custom_components

INTEGRATION = "custom_components.nexblue_local"

if INTEGRATION not in sys.modules:
    _module = ModuleType(INTEGRATION)
    _module.__path__ = [f"{path}/nexblue_local" for path in custom_components.__path__]
    sys.modules[INTEGRATION] = _module
