"""Hooks for mmengine's Runner. Importing this registers them all in scope ``mmattn``."""
from .checkpoint import CheckpointHook
from .gates import GateHook
from .prepared import PrepareHook
from .resources import ResourceHook

__all__ = ['CheckpointHook', 'GateHook', 'PrepareHook', 'ResourceHook']
