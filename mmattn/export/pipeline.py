"""The test pipeline and data preprocessor of a config as what prepares images in a file, or before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mmengine.config import Config
from torch import Tensor

from mmattn.analysis.runs.tested_data import transforms_of
from mmattn.engine.kinds import kind_of
from mmattn.engine.types import type_name
from mmattn.errors import UserError
from mmattn.export import steps
from mmattn.export.pixels import Pixels


def pixels_of(cfg: Config, model: Any, resized: bool = True) -> Pixels:
    """What a config does to an image before the network.

    Args:
        cfg: Config of the model.
        model: Its model.
        resized: Whether the steps of the test pipeline are in it, or only normalisation and padding.

    Raises:
        UserError: The test pipeline has a step that cannot be exported.
    """
    _check_reading(cfg)
    pre = model.data_preprocessor
    swapped = bool(getattr(pre, '_channel_conversion', False) or getattr(pre, 'to_rgb', False))
    normalised = getattr(pre, '_enable_normalize', False)
    count = 3
    mean = pre.mean.flatten().tolist() if normalised else [0.0] * count
    std = pre.std.flatten().tolist() if normalised else [1.0] * count
    return Pixels(
        _steps(cfg) if resized else (),
        mean,
        std,
        blue_first=_loads_blue_first(cfg) != swapped,
        # Segmentors pad in their graph, which cuts the padding off again.
        divisor=1 if kind_of(model) == 'segmentor' else getattr(pre, 'pad_size_divisor', 1),
        pad_value=float(getattr(pre, 'pad_value', 0)),
    )


def before_of(cfg: Config) -> tuple[dict, ...]:
    """The test pipeline as steps for who runs the file, where it resizes with Pillow; empty where the graph can do it.

    Args:
        cfg: Config of the model.

    Raises:
        UserError: The test pipeline has a step that neither can do.
    """
    transforms = _transforms(cfg)
    if not any(transform.get('backend') == 'pillow' for _, transform in transforms):
        return ()
    found = []
    for name, transform in transforms:
        if name == 'ResizeEdge' and transform.get('backend') == 'pillow':
            edge, kind = transform.get('edge', 'short'), transform.get('interpolation', 'bilinear')
            found.append(dict(type='resize edge', edge=edge, length=transform['scale'], interpolation=kind))
        elif isinstance(step := _step(name, transform), steps.CenterCrop):
            found.append(dict(type='center crop', height=step.height, width=step.width))
        else:
            raise _refusal(cfg, name, transform)
    return tuple(found)


def _transforms(cfg: Config) -> list[tuple[str, dict]]:
    """The steps of the test pipeline between loading and packing, with their names."""
    found = [(type_name(transform), transform) for transform in transforms_of(cfg)]
    return [(name, transform) for name, transform in found if not name.startswith(('Load', 'Pack'))]


def _loads_blue_first(cfg: Config) -> bool:
    """Whether the pipeline's images have blue first, as mmcv's reader has them; CIFAR's have red first."""
    return any(type_name(step) == 'LoadImageFromFile' for step in transforms_of(cfg))


def _check_reading(cfg: Config) -> None:
    """Refuses readers of images whose pixels are not 8 bits of three colours."""
    for transform in transforms_of(cfg):
        name = type_name(transform)
        for key, usual in (('to_float32', False), ('color_type', 'color')):
            if name.startswith('LoadImage') and transform.get(key, usual) != usual:
                raise UserError(f'{name} with {key}={transform[key]!r} of {cfg.filename} cannot be exported')


def _steps(cfg: Config) -> Sequence[Callable[[Tensor], Tensor]]:
    found = []
    for name, transform in _transforms(cfg):
        step = _step(name, transform)
        if step is None:
            raise _refusal(cfg, name, transform)
        found.append(step)
    return found


def _refusal(cfg: Config, name: str, options: dict) -> UserError:
    given = [f'{key}={options[key]!r}' for key in ('interpolation', 'backend') if key in options]
    return UserError(
        f'the step {name}{" with " if given else ""}{", ".join(given)} of the test pipeline of {cfg.filename} cannot '
        'be exported; --no-resize exports the network alone, which takes images that are prepared so'
    )


def _step(name: str, options: dict) -> Callable[[Tensor], Tensor] | None:
    if options.get('interpolation', 'bilinear') != 'bilinear' or options.get('backend', 'cv2') != 'cv2':
        return None
    if name == 'Resize' and options.get('keep_ratio') and isinstance(options.get('scale'), tuple):
        return steps.FitInside(max(options['scale']), min(options['scale']))
    if name == 'Resize' and not options.get('keep_ratio') and options.get('scale') is not None:
        scale = options['scale']
        width, height = (scale, scale) if isinstance(scale, int) else scale
        return steps.Resize(height, width)
    if name == 'ResizeEdge':
        return steps.ResizeEdge(options.get('edge', 'short'), options['scale'])
    if name == 'CenterCrop' and not options.get('auto_pad'):
        size = options['crop_size']
        width, height = (size, size) if isinstance(size, int) else size
        return steps.CenterCrop(height, width)
    if name == 'Pad' and options.get('pad_to_square') and options.get('size_divisor') is None:
        value = options.get('pad_val', 0)
        value = value.get('img', 0) if isinstance(value, dict) else value
        values = {float(one) for one in (value if isinstance(value, (tuple, list)) else [value])}
        return steps.PadToSquare(int(values.pop())) if len(values) == 1 else None
    return None
