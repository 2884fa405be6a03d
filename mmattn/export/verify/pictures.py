"""Images to compare on: the validation images of a config or, where they are not there, those of the demo."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from PIL import Image

from mmattn.analysis.evaluation.checkpoint_predictions import images_to_predict
from mmattn.engine.preflight import DOWNLOADED, datasets_in
from mmattn.engine.types import type_name
from mmattn.errors import UserError
from mmattn.shipped import ROOT

# Height and width over the usual side of an image: square, odd, portrait, landscape, small, large.
SHAPES = ((1, 1), (1.005, 1.34), (1.34, 1.005), (0.6, 0.8), (0.75, 1.5), (1.6, 0.9))


def validation_set(cfg: Config) -> Any:
    """The validation data of a config, which are not downloaded for a comparison.

    Raises:
        UserError: They are missing.
    """
    cfg = copy.deepcopy(cfg)
    for _, dataset in datasets_in((cfg.get('val_dataloader') or {}).get('dataset'), ''):
        if type_name(dataset) in DOWNLOADED:
            dataset['download'] = False
    try:
        return images_to_predict(cfg, one_by_one=True).dataset
    except RuntimeError as error:  # of data sets that could be downloaded
        raise UserError(f'the validation data are missing: {error}') from error


def demo_pictures() -> list[Path]:
    """Images of the quick start, which every installation has."""
    return sorted((ROOT / 'demo' / 'nuclei_mini' / 'images').iterdir())


def sized_pictures(side: int, count: int) -> Iterator[list[np.ndarray]]:
    """Images of the demo in each of the sizes `SHAPES`, one after the other.

    Args:
        side: Usual side of an image in pixels.
        count: Number of images of each size.

    Returns:
        For each size the images, (H, W, 3), RGB, uint8.
    """
    pictures = [Image.open(path).convert('RGB') for path in demo_pictures()[:count]]
    for tall, wide in SHAPES:
        size = max(8, round(wide * side)), max(8, round(tall * side))
        yield [np.asarray(picture.resize(size)) for picture in pictures]


def spread(count: int, limit: int | None) -> list[int]:
    """Indices of at most `limit` of `count` images, evenly over all of them."""
    if limit is None or count <= limit:
        return list(range(count))
    return np.linspace(0, count - 1, limit).round().astype(int).tolist()
