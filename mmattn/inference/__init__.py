"""Inference: a copy of a model made ready for it."""

from .prepare import prepare

__all__ = ['prepare']
