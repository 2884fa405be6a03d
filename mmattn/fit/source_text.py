"""Settings as the lines of a config that a person reads."""

from __future__ import annotations

WIDTH = 120


def assignment(name: str, value: object) -> str:
    """``name = value`` as Python, broken into lines where it is longer than one.

    Args:
        name: Name of the variable.
        value: Dicts, lists, tuples and plain values, in each other; a `Name` is a variable.
    """
    return f'{name} = {literal(value, len(name) + 3)}'


class Name(str):
    """A variable of the config, or an expression of some, for a value."""


def literal(value: object, column: int = 0, indent: int = 0) -> str:
    """A value as Python.

    Args:
        value: The value.
        column: Column in which it begins.
        indent: Number of spaces before the line that it begins in.
    """
    flat = _flat(value)
    if column + len(flat) <= WIDTH or not isinstance(value, (dict, list, tuple)) or not value:
        return flat
    inner = indent + 4
    opening, closing = ('dict(', ')') if isinstance(value, dict) else ('[', ']') if isinstance(value, list) else '()'
    parts = [_prefix(key) if isinstance(value, dict) else '' for key in value]
    values = list(value.values()) if isinstance(value, dict) else list(value)
    lines = [f'{part}{literal(each, inner + len(part) + 1, inner)}' for part, each in zip(parts, values)]
    return f'{opening}\n' + ',\n'.join(' ' * inner + line for line in _packed(lines, inner)) + closing


def _packed(parts: list[str], indent: int) -> list[str]:
    """Short parts share a line."""
    lines: list[str] = []
    for part in parts:
        if lines and '\n' not in part + lines[-1] and indent + len(lines[-1]) + len(part) + 4 <= WIDTH:
            lines[-1] += f', {part}'
        else:
            lines.append(part)
    return lines


def _flat(value: object) -> str:
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, dict):
        return 'dict(' + ', '.join(f'{_prefix(key)}{_flat(each)}' for key, each in value.items()) + ')'
    if isinstance(value, tuple):
        return '(' + ', '.join(map(_flat, value)) + (', )' if len(value) == 1 else ')')
    if isinstance(value, list):
        return '[' + ', '.join(map(_flat, value)) + ']'
    return repr(value)


def _prefix(key: str) -> str:
    """What is before a value in ``dict(…)``; the key '**' is of a dict that is unpacked."""
    return '**' if key == '**' else f'{key}='
