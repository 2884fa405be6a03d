"""Single samples of a loader's data set, as a batch, without the loader's processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.utils.data import DataLoader


def batch_of(loader: DataLoader, indices: int | Sequence[int]) -> object:
    """A batch as the loader collates it, read in this process.

    Args:
        loader: Loader of a data set with indices.
        indices: Indices of the images, or a number of images, spread over the data set.
    """
    dataset: Any = loader.dataset
    if isinstance(indices, int):
        indices = spread(len(dataset), indices)
    return loader.collate_fn([dataset[index] for index in indices])


def spread(length: int, most: int) -> list[int]:
    """At most so many indices, evenly spread over a sequence of this length."""
    number = min(length, most)
    return [index * length // number for index in range(number)]
