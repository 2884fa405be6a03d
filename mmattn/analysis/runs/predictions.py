"""Predictions of an mmdet detector on the images of a data set, ready to be drawn."""
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmattn.analysis.runs.pictures import Example, Instances
from mmattn.analysis.shown_image import reader_of, to_rgb
from mmattn.engine.progress import progress
from mmattn.engine.trained import load_trained
from mmattn.files import unique_names


class Predictor:
    """A detector and its validation images.

    Args:
        cfg: Config of mmdet, its modules registered.
        checkpoint: Path of the weights.
        device: Device to predict on: 'cpu', 'cuda', 'cuda:1', …

    Raises:
        UserError: The checkpoint cannot be read, or belongs to another model.
    """

    def __init__(self, cfg: Config, checkpoint: str | Path, device: str) -> None:
        from mmdet.registry import DATASETS
        self.model = load_trained(cfg, checkpoint, device, prepared=True).model
        self.dataset = DATASETS.build(cfg.val_dataloader.dataset)
        self.classes = self.dataset.metainfo['classes']
        self._read = reader_of(self.dataset)
        paths = dict.fromkeys(self.dataset.get_data_info(index)['img_path'] for index in range(len(self.dataset)))
        self._picture_names = dict(zip(paths, unique_names(Path(path).stem for path in paths)))

    def examples(self, indices: list[int], score_thr: float) -> Iterator[Example]:
        """Predicts on the images of these indices, with a progress bar.

        Args:
            indices: Indices of the images in the data set.
            score_thr: Least score of the predictions to keep.
        """
        for index in progress(indices, 'predicting'):
            yield self._example(index, score_thr)

    def _example(self, index: int, score_thr: float) -> Example:
        with torch.no_grad():
            found = self.model.test_step(pseudo_collate([self.dataset[index]]))[0].pred_instances
        found = found[found.scores >= score_thr].cpu()
        found = found[found.scores.argsort(descending=True)]
        names = self._names(found.labels.tolist(), found.scores.tolist())
        info = self.dataset.get_data_info(index)
        return Example(
            self._picture_names[info['img_path']], to_rgb(self._read(info['img_path'])),
            annotated_objects(info, self._names),
            Instances(found.bboxes, found.get('masks'), names))

    def _names(self, labels: list[int], scores: list[float] | None = None) -> list[str] | None:
        """Texts at the boxes, which only clutter the picture where all would be the same."""
        if len(self.classes) == 1:
            return None
        names = [self.classes[label] for label in labels]
        if scores is None:
            return names
        return [f'{name} {score:.2f}' for name, score in zip(names, scores, strict=True)]


def annotated_objects(info: dict, names: Callable[[list[int]], list[str] | None]) -> Instances:
    """The annotated objects of an image, in pixels of the image file, without those that are to be ignored.

    Args:
        info: What mmdet's data sets know of the image: instances, height and width.
        names: Texts for the labels of the objects.
    """
    objects = [item for item in info.get('instances', ()) if not item.get('ignore_flag')]
    boxes = torch.tensor([item['bbox'] for item in objects]).float().reshape(-1, 4)
    masks = None
    if objects and all(item.get('mask') for item in objects):
        masks = torch.from_numpy(np.stack([
            decode_mask(item['mask'], info['height'], info['width']) for item in objects]))
    return Instances(boxes, masks, names([item['bbox_label'] for item in objects]))


def decode_mask(segmentation: list | dict, height: int, width: int) -> np.ndarray:
    """The boolean mask of a COCO segmentation, (height, width).

    Args:
        segmentation: Polygons, or RLE, compressed or not.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """
    from pycocotools import mask as coco_mask
    if isinstance(segmentation, list):
        segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation['counts'], list):
        segmentation = coco_mask.frPyObjects(segmentation, height, width)
    return coco_mask.decode(segmentation).astype(bool)
