"""Whether a checkpoint is of the training that a config describes."""

from __future__ import annotations

import hashlib
import json

from mmengine.config import Config

# What a training may go on with after a change, with a warning, and what makes it another training.
CHANGEABLE = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler')
FIXED = ('model',)


def digests(cfg: Config) -> dict[str, str]:
    """A hash of each part of a config that decides what a training does, by its key."""
    plain = cfg.to_dict()
    return {
        key: hashlib.sha256(json.dumps(plain.get(key), sort_keys=True, default=str).encode()).hexdigest()[:16]
        for key in (*FIXED, *CHANGEABLE)
    }


def changed(before: dict[str, str], now: dict[str, str]) -> tuple[list[str], list[str]]:
    """Keys of `FIXED`, and keys of `CHANGEABLE`, whose digests differ; none where the checkpoint has no digests."""
    if not before:
        return [], []
    fixed, changeable = ([key for key in keys if before.get(key) != now[key]] for keys in (FIXED, CHANGEABLE))
    return fixed, changeable
