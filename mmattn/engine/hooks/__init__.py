"""Hooks for mmengine's Runner. Importing this registers those of configs in scope ``mmattn``."""
from .drawn_names import DrawnNamesHook
from .first import FirstIterationHook
from .gates import GateHook
from .prepared import PrepareHook
from .resources import ResourceHook
from .schedule import ScheduleHook

__all__ = ['DrawnNamesHook', 'FirstIterationHook', 'GateHook', 'PrepareHook', 'ResourceHook', 'ScheduleHook']
