"""What the pages speak of, made small: data sets, a training, weights, images.

Each is put into a page's folder where one of the page's blocks names it, so that a block that names nothing runs in an
empty folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from blocks import ROOT
from commands import Commands
from dataset_writers import BLOOD_CELLS, coco, drawn, write
from mmengine.utils import digit_version

QUICKSTART = 'configs/demo/mask_rcnn_sda_nuclei.py'
# Where the commands' TORCH_HOME is, in the folder in which they run.
TORCH_HOME = '.torch'
# A training of two iterations with an evaluation of two images, all small, which ends as that of the quick start does.
TWO_ITERATIONS = (
    'train_dataloader.dataset.times=1 train_dataloader.dataset.dataset.indices=4 val_dataloader.dataset.indices=2 '
    'train_dataloader.dataset.dataset.pipeline.2.scale=(96,96) val_dataloader.dataset.pipeline.1.scale=(96,96) '
    'default_hooks.logger.interval=1'
)
# A test of two images, small as well.
TWO_IMAGES = 'test_dataloader.dataset.indices=2 test_dataloader.dataset.pipeline.1.scale=(96,96)'
# The same of the segmentor.
TWO_STEPS = 'train_cfg.max_iters=2 train_cfg.val_interval=2 val_dataloader.dataset.indices=2'

# Whether models can be exported here.
EXPORTS = digit_version('2.9') <= digit_version(torch.__version__)

Maker = Callable[[Path, 'Things'], None]


class Things:
    """Makes each thing once, and copies it into folders.

    Args:
        store: Folder for what was made.
        commands: Runs the tools.
    """

    def __init__(self, store: Path, commands: Commands) -> None:
        self.store, self.commands = store, commands

    def put(self, folder: Path, text: str) -> None:
        """Puts what the text names into a folder."""
        for make, names in THINGS.items():
            if any(name in text for name in names):
                shutil.copytree(self.made(make), folder, dirs_exist_ok=True, symlinks=True)

    def made(self, make: Maker) -> Path:
        """The folder with what `make` makes."""
        folder = self.store / make.__name__
        if not folder.exists():
            folder.mkdir()
            try:
                make(folder, self)
            except BaseException:  # a skip, too
                shutil.rmtree(folder)
                raise
        return folder


def checkout(folder: Path, things: Things) -> None:
    """Folders of the repository."""
    for name in ('configs', 'demo', 'benchmarks'):
        (folder / name).symlink_to(ROOT / name)


def coco_2017(folder: Path, things: Things) -> None:
    """COCO with four images of two of its classes in each split."""
    from mmdet.datasets import CocoDataset

    classes = CocoDataset.METAINFO['classes']
    for split in ('train', 'val'):
        items = drawn(4, ('person', 'car'), suffix='.jpg', polygons=True)
        write(folder / f'data/coco/annotations/instances_{split}2017.json', coco(items, classes))
        for item in items:
            write(folder / f'data/coco/{split}2017' / item.name, item.content)


def visdrone(folder: Path, things: Things) -> None:
    """VisDrone-DET with two images in each split; left, top, width, height, score, class, truncation, occlusion."""
    for split in ('train', 'val'):
        place = folder / f'data/VisDrone/VisDrone2019-DET-{split}'
        for item in drawn(2, ('car',), suffix='.jpg'):
            rows = [(*map(round, thing.box), 1, 4, 0, 0) for thing in item.things]
            write(place / 'images' / item.name, item.content)
            write(place / f'annotations/{item.stem}.txt', ''.join(f'{",".join(map(str, row))}\n' for row in rows))


def quickstart(folder: Path, things: Things) -> None:
    """The quick start's training, of two iterations."""
    work_dir = folder / 'work_dirs' / 'quickstart'
    options = ['--cfg-options', *TWO_ITERATIONS.split(), 'train_cfg.max_epochs=1']
    result = things.commands('train.py', QUICKSTART, '--work-dir', work_dir, *options)
    assert result.returncode == 0, result.stderr
    (work_dir / 'epoch_1.pth').rename(work_dir / 'epoch_9.pth')
    (work_dir / 'last_checkpoint').write_text('work_dirs/quickstart/epoch_9.pth')


def exported_file(folder: Path, things: Things) -> None:
    """The quick start's model as a file of ONNX; two iterations leave scores that are too much alike to compare."""
    if not EXPORTS:
        pytest.skip('export needs PyTorch 2.9')
    work_dir = things.made(quickstart) / 'work_dirs' / 'quickstart'
    result = things.commands('export.py', work_dir, '--out', folder / 'nuclei.onnx', '--no-verify')
    assert result.returncode == 0, result.stderr


def segmentor(folder: Path, things: Things) -> None:
    """The training of the demo of semantic segmentation, of two iterations."""
    pytest.importorskip('mmseg')
    work_dir = folder / 'work_dirs' / 'nuclei_seg'
    options = ['--cfg-options', *TWO_STEPS.split()]
    result = things.commands('train.py', 'configs/demo/deeplabv3plus_sda_nuclei.py', '--work-dir', work_dir, *options)
    assert result.returncode == 0, result.stderr
    (work_dir / 'iter_2.pth').rename(work_dir / 'iter_250.pth')
    (work_dir / 'last_checkpoint').write_text('work_dirs/nuclei_seg/iter_250.pth')


def label_pictures(folder: Path, things: Things) -> None:
    """Eight images of the demo and their label pictures."""
    for path in sorted((ROOT / 'demo/nuclei_mini/labels').iterdir())[:8]:
        for kind in ('images', 'labels'):
            copy = folder / 'path/to/pairs' / kind / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / 'demo/nuclei_mini' / kind / path.name, copy)


def other_training(folder: Path, things: Things) -> None:
    """A copy of the quick start's."""
    shutil.copytree(things.made(quickstart) / 'work_dirs/quickstart', folder / 'work_dirs/other')


def torchvision_weights(folder: Path, things: Things) -> None:
    """A file in the place of torchvision's ResNet-50, which need not be fetched then."""
    from mmengine.runner.checkpoint import get_torchvision_models
    from torchvision.models import resnet50

    path = things.store / Path(get_torchvision_models()['resnet50']).name
    torch.save(resnet50().state_dict(), path)
    place = folder / TORCH_HOME / 'hub' / 'checkpoints'
    place.mkdir(parents=True)
    (place / path.name).symlink_to(path)


def images(folder: Path, things: Things) -> None:
    for name in ('one.jpg', 'two.jpg', 'images/three.jpg', 'photos/2024/four.jpg'):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(BLOOD_CELLS / 'JPEGImages' / 'BloodImage_00040.jpg', path)


def video(folder: Path, things: Things) -> None:
    """Three frames of noise."""
    import cv2

    writer = cv2.VideoWriter(str(folder / 'street.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 5, (96, 72))
    for _ in range(3):
        writer.write(torch.randint(0, 255, (72, 96, 3), dtype=torch.uint8).numpy())
    writer.release()


def blood_cells(folder: Path, things: Things) -> None:
    """Six images in Pascal VOC's format."""
    shutil.copytree(BLOOD_CELLS, folder / 'path/to/folder')


# what makes a thing -> the texts that name it
THINGS: dict[Maker, tuple[str, ...]] = {
    checkout: ('configs/', 'demo/', 'benchmarks/', 'work_dirs/quickstart', 'work_dirs/nuclei_seg'),
    coco_2017: ('data/coco', 'configs/mask_rcnn_sda'),
    visdrone: ('data/VisDrone',),
    quickstart: ('work_dirs/quickstart',),
    exported_file: ('nuclei.onnx',),
    other_training: ('work_dirs/other',),
    torchvision_weights: ('torchvision://', 'mask_rcnn_sda_r50'),
    images: ('one.jpg', 'images/', ' images ', 'photos/'),
    video: ('street.mp4',),
    blood_cells: ('path/to/folder',),
    segmentor: ('work_dirs/nuclei_seg/',),
    label_pictures: ('path/to/pairs',),
}
