"""Metrics of a training's predictions on its validation images: of all images, and of any resample of them.

For COCO's average precisions, pycocotools matches predictions with objects once. What depends on the choice of images,
the precision at each recall, is then computed here from these matches with a weight for each image, how often it was
drawn, so that a resample needs no matching. With each image once it is what pycocotools itself computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmattn.analysis.evaluation.coco_evaluator import LIMIT_OF_AP, matched
from mmattn.analysis.evaluation.pixels import PixelAreas
from mmattn.analysis.evaluation.precision_recall import best_precisions
from mmattn.analysis.evaluation.segmentor_figures import areas_of
from mmattn.analysis.runs.metrics import ROWS, TOP

# Thresholds of IoU of the precision-recall curves.
IOUS = (0.5, 0.75)
# Of each average precision: area, threshold of IoU (None: mean over all).
RULES: dict[str, tuple[str, float | None]] = {
    'AP': ('all', None),
    'AP50': ('all', 0.5),
    'AP75': ('all', 0.75),
    'AP_S': ('small', None),
    'AP_M': ('medium', None),
    'AP_L': ('large', None),
}


class Evaluation(Protocol):
    """Predictions of a training, evaluated.

    Attributes:
        images: Identity of the validation images and their order; two evaluations with the same can be paired.
        count: Number of the validation images.
    """

    @property
    def images(self) -> tuple: ...

    @property
    def count(self) -> int: ...

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """Metrics in percent by their names in `mmattn.analysis.runs.metrics`; NaN where one is undefined.

        Args:
            weights: How often each image counts, (images,); None: each once.
        """

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Recall and precision, both from 0 to 1 and (recalls,), by title; of a detector alone."""


class Detections:
    """Evaluation of a detector.

    Args:
        predictions: Predictions of a detector, as
            `mmattn.analysis.evaluation.checkpoint_predictions.predict` returns them.

    Raises:
        UserError: pycocotools is not installed, or the annotations do not belong to the predictions.
    """

    def __init__(self, predictions: Mapping) -> None:
        self.images = ('detector', *sorted(predictions['images']), 'of', *sorted(predictions['categories']))
        self.count = len(predictions['images'])
        self._kinds = {
            kind: CocoEvaluation(
                predictions['annotations'],
                predictions['results'][key],
                key,
                predictions['images'],
                predictions['categories'],
                **predictions['settings'][key],
            )
            for kind, key in ROWS.items()
            if key in predictions['results']
        }

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        return {
            f'{kind} {column}': value
            for kind, evaluation in self._kinds.items()
            for column, value in evaluation.precisions(weights).items()
        }

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        found = {
            f'{kind}, IoU ≥ {iou:.2f}': evaluation.curve(iou)
            for kind, evaluation in self._kinds.items()
            for iou in IOUS
        }
        return {title: curve for title, curve in found.items() if curve is not None}


@dataclass
class Answers:
    """Evaluation of a classifier.

    Args:
        labels: True class of each image.
        ranks: Number of other classes that were rated at least as high as the true one, for each image, (images,).
        classes: Number of classes.
    """

    labels: tuple[int, ...]
    ranks: np.ndarray
    classes: int

    @property
    def images(self) -> tuple:
        return 'classifier', *self.labels

    @property
    def count(self) -> int:
        return len(self.labels)

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        tops = {name: int(name.removeprefix('top-')) for name in TOP}
        return {
            name: 100 * float(np.average(self.ranks < k, weights=weights))
            for name, k in tops.items()
            if k < self.classes
        }

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {}


@dataclass
class Pixels:
    """Evaluation of a segmentor, whose figures over all images are those of mmseg's IoUMetric.

    Args:
        names: File name of each image.
        classes: Names of the classes.
        areas: Numbers of pixels by class in each image.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    areas: PixelAreas

    @property
    def images(self) -> tuple:
        return 'segmentor', *self.names, 'of', *self.classes, 'with', self.areas.truth.tobytes()

    @property
    def count(self) -> int:
        return len(self.names)

    def metrics(self, weights: np.ndarray | None = None) -> dict[str, float]:
        return {name: 100 * value for name, value in self.areas.means(weights).items()}

    def curves(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {}


def evaluate(predictions: Mapping) -> Evaluation:
    """Evaluates predictions.

    Args:
        predictions: Predictions, as `mmattn.analysis.evaluation.checkpoint_predictions.predict` returns them.

    Raises:
        UserError: pycocotools is not installed, or the annotations do not belong to the predictions.
    """
    if predictions['kind'] == 'detector':
        return Detections(predictions)
    if predictions['kind'] == 'segmentor':
        return Pixels(tuple(predictions['images']), tuple(predictions['classes']), areas_of(predictions))
    return Answers(tuple(predictions['labels']), np.array(predictions['ranks']), predictions['classes'])


@dataclass(frozen=True)
class Ranking:
    """The detections of one category in all images, best first, down to the last that found an object.

    Args:
        image: Index of each detection's image, (D,).
        hits: Positions of the detections that found an object, ascending, for each of T thresholds of IoU.
        counted: 1 for detections that are right or wrong, 0 for those that are neither, such as detections of another
            size; (T, D), or (1, D) where all thresholds are alike.
        objects: Number of objects to find in each image, (I,).
    """

    image: np.ndarray
    hits: tuple[np.ndarray, ...]
    counted: np.ndarray
    objects: np.ndarray

    def precision(self, weights: np.ndarray, recalls: np.ndarray) -> np.ndarray | None:
        """The best precision at each recall or a higher one, (T, R); None if there are no objects.

        Args:
            weights: How often each image counts, (I,).
            recalls: Recalls from 0 to 1, (R,).
        """
        objects = float(self.objects @ weights)
        if objects == 0:
            return None
        weight = weights[self.image]
        counted = np.cumsum(weight * self.counted, axis=1)
        curve = np.zeros((len(self.hits), len(recalls)))
        for row, hits in enumerate(self.hits):
            # Recall rises at hits only, so that no precision elsewhere is the best at its recall.
            curve[row] = best_precisions(np.cumsum(weight[hits]), counted[row % len(counted), hits], objects, recalls)
        return curve


class CocoEvaluation:
    """Predictions of one kind, matched with the annotated objects.

    Args:
        annotations: Path of the COCO annotations, or their content.
        results: Predictions in COCO's format: image_id, category_id, score, bbox or segmentation.
        kind: Kind of the predictions, 'bbox' or 'segm'.
        images: Ids of the images, in the order of the weights.
        categories: Ids of the categories.
        max_detections: Limits of the number of detections in an image, CocoMetric's ``proposal_nums``.
        ious: Thresholds of IoU, CocoMetric's ``iou_thrs``; None: 0.5, 0.55, … 0.95.
        parallel: Whether the figures are those of CocoMetric's ``use_mp_eval``, which takes AP with the largest limit
            of detections, where pycocotools takes it with 100.

    Raises:
        UserError: pycocotools is not installed, or annotations and results do not belong together.
    """

    def __init__(
        self,
        annotations: str | dict,
        results: list[dict],
        kind: str,
        images: Sequence[int],
        categories: Sequence[int],
        max_detections: Sequence[int] = (100, 300, 1000),
        ious: Sequence[float] | None = None,
        parallel: bool = False,
    ) -> None:
        evaluator = matched(annotations, results, kind, images, categories, max_detections, ious)
        params = evaluator.params
        self.ious, self.recalls = np.array(params.iouThrs), np.array(params.recThrs)
        self.images = len(images)
        self._limits = _limits(sorted(max_detections), parallel)
        areas, length = params.areaRngLbl, len(images)
        self._records = {
            (area, k): evaluator.evalImgs[(k * len(areas) + a) * length : (k * len(areas) + a + 1) * length]
            for k in range(len(categories))
            for a, area in enumerate(areas)
        }
        self._categories = range(len(categories))
        # Where no image has more detections than a limit, higher ones give the same rankings.
        most = max((len(r['dtScores']) for rs in self._records.values() for r in rs if r), default=0)
        self._limits = {name: limit and min(limit, most) for name, limit in self._limits.items()}
        self._rankings: dict[tuple[str, int | None], list[Ranking]] = {
            (area, limit): [_rank(self._records[area, k], limit, len(self.ious)) for k in self._categories]
            for area, limit in {(RULES[name][0], limit) for name, limit in self._limits.items() if limit is not None}
        }
        del self._records

    def precisions(self, weights: np.ndarray | None = None) -> dict[str, float]:
        """COCO's six average precisions, in percent; NaN where there are no objects, or where the log has none either.

        Args:
            weights: How often each image counts, (images,); None: each once.
        """
        weights = np.ones(self.images) if weights is None else weights
        curves = {key: self._curve(key, weights) for key in self._rankings}
        found = {}
        for name, (area, iou) in RULES.items():
            curve = curves.get((area, self._limits[name]))
            if iou is not None and curve is not None:
                row = self._row(iou)
                curve = None if row is None else curve[row]
            found[name] = float('nan') if curve is None else 100 * float(curve.mean())
        return found

    def curve(self, iou: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Recall and precision, (recalls,) each, averaged over the categories that have objects; None without objects.

        Args:
            iou: Threshold of IoU; for one at which nothing was evaluated there is no curve either.
        """
        curve, row = self._curve(('all', self._limits['AP50']), np.ones(self.images)), self._row(iou)
        return None if curve is None or row is None else (self.recalls, curve[row])

    def _curve(self, key: tuple[str, int | None], weights: np.ndarray) -> np.ndarray | None:
        found = (ranking.precision(weights, self.recalls) for ranking in self._rankings[key])
        curves = [curve for curve in found if curve is not None]
        return np.mean(curves, axis=0) if curves else None

    def _row(self, iou: float) -> int | None:
        return next(iter(np.flatnonzero(np.isclose(self.ious, iou))), None)


def _limits(limits: Sequence[int], parallel: bool) -> dict[str, int | None]:
    """The limit of detections that each average precision is taken with; None where there is no such figure."""
    if parallel:
        return dict.fromkeys(RULES, limits[-1])
    others = limits[min(2, len(limits) - 1)]
    return {**dict.fromkeys(RULES, others), 'AP': LIMIT_OF_AP if LIMIT_OF_AP in limits else None}


def _rank(records: Sequence[dict | None], limit: int, thresholds: int) -> Ranking:
    hits: list[np.ndarray] = [np.zeros((thresholds, 0), bool)]
    counts: list[np.ndarray] = [np.zeros((thresholds, 0), bool)]
    image: list[int] = []
    scores: list[float] = []
    objects = np.zeros(len(records))
    for i, record in enumerate(records):
        if record is None:  # neither objects nor detections
            continue
        ignored = np.asarray(record['dtIgnore'])[:, :limit].astype(bool)
        hits.append((np.asarray(record['dtMatches'])[:, :limit] != 0) & ~ignored)
        counts.append(~ignored)
        scores += record['dtScores'][:limit]
        image += [i] * ignored.shape[1]
        objects[i] = np.count_nonzero(np.asarray(record['gtIgnore']) == 0)
    order = np.argsort(-np.array(scores), kind='mergesort')  # stable, as in pycocotools
    hit, counted = np.concatenate(hits, axis=1)[:, order], np.concatenate(counts, axis=1)[:, order]
    length = max(np.flatnonzero(hit.any(axis=0)), default=-1) + 1
    counted = counted[:, :length]
    return Ranking(
        np.array(image, int)[order][:length],
        tuple(np.flatnonzero(row) for row in hit),
        (counted[:1] if (counted == counted[0]).all() else counted).astype(float),
        objects,
    )
