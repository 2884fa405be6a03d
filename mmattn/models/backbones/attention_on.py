"""Attention behind chosen modules of any backbone, neck or head, its keys untouched."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import partial

from mmengine.model import BaseModule, ModuleDict
from torch import Tensor, nn

from mmattn.registry import MODELS
from mmattn.weights.pretrained import init_weights

from ..blocks.slots import fill_slot
from .outputs import map_channels, output_shapes

# Height and width of the first feature map with which a head is tried; each other has half of the one before.
SIDE = 56


class AttendOutput:
    """Forward hook that passes the output of a module through `attention`."""

    def __init__(self, attention: nn.Module) -> None:
        self.attention = attention

    def __call__(self, module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        return self.attention(output)


class HooksByName:
    """Forward pre-hook of a module that keeps hooks on modules inside it, by their names there.

    A conversion to SyncBatchNorm, and back, puts other modules there, without the hooks. It keeps its handle, so that
    hooks registered after unpickling do not take its place or that of a hook before it.
    """

    def __init__(self, outer: nn.Module, hooks: dict[str, AttendOutput]) -> None:
        self.hooks = hooks
        self(outer)
        self.handle = outer.register_forward_pre_hook(self)

    def __call__(self, outer: nn.Module, args: tuple = ()) -> None:
        for name, hook in self.hooks.items():
            module = outer.get_submodule(name)
            if hook not in module._forward_hooks.values():
                module.register_forward_hook(hook)


@MODELS.register_module(name='AttentionOn')
def attention_on(
    backbone: dict,
    attn: dict | str,
    at: str | Sequence[str],
    min_channels: int = 1,
    feature_channels: Sequence[int] | None = None,
) -> nn.Module:
    """Builds a backbone of any library and puts an attention module behind each of the chosen modules.

    A neck or a head, as the decode head of mmsegmentation, is built in the same way, with `feature_channels`.

    What is returned is the backbone itself, of its own class: its attributes, its ``train()``, its freezing and the
    keys of its state_dict are as they were, so that checkpoints of the plain backbone load, by ``init_cfg`` too, and
    names in ``paramwise_cfg`` hold. The attention modules are its child ``attention``, with the keys
    ``attention.<name of the module, '_' for '.'>.…``; forward hooks call them, inside a module's recomputation
    (``with_cp``) too. A stage that the backbone freezes stays frozen; the attention behind it is trained.

    Args:
        backbone: Config of the backbone, its type with the scope: 'mmpretrain.MobileNetV2'.
        attn: Config or type of the attention, ``cls(in_channels, **options)``. ``identity_init=True`` lets a
            pretrained backbone start as what it was.
        at: Shell-style pattern, or several, of names as ``named_modules()`` has them and
            ``python tools/complexity.py CONFIG --modules`` lists them, of the decode head of a segmentor too; '*'
            matches dots.
        min_channels: Least number of output channels; of the modules that match, others get no attention.
        feature_channels: For a neck or head in place of a backbone: number of channels of each feature map that it
            takes, [256, 512, 1024, 2048] behind a ResNet-50 with all its stages as outputs.

    Raises:
        ValueError: no module matches, none has enough channels, the output of one that matches is no feature map
            (N, C, H, W), or a neck or head is given without `feature_channels`, or with others than its own.

    Examples:
        >>> net = MODELS.build(dict(
        ...     type='mmattn.AttentionOn', backbone=dict(type='mmpretrain.MobileNetV2'), at='layer*.conv.1',
        ...     attn=dict(type='mmattn.EMA', identity_init=True), min_channels=145))
    """
    network = MODELS.build(backbone)
    shapes = _shapes(network, backbone.get('in_channels', 3), feature_channels)
    channels = _channels(network, shapes, [at] if isinstance(at, str) else list(at), min_channels)
    if hasattr(network, 'attention'):
        raise ValueError(f"{type(network).__name__} has a member 'attention' already, the name that AttentionOn needs")
    network.attention, hooks = ModuleDict(), {}
    for name, count in channels.items():
        attention = fill_slot('attn', attn, in_channels=count)
        network.attention[name.replace('.', '_')] = attention
        hooks[name] = AttendOutput(attention)
    HooksByName(network, hooks)
    if feature_channels:  # libraries may call a head's forward, which goes around its own hooks
        _keep_by_inner(network, hooks)
    if isinstance(network, BaseModule):
        # an attribute of this one backbone, as its class stays its own
        network.init_weights = partial(_init_weights, network)
    return network


def _keep_by_inner(network: nn.Module, hooks: dict[str, AttendOutput]) -> None:
    """Has each module that one with a hook is in keep that hook too."""
    inner: dict[str, dict[str, AttendOutput]] = {}
    for name, hook in hooks.items():
        parts = name.split('.')
        for length in range(1, len(parts)):
            inner.setdefault('.'.join(parts[:length]), {})['.'.join(parts[length:])] = hook
    for name, its_hooks in inner.items():
        HooksByName(network.get_submodule(name), its_hooks)


def _init_weights(network: BaseModule) -> None:
    """The backbone's own, but a checkpoint is loaded with a line that says what was."""
    init_weights(network, partial(type(network).init_weights, network))


def _shapes(
    network: nn.Module, image_channels: object, feature_channels: Sequence[int] | None
) -> dict[str, set[tuple[int, ...] | str]]:
    try:
        if feature_channels:
            sides = (SIDE // 2**level or 1 for level in range(len(feature_channels)))
            return output_shapes(network, feature_maps=[(c, side, side) for c, side in zip(feature_channels, sides)])
        return output_shapes(network, image_channels if isinstance(image_channels, int) else 3)
    except Exception as error:
        taken = f'feature maps of {list(feature_channels)} channels' if feature_channels else 'an image'
        raise ValueError(
            f'{type(network).__name__} does not run on {taken} ({error}); for a neck or head give '
            'feature_channels=[…], the channels of all feature maps that the backbone hands on'
        ) from error


def _channels(
    network: nn.Module, shapes: dict[str, set[tuple[int, ...] | str]], patterns: list[str], min_channels: int
) -> dict[str, int]:
    """Names of the modules that get attention, and their channels."""
    feature_channels = {name: map_channels(found) for name, found in shapes.items()}
    attachable = [name for name, count in feature_channels.items() if count and name]
    chosen = {}
    for pattern in patterns:
        matched = [name for name, _ in network.named_modules() if name and fnmatchcase(name, pattern)]
        if not matched:
            raise ValueError(f'no module of {type(network).__name__} is named {pattern!r}{_near(pattern, attachable)}')
        for name in matched:
            count = feature_channels.get(name)
            if count is None:
                raise ValueError(
                    f'{name!r}, which {pattern!r} matches, {_output(shapes.get(name))}, not one feature '
                    f'map (N, C, H, W){_near(name, attachable)}'
                )
            chosen[name] = count
    enough = {name: count for name, count in chosen.items() if count >= min_channels}
    if not enough:
        raise ValueError(
            f'of the {len(chosen)} modules that {", ".join(map(repr, patterns))} matches none has '
            f'{min_channels} channels or more; the most are {max(chosen.values())}'
        )
    return enough


def _output(shapes: set[tuple[int, ...] | str] | None) -> str:
    return f'returns {" and ".join(sorted(map(str, shapes)))}' if shapes else 'is never called'


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.3)
    return f'; near it: {", ".join(near)}' if near else ''
