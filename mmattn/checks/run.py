"""All checks of a run: of its config and files before it is built, and of what was built before the first iteration."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.structures import BaseDataElement

from mmattn.engine import preflight
from mmattn.engine.resuming.lock import locked
from mmattn.engine.runner import build_runner, train
from mmattn.errors import UserError

from .annotations import check_annotations, check_evaluator_files
from .batches import check_lone_images
from .datasets import check_classes, check_labels, check_sizes, loaders_of, why_empty
from .drawing import check_drawing
from .evaluators import check_annotations_of
from .heads import check_heads, parts_with_classes
from .loops import check_loops, check_saved
from .packages import check_amp, check_backends
from .rank import by_first, checked, is_first
from .rehearsal import rehearse
from .shapes import check_shapes


def check_run(cfg: Config, splits: tuple[str, ...], training: bool, launcher: str) -> None:
    """Checks config, files and machine; prints a line for each kind of objects that the run leaves out.

    Files are read by the first process only, and by none where a launch script has checked them.

    Args:
        cfg: Config of the run, with the options of the command line.
        splits: Splits that the run will read, any of 'train', 'val' and 'test'.
        training: Whether the model will be initialised and trained; ``train_cfg`` is there then.
        launcher: What started the processes: 'none', 'pytorch', 'slurm' or 'mpi'.

    Raises:
        UserError: Something would raise, train on nothing or give a wrong result.
    """
    preflight.check_packages(cfg)
    preflight.check_gpus()
    check_loops(cfg, training)
    check_backends(cfg)
    if training:
        check_amp(cfg)
    preflight.check_data(cfg, splits)
    preflight.check_weights(cfg, training=training)
    if is_first(launcher) and not checked():
        for line in check_annotations(cfg, splits):
            print(line)


def train_checked(cfg: Config, launcher: str = 'none') -> None:
    """Checks a training, locks its work folder, builds and runs it.

    Args:
        cfg: Config of the training, its work folder set.
        launcher: What started the processes: 'none', 'pytorch', 'slurm' or 'mpi'.

    Raises:
        UserError: A check fails, another training has the work folder, or the first iteration fails.
        RunError: A later loss is no number, or the last checkpoint could not be saved.
    """
    splits = ('train', 'val')
    check_run(cfg, splits, training=True, launcher=launcher)
    with locked(Path(cfg.work_dir)) if is_first(launcher) else nullcontext():
        built = build(cfg, launcher, splits)
        check_built(built, splits)
        train(built)


def build(cfg: Config, launcher: str, splits: tuple[str, ...]) -> Runner:
    """Builds a run, as `mmattn.engine.runner.build_runner`, and names the setting that leaves no image of a split.

    Raises:
        UserError: Something cannot be built.
    """
    try:
        return build_runner(cfg, launcher, splits)
    except UserError as error:
        # mmengine fails in many ways on a data set without images.
        why = next(filter(None, (why_empty(cfg, split) for split in preflight.splits_read(cfg, splits))), None)
        if why is not None:
            raise UserError(why) from error
        raise


def check_built(runner: Runner, splits: tuple[str, ...]) -> list[BaseDataElement]:
    """Checks what was built: data sets against heads, evaluators and batches; rehearses the evaluation.

    Args:
        runner: Runner with the loops of the splits, as `build` returns it.
        splits: Splits that the run reads, any of 'train', 'val' and 'test'.

    Returns:
        Predictions of the rehearsal; none in other processes than the first, or where nothing is evaluated.

    Raises:
        UserError: Something would raise, train on nothing or give a wrong result; in all processes alike.
    """
    loaders = loaders_of(runner, splits)
    check_sizes(loaders, runner.cfg, epochs=not isinstance(runner._train_loop, IterBasedTrainLoop))
    classes = check_classes(loaders)
    meta = {split: getattr(loader.dataset, 'metainfo', None) or {} for split, loader in loaders.items()}
    check_heads(runner.model, classes, meta, runner.cfg)
    check_labels(loaders, dict(parts_with_classes(runner.model)).get('head'))
    if 'train' in loaders:
        check_saved(runner)
        check_lone_images(runner.model, loaders['train'])
    predictions: list[BaseDataElement] = []

    def evaluate() -> None:
        for split, loader in loaders.items():
            check_shapes(loader, split)
            if split == 'train':
                continue
            evaluator = getattr(runner, f'_{split}_loop').evaluator
            for line in (
                *check_annotations_of(evaluator, loaders[split].dataset, split, runner.cfg),
                *check_evaluator_files(runner.cfg, split),
            ):
                print(line)
            predictions.extend(rehearse(runner, split))
        if any(getattr(hook, 'draw', False) or getattr(hook, 'enable', False) for hook in runner.hooks):
            check_drawing(runner, predictions)

    if not checked():
        by_first(evaluate)
    return predictions
