"""Loops of a training that go on in the middle of an epoch, with the same batches as if they had not stopped."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.dist import get_rank
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from mmattn.registry import LOOPS

from .random_state import get_random_state, random_state_kept, set_random_state
from .replay import make_replayable, sampler_of


class Unstarted:
    """A data loader that can be looked at and is not iterated.

    mmengine 0.10.7 iterates the loader of an iteration-based loop at once. Its processes would then have drawn from the
    sampler, and an ``InfiniteSampler`` has nothing more to give when that iteration is dropped.

    Args:
        loader: The data loader.
    """

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader

    def __iter__(self) -> Iterator:
        return iter(())

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)


class ResumableLoop:
    """What both loops share: where they are in the data, and how they go on from there.

    Attributes:
        passes: Number of complete passes over the data.
        batches: Number of batches that were trained of the current pass.
    """

    # of mmengine's loops, beside which this is a base
    runner: Runner
    dataloader: DataLoader
    _iter: int

    def __init__(self, runner: Runner, dataloader: DataLoader | dict, *args, **kwargs) -> None:
        if isinstance(dataloader, dict):
            BaseLoop.__init__(self, runner, dataloader)  # which builds it
            dataloader = self.dataloader
        super().__init__(runner, Unstarted(dataloader), *args, **kwargs)  # type: ignore[call-arg]
        self.dataloader = dataloader
        self.replay = make_replayable(self.dataloader, self.runner.seed or 0, get_rank())
        self.passes = self.batches = 0
        self._random_state: dict | None = None

    def position(self) -> dict:
        """Where the loop is, for a checkpoint; that of this process, as every rank draws numbers of its own."""
        state = self._random_state or get_random_state()  # the former before a resumed run has begun
        return dict(
            passes=self.passes,
            batches=self.batches,
            random_state=state,
            seed=self.replay.seed if self.replay else None,
            sampler_seed=getattr(sampler_of(self.dataloader), 'seed', None),
        )

    def go_on(self, position: dict | None) -> None:
        """Has the loop start where another was.

        Args:
            position: What `position` returned, from the checkpoint that was loaded; None where it holds none, and only
                the number of iterations says where it was.
        """
        if position is None:
            self.passes, self.batches = divmod(self._iter, len(self.dataloader))
            return
        self.passes, self.batches = position['passes'], position['batches']
        sampler = sampler_of(self.dataloader)
        if self.replay is not None and position['seed'] is not None:
            self.replay.seed = position['seed']
        if sampler is not None and position['sampler_seed'] is not None:
            sampler.seed = position['sampler_seed']
        self._random_state = position['random_state']

    def validation_is_due(self) -> bool:
        """Whether a validation follows the iterations that are done."""
        raise NotImplementedError

    def restore_random_state(self) -> None:
        """Sets the random generators as they were; once, when all is ready that draws numbers before a batch."""
        if self._random_state is not None:
            set_random_state(self._random_state)
            self._random_state = None

    def rest_of_pass(self) -> Iterator:
        """The batches of the current pass over the data that are still to be trained."""
        if self.replay is not None:
            self.replay.passes, self.replay.first = self.passes, self.batches
        with random_state_kept():  # a loader draws a seed for its workers, where they do not persist in each pass
            return iter(self.dataloader)


@LOOPS.register_module()
class ResumableEpochLoop(ResumableLoop, EpochBasedTrainLoop):
    """mmengine's ``EpochBasedTrainLoop``, with its arguments, that also goes on in the middle of an epoch.

    Examples:
        >>> train_cfg = dict(type='mmattn.ResumableEpochLoop', max_epochs=12)
    """

    def validation_is_due(self) -> bool:
        return (
            not self.batches
            and self._epoch >= self.val_begin
            and (self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs)
        )

    def run_epoch(self) -> None:
        if not self.batches:
            self.restore_random_state()
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        batches = self.rest_of_pass()
        self.restore_random_state()
        for index, batch in enumerate(batches, start=self.batches):
            self.batches = index + 1
            self.run_iter(index, batch)
        self.passes, self.batches = self.passes + 1, 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class ResumableIterLoop(ResumableLoop, IterBasedTrainLoop):
    """mmengine's ``IterBasedTrainLoop``, with its arguments, that goes on with the same batches without loading others.

    Examples:
        >>> train_cfg = dict(type='mmattn.ResumableIterLoop', max_iters=90000, val_interval=5000)
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.dataloader_iterator = None  # of what is `Unstarted`

    def validation_is_due(self) -> bool:
        return self._iter >= self.val_begin and (self._iter % self.val_interval == 0 or self._iter == self._max_iters)

    def run(self):
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        batches = self._start_pass()
        self.restore_random_state()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            batch = next(batches, None)
            if batch is None:
                self.passes, self.batches = self.passes + 1, 0
                batches = self._start_pass()
                batch = next(batches)
            self.batches += 1
            self.run_iter(batch)
            self._decide_current_val_interval()
            if self.runner.val_loop is not None and self.validation_is_due():
                self.runner.val_loop.run()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def _start_pass(self) -> Iterator:
        sampler = sampler_of(self.dataloader)
        if self.passes and sampler is not None:  # in an epoch-based loop a hook of mmengine's does it
            sampler.set_epoch(self.passes)
        return self.rest_of_pass()
