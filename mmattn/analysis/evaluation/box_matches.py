"""Detections of all images matched with the annotated objects by their boxes, at one IoU, for looking at the errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .coco_evaluator import LIMIT_OF_AP, content_of
from .precision_recall import Threshold, best_threshold

# IoU from which on a detection finds an object, and up to which it lies on nothing (TIDE's t_f and t_b).
IOU, BACKGROUND_IOU = 0.5, 0.1
NONE = -1


@dataclass(frozen=True)
class Objects:
    """Annotated objects, in order of the images.

    Args:
        image: Index of the image of each object, (G,).
        label: Index of its class, (G,).
        box: x, y, width, height in pixels, (G, 4).
        ignored: Whether it is a crowd, which need not be found and costs nothing if it is, (G,).
        area: Its annotated area in square pixels, (G,).
    """

    image: np.ndarray
    label: np.ndarray
    box: np.ndarray
    ignored: np.ndarray
    area: np.ndarray

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class Matches:
    """Detections and what they found: in order of the images, in each by falling score.

    Args:
        classes: Names of the classes.
        images: Ids of the images in the annotations.
        names: File name of each image.
        objects: Annotated objects.
        image: Index of the image of each detection, (D,).
        label: Index of its class, (D,).
        box: x, y, width, height in pixels, (D, 4).
        score: Score of each detection, (D,).
        partner: Index of the object that the detection found, of its class and with an IoU of 0.5 or more; -1 for none,
            (D,). As in COCO, each object is found once, by the detection with the highest score.
        ignored: Whether the detection is neither right nor wrong, as it lies in a crowd of its class, (D,).
        same: Index of the object of its class that it overlaps most, found or not; -1 without, (D,).
        same_iou: IoU with this object, (D,).
        other: Index of the object of another class that it overlaps most; -1 without, (D,).
        other_iou: IoU with this object, (D,).
        crowd_iou: Largest overlap with a crowd of any class, as a share of the detection, (D,).
    """

    classes: tuple[str, ...]
    images: tuple[int, ...]
    names: tuple[str, ...]
    objects: Objects
    image: np.ndarray
    label: np.ndarray
    box: np.ndarray
    score: np.ndarray
    partner: np.ndarray
    ignored: np.ndarray
    same: np.ndarray
    same_iou: np.ndarray
    other: np.ndarray
    other_iou: np.ndarray
    crowd_iou: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    @property
    def right(self) -> np.ndarray:
        """Whether each detection found an object, (D,)."""
        return self.partner != NONE

    @property
    def found(self) -> np.ndarray:
        """Whether each object was found by a detection, at whatever score, (G,)."""
        return np.isin(np.arange(len(self.objects)), self.partner)

    def count(self, label: int | None = None) -> int:
        """Number of objects to find, of a class or of all."""
        counted = ~self.objects.ignored
        return int((counted if label is None else counted & (self.objects.label == label)).sum())

    def thresholds(self) -> list[Threshold | None]:
        """The score with the best F1 of each class; None where nothing is found."""
        return [
            best_threshold(self.right[own], self.score[own], self.count(label))
            for label in range(len(self.classes))
            for own in [(self.label == label) & ~self.ignored]
        ]


def match_boxes(predictions: Mapping) -> Matches:
    """Matches the boxes of a detector with the annotated ones.

    Args:
        predictions: Predictions of a detector, as
            `mmattn.analysis.evaluation.checkpoint_predictions.predict` returns them. Where they have masks only,
            the boxes are those around the masks.
    """
    content = content_of(predictions['annotations'])
    images, categories = sorted(predictions['images']), sorted(predictions['categories'])
    image_of = {image: index for index, image in enumerate(images)}
    label_of = {category: index for index, category in enumerate(categories)}
    file_names = {image['id']: str(image.get('file_name', image['id'])) for image in content['images']}
    class_names = {category['id']: str(category.get('name', category['id'])) for category in content['categories']}
    objects = _objects(content['annotations'], image_of, label_of)
    results = predictions['results'].get('bbox')
    if results is None:
        results = [dict(result, bbox=_box_around(result['segmentation'])) for result in predictions['results']['segm']]
    found = _sorted_detections(results, image_of, label_of)
    image, label, box, score = found
    columns = dict(
        partner=np.full(len(image), NONE),
        ignored=np.zeros(len(image), bool),
        same=np.full(len(image), NONE),
        same_iou=np.zeros(len(image)),
        other=np.full(len(image), NONE),
        other_iou=np.zeros(len(image)),
        crowd_iou=np.zeros(len(image)),
    )
    borders = np.arange(len(images) + 1)
    starts, object_starts = np.searchsorted(image, borders), np.searchsorted(objects.image, borders)
    for index in range(len(images)):
        own = slice(starts[index], starts[index + 1])
        _match_image(own, slice(object_starts[index], object_starts[index + 1]), label, box, objects, columns)
    return Matches(
        tuple(class_names[category] for category in categories),
        tuple(images),
        tuple(file_names[one] for one in images),
        objects,
        image,
        label,
        box,
        score,
        **columns,
    )


def _match_image(
    own: slice, theirs: slice, label: np.ndarray, box: np.ndarray, objects: Objects, columns: Mapping[str, np.ndarray]
) -> None:
    """Fills the columns for the detections `own` of one image, from its objects `theirs`."""
    from pycocotools import mask as coco_mask

    if own.start == own.stop or theirs.start == theirs.stop:
        return
    crowd = objects.ignored[theirs]
    overlap = np.asarray(coco_mask.iou(box[own], objects.box[theirs], crowd.astype(np.uint8)))
    alike = label[own][:, None] == objects.label[theirs][None]
    for name, of in (('same', alike), ('other', ~alike)):
        values = np.where(of & ~crowd, overlap, 0)
        best = values.argmax(axis=1)
        columns[f'{name}_iou'][own] = values[np.arange(len(values)), best]
        columns[name][own] = np.where(columns[f'{name}_iou'][own] > 0, best + theirs.start, NONE)
    columns['crowd_iou'][own] = (overlap * crowd).max(axis=1)
    free = alike & ~crowd & (overlap >= IOU)
    in_crowd = (alike & crowd & (overlap >= IOU)).any(axis=1)
    for row in np.flatnonzero(free.any(axis=1) | in_crowd):
        values = np.where(free[row], overlap[row], -1)
        if values.max() >= IOU:
            best = len(values) - 1 - int(values[::-1].argmax())  # the last of equal ones, as in pycocotools
            free[:, best] = False
            columns['partner'][own.start + row] = theirs.start + best
        elif in_crowd[row]:
            columns['ignored'][own.start + row] = True


def _objects(annotations: list[dict], image_of: Mapping[int, int], label_of: Mapping[int, int]) -> Objects:
    own = [one for one in annotations if one['image_id'] in image_of and one['category_id'] in label_of]
    image = np.array([image_of[one['image_id']] for one in own], int)
    order = np.argsort(image, kind='stable')
    return Objects(
        image[order],
        np.array([label_of[one['category_id']] for one in own], int)[order],
        np.array([one['bbox'] for one in own], float).reshape(-1, 4)[order],
        np.array([bool(one.get('iscrowd')) for one in own], bool)[order],
        np.array([one.get('area', one['bbox'][2] * one['bbox'][3]) for one in own], float)[order],
    )


def _sorted_detections(
    results: list[dict], image_of: Mapping[int, int], label_of: Mapping[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Image, label, box and score of the detections, by image and falling score, the first 100 of a class."""
    own = [one for one in results if one['image_id'] in image_of and one['category_id'] in label_of]
    image = np.array([image_of[one['image_id']] for one in own], int)
    label = np.array([label_of[one['category_id']] for one in own], int)
    score = np.array([one['score'] for one in own], float)
    box = np.array([one['bbox'] for one in own], float).reshape(-1, 4)
    order = np.lexsort((np.arange(len(own)), -score, label, image))
    group = (image * len(label_of) + label)[order]
    first = np.searchsorted(group, group)
    order = order[np.arange(len(order)) - first < LIMIT_OF_AP]
    order = order[np.lexsort((order, -score[order], image[order]))]
    return image[order], label[order], box[order], score[order]


def _box_around(segmentation: Mapping) -> list[float]:
    from pycocotools import mask as coco_mask

    return coco_mask.toBbox(segmentation).tolist()
