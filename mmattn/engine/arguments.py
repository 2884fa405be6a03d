"""The parser of the command-line tools, types of their options, and the check of a device."""

import argparse
from collections.abc import Callable
from typing import TypeVar

import torch

from mmattn.commands import in_users_words
from mmattn.errors import UserError, one_line
from mmattn.shipped import config_path


class ArgumentParser(argparse.ArgumentParser):
    """Parser whose help keeps the line breaks of texts, and has commands as its user types them."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **{'formatter_class': argparse.RawDescriptionHelpFormatter, **kwargs})

    def format_help(self) -> str:
        return in_users_words(super().format_help())


def config(text: str) -> str:
    """Path of a config, of one of this package by its name 'mmattn::…', too."""
    try:
        return config_path(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


Number = TypeVar('Number', int, float)


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


def _number(text: str, kind: Callable[[str], Number], fits: Callable[[Number], bool], what: str) -> Number:
    value: Number | None
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
