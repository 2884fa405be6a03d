"""Label pictures made of annotated objects: polygons and run-length encoded masks in COCO's form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from mmattn.errors import UserError

BACKGROUND, IGNORED = 0, 255


def label_picture(annotations: Iterable[Mapping], labels: Mapping[int, int], size: tuple[int, int]) -> np.ndarray:
    """Draws the objects of an image into a label picture, small ones above large ones.

    Args:
        annotations: Annotations of the image in COCO's form: category_id, segmentation, iscrowd. Objects without
            segmentation are left out.
        labels: Label of each category, by its id; objects of other categories are left out.
        size: Width and height of the image in pixels.

    Returns:
        Labels, (H, W), uint8: `BACKGROUND` where there is no object, `IGNORED` where there is only a crowd.

    Raises:
        UserError: pycocotools is not installed.
        ValueError: A label is `BACKGROUND` or below, or `IGNORED` or above.
    """
    try:
        from pycocotools import mask as coco_mask
    except ModuleNotFoundError as error:
        raise UserError(
            "label pictures of polygons need the package pycocotools; install it with: pip install 'mmattn[tools]'"
        ) from error
    if not all(BACKGROUND < label < IGNORED for label in labels.values()):
        raise ValueError(f'labels of objects are from {BACKGROUND + 1} to {IGNORED - 1}, not {sorted(labels.values())}')
    width, height = size
    picture = np.full((height, width), BACKGROUND, np.uint8)
    drawn: list[tuple[bool, int, int, int, dict]] = []
    for annotation in annotations:
        shape = annotation.get('segmentation')
        if not shape or annotation['category_id'] not in labels:
            continue
        if isinstance(shape, list):
            shape = coco_mask.merge(coco_mask.frPyObjects(shape, height, width))
        elif isinstance(shape['counts'], list):
            shape = coco_mask.frPyObjects(shape, height, width)
        crowd = bool(annotation.get('iscrowd'))
        label = IGNORED if crowd else labels[annotation['category_id']]
        drawn.append((not crowd, -int(coco_mask.area(shape)), len(drawn), label, shape))
    for _, _, _, label, shape in sorted(drawn, key=lambda each: each[:3]):
        picture[coco_mask.decode(shape).astype(bool)] = label
    return picture
