"""Reads the tensors of any checkpoint without running anything that stands in it, and writes one."""
from mmattn.errors import CheckpointError

from .reader import read_state
from .writer import write_checkpoint

__all__ = ['CheckpointError', 'read_state', 'write_checkpoint']
