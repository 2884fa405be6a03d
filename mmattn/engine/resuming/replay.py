"""Training data that come again exactly: in the same order, with the same random augmentation, from any batch on.

A data loader's workers draw augmentation from generators of their own, whose states nobody can save. Here each item is
loaded with generators that start from a seed of its own: that of the run, with the rank, the pass over the data, and
the item's place in it. So it does not matter which process loads an item, nor what was loaded before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch.utils.data import DataLoader, Dataset
from torch.utils.data.sampler import Sampler

from .random_state import seeded


@dataclass(frozen=True)
class Draw:
    """One item of a data set, and what decides its random augmentation.

    Args:
        index: Index of the item in the data set.
        entropy: Whole numbers that its random numbers start from.
    """

    index: int
    entropy: tuple[int, ...]


class SeededDataset:
    """A data set whose items are loaded by `Draw`; all else is that of the data set inside.

    Args:
        dataset: Data set of items by index.
    """

    dataset: Any

    def __init__(self, dataset: Dataset) -> None:
        vars(self)['dataset'] = dataset

    def __getitem__(self, draw: Draw | int) -> object:
        if not isinstance(draw, Draw):
            return self.dataset[draw]
        with seeded(draw.entropy):
            return self.dataset[draw.index]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> object:
        if name.startswith('__') or 'dataset' not in vars(self):  # copies and pickles ask before there is one
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.dataset, name, value)  # hooks exchange its pipeline


class ReplayBatchSampler(Sampler):
    """Batches of `Draw` in the order of another batch sampler, from any of its batches on.

    Args:
        batch_sampler: Sampler of batches of indices, whose order its seed and epoch decide.
        seed: Seed of the run.
        rank: Rank of this process.

    Attributes:
        passes: Number of the pass over the data.
        first: Number of the batch within the next pass from which it starts; 0 again in the one after it.
    """

    def __init__(self, batch_sampler: Any, seed: int, rank: int) -> None:
        self.batch_sampler, self.seed, self.rank = batch_sampler, seed, rank
        self.passes = self.first = 0

    def __iter__(self) -> Iterator[list[Draw]]:
        first, self.first = self.first, 0
        for number, batch in enumerate(self.batch_sampler):
            if number >= first:
                yield [
                    Draw(int(index), (self.seed, self.rank, self.passes, number, place))
                    for place, index in enumerate(batch)
                ]

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __getattr__(self, name: str) -> object:
        if name.startswith('__') or 'batch_sampler' not in vars(self):
            raise AttributeError(name)
        return getattr(self.batch_sampler, name)


def make_replayable(loader: DataLoader, seed: int, rank: int) -> ReplayBatchSampler | None:
    """Has a data loader load its items by `Draw`, in place.

    Args:
        loader: Loader of batches from a data set with indices, not iterated yet.
        seed: Seed of the run, a whole number from 0 on.
        rank: Rank of this process.

    Returns:
        Its batch sampler, which says where to start; None where the loader makes no batches by index.
    """
    if loader.batch_sampler is None or not hasattr(loader.dataset, '__getitem__'):
        return None
    replay = ReplayBatchSampler(loader.batch_sampler, seed, rank)
    # DataLoader refuses to exchange them afterwards by attribute, as a loader in use would not notice.
    vars(loader).update(dataset=SeededDataset(loader.dataset), batch_sampler=replay)
    return replay


def sampler_of(loader: DataLoader) -> Any:
    """The sampler whose epoch and seed decide the order of a loader's items, where mmengine looks for it."""
    if hasattr(loader.sampler, 'set_epoch'):
        return loader.sampler
    sampler = getattr(loader.batch_sampler, 'sampler', None)
    return sampler if hasattr(sampler, 'set_epoch') else None
