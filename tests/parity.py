"""Reference outputs of the authors' code, and the deterministic weights and images they were made with.

``fixtures/parity.json`` holds, for each network, what the authors' code returned in eval mode for 2 images: the
first 8 logits of each and all logits' standard deviation, and of each stage's output shape, mean, standard
deviation and largest magnitude. Entry i of the authors' state_dict, with n elements and w =
RandomState(i).standard_normal(n), is

    *.num_batches_tracked        0
    *.running_mean               0.1 w
    *.running_var                1 + 0.5 |w|
    *.weight, two or more dims   w * sqrt(2 / fan_in), fan_in = product of shape[1:]
    *.weight, one dim            1 + 0.1 w
    *.bias, one dim              0.1 w
    anything else                0.5 w

in double precision, rounded to single; the images are RandomState(12345).standard_normal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FACTS = json.loads((Path(__file__).parent / 'fixtures' / 'parity.json').read_text())


def weights(shapes: Mapping[str, Iterable[int]]) -> dict[str, Tensor]:
    """The state_dict whose keys, in order, and shapes are these."""
    return {key: _entry(key, tuple(shape), i) for i, (key, shape) in enumerate(shapes.items())}


def images(shape: Iterable[int]) -> Tensor:
    return _normal(12345, tuple(shape)).float()


def authors_order(keys: Iterable[str]) -> list[str]:
    """Keys in the authors' layout, in their order: SPEM's parameters lead a block, EMA's module ends it."""
    keys = list(keys)
    places = {}
    for i, key in enumerate(keys):
        places.setdefault(_block(key), i)
    return sorted(keys, key=lambda k: (places[_block(k)], _rank(k)))


def _block(key: str) -> str:
    parts = key.split('.')
    return '.'.join(parts[:2]) if parts[0].startswith('layer') else key


def _rank(key: str) -> int:
    name = key.split('.')[2:3]
    return 0 if name and name[0] in ('w1', 'b1', 'w2', 'b2', 'p') else 2 if name == ['nam'] else 1


def _normal(seed: int, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape))


def _entry(key: str, shape: tuple[int, ...], i: int) -> Tensor:
    leaf = key.rpartition('.')[-1]
    if leaf == 'num_batches_tracked':
        return torch.zeros(shape, dtype=torch.long)
    w = _normal(i, shape)
    if leaf == 'running_mean' or (leaf == 'bias' and len(shape) == 1):
        w = 0.1 * w
    elif leaf == 'running_var':
        w = 1 + 0.5 * w.abs()
    elif leaf == 'weight':
        w = w * math.sqrt(2 / math.prod(shape[1:])) if len(shape) > 1 else 1 + 0.1 * w
    else:
        w = 0.5 * w
    return w.float()
