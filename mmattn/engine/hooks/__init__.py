"""Hooks for mmengine's Runner. Importing this registers those of configs in scope ``mmattn``."""

from .checkpoint import CheckpointHook
from .drawn_names import DrawnNamesHook
from .first import FirstIterationHook
from .gates import GateHook
from .losses import LossHook
from .prepared import PrepareHook
from .resources import ResourceHook
from .schedule import ScheduleHook

__all__ = [
    'CheckpointHook',
    'DrawnNamesHook',
    'FirstIterationHook',
    'GateHook',
    'LossHook',
    'PrepareHook',
    'ResourceHook',
    'ScheduleHook',
]
