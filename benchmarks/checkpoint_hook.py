"""Time that the checkpoint hook takes of an epoch of the quick start, beside mmengine's own.

    python benchmarks/checkpoint_hook.py --repeats 3

Trainings of one epoch with each hook alternate. The time inside the hook is taken as such, so that the training's own
ups and downs do not count; beside the time of the clock that of the processor is printed, which other processes change
less.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS

from mmattn.engine import launch, runner

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'configs/demo/mask_rcnn_sda_nuclei.py'
METHODS = ('before_train', 'before_train_epoch', 'before_train_iter', 'after_train_iter', 'after_train_epoch')


@HOOKS.register_module()
class StandardCheckpointHook(CheckpointHook):
    """mmengine's hook, by a name that is not replaced."""


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def train(hook: str, images: int | None) -> tuple[tuple[float, float], tuple[float, float]]:
    """Trains one epoch.

    Args:
        hook: Type of the checkpoint hook.
        images: Number of images; None for all.

    Returns:
        Seconds of the epoch, and of those inside the hook: by the clock, and of the processor.
    """
    cfg = launch.load_config(CONFIG)
    inside = [0.0, 0.0]
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir, cfg.experiment_name = folder, Path(folder).name  # runners of one name share what they log
        cfg.visualizer.pop('name', None)
        cfg.train_cfg.update(max_epochs=1, val_begin=2)
        cfg.default_hooks.checkpoint.type = hook
        if images:
            cfg.train_dataloader.dataset.times = 1
            cfg.train_dataloader.dataset.dataset.indices = images
        built = runner.build_runner(cfg, 'none', ('train',))
        found = next(each for each in built.hooks if isinstance(each, CheckpointHook))

        def timed(method):
            def call(*args, **kwargs):
                start = clocks()
                try:
                    return method(*args, **kwargs)
                finally:
                    for index, now in enumerate(clocks()):
                        inside[index] += now - start[index]

            return call

        for name in METHODS:
            setattr(found, name, timed(getattr(found, name)))
        start = clocks()
        runner.train(built)
        whole = tuple(now - before for now, before in zip(clocks(), start))
    return whole, tuple(inside)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repeats', type=int, default=3, help='epochs with each hook (default: 3)')
    parser.add_argument('--images', type=int, help='so many images, once (default: an epoch of the quick start)')
    args = parser.parse_args()
    hooks = {'mmattn.CheckpointHook': [], 'StandardCheckpointHook': []}
    for _ in range(args.repeats):
        for name, found in hooks.items():
            found.append(train(name, args.images))
    for index, clock in enumerate(('by the clock', 'of the processor')):
        epoch = statistics.median(whole[index] for found in hooks.values() for whole, _ in found)
        ours, theirs = (statistics.median(inside[index] for _, inside in found) for found in hooks.values())
        print(
            f"{clock}: epoch {epoch:.2f} s; in mmattn's hook {ours:.3f} s ({100 * ours / epoch:.2f} %), "
            f"in mmengine's {theirs:.3f} s ({100 * theirs / epoch:.2f} %); "
            f'difference {100 * (ours - theirs) / epoch:+.2f} %'
        )


if __name__ == '__main__':
    main()
