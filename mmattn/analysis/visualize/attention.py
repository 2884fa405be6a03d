"""Weights of attention modules, recorded while a network runs.

Modules are recognised by what they offer, so that those of others are read too:

* 'depth': ``depth_weights(sums)``, (N, depth, C, 1, 1), for the residual sums that the module is called with (SDA);
* 'branches': ``branch_names``, and a child `BranchGate` that re-weights these branches (PSA, MSPA);
* 'maps': ``attention_map(x)``, (N, K, H, W), for the feature map that the module is called with (EMA, CBAM);
* 'pooling': ``pooling_shares()``, (2,), of maximum and minimum, whatever the image (SPEM).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mmattn.models.attention import Attention
from mmattn.models.spatial.branch_gate import BranchGate

KINDS = {
    'depth': "SDA's weights of a stage's blocks",
    'branches': "PSA's and MSPA's weights of their branches",
    'maps': "EMA's and CBAM's weights of the positions",
    'pooling': "SPEM's shares of maximum and minimum",
}
_MARKS = {'depth': 'depth_weights', 'branches': 'branch_names', 'maps': 'attention_map', 'pooling': 'pooling_shares'}
# the slots' names tell a reader nothing that the figure's title does not
_SLOTS = ('depth_attn', 'attn', 'conv2')


@dataclass
class Reading:
    """The weights of one module for one image.

    Args:
        name: Short name of the module, for instance 'layer1.0'.
        module: Name of the module's class.
        weights: Weights of the blocks, (depth, C); of the branches, (branches, c); or of the positions, (K, H, W).
        labels: Labels of the first axis of the weights.
        gate: Learned factor of an identity start, None without one.
    """

    name: str
    module: str
    weights: Tensor
    labels: list[str]
    gate: float | None = None


def find(model: nn.Module) -> dict[str, dict[str, nn.Module]]:
    """The modules of each kind of attention, by full name in order of the network; kinds without any are left out.

    Args:
        model: Network to look through.
    """
    found = {
        kind: {name: module for name, module in model.named_modules() if _offers(module, mark)}
        for kind, mark in _MARKS.items()
    }
    return {kind: modules for kind, modules in found.items() if modules}


def inventory(model: nn.Module) -> str:
    """The attention modules of a network in words: how many of which class.

    Args:
        model: Network to look through.
    """
    count = Counter(
        type(module).__name__
        for module in model.modules()
        if isinstance(module, Attention) or any(_offers(module, mark) for mark in _MARKS.values())
    )
    return ', '.join(f'{number} x {name}' for name, number in count.items()) or 'no attention of mmattn'


class Recorder:
    """Context manager that records the weights of attention modules for the last image that ran.

    Args:
        model: Network that runs inside the context.
        kinds: Kinds of attention to record, of those that `find` finds.
    """

    def __init__(self, model: nn.Module, kinds: Sequence[str]) -> None:
        self.modules = {kind: modules for kind, modules in find(model).items() if kind in kinds}
        self.readings: dict[str, dict[str, Reading]] = {}
        self._handles: list[RemovableHandle] = []

    def __enter__(self) -> Recorder:
        for name, module in self.modules.get('depth', {}).items():
            self._handles.append(module.register_forward_pre_hook(self._depth(name)))
        for name, module in self.modules.get('maps', {}).items():
            self._handles.append(module.register_forward_pre_hook(self._map(name)))
        for name, module in self.modules.get('branches', {}).items():
            gate = next(child for child in module.modules() if isinstance(child, BranchGate))
            self._handles.append(gate.register_forward_hook(self._branches(name, module)))
        return self

    def __exit__(self, *exception) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def take(self) -> dict[str, list[Reading]]:
        """The weights that were recorded since the last call, by kind and in order of the network."""
        readings, self.readings = self.readings, {}
        return {
            kind: [readings[kind][name] for name in self.modules[kind] if name in readings[kind]] for kind in readings
        }

    def _note(self, kind: str, name: str, module: nn.Module, weights: Tensor, labels: list[str]) -> None:
        gate = getattr(module, 'gate', None)
        self.readings.setdefault(kind, {})[name] = Reading(
            short_name(name),
            type(module).__name__,
            weights.float().cpu(),
            labels,
            float(gate.detach()) if isinstance(gate, Tensor) else None,
        )

    def _depth(self, name: str):
        @torch.no_grad()
        def hook(module, inputs):
            weights = module.depth_weights(inputs[0])[0].flatten(1)
            self._note('depth', name, module, weights, [f'block {i + 1}' for i in range(len(weights))])

        return hook

    def _map(self, name: str):
        def hook(module, inputs):
            weights = module.attention_map(inputs[0].detach())[0]
            self._note('maps', name, module, weights, [f'group {i + 1}' for i in range(len(weights))])

        return hook

    def _branches(self, name: str, module: Any):
        def hook(gate, inputs, output):
            labels = list(module.branch_names)
            self._note('branches', name, module, output.detach()[0].view(len(labels), -1), labels)

        return hook


def pooling_shares(model: nn.Module) -> dict[str, float]:
    """SPEM's share of the maximum, p0**2 / (p0**2 + p1**2), by short name of the module.

    Args:
        model: Network to look through.
    """
    modules: dict[str, Any] = find(model).get('pooling', {})
    return {short_name(name): float(module.pooling_shares()[0].detach()) for name, module in modules.items()}


def short_name(name: str) -> str:
    """The name of a module without backbone and slot: 'layer1.0' for 'backbone.layer1.0.attn'.

    Args:
        name: Full name of the module.
    """
    parts = name.removeprefix('backbone.').split('.')
    return '.'.join(parts[:-1] if len(parts) > 1 and parts[-1] in _SLOTS else parts)


def _offers(module: nn.Module, mark: str) -> bool:
    return hasattr(type(module), mark)
