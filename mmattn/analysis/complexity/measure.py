"""Complexity of a config's network: parameters and MACs, in all, by part, and by slot."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from mmengine.config import Config
from torch import nn

from mmattn.engine.launch import load_network_config
from mmattn.engine.quiet import quiet
from mmattn.errors import UserError, kind_and_text

from . import networks
from .counter import RULE, MultiplyAdds

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
        return cls(name, sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad),
                   multiply_adds)


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
        kind: 'detector' or 'classifier'.
        shape: Height and width of the image.
        parameters: Number of parameters of the whole model, shared ones once.
        trainable: Number of those that get gradients: not the frozen stages.
        multiply_adds: MACs by the counting rule, `mmattn.analysis.complexity.RULE`.
        parts: Backbone, neck, heads; they add up to the whole.
        stages: Stem and stages of the backbone.
        slots: Modules in the trunk's slots; none for a backbone of another library.
    """

    config: str
    network: str
    kind: str
    shape: tuple[int, int]
    parameters: int
    trainable: int
    multiply_adds: int
    parts: tuple[Part, ...]
    stages: tuple[Part, ...]
    slots: tuple[Slot, ...]

    def as_dict(self) -> dict:
        return {**asdict(self), 'rule': RULE}


def measure(config: str | Path, shape: tuple[int, int] | None = None, slots: bool = True) -> Complexity:
    """Measures the network of a config, without its weights.

    Args:
        config: Path of a config of mmdet or mmpretrain.
        shape: Height and width of the image; None: 800 x 1280 for detectors, the config's for classifiers.
        slots: Whether to measure what each slot costs, for which the backbone is built again without it.

    Raises:
        UserError: The config cannot be read or built, or no counting rule is known for its network.
    """
    cfg = load_network_config(config)
    model = networks.build(cfg.model, cfg)
    detector = networks.is_detector(model)
    shape = tuple(shape or networks.input_shape(cfg, detector))
    parts, stages = [], []
    try:
        for name, module, run in networks.run(model, shape):
            children = dict(module.named_children()) if name == 'backbone' else {}
            with quiet(), MultiplyAdds(children) as count:
                run()
            parts.append(Part.of(name, module, count.total))
            stages += [Part.of(child, children[child], n) for child, n in count.modules.items()]
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as e:
        raise UserError(f'{name} of {config} does not run on an image of {shape[0]} x {shape[1]}: '
                        f'{kind_and_text(e)}') from e
    whole = Part.of('all', model, sum(part.multiply_adds for part in parts))
    return Complexity(
        config=str(config), network=type(model).__name__, kind='detector' if detector else 'classifier', shape=shape,
        parameters=whole.parameters, trainable=whole.trainable, multiply_adds=whole.multiply_adds, parts=tuple(parts),
        stages=tuple(s for s in stages if s.parameters or s.multiply_adds),
        slots=tuple(_slots(cfg, model.backbone, shape)) if slots else ())


def _slots(cfg: Config, backbone: nn.Module, shape: tuple[int, int]) -> Iterable[Slot]:
    if not str(cfg.model.backbone.type).startswith('mmattn.'):
        return
    full = _backbone(backbone, shape)
    inner = networks.inner_backbone(cfg.model.backbone)
    without = ({slot: {**inner, slot: None} for slot in SLOTS} if inner is cfg.model.backbone else
               {'attn': inner})
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


def kind_of(module: nn.Module) -> tuple[type, int | None]:
    """Class of a module and, of a convolution, its groups: what tells apart the modules that a slot may hold."""
    return type(module), getattr(module, 'groups', None)


def _added(full: nn.Module, empty: nn.Module) -> str:
    """The classes of the outermost modules that `full` has and `empty` has not, or has of another class."""
    others = {name: kind_of(module) for name, module in empty.named_modules()}
    added = {}
    for name, module in full.named_modules():
        if isinstance(module, nn.ModuleDict):  # names modules, and is none
            continue
        if others.get(name) != kind_of(module) and not any(name.startswith(outer) for outer in added):
            added[f'{name}.'] = type(module).__name__
    return ', '.join(sorted(set(added.values())))
