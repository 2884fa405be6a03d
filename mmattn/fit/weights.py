"""Weights that a backbone begins with: a file, torchvision's where they can be had, or random ones."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import torch
from mmengine.registry import MODELS
from mmengine.runner.checkpoint import get_torchvision_models

from mmattn.engine.quiet import silent
from mmattn.errors import UserError, one_line
from mmattn.weights.loading import read_checkpoint
from mmattn.weights.matching import count_loaded, fill, without_prefix

from .backbones import takes_torchvision
from .choice import Choice

AUTO, NONE = 'auto', 'none'
# Seconds that a server has to answer.
PATIENCE = 3


def choose_weights(wanted: str, backbone: dict, size: str) -> Choice:
    """The ``init_cfg`` of a backbone, None for random weights.

    Args:
        wanted: 'auto' for torchvision's weights where they fit and can be had, 'none' for random ones, or the path of
            a checkpoint.
        backbone: Settings of the backbone at its own width.
        size: 'thin' or 'full', the width of the network.

    Raises:
        UserError: The checkpoint is missing, damaged, or holds no weights.
    """
    if wanted == NONE:
        return Choice('weights', None, 'as asked for', 'random')
    if wanted != AUTO:
        return _from_file(wanted)
    if size == 'thin':
        return Choice('weights', None, 'pretrained weights fit the full width alone (--size full)', 'random')
    if not takes_torchvision(backbone):
        return Choice('weights', None, "torchvision's do not fit this backbone; give a file with --weights", 'random')
    name = f'resnet{backbone["depth"]}'
    address = get_torchvision_models()[name]
    settings = dict(type='Pretrained', checkpoint=f'torchvision://{name}')
    if Path(torch.hub.get_dir(), 'checkpoints', Path(address).name).is_file():
        return Choice('weights', settings, "torchvision's, which are here already", name)
    why = _unreachable(address)
    if why is None:
        return Choice('weights', settings, "torchvision's, which will be fetched", name)
    return Choice(
        'weights', None, f"torchvision's are not here and cannot be fetched ({why}); --weights takes a file", 'random'
    )


def _from_file(path: str) -> Choice:
    if not Path(path).is_file():
        raise UserError(f"no weights at '{path}'; correct --weights, or leave it out")
    keys = read_checkpoint(path)['state_dict']
    prefix = 'backbone.' if any(key.startswith('backbone.') for key in keys) else None
    settings = dict(type='Pretrained', checkpoint=str(Path(path).resolve()))
    if prefix:
        settings['prefix'] = prefix
    return Choice('weights', settings, 'as asked for', Path(path).name)


def check_fit(backbone: dict, weights: dict) -> None:
    """Raises UserError if less than half of a checkpoint's weights fit a backbone; torchvision's are known to.

    Args:
        backbone: Settings of the backbone as it will be trained.
        weights: Its ``init_cfg``, with the path of the checkpoint.
    """
    path = weights['checkpoint']
    if path.startswith('torchvision://'):
        return
    with silent():
        built = MODELS.build({**backbone, 'init_cfg': None})
    state = without_prefix(read_checkpoint(path)['state_dict'], weights.get('prefix'))
    loaded = count_loaded(state, fill(built, state, path))
    if 2 * loaded < len(built.state_dict()):
        raise UserError(
            f"the weights '{path}' fit {loaded} of {len(built.state_dict())} tensors of the backbone; give "
            'the --backbone and --size that they are of, or leave --weights out'
        )


def _unreachable(address: str) -> str | None:
    """Why a file cannot be fetched; None if it can."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method='HEAD'), timeout=PATIENCE):
            return None
    except Exception as error:  # noqa: BLE001  the libraries below raise many kinds
        return one_line(error)[:80] or type(error).__name__
