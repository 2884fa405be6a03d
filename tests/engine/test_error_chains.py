"""Errors that are raised from one another."""

from __future__ import annotations

from mmattn.engine.failures import loader_killed


def test_errors_that_are_each_others_cause_are_looked_through_once():
    first, second = RuntimeError('first'), ValueError('second')
    first.__cause__, second.__context__ = second, first
    assert loader_killed(first) is None
