"""Checkpoints: read without running anything that is in them, converted, matched, loaded, written."""

from mmattn.errors import CheckpointError

from .reader import read_state
from .writer import write_checkpoint

__all__ = ['CheckpointError', 'read_state', 'write_checkpoint']
