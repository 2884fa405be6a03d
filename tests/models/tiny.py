"""The smallest form of every network and module: what is tested of all of them costs milliseconds for each.

A module that is registered is tested by being registered: attention that no network of the papers has gets a plain
trunk around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import torch
from networks import NETWORKS, Network, images, kinds
from torch import Tensor, nn

from mmattn.analysis.benchmark.classifier import Classifier
from mmattn.registry import MODELS

CLASSES = 5
CHANNELS = 128
DEPTH_OPTIONS = {'AfterStage': dict(attn='mmattn.SE')}


def registered(package: str) -> list[str]:
    """Names of the registered classes of a package of ``mmattn.models``, such as 'attention'."""
    return sorted(
        name for name, module in MODELS.module_dict.items() if module.__module__.startswith(f'mmattn.models.{package}.')
    )


ATTENTION, SPATIAL, DEPTH = registered('attention'), registered('spatial'), registered('depth')
MODULES = ATTENTION + SPATIAL + DEPTH


def _networks() -> dict[str, Network]:
    """By name: one of each kind, not for other numbers alone, and the plain trunk with what none of them has."""
    kind = {re.sub(r'\d+', '', repr(NETWORKS[name].backbone)): name for name in reversed(kinds())}
    networks = {name: NETWORKS[name] for name in reversed(kind.values())}
    used = repr([network.backbone for network in NETWORKS.values()]) + 'mmattn.EMA mmattn.SPEM'
    for name in ATTENTION:
        if f'mmattn.{name}' not in used:
            networks[f'resnet_{name}'] = Network(dict(type='mmattn.AttnResNet', attn=f'mmattn.{name}'), 0)
    networks['sda_basic'] = Network(
        dict(type='mmattn.AttnResNet', depth=18, attn='mmattn.SE', depth_attn='mmattn.SDA'), 0
    )
    networks['bam_resnet'] = Network(
        dict(
            type='mmattn.AttnResNet',
            depth_attn=dict(type='mmattn.AfterStage', attn='mmattn.BAM'),
            deep_stem=True,
            avg_down=True,
        ),
        0,
    )
    return networks


def _one_for_each_module(networks: dict[str, Network]) -> list[str]:
    """Names of enough of them to have every registered module, for tests that take seconds."""
    names, seen = [], set()
    for name, network in networks.items():
        modules = set(re.findall(r'mmattn\.\w+', repr(network.backbone)))
        if modules - seen:
            names.append(name)
            seen |= modules
    return names


TINY = _networks()
ENOUGH = _one_for_each_module(TINY)


def tiny(name: str, device: torch.device | str = 'cpu', **options) -> Classifier:
    """A network of two stages, of two blocks and one, as narrow as its modules allow, in eval mode.

    Its weights and statistics are those of no start: gates are open, and no norm is the identity.
    """
    network = TINY[name]
    options = dict(num_stages=2, stage_blocks=(2, 1)) | options
    backbone = {
        key: value[: options['num_stages']] if isinstance(value, tuple) else value
        for key, value in (dict(depth=50) | network.backbone).items()
    }
    for base_channels in (16, 32, 64):
        torch.manual_seed(0)
        try:
            net = replace(network, backbone=backbone, classes=CLASSES).build(base_channels=base_channels, **options)
        except ValueError:  # too narrow for its groups
            if base_channels == 64:
                raise
        else:
            break
    return scrambled(net).to(device).eval()


def tiny_images(name: str, device: torch.device | str = 'cpu', batch: int = 2) -> Tensor:
    """Noise, of a size for which both stages of `tiny` have more than one position."""
    size = 32 if TINY[name].input_size == 224 else 16
    return images(batch, 3, size, size + 8).to(device)


def module(name: str) -> tuple[nn.Module, list[Tensor]]:
    """A registered attention, spatial or depth module in double and eval mode, and the feature maps it takes."""
    torch.manual_seed(0)
    cfg = dict(type=f'mmattn.{name}')
    if name in ATTENTION:
        cfg |= dict(in_channels=CHANNELS)
    elif name in SPATIAL:
        width = 192  # divides into branches, splits and groups
        cfg |= dict(in_channels=width, out_channels=width)
    else:
        cfg |= dict(channels=CHANNELS, depth=3) | DEPTH_OPTIONS.get(name, {})
    maps = [images(2, cfg.get('in_channels', CHANNELS), 4, 5).double().roll(i) for i in range(cfg.get('depth', 1))]
    return scrambled(MODELS.build(cfg)).double().eval(), maps


def run_module(name: str, call: Callable[..., Tensor], maps: list[Tensor]) -> Tensor:
    """What `call`, a module or a function of its inputs, computes: depth modules take the list, others its one map."""
    return call(maps) if name in DEPTH else call(*maps)


def scrambled(net: nn.Module) -> nn.Module:
    """Moves weights and statistics away from their start, where some are zero or one."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for key, value in net.state_dict().items():
            noise = torch.rand(value.shape, generator=generator)
            if key.endswith('running_var'):
                value.copy_(noise + 0.5)
            elif value.is_floating_point() and value.dim() < 2:
                value.add_(noise - 0.5)
    return net


def as_function(net: nn.Module) -> tuple[Callable[..., Tensor], dict[str, Tensor]]:
    """``f(parameters, *inputs)`` for torch.func, and the parameters by name."""
    parameters = {key: value.detach() for key, value in net.named_parameters()}

    def f(parameters: dict[str, Tensor], *inputs):
        buffers = {key: value.clone() for key, value in net.named_buffers()}  # statistics move in train mode
        return torch.func.functional_call(net, parameters | buffers, inputs)

    return f, parameters


def relative_error(value: Tensor, expected: Tensor) -> float:
    """Of the whole tensor, in the norm of its entries."""
    return ((value - expected).norm() / expected.norm().clamp_min(1e-30)).item()


def gradients(net: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Gradients of a loss of `net(x)` for all parameters, by name, and for the images under the name 'images'."""
    leaf = x.detach().clone().requires_grad_()
    net.zero_grad()
    net(leaf).square().sum().backward()
    return {key: p.grad for key, p in net.named_parameters() if p.grad is not None} | {'images': leaf.grad}


def assert_all_close(values: dict, expected: dict, tolerance: float) -> None:
    """Compares tensors by name: the error of each, of its norm, or where that is tiny of the largest norm of all."""
    assert set(values) == set(expected)
    least = 1e-3 * max((value.norm().item() for value in expected.values()), default=0) + 1e-12
    errors = {
        key: (values[key] - expected[key]).norm().item() / max(expected[key].norm().item(), least) for key in values
    }
    assert {key: error for key, error in errors.items() if not error <= tolerance} == {}


def as_double(net: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor]:
    """Both in double precision."""
    return net.double(), x.double()


def channels_last(net: nn.Module) -> nn.Module:
    """The network with the weights of its convolutions in that memory format."""
    for submodule in net.modules():
        if isinstance(submodule, nn.Conv2d):
            submodule.to(memory_format=torch.channels_last)
    return net
