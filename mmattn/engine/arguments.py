"""Types of command-line options for argparse, and the check of a device."""

import argparse
from collections.abc import Callable

import torch

from mmattn.errors import UserError, one_line


def positive(text: str) -> int:
    return _number(text, int, lambda value: value > 0, 'whole number above 0')


def positive_float(text: str) -> float:
    return _number(text, float, lambda value: 0 < value < float('inf'), 'number above 0')


def count(text: str) -> int:
    return _number(text, int, lambda value: value >= 0, 'whole number from 0 on')


def seconds(text: str) -> float:
    return _number(text, float, lambda value: 0 <= value < float('inf'), 'number of seconds')


def score(text: str) -> float:
    return _number(text, float, lambda value: 0 <= value <= 1, 'number from 0 to 1')


def _number(text: str, kind: type, fits: Callable[[float], bool], what: str) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not fits(value):
        raise argparse.ArgumentTypeError(f"'{text}' is no {what}")
    return value


def check_device(device: str) -> None:
    """Raises UserError unless it is the CPU or a CUDA device that this machine has."""
    try:
        if torch.device(device).type not in ('cpu', 'cuda'):
            raise UserError(f'--device {device}: give cpu or cuda')
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f'--device {device}: {one_line(error)[:200]}') from error
