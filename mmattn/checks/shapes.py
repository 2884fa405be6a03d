"""Shapes of images as a pipeline leaves them, where a loader stacks them to a batch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from mmattn.data.images import read_size
from mmattn.errors import UserError

from .samples import spread
from .unchanged import unchanged

# Images whose headers are read at most, the time after which no further one is, and the sizes that are tried.
IMAGES, SECONDS, SIZES = 2000, 1.0, 3


def check_shapes(loader: DataLoader, split: str) -> None:
    """Raises UserError if images of different sizes leave the pipeline as different shapes and come into one batch.

    Args:
        loader: Loader of the split; of those that do not stack images, as a detector's, nothing is read.
        split: Name of the split, for the message.
    """
    collate = getattr(loader.collate_fn, 'func', loader.collate_fn)
    size: Any = loader.batch_size or getattr(loader.batch_sampler, 'batch_size', 1)
    if (
        getattr(collate, '__name__', '') != 'default_collate'
        or size < 2
        or not hasattr(loader.dataset, 'get_data_info')
    ):
        return
    paths = _of_other_sizes(loader)
    if len(paths) < 2:
        return
    shapes: dict[tuple[int, ...], str] = {}
    with unchanged():
        for index, path in paths.items():
            try:
                inputs = loader.dataset[index]['inputs']
            except Exception:  # noqa: BLE001  anybody's pipeline; what it raises is said where the batches are read
                return
            if isinstance(inputs, torch.Tensor):
                shapes.setdefault(tuple(inputs.shape), path)
    if len(shapes) > 1:
        (one, first), (other, second), *_ = shapes.items()
        raise UserError(
            f'images of the {split} data set leave its pipeline in different sizes, which do not fit into '
            f'one batch: {first} as {one}, {second} as {other}; add a transform that gives them one size, '
            f"dict(type='Resize', scale=(224, 224)) say, to {split}_dataloader.dataset.pipeline"
        )


def _of_other_sizes(loader: DataLoader) -> dict[int, str]:
    """Indices and paths of images of different sizes, one of each, as far as the time lets look for them."""
    found: dict[tuple[int, int], tuple[int, str]] = {}
    end = time.monotonic() + SECONDS
    dataset: Any = loader.dataset
    for index in spread(len(dataset), IMAGES):
        path = dataset.get_data_info(index).get('img_path')
        if time.monotonic() > end or len(found) == SIZES or not isinstance(path, str):
            break
        try:
            found.setdefault(read_size(Path(path)), (index, path))
        except OSError:  # said by the check of the files
            continue
    return dict(found.values())
