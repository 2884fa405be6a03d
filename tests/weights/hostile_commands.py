"""The commands by which a checkpoint of a stranger gets to each tool, and what is wrong with how they end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

from commands import ROOT
from mmengine.config import Config

CONFIG = 'configs/demo/imagenet_style_signs.py'
IMAGE = 'demo/sign_digits_mini/val/0'
# Characters of a line: 300, and 'error: '.
LINE = 307


def work_folder(folder: Path, checkpoint: Path) -> Path:
    """A folder as a training leaves it, with a stranger's file as its last checkpoint."""
    shutil.rmtree(folder, ignore_errors=True)
    log = folder / '20260101_000000/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text(
        json.dumps(dict(loss=1.0, step=1, epoch=1))
        + '\n'
        + json.dumps({'accuracy/top1': 50.0, 'accuracy/top5': 90.0, 'step': 1})
        + '\n'
    )
    Config.fromfile(ROOT / CONFIG).dump(folder / 'config.py')
    shutil.copy(checkpoint, folder / 'epoch_1.pth')
    (folder / 'last_checkpoint').write_text('epoch_1.pth')
    return folder


def hostile_commands(path: Path, folder: Path) -> dict[str, list[object]]:
    """Arguments of a command by its name.

    Args:
        path: Path of the checkpoint.
        folder: Folder in which the commands may write.
    """
    train = ['train.py', CONFIG, '--work-dir', folder / 'train']
    run = work_folder(folder / 'run', path)
    return {
        'test': ['test.py', CONFIG, path, '--work-dir', folder / 'test'],
        'resume a file': [*train, '--resume', path],
        'resume a folder': ['train.py', CONFIG, '--work-dir', run, '--resume'],
        'load_from': [*train, '--cfg-options', f'load_from={path}'],
        'init_cfg': [
            *train,
            '--cfg-options',
            'model.backbone.init_cfg.type=Pretrained',
            f'model.backbone.init_cfg.checkpoint={path}',
        ],
        'convert': ['convert.py', CONFIG, path, folder / 'converted.pth'],
        'visualize': ['visualize.py', CONFIG, path, IMAGE, '--max-images', 1, '--out', folder / 'pictures'],
        'compare': ['compare.py', run, '--predict', '--out', folder / 'report.md'],
    }


def faults(done: CompletedProcess, marker: Path) -> Iterator[str]:
    """What is wrong with the end of a command that was given a hostile file.

    Args:
        done: Command that ended.
        marker: File that exists if the hostile file ran.
    """
    if marker.exists():
        marker.unlink()
        yield 'ran code'
    if done.returncode == 0:
        yield 'exit status 0'
    elif done.returncode != 2:
        yield f'exit status {done.returncode}'
    errors = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    if 'Traceback' in done.stdout + done.stderr or len(errors) != 1 or len(errors[0]) > LINE:
        yield 'no line of at most 300 characters'
