"""Backbones by the names of ``--backbone``, those of ``configs/_base_/backbones``, in the width and norm of a run."""

from __future__ import annotations

import copy

from mmengine.config import Config
from mmengine.registry import MODELS

from mmattn.engine.quiet import silent
from mmattn.errors import UserError
from mmattn.shipped import CONFIGS

BACKBONES = CONFIGS / '_base_' / 'backbones'
DEFAULT = 'sda-resnet50'
# Of a thin network, until the first that its groups allow: channels of its first stage, a quarter of the usual 64
# (None: its own), and groups of GroupNorm.
THIN_WIDTHS, NORM_GROUPS = (16, 32, None), (8, 4, 2)

# Named backbones as the trunk of ResNet, whose weights torchvision has, with attention in a slot; SDAResNet has groups.
PLAIN = {
    'mmattn.SDAResNet': dict(depth_attn='mmattn.SDA'),
    'mmattn.EMAResNet': dict(attn='mmattn.EMA'),
    'mmattn.SPEMResNet': dict(attn='mmattn.SPEM'),
}


def names() -> list[str]:
    """Names of the backbones for photographs; those for images of 32 x 32 pixels are left out."""
    found = []
    for path in sorted(BACKBONES.glob('*.py')):
        if read(path.stem).get('stem') != 'cifar':
            found.append(path.stem.replace('_', '-'))
    return found


def read(name: str) -> dict:
    """Settings of a backbone.

    Args:
        name: Name as of `names`, for instance 'sda-resnet50'.

    Raises:
        UserError: There is none of this name.
    """
    path = BACKBONES / f'{name.replace("-", "_")}.py'
    if not path.is_file():
        raise UserError(f'--backbone {name} is none that there is; give one of {", ".join(names())}')
    return Config.fromfile(path).backbone.to_dict()


def takes_torchvision(backbone: dict) -> bool:
    """Whether torchvision's ResNet weights fit, all but those of attention modules.

    Args:
        backbone: Settings of a backbone, as `read` returns them.
    """
    known = backbone.get('type') in ('mmattn.AttnResNet', *PLAIN) and not isinstance(backbone.get('depth_attn'), list)
    return known and backbone.get('depth') in (50, 101) and not backbone.keys() & {'spatial', 'deep_stem', 'avg_down'}


def with_identity_start(backbone: dict) -> dict:
    """The backbone whose attention modules compute the identity at first, so that pretrained weights keep their worth.

    Args:
        backbone: Settings of a backbone that `takes_torchvision`.
    """
    found = {**PLAIN.get(backbone['type'], {}), **copy.deepcopy(backbone), 'type': 'mmattn.AttnResNet'}
    for slot in ('attn', 'depth_attn'):
        if found.get(slot):
            found[slot] = _starting_as_identity(found[slot])
    return found


def _starting_as_identity(module: str | dict | list) -> dict | list:
    if isinstance(module, list):  # one for each stage
        return [_starting_as_identity(each) for each in module]
    return {**(dict(type=module) if isinstance(module, str) else module), 'identity_init': True}


def for_pixels(backbone: dict, pretrained: bool) -> dict:
    """The backbone with an output of stride 16, for a segmentor: dilated convolutions in the last stage, no stride.

    With random weights three 3x3 convolutions are its stem in place of one of 7x7: on the nuclei of the demo mIoU is
    0.86 after 224 iterations, and without them such a network predicts nothing but background until then.

    Args:
        backbone: Settings of a backbone.
        pretrained: Whether it begins with weights, to which the stem belongs.
    """
    first = 2 if backbone.get('stem_pool') is False else 1
    stem = {} if pretrained else dict(deep_stem=True)
    return {**backbone, 'strides': (first, 2, 2, 1), 'dilations': (1, 1, 1, 2), **stem}


def thin(backbone: dict, norm: str) -> dict:
    """The backbone at a quarter of its width, or as thin as its groups allow.

    Args:
        backbone: Settings of a backbone.
        norm: 'GN' or 'BN'.

    Raises:
        UserError: It cannot be built.
    """
    widths = [dict(base_channels=width) if width else {} for width in THIN_WIDTHS]
    return _first_that_builds(
        backbone, [dict(width, norm_cfg=cfg) for width in widths for cfg in _norms(norm, NORM_GROUPS)]
    )


def full(backbone: dict, norm: str) -> dict:
    """The backbone at its own width with a norm for trainings from random weights.

    Args:
        backbone: Settings of a backbone.
        norm: 'GN' or 'BN'.

    Raises:
        UserError: It cannot be built.
    """
    return _first_that_builds(backbone, [dict(norm_cfg=cfg) for cfg in _norms(norm, (32, 16, *NORM_GROUPS))])


def _norms(norm: str, groups: tuple[int, ...]) -> list[dict]:
    return [dict(type='GN', num_groups=count) for count in groups] if norm == 'GN' else [dict(type='BN')]


def _first_that_builds(backbone: dict, choices: list[dict]) -> dict:
    for choice in choices:
        found = {**backbone, **choice}
        try:
            with silent():
                MODELS.build(copy.deepcopy(found))
            return found
        except ValueError as error:  # groups that do not divide its channels
            last = error
    raise UserError(
        f'the backbone {backbone.get("type")} cannot be built so small ({last}); give --size full, or '
        'another --backbone'
    )


def channels(backbone: dict) -> list[int]:
    """Number of channels of each feature map that a backbone returns.

    Args:
        backbone: Settings of the backbone.
    """
    with silent():
        return list(MODELS.build(copy.deepcopy(backbone)).out_channels)
