"""Complexity of a config's network: parameters and MACs, in all, by part, and by slot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mmengine.config import Config
from torch import nn

from mmattn.engine.kinds import Kind, kind_of
from mmattn.engine.launch import load_network_config
from mmattn.engine.quiet import quiet
from mmattn.errors import explained

from . import networks
from .counter import RULE, MultiplyAdds
from .forward import ForwardPass, run_forward

SLOTS = ('spatial', 'attn', 'depth_attn', 'plugins')


@dataclass(frozen=True)
class Part:
    """A part of a network: its parameters (all, and those with gradients) and MACs."""

    name: str
    parameters: int
    trainable: int
    multiply_adds: int

    @classmethod
    def of(cls, name: str, module: nn.Module, multiply_adds: int) -> Part:
        parameters = list(module.parameters())
        return cls(
            name,
            sum(p.numel() for p in parameters),
            sum(p.numel() for p in parameters if p.requires_grad),
            multiply_adds,
        )


@dataclass(frozen=True)
class Slot:
    """What the modules in one slot of the trunk cost, over the same trunk with the slot empty.

    Both are differences; a spatial module's may be negative, because it replaces a 3x3 convolution.
    """

    slot: str
    modules: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Complexity:
    """Size of a network.

    Attributes:
        config: Path of the config.
        network: Name of the model's class.
        kind: 'classifier', 'detector' or 'segmentor'.
        shape: Height and width of the image.
        parameters: Number of parameters of the whole model, shared ones once.
        trainable: Number of those that get gradients: not the frozen stages.
        multiply_adds: MACs by the counting rule, `mmattn.analysis.complexity.RULE`.
        parts: Backbone, neck, heads; they add up to the whole.
        stages: Stem and stages of the backbone.
        slots: Modules in the trunk's slots; none for a backbone of another library.
        uncounted: Modules (and parameters of no module) with which nothing was computed in the forward pass, so that
            their MACs are not in the figures, by their full names.
    """

    config: str
    network: str
    kind: Kind
    shape: tuple[int, int]
    parameters: int
    trainable: int
    multiply_adds: int
    parts: tuple[Part, ...]
    stages: tuple[Part, ...]
    slots: tuple[Slot, ...]
    uncounted: tuple[Part, ...]

    @property
    def used(self) -> int:
        """Number of parameters that the forward pass for a prediction computes something with."""
        return self.parameters - sum(part.parameters for part in self.uncounted)

    def as_dict(self) -> dict:
        return {**asdict(self), 'rule': RULE}


def measure(config: str | Path, shape: tuple[int, int] | None = None, slots: bool = True) -> Complexity:
    """Measures the network of a config, without its weights.

    Args:
        config: Path of a config of mmdet, mmpretrain or mmsegmentation.
        shape: Height and width of the image; None: 800 x 1280 for detectors, the config's for others.
        slots: Whether to measure what each slot costs, for which the backbone is built again without it.

    Raises:
        UserError: The config cannot be read or built, or its network does not run.
    """
    with explained(f'the network of {config} cannot be counted'):
        return _measure(config, shape, slots)


def _measure(config: str | Path, shape: tuple[int, int] | None, slots: bool) -> Complexity:
    cfg = load_network_config(config)
    model = networks.build(cfg.model, cfg)
    kind = kind_of(model)
    height, width = shape or networks.input_shape(cfg, kind)
    shape = height, width
    found = run_forward(cfg, shape, model)
    whole = Part.of('all', found.model, found.total)
    return Complexity(
        config=str(config),
        network=type(model).__name__,
        kind=kind,
        shape=shape,
        parameters=whole.parameters,
        trainable=whole.trainable,
        multiply_adds=whole.multiply_adds,
        parts=tuple(_parts(found, whole)),
        stages=tuple(
            stage
            for stage in (
                Part.of(name, module, found.modules[f'backbone.{name}']) for name, module in found.stages.items()
            )
            if stage.parameters or stage.multiply_adds
        ),
        slots=tuple(_slots(cfg, model.get_submodule('backbone'), shape)) if slots else (),
        uncounted=tuple(_unused(found.model, found.used)),
    )


def _parts(found: ForwardPass, whole: Part) -> Iterator[Part]:
    """The parts that cost something or ran, and what is in none of them."""
    parts = [
        Part.of(name, module, found.modules[name])
        for name, module in found.parts.items()
        if any(True for _ in module.parameters()) or found.modules[name] or name in found.ran and '.' not in name
    ]
    yield from parts
    rest = [
        getattr(whole, field) - sum(getattr(part, field) for part in parts)
        for field in ('parameters', 'trainable', 'multiply_adds')
    ]
    if any(rest):
        yield Part('other', *rest)


def _unused(module: nn.Module, used: set[int], name: str = '') -> Iterator[Part]:
    """The outermost modules no parameter of which was used, and single parameters that were not."""
    parameters = list(module.parameters())
    if parameters and not any(id(parameter) in used for parameter in parameters):
        yield Part.of(name, module, 0)
        return
    prefix = f'{name}.' if name else ''
    for own, parameter in module.named_parameters(prefix=name, recurse=False):
        if id(parameter) not in used:
            yield Part(own, parameter.numel(), parameter.numel() * parameter.requires_grad, 0)
    for child, inner in module.named_children():
        yield from _unused(inner, used, prefix + child)


def _slots(cfg: Config, backbone: nn.Module, shape: tuple[int, int]) -> Iterable[Slot]:
    if not type(backbone).__module__.startswith('mmattn.'):
        return
    full = _backbone(backbone, shape)
    inner = networks.inner_backbone(cfg.model.backbone)
    without = {slot: {**inner, slot: None} for slot in SLOTS} if inner is cfg.model.backbone else {'attn': inner}
    for slot, config in without.items():
        empty = networks.build(config, cfg)
        modules = _added(backbone, empty)
        if modules:
            trunk = _backbone(empty, shape)
            yield Slot(slot, modules, full.parameters - trunk.parameters, full.multiply_adds - trunk.multiply_adds)


def _backbone(backbone: nn.Module, shape: tuple[int, int]) -> Part:
    with quiet(), MultiplyAdds() as count:
        backbone(networks.image(backbone, shape))
    return Part.of('backbone', backbone, count.total)


def class_and_groups(module: nn.Module) -> tuple[type, int | None]:
    """Class of a module and, of a convolution, its groups: what tells apart the modules that a slot may hold."""
    return type(module), getattr(module, 'groups', None)


def _added(full: nn.Module, empty: nn.Module) -> str:
    """The classes of the outermost modules that `full` has and `empty` has not, or has of another class."""
    others = {name: class_and_groups(module) for name, module in empty.named_modules()}
    added: dict[str, str] = {}
    for name, module in full.named_modules():
        if isinstance(module, nn.ModuleDict):  # names modules, and is none
            continue
        if others.get(name) != class_and_groups(module) and not any(name.startswith(outer) for outer in added):
            added[f'{name}.'] = type(module).__name__
    return ', '.join(sorted(set(added.values())))
