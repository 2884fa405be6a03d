"""Differences between the keys and shapes of a state dict and those of a model, and either in a few words."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

# A key inside a residual trunk: stage, block or none, and the module that it belongs to.
PLACE = re.compile(r'(?:backbone\.)?(?P<stage>layer\d+)\.(?:(?P<block>\d+)\.)?(?P<slot>[a-z]\w*)\.')


@dataclass(frozen=True)
class Mismatch:
    """Where a state dict and a model differ.

    Args:
        missing: Keys that only the model has.
        unexpected: Keys that only the state dict has.
        reshaped: Keys whose tensors differ in shape.
    """
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.missing, *self.unexpected, *self.reshaped)


def compare(state: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> Mismatch:
    """The keys of `state` against those of `model`, the state dict of a model."""
    return Mismatch(
        tuple(k for k in model if k not in state),
        tuple(k for k in state if k not in model),
        tuple(k for k in model if k in state and state[k].shape != model[k].shape))


def with_batch_counts(state: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` with BatchNorm's batch counts at zero where it has none: weights from before torch 0.4.1 have none."""
    counts = {k: torch.zeros_like(v) for k, v in model.items()
              if k.endswith('.num_batches_tracked') and k not in state
              and k.replace('num_batches_tracked', 'running_mean') in state}
    return {**state, **counts}


def outline(state: Mapping[str, Tensor]) -> str:
    """What a state dict of ours looks like: '4 stages of 3, 4, 6, 3 blocks with attn, depth_attn; 1000 classes'."""
    blocks, slots = {}, set()
    for key in state:
        match = PLACE.match(key)
        if match and match['block']:
            blocks.setdefault(match['stage'], set()).add(match['block'])
        if match and match['slot'] in ('attn', 'depth_attn'):
            slots.add(match['slot'])
    counts = ', '.join(str(len(blocks[stage])) for stage in sorted(blocks))
    stages = f'{len(blocks)} stages of {counts} blocks' if blocks else 'no residual stages'
    classes = f'{state["head.fc.weight"].shape[0]} classes' if 'head.fc.weight' in state else 'no classifier'
    return f'{stages}{" with " + ", ".join(sorted(slots)) if slots else ""}; {classes}'


def grouped(keys: tuple[str, ...], most: int = 6) -> list[str]:
    """`keys` in a few lines: counted by what is left of them without stage, block and number."""
    counts = Counter(_kind(key) for key in keys)
    lines = [f'{kind} ({count} tensor{"s" * (count > 1)})' for kind, count in counts.most_common(most)]
    rest = sum(counts.values()) - sum(count for _, count in counts.most_common(most))
    return lines + ([f'… and {rest} more'] if rest else [])


def _kind(key: str) -> str:
    parts = key.split('.')
    if len(parts) > 3 and parts[1].startswith('layer'):
        deep = parts[2].isdigit()
        return '.'.join([parts[0], 'layer*', *(('*', parts[3]) if deep else (parts[2],)), '*'])
    return '.'.join(parts[:-1])
