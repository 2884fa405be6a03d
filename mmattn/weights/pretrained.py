"""Pretrained weights, loaded into a backbone with one line that says what was loaded; never nothing in silence.

mmengine loads what fits and lists the rest over many lines of the log; a missing `prefix` loads nothing at all.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmattn.errors import UserError

from .loading import read_checkpoint
from .matching import PLACE, Mismatch, count_loaded, fill, prefix_that_fits, without_prefix


def is_pretrained(init_cfg: dict | list[dict] | None) -> bool:
    """Whether an ``init_cfg`` of mmengine names a checkpoint."""
    return bool(_split(init_cfg)[1])


def init_weights(backbone: BaseModule, initialize: Callable[[], None]) -> frozenset[str]:
    """Initialises a backbone, then loads the checkpoints that its ``init_cfg`` names.

    Args:
        backbone: Backbone whose ``init_cfg`` is followed.
        initialize: mmengine's ``init_weights`` of the backbone, which is called while ``init_cfg`` holds only the
            entries that name no checkpoint.

    Returns:
        Keys of the backbone's state dict that none of the checkpoints has filled, so that they have their initial
        values; none where no checkpoint was loaded: ``init_cfg`` names none, or the backbone was initialised before.

    Raises:
        UserError: A checkpoint cannot be read, or nothing of it fits; see `load_pretrained`.
    """
    if backbone.is_init:
        initialize()
        return frozenset()
    init_cfg = backbone.init_cfg
    backbone.init_cfg, pretrained = _split(init_cfg)
    try:
        initialize()
    finally:
        backbone.init_cfg = init_cfg
    unfilled = []
    for cfg in pretrained:
        differences = load_pretrained(backbone, **{k: v for k, v in cfg.items() if k != 'type'})
        unfilled.append({*differences.missing, *differences.reshaped})
    return frozenset(set.intersection(*unfilled)) if unfilled else frozenset()


def load_pretrained(
    module: nn.Module, checkpoint: str, prefix: str | None = None, map_location: str = 'cpu'
) -> Mismatch:
    """Loads what fits of a checkpoint, and logs in one line what that was and what was left on either side.

    Args:
        module: Module that gets the weights.
        checkpoint: Path or address of the checkpoint, as mmengine takes it ('torchvision://resnet50', 'https://…').
        prefix: Prefix of the keys to load, which is cut off: 'backbone.' for the checkpoint of a classifier or
            detector.
        map_location: Device to which the checkpoint is read, as in ``torch.load``.

    Returns:
        The keys that were not loaded, as the checkpoint lacks them (``missing``) or has them in another shape
        (``reshaped``), and those of the checkpoint that the module lacks (``unexpected``).

    Raises:
        UserError: The checkpoint cannot be read, or no tensor fits; the message names the prefix with which some
            would.
        FileNotFoundError: There is no such file.

    Examples:
        >>> from mmattn import SDAResNet, load_pretrained
        >>> load_pretrained(SDAResNet(depth=86), 'epoch_100.pth', prefix='backbone.').missing
        ()
    """
    state = read_checkpoint(checkpoint, map_location)['state_dict']
    chosen = without_prefix(state, prefix)
    differences = fill(module, chosen, checkpoint)
    name = type(module).__name__
    if not count_loaded(chosen, differences):
        raise UserError(f'no tensor of {checkpoint} fits {name}{_explain(state, module.state_dict(), prefix, chosen)}')

    own = module.state_dict()
    loaded = sum(key not in {*differences.unexpected, *differences.reshaped} for key in chosen)
    parts = [
        f'{name}: loaded {loaded} of {len(chosen)} tensors of {checkpoint}' + (f" under '{prefix}'" if prefix else '')
    ]
    # BatchNorm's counts of batches are not in files from before torch 0.4.1
    missing = tuple(k for k in differences.missing if not k.endswith('num_batches_tracked'))
    if missing:
        parts.append(f'not loaded: {summary(missing)}')
    if differences.reshaped:
        parts.append(
            'of other shape, not loaded: '
            + ', '.join(
                f'{k} {tuple(chosen[k].shape)}, here {tuple(own[k].shape)}' if k in chosen else k
                for k in differences.reshaped
            )
        )
    if differences.unexpected:
        parts.append(f'unused: {summary(differences.unexpected)}')
    print_log('; '.join(parts), 'current', logging.WARNING if differences.reshaped else logging.INFO)
    return replace(differences, missing=missing)


def _split(init_cfg: dict | list[dict] | None) -> tuple[list[dict], list[dict]]:
    """The entries of an init_cfg that name no checkpoint, and those that do."""
    cfgs = [init_cfg] if isinstance(init_cfg, dict) else list(init_cfg or ())
    # a class in configs of pure Python
    names = [getattr(cfg.get('type'), '__name__', cfg.get('type')) for cfg in cfgs]
    pretrained = [name in ('Pretrained', 'PretrainedInit') for name in names]
    return ([cfg for cfg, yes in zip(cfgs, pretrained) if not yes], [cfg for cfg, yes in zip(cfgs, pretrained) if yes])


def _explain(
    state: Mapping[str, Tensor], model: Mapping[str, Tensor], prefix: str | None, chosen: Mapping[str, Tensor]
) -> str:
    """Why nothing fits, and the prefix that would."""
    given = f' with prefix={prefix!r}' if prefix else ''
    best, child, count = prefix_that_fits(state, model)
    if count and not child:
        advice = f'give init_cfg prefix={best!r}' if best else 'leave the prefix out'
        return f'{given}: {advice}, with which {count} do'
    if count:
        cut = f' with prefix={best!r}' if best else ''
        return f'{given}: give it{cut} in the init_cfg of the {child.rstrip(".")}, of which {count} tensors are'
    keys = list(chosen or state)
    return f'{given}: its keys ({", ".join(keys[:3])}, …) are of another network; this one has {next(iter(model))}, …'


def summary(keys: Iterable[str]) -> str:
    """Keys of a backbone in a few words: 'attn of 16 blocks, depth_attn of 4 stages, fc.*'."""
    places: dict[tuple[str, str], set] = {}
    others: Counter[str] = Counter()
    for key in keys:
        match, parts = PLACE.match(key), key.split('.')
        if match:
            kind = 'block' if match['block'] else 'stage'
            places.setdefault((match['slot'], kind), set()).add((match['stage'], match['block']))
        elif parts[0] == 'attention' and len(parts) > 2:
            places.setdefault(('attention', 'module'), set()).add(parts[1])
        else:
            others[f'{parts[0]}.*' if len(parts) > 1 else key] += 1
    return ', '.join(
        [f'{slot} of {len(found)} {kind}{"s" * (len(found) > 1)}' for (slot, kind), found in places.items()]
        + list(others)
    )
