"""Annotated objects of mmdet's data sets, in pixels of the image file, ready to be drawn."""

from collections.abc import Callable

import numpy as np
import torch

from mmattn.analysis.runs.objects import Instances


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
        masks = torch.from_numpy(
            np.stack([decode_mask(item['mask'], info['height'], info['width']) for item in objects])
        )
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
