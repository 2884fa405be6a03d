"""Hooks for mmengine's Runner. Importing this registers them all in scope ``mmattn``."""
from .drawn_names import DrawnNamesHook
from .gates import GateHook
from .prepared import PrepareHook
from .resources import ResourceHook

__all__ = ['DrawnNamesHook', 'GateHook', 'PrepareHook', 'ResourceHook']
