"""Whether converted weights fit a model: all of them, or at least those of its trunk."""
from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Mismatch:
    """Where a state_dict and a model differ.

    Args:
        missing: keys that only the model has.
        unexpected: keys that only the state_dict has.
        reshaped: keys whose tensors differ in shape.
    """
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.missing, *self.unexpected, *self.reshaped)


def compare(state: Mapping[str, Tensor], model: Mapping[str, Tensor]) -> Mismatch:
    """The keys of `state` against those of the state_dict `model`."""
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


def slot_prefixes(backbone: nn.Module) -> tuple[str, ...]:
    """Prefixes of the keys of everything in a backbone of ours that a plain ResNet has not, or not so.

    These are attention, depth attention, plugins, and what stands for the 3x3 convolution; empty for backbones
    of other libraries.
    """
    prefixes = []
    for stage_name in getattr(backbone, 'stage_names', ()):
        stage = getattr(backbone, stage_name)
        prefixes.append(f'backbone.{stage_name}.depth_attn.')
        for i, block in enumerate(stage):
            names = ['attn', *(name for group in block.plugin_names.values() for name in group)]
            if type(block.conv2) is not nn.Conv2d:
                names.append('conv2')
            prefixes += [f'backbone.{stage_name}.{i}.{name}.' for name in names]
    return tuple(prefixes)


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
