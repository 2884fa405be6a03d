"""Depth attention against the size of the objects in an image, over a data set.

SDA draws its weights from the mean over the whole image, so they belong to an image, not to an object. Each annotated
object therefore counts with the weights of the image that it is in: the mean over the small objects is the mean over
images, each as often as it has small objects. Nothing is cropped or resized for it: a crop that is brought to one size
no longer has the size in question. What objects of both sizes have in common (an image with both counts for both) draws
the means together, so a difference is, if anything, understated.

Sizes are COCO's, by area in the pixels of the original image: small below 32**2, large from 96**2. The area is that of
the mask where the data set has masks (as in COCO's own evaluation), else that of the box.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.registry import DATASETS

from mmattn.engine.progress import progress
from mmattn.errors import UserError, kind_and_text

from .attention import Recorder
from .network import Network

SIZES = ('small', 'medium', 'large')
SMALL, LARGE = 32**2, 96**2
RESAMPLES = 2000
MIN_IMAGES = 10  # with fewer, drawing them anew says little about others


@dataclass
class Survey:
    """Depth weights of the images of a data set.

    Args:
        images: Names of the images.
        objects: Number of small, medium and large objects in each image, (images, 3).
        weights: Weight of each block, averaged over channels, (images, depth), by name of the stage.
    """

    images: list[str] = field(default_factory=list)
    objects: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), int))
    weights: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass
class StageBySize:
    """One stage of a `Survey`.

    Where a size has no object, its entries are nan. The mean depth is 0 where all weight is on the first block and 1
    where it is on the last.

    Args:
        name: Name of the stage.
        weights: Mean weight of each block, (3, depth), a row for each of `SIZES`.
        mean_depth: Mean depth of the weights for each size, (3,).
        interval: Its 95 % interval by drawing images anew with replacement, (3, 2).
        compared: The smallest and the largest size with objects, or None if there is but one.
        images: Number of images with either of the compared sizes, whichever are fewer.
        difference: Mean depth of the first compared size less that of the second; negative: smaller objects pull
            shallower blocks.
        difference_interval: The 95 % interval of the difference.
    """

    name: str
    weights: np.ndarray
    mean_depth: np.ndarray
    interval: np.ndarray
    compared: tuple[str, str] | None = None
    images: int = 0
    difference: float = float('nan')
    difference_interval: tuple[float, float] = (float('nan'), float('nan'))

    @property
    def verdict(self) -> str:
        """What this says of the claim that small objects pull shallow blocks."""
        low, high = self.difference_interval
        if self.compared is None or np.isnan([low, high]).any():
            return 'nothing to compare'
        if self.images < MIN_IMAGES:
            return 'too few images'
        if high < 0:
            return 'shown'
        return 'refuted' if low > 0 else 'undecided'


def survey(network: Network, limit: int | None = None) -> Survey:
    """Runs the images of the config's validation set, with a progress bar.

    Args:
        network: Network with depth attention.
        limit: Number of images, evenly spread over the data set; None: all.

    Raises:
        UserError: The data set is empty, or the network does not run on it.
    """
    dataset = build_dataset(network.cfg)
    try:
        return _survey(network, dataset, limit)
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001  a transform, or the network, may raise anything
        raise UserError(
            f'the images of the val_dataloader cannot be run through the network ({kind_and_text(error)}); correct it'
        ) from error


def _survey(network: Network, dataset, limit: int | None) -> Survey:
    total = len(dataset)
    if not total:
        raise UserError('the val_dataloader of the config has no images')
    chosen = range(total) if limit is None or limit >= total else np.linspace(0, total - 1, limit).round().astype(int)
    found, objects = Survey(), []
    weights: dict[str, list] = {}
    with Recorder(network.model, ['depth']) as recorder:
        for index in progress([int(i) for i in chosen], 'depth attention'):
            network.run_backbone(network.to_input(dataset[index]))
            for reading in recorder.take().get('depth', []):
                weights.setdefault(reading.name, []).append(reading.weights.mean(1).numpy())
            info = dataset.get_data_info(index)
            found.images.append(Path(str(info.get('img_path', index))).name)
            objects.append(count_sizes(info))
    found.objects = np.array(objects)
    found.weights = {name: np.stack(rows).astype(float) for name, rows in weights.items()}
    return found


def build_dataset(cfg: Config):
    """The validation set of a config.

    Args:
        cfg: Config with a val_dataloader.

    Raises:
        UserError: The config has none, or it cannot be built.
    """
    loader = cfg.get('val_dataloader')
    if loader is None:
        raise UserError('the config has no val_dataloader; add one, or leave out --dataset')
    try:
        return DATASETS.build(loader['dataset'])
    except Exception as error:  # noqa: BLE001  a data set may raise anything
        raise UserError(
            f'the val_dataloader of {cfg.filename} cannot be built ({kind_and_text(error)}); correct it there'
        ) from error


def count_sizes(info: dict) -> tuple[int, int, int]:
    """Number of small, medium and large objects in an image; crowds and ignored ones do not count.

    Args:
        info: What mmdet's data sets know of the image: instances, height and width.
    """
    areas = np.array(list(_areas(info)))
    small, large = int((areas < SMALL).sum()), int((areas >= LARGE).sum())
    return small, len(areas) - small - large, large


def compare_sizes(found: Survey, resamples: int = RESAMPLES) -> list[StageBySize]:
    """The weights of each stage by object size, with intervals.

    Args:
        found: Depth weights of the images of a data set.
        resamples: Number of draws of the images for the intervals.
    """
    count = len(found.images)
    once = np.ones((1, count))
    draws = np.random.default_rng(0).multinomial(count, once[0] / count, resamples)  # how often each image is drawn
    present = [i for i in range(3) if found.objects[:, i].any()]
    stages = []
    for name, weights in found.weights.items():
        depth = weights.shape[1]
        depths = weights @ (np.linspace(0, 1, depth) if depth > 1 else np.zeros(1))  # (images,)
        resampled = _mean_by_size(depths, found.objects, draws)  # (resamples, 3)
        stage = StageBySize(
            name,
            np.stack([_mean_by_size(w, found.objects, once)[0] for w in weights.T], 1),
            _mean_by_size(depths, found.objects, once)[0],
            _interval(resampled).T,
        )
        if len(present) > 1 and depth > 1:
            first, last = present[0], present[-1]
            stage.compared = SIZES[first], SIZES[last]
            stage.images = int((found.objects > 0).sum(0)[[first, last]].min())
            stage.difference = float(stage.mean_depth[first] - stage.mean_depth[last])
            low, high = _interval(resampled[:, first] - resampled[:, last])
            stage.difference_interval = float(low), float(high)
        stages.append(stage)
    return stages


def _mean_by_size(values: np.ndarray, objects: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Means over the objects of each size, (R, 3).

    Args:
        values: Values of the images, (images,).
        objects: Number of objects of each size in each image, (images, 3).
        draws: How often each image counts, (R, images).
    """
    with np.errstate(invalid='ignore'):  # 0 / 0 for a size without objects
        return draws @ (values[:, None] * objects) / (draws @ objects)


def _interval(values: np.ndarray) -> np.ndarray:
    """2.5 % and 97.5 % quantiles along the first axis; nan where all is unknown."""
    known = ~np.isnan(values)
    if values.ndim == 1:
        return np.quantile(values[known], (0.025, 0.975)) if known.any() else np.full(2, np.nan)
    return np.stack([_interval(column) for column in values.T], 1)


def _areas(info: dict) -> Iterator[float]:
    for item in info.get('instances', ()):
        if item.get('ignore_flag'):
            continue
        x1, y1, x2, y2 = item['bbox']
        yield _mask_area(item['mask'], info) if item.get('mask') else (x2 - x1) * (y2 - y1)


def _mask_area(segmentation: list | dict, info: dict) -> float:
    from mmattn.analysis.runs.annotated import decode_mask

    return float(decode_mask(segmentation, info['height'], info['width']).sum())
