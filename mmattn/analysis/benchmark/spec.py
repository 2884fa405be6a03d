"""Reads ``NAME``, ``NAME(key=value)`` and ``type=NAME,key=value`` from the command line, without evaluating them."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import Any

from mmattn.errors import UserError


@dataclass(frozen=True)
class Spec:
    """Something to call, with literal arguments.

    Args:
        name: what to call, dotted names included.
        args: positional arguments.
        options: arguments by name.
    """

    name: str
    args: tuple = ()
    options: dict = field(default_factory=dict)


def parse_spec(text: str) -> Spec:
    """Reads a specification; values are Python literals, or ``dict(...)`` of them.

    Raises:
        UserError: the text is of none of the three forms.

    Examples:
        >>> parse_spec("AttnResNet(depth=50, attn=dict(type='mmattn.SE'))")
        Spec(name='AttnResNet', args=(), options={'depth': 50, 'attn': {'type': 'mmattn.SE'}})
        >>> parse_spec('type=SDAResNet,depth=86')
        Spec(name='SDAResNet', args=(), options={'depth': 86})
    """
    try:
        if text.startswith('type='):
            call: Any = ast.parse(f'dict({text})', mode='eval').body
            options: dict = {k.arg: _dotted(k.value) if k.arg == 'type' else _value(k.value) for k in call.keywords}
            return Spec(options.pop('type'), (), options)
        node = ast.parse(text.strip(), mode='eval').body
        if not isinstance(node, ast.Call):
            return Spec(_dotted(node))
        if any(keyword.arg is None for keyword in node.keywords):
            raise ValueError
        return Spec(_dotted(node.func), tuple(map(_value, node.args)), {k.arg: _value(k.value) for k in node.keywords})
    except (SyntaxError, ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"cannot read {text!r}: write NAME, 'NAME(key=value, …)' with literal values, or type=NAME,key=value"
        ) from error


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f'{_dotted(node.value)}.{node.attr}'
    raise ValueError


def _value(node: ast.AST) -> object:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict' and not node.args:
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(element) for element in node.elts]
    return ast.literal_eval(node)
