"""Checkpoints of which there is always a whole one, from which a run goes on exactly, by a hook."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, get_backend, get_world_size, is_main_process
from mmengine.fileio import BaseStorageBackend, LocalBackend
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.hooks import EMAHook
from mmengine.runner import Runner

from mmattn.engine.resuming import files
from mmattn.engine.resuming.loops import ResumableLoop
from mmattn.engine.resuming.random_state import get_random_state, set_random_state
from mmattn.engine.resuming.same_training import changed, digests
from mmattn.engine.resuming.saving import DeferredRemoval, SavingRunner, constant_text
from mmattn.engine.resuming.stopping import Stopped, signals_held, stop_requested
from mmattn.errors import RunError, UserError, kind_and_text
from mmattn.registry import HOOKS

from .losses import check_weights

# What processes agree on besides the number of a signal, all of which are greater.
GO_ON, SAVE = 0, 1
# Processes on GPUs agree after so many iterations whether to save or stop, as to ask makes them wait for each other.
AGREE_EVERY = 10


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """mmengine's ``CheckpointHook``, which never leaves a run without a whole checkpoint.

    It writes each checkpoint to a temporary name, has it on the disk, looks at it, renames it, and only then removes
    older ones. Where a checkpoint cannot be written (the disk is full), the training goes on with a warning, and fails
    at its end if the last one could not be. With mmattn's loops (``mmattn.ResumableEpochLoop``,
    ``mmattn.ResumableIterLoop``) a run that goes on from it equals one that was not interrupted, in the middle of an
    epoch too: it holds the random states of all processes and the place in the data.

    Args:
        minutes: Number of minutes after which a checkpoint between the regular ones is saved; None for none.
        **kwargs: Arguments of mmengine's hook: ``interval``, ``by_epoch``, ``max_keep_ckpts``, ``save_best``, …

    Raises:
        ValueError: `minutes` is not positive.
        UserError: A training goes on from a checkpoint of another model, and the config has no ``resume_forced=True``.
        RunError: Weights are NaN or infinite when they are to be saved; or, at the end of the training, the last
            checkpoint could not be saved.

    Examples:
        >>> default_hooks = dict(checkpoint=dict(type='mmattn.CheckpointHook', interval=1, minutes=30))
    """

    file_backend: BaseStorageBackend

    def __init__(self, minutes: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if minutes is not None and not minutes > 0:
            raise ValueError(f'minutes must be a positive number, not {minutes}')
        self.minutes = minutes
        self.failure: str | None = None  # why the newest checkpoint could not be written
        self._config_text = self._run = ''
        self._digests: dict[str, str] = {}
        self._loaded: dict = {}  # 'progress' of the checkpoint that the run goes on from
        self._ranks: list[dict | None] = []
        self._in_validation = False
        self._saved_at, self._saved_iteration = time.monotonic(), -1

    # Going on

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        progress = checkpoint.get('progress')
        self._loaded = progress if isinstance(progress, dict) else {}

    def before_train(self, runner: Runner) -> None:
        super().before_train(runner)
        self._config_text = runner.cfg.pretty_text  # formatted once: it takes a second
        self._digests = digests(runner.cfg)
        self._saved_at = time.monotonic()
        resumed = runner.iter > 0
        if resumed:
            self._check_same_training(runner)
        self._run = resumed and self._loaded.get('run') or runner.experiment_name
        if is_main_process() and self._is_local:
            self._prepare_folders(Path(self.out_dir), Path(runner.work_dir), resumed)
        if resumed:
            self._go_on(runner)
            self._make_up_validation(runner)

    def _check_same_training(self, runner: Runner) -> None:
        fixed, others = changed(self._loaded.get('digests') or {}, self._digests)
        if fixed and not runner.cfg.get('resume_forced'):
            raise UserError(
                f"the checkpoint is of another training: the config's {fixed[0]} is not that which it was "
                'trained with; start afresh without --resume, or go on all the same with --force'
            )
        if others:
            runner.logger.warning(f'the training goes on with other settings than before: {", ".join(others)}')

    def _prepare_folders(self, out_dir: Path, work_dir: Path, resumed: bool) -> None:
        out_dir.mkdir(parents=True, exist_ok=True)
        files.remove_leftovers(out_dir)
        if not resumed:
            for name in (files.NOTE, files.VALIDATED):
                (work_dir / name).unlink(missing_ok=True)
        files.write_note(work_dir, files.RUN, self._run)

    def _go_on(self, runner: Runner) -> None:
        if not isinstance(runner.train_loop, ResumableLoop):
            return
        ranks = self._loaded.get('ranks') or []
        same_processes = len(ranks) == get_world_size()
        if not same_processes:
            runner.logger.warning(
                'the run goes on with other random numbers than before: its checkpoint '
                + (f'is of {len(ranks)} processes' if ranks else 'holds none of their states')
            )
        runner.train_loop.go_on(ranks[runner.rank] if same_processes else None)

    def _make_up_validation(self, runner: Runner) -> None:
        """Runs the validation that was due after the checkpoint, if the run broke off before its end."""
        loop = runner.train_loop
        if runner.val_loop is None or not isinstance(loop, ResumableLoop):
            return
        done = files.read_note(Path(runner.work_dir), files.VALIDATED) or ''
        if loop.validation_is_due() and not (done.isdecimal() and int(done) >= runner.iter):
            runner.logger.info('The validation after the checkpoint had not ended; it runs now')
            runner.val_loop.run()

    # Saving

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        wanted = self._agree(runner)
        if wanted == GO_ON:
            return
        saved: str | None = self.last_ckpt
        if self._saved_iteration != runner.iter + 1:
            saved = self._save_between(runner, dict(epoch=runner.epoch, iter=runner.iter + 1))
        if wanted != SAVE:
            raise Stopped(wanted, saved)

    def _agree(self, runner: Runner) -> int:
        """What all processes do: go on, save, or stop for the signal of this number."""
        due = self.minutes is not None and time.monotonic() - self._saved_at >= 60 * self.minutes
        wanted = stop_requested() or (SAVE if due else GO_ON)
        if get_world_size() > 1:
            if get_backend() == 'nccl' and not self.every_n_train_iters(runner, AGREE_EVERY):
                return GO_ON
            shared = torch.tensor(wanted)
            all_reduce(shared, 'max')
            wanted = int(shared)
        return wanted

    def before_val(self, runner: Runner) -> None:
        """Keeps the random states, so that a validation changes nothing for the training."""
        self._in_validation = runner.train_loop is not None and bool(self._config_text)
        if self._in_validation:
            self._ranks = _gather_positions(runner)
            self._random_state = get_random_state()

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        number = stop_requested()
        if number is None or not self._in_validation:
            return
        saved: str | None = self.last_ckpt
        if self._saved_iteration != runner.iter:
            for hook in runner.hooks:
                if isinstance(hook, EMAHook):
                    hook.after_val_epoch(runner)  # puts the trained weights back in place of the averaged ones
            saved = self._save_between(runner, dict(epoch=runner.epoch, iter=runner.iter))
        raise Stopped(number, saved)

    def after_val_epoch(self, runner: Runner, metrics: dict) -> None:
        super().after_val_epoch(runner, metrics)
        if self._in_validation and is_main_process():
            files.write_note(Path(runner.work_dir), files.VALIDATED, str(runner.iter))

    def after_val(self, runner: Runner) -> None:
        if self._in_validation:
            set_random_state(self._random_state)
            self._in_validation = False

    def after_train(self, runner: Runner) -> None:
        if self.failure is not None:
            raise RunError(f'the last checkpoint could not be saved: {self.failure}')
        super().after_train(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['progress'] = dict(ranks=self._ranks, run=self._run, digests=self._digests)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        if not self._is_local:
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        kept = list(getattr(self, 'keep_ckpt_ids', ()))
        outdated = []
        if self.max_keep_ckpts > 0 and step not in kept:
            kept.append(step)
            outdated = [self.filename_tmpl.format(each) for each in kept[: -self.max_keep_ckpts]]
            runner.message_hub.update_info('keep_ckpt_ids', kept[-self.max_keep_ckpts :])
        if self._save(runner, self.filename_tmpl.format(step), meta):
            if self.max_keep_ckpts > 0:
                self.keep_ckpt_ids.clear()
                self.keep_ckpt_ids.extend(kept[-self.max_keep_ckpts :])
            self._remove([*outdated, *self._unfinished()])
        elif self.max_keep_ckpts > 0:
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))

    def _save_between(self, runner: Runner, meta: dict) -> str | None:
        """Saves a checkpoint that is not one of the regular ones; its path, or None if that could not be done."""
        name, older = files.UNFINISHED.format(meta['iter']), self._unfinished()
        if not self._save(runner, name, meta):
            return None
        self._remove([each for each in older if each != name])
        return self.last_ckpt

    def _save(self, runner: Runner, name: str, meta: dict) -> bool:
        """Saves a checkpoint, and notes that it is the newest; whether that could be done, on the first process."""
        check_weights(runner, meta['iter'])
        if not self._in_validation:
            self._ranks = _gather_positions(runner)
        self._saved_at = time.monotonic()
        if not is_main_process():
            self.last_ckpt, self._saved_iteration = str(Path(self.out_dir, name)), meta['iter']
            return True
        before, self.last_ckpt = self.last_ckpt, str(Path(self.out_dir, name))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        try:
            with signals_held():
                self._write(
                    runner,
                    name,
                    save_optimizer=self.save_optimizer,
                    save_param_scheduler=self.save_param_scheduler,
                    meta=meta,
                    by_epoch=self.by_epoch,
                )
                files.write_note(Path(runner.work_dir), files.NOTE, self.last_ckpt)
        except Exception as error:  # noqa: BLE001  torch's writer raises RuntimeError for a full disk
            self.last_ckpt = before
            self._failed(runner, name, error)
            return False
        self.failure, self._saved_iteration = None, meta['iter']
        return True

    def _write(self, runner: Runner, name: str, **options: Any) -> None:
        def write(path: Path) -> None:
            with constant_text(runner.cfg, self._config_text):
                runner.save_checkpoint(self.out_dir, path.name, backend_args=self.backend_args, **options, **self.args)

        files.write_whole(Path(self.out_dir, name), write)

    def _failed(self, runner: Runner, name: str, error: Exception) -> None:
        self.failure = f'{Path(self.out_dir, name)} ({kind_and_text(error)})'
        runner.logger.warning(
            f'a checkpoint could not be saved: {self.failure}; the training goes on, and the earlier ones stay'
        )

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        if not self.save_best or not self._is_local:
            super()._save_best_checkpoint(runner, metrics)
            return
        backend, failure = self.file_backend, self.failure
        best = getattr(self, 'best_ckpt_path', None), dict(getattr(self, 'best_ckpt_path_dict', {}))
        information = dict(runner.message_hub.runtime_info)
        self.file_backend = deferred = DeferredRemoval(backend)
        try:
            with signals_held():
                super()._save_best_checkpoint(SavingRunner(runner, partial(self._write, runner)), metrics)
        except OSError as error:
            self._failed(runner, 'the best checkpoint', error)
            self.failure = failure  # it is not needed to go on
            self.best_ckpt_path, self.best_ckpt_path_dict = best
            for key, value in information.items():
                runner.message_hub.update_info(key, value)
            return
        finally:
            self.file_backend = backend
        now = {getattr(self, 'best_ckpt_path', None), *getattr(self, 'best_ckpt_path_dict', {}).values()}
        for path in deferred.paths:
            if path not in now:
                backend.remove(path)

    @property
    def _is_local(self) -> bool:
        return isinstance(self.file_backend, LocalBackend)

    def _unfinished(self) -> list[str]:
        return [path.name for path in Path(self.out_dir).glob(files.UNFINISHED.format('*'))]

    def _remove(self, names: list[str]) -> None:
        for name in names if is_main_process() else ():
            path = Path(self.out_dir, name)
            if path.is_dir():
                self.file_backend.rmtree(path)
            elif path.is_file() and str(path) != self.last_ckpt:
                path.unlink()


def _gather_positions(runner: Runner) -> list[dict | None]:
    """Where each process is in its data, with its random states; None where its loop cannot tell."""
    loop = runner.train_loop
    return all_gather_object(loop.position() if isinstance(loop, ResumableLoop) else None)
