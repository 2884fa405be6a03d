"""COCO's average precision of predictions, and of any resample of their images, from one evaluation.

pycocotools matches predictions with objects once. What depends on the choice of images, the precision at each recall,
is then computed here from these matches with a weight for each image, how often it was drawn, so that a resample takes
no matching. With each image once it is what pycocotools itself computes.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmattn.errors import UserError

from .model import silent

# Of each average precision: area, largest number of detections (as mmdet takes them), threshold of IoU (None: mean).
RULES = {
    'AP': ('all', 'first', None), 'AP50': ('all', 'last', 0.5), 'AP75': ('all', 'last', 0.75),
    'AP_S': ('small', 'last', None), 'AP_M': ('medium', 'last', None), 'AP_L': ('large', 'last', None),
}


@dataclass(frozen=True)
class Ranking:
    """The detections of one category in all images, best first, down to the last that found an object.

    Args:
        image: (D,), index of each detection's image.
        hits: for each of T thresholds of IoU, the positions of those that found an object, ascending.
        counted: (T, D), or (1, D) where all are equal: 1 for those that are right or wrong, 0 for those that are
            neither, such as detections of another size.
        objects: (I,), number of objects to find in each image.
    """

    image: np.ndarray
    hits: tuple[np.ndarray, ...]
    counted: np.ndarray
    objects: np.ndarray

    def precision(self, weights: np.ndarray, recalls: np.ndarray) -> np.ndarray | None:
        """(T, R): the best precision at each recall or a higher one; None if there are no objects."""
        objects = float(self.objects @ weights)
        if objects == 0:
            return None
        weight = weights[self.image]
        counted = np.cumsum(weight * self.counted, axis=1)
        curve = np.zeros((len(self.hits), len(recalls)))
        for row, hits in enumerate(self.hits):
            # Recall rises at hits only, so that no precision elsewhere is the best at its recall.
            found = np.cumsum(weight[hits])
            precision = found / (counted[row % len(counted), hits] + np.spacing(1))
            best = np.maximum.accumulate(precision[::-1])[::-1]
            index = np.searchsorted(found / objects, recalls, side='left')
            reached = index < len(hits)
            curve[row, reached] = best[index[reached]]
        return curve


class CocoEvaluation:
    """Predictions of one kind, matched with the annotated objects.

    Args:
        annotations: path of COCO annotations.
        results: predictions in COCO's format: image_id, category_id, score, bbox or segmentation.
        kind: 'bbox' or 'segm'.
        images: ids of the images, in the order of the weights.
        categories: ids of the categories.
        max_detections: ascending numbers of detections in an image, as CocoMetric's ``proposal_nums``.

    Raises:
        UserError: if pycocotools is not installed, or annotations or results do not belong together.
    """

    def __init__(self, annotations: str, results: list[dict], kind: str, images: Sequence[int],
                 categories: Sequence[int], max_detections: Sequence[int] = (100, 300, 1000)) -> None:
        evaluator = _evaluate(annotations, results, kind, images, categories, max_detections)
        params = evaluator.params
        self.ious, self.recalls = np.array(params.iouThrs), np.array(params.recThrs)
        self.images = len(images)
        self._limits = dict(first=max_detections[0], last=max_detections[-1])
        areas, length = params.areaRngLbl, len(images)
        self._records = {
            (area, k): evaluator.evalImgs[(k * len(areas) + a) * length:(k * len(areas) + a + 1) * length]
            for k in range(len(categories)) for a, area in enumerate(areas)}
        self._categories = range(len(categories))
        # Where no image has more detections than the first limit, both limits give the same rankings.
        if max((len(r['dtScores']) for rs in self._records.values() for r in rs if r), default=0) <= max_detections[0]:
            self._limits['first'] = self._limits['last']
        self._rankings = {key: [_rank(self._records[key[0], k], key[1], len(self.ious)) for k in self._categories]
                          for key in {(area, self._limits[limit]) for area, limit, _ in RULES.values()}}
        del self._records

    def precisions(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """COCO's six average precisions, in percent; NaN where there are no objects.

        Args:
            weights: (I,), how often each image counts; None: each once.
        """
        weights = np.ones(self.images) if weights is None else weights
        curves = {key: self._curve(key, weights) for key in self._rankings}
        found = {}
        for name, (area, limit, iou) in RULES.items():
            curve = curves[area, self._limits[limit]]
            curve = curve if iou is None or curve is None else curve[self._row(iou)]
            found[name] = float('nan') if curve is None else 100 * float(curve.mean())
        return found

    def curve(self, iou: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Recall and precision, (R,) each, at a threshold of IoU, averaged over the categories that have objects."""
        curve = self._curve(('all', self._limits['last']), np.ones(self.images))
        return None if curve is None else (self.recalls, curve[self._row(iou)])

    def _curve(self, key: tuple[str, int], weights: np.ndarray) -> np.ndarray | None:
        curves = [ranking.precision(weights, self.recalls) for ranking in self._rankings[key]]
        curves = [curve for curve in curves if curve is not None]
        return np.mean(curves, axis=0) if curves else None

    def _row(self, iou: float) -> int:
        return int(np.abs(self.ious - iou).argmin())


def _rank(records: Sequence[dict | None], limit: int, thresholds: int) -> Ranking:
    hit, counted, image, scores = [np.zeros((thresholds, 0), bool)], [np.zeros((thresholds, 0), bool)], [], []
    objects = np.zeros(len(records))
    for i, record in enumerate(records):
        if record is None:  # neither objects nor detections
            continue
        ignored = np.asarray(record['dtIgnore'])[:, :limit].astype(bool)
        hit.append((np.asarray(record['dtMatches'])[:, :limit] != 0) & ~ignored)
        counted.append(~ignored)
        scores += record['dtScores'][:limit]
        image += [i] * ignored.shape[1]
        objects[i] = np.count_nonzero(np.asarray(record['gtIgnore']) == 0)
    order = np.argsort(-np.array(scores), kind='mergesort')  # stable, as in pycocotools
    hit, counted = np.concatenate(hit, axis=1)[:, order], np.concatenate(counted, axis=1)[:, order]
    length = max(np.flatnonzero(hit.any(axis=0)), default=-1) + 1
    counted = counted[:, :length]
    return Ranking(np.array(image, int)[order][:length], tuple(np.flatnonzero(row) for row in hit),
                   (counted[:1] if (counted == counted[0]).all() else counted).astype(float), objects)


def _evaluate(annotations: str, results: list[dict], kind: str, images: Sequence[int], categories: Sequence[int],
              max_detections: Sequence[int]):
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise UserError('curves and intervals of detectors need pycocotools: pip install pycocotools') from error
    with silent():
        truth = COCO(annotations)
        if not set(images) <= set(truth.imgs):
            raise UserError(f"'{annotations}' lacks images that the predictions are of; predict anew")
        found = truth.loadRes(results) if results else COCO()
        evaluator = COCOeval(truth, found, kind)
        # In this order: COCOeval keeps the order of what it is given, loadRes that of the file.
        evaluator.params.imgIds, evaluator.params.catIds = sorted(images), sorted(categories)
        evaluator.params.maxDets = list(max_detections)
        if not results:
            found.dataset = dict(images=truth.dataset['images'], categories=truth.dataset['categories'],
                                 annotations=[])
            found.createIndex()
        evaluator.evaluate()
    return evaluator
