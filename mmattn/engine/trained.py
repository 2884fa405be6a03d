"""A trained model: built from a config, with the weights of a checkpoint, in eval mode on a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from torch import nn

from mmattn.errors import UserError, kind_and_text
from mmattn.inference import prepare
from mmattn.weights.loading import load_weights

from .launch import register_modules
from .loading import one_reader
from .quiet import quiet
from .scope import scope_of


@dataclass(frozen=True)
class Trained:
    """A trained model and what its checkpoint says about it.

    Args:
        model: Model of an mmdet, mmpretrain or mmseg config in eval mode, its data preprocessor included.
        classes: Names of the classes that the model was trained on; None where the checkpoint does not hold them.
        palette: RGB colours of the classes, as mmseg's checkpoints hold them; None in others.
    """

    model: nn.Module
    classes: tuple[str, ...] | None
    palette: tuple[tuple[int, int, int], ...] | None = None


@one_reader()  # for models that load another while they are built
def load_trained(cfg: Config, checkpoint: str | Path, device: str = 'cpu', *, prepared: bool = False) -> Trained:
    """Builds the model of a config and loads all its weights.

    The library of the config is imported, and its scope becomes mmengine's default scope. SyncBatchNorm becomes
    BatchNorm, which one process computes alike.

    Args:
        cfg: Config of mmdet, mmpretrain or mmseg.
        checkpoint: Path or address of the weights.
        device: Device of the model: 'cpu', 'cuda', 'cuda:1', …
        prepared: Whether a model on a CPU is prepared for inference (`mmattn.prepare`): faster, and equal up to
            rounding; for predictions only, without gradients.

    Raises:
        UserError: The library of the config is missing, its model cannot be built, or the checkpoint is missing,
            damaged, or of another model.
    """
    register_modules(cfg)
    init_default_scope(scope_of(cfg))
    settings = dict(cfg.model)
    if cfg.get('data_preprocessor') is not None:  # where mmpretrain's configs have it
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    try:
        with quiet():
            model = revert_sync_batchnorm(MODELS.build(settings))
    except Exception as error:  # noqa: BLE001  a constructor may raise anything
        raise UserError(
            f'the model of {cfg.filename} cannot be built ({kind_and_text(error)}); correct it there'
        ) from error
    try:
        content = load_weights(model, checkpoint)
    except FileNotFoundError as error:
        raise UserError(f"no checkpoint at '{checkpoint}'; name another") from error
    model.to(device)
    model.eval()
    if prepared and torch.device(device).type == 'cpu':
        model = prepare(model)
    meta = content.get('meta') or {}
    return Trained(model, classes_of(meta), _palette_of(meta))


def classes_of(meta: dict) -> tuple[str, ...] | None:
    """Class names by any of the keys under which mmdet and mmpretrain have kept them."""
    for place in (meta.get('dataset_meta'), meta):
        found = place.get('classes', place.get('CLASSES')) if isinstance(place, dict) else None
        if found is not None:
            return tuple(found)
    return None


def _palette_of(meta: dict) -> tuple[tuple[int, int, int], ...] | None:
    about: Any = meta.get('dataset_meta')
    try:
        return tuple((int(red), int(green), int(blue)) for red, green, blue in about['palette']) or None
    except (TypeError, KeyError, ValueError):  # none, or the name of one
        return None
