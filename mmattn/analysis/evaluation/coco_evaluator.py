"""COCO's evaluation by pycocotools, or by hotcoco where it is installed, which has the same numbers to the last bit.

hotcoco 1.3.0 equals pycocotools 2.0.11 in all figures and in the whole arrays of precision and recall, for boxes and
masks, crowds, equal scores, any areas and limits of detections, and is some fifty times as fast. faster-coco-eval
1.8.0, tried as well, differs in the last bits of the precisions, and is not used.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmattn.engine.quiet import silent
from mmattn.errors import UserError

# The limit of detections in an image at which pycocotools takes AP, whatever limits it is given.
LIMIT_OF_AP = 100


def evaluated(
    annotations: str | dict,
    results: list[dict],
    kind: str,
    images: Sequence[int],
    categories: Sequence[int],
    max_detections: Sequence[int] = (1, 10, 100),
    ious: Sequence[float] | None = None,
    areas: Sequence[tuple[float, float]] | None = None,
):
    """A COCOeval, of hotcoco or pycocotools, with its arrays of precision and recall in `eval`.

    Args:
        annotations: Path of the COCO annotations, or their content.
        results: Predictions in COCO's format: image_id, category_id, score, bbox or segmentation.
        kind: Kind of the predictions, 'bbox' or 'segm'.
        images: Ids of the images.
        categories: Ids of the categories.
        max_detections: Limits of the number of detections in an image.
        ious: Thresholds of IoU; None: 0.5, 0.55, … 0.95.
        areas: Least and largest areas of objects in square pixels; None: COCO's four, for which `stats` has its
            figures, too.

    Raises:
        UserError: pycocotools is not installed, or annotations and results do not belong together.
    """
    arguments = (annotations, results, kind, images, categories, max_detections, ious, areas)
    evaluator = _by_hotcoco(*arguments) or matched(*arguments)
    with silent(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of hotcoco, about limits of detections other than COCO's
        evaluator.accumulate()
        if areas is None:
            evaluator.summarize()
    return evaluator


def matched(
    annotations: str | dict,
    results: list[dict],
    kind: str,
    images: Sequence[int],
    categories: Sequence[int],
    max_detections: Sequence[int],
    ious: Sequence[float] | None = None,
    areas: Sequence[tuple[float, float]] | None = None,
):
    """A COCOeval of pycocotools that has matched detections with objects, image by image, and has no figures yet.

    Arguments and errors are those of `evaluated`.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise UserError('the evaluation of detectors needs pycocotools: pip install pycocotools') from error
    with silent():
        truth = COCO()
        content = content_of(annotations)
        truth.dataset = {**content, 'annotations': [dict(one) for one in content['annotations']]}
        truth.createIndex()
        _check_images(annotations, images, truth.imgs)
        # Copies, as it changes both: it adds boxes to masks, and would take the sizes from these the next time.
        found = truth.loadRes([dict(result) for result in results]) if results else COCO()
        evaluator = COCOeval(truth, found, kind)
        _set(evaluator.params, images, categories, max_detections, ious, areas)
        if not results:
            found.dataset = dict(images=truth.dataset['images'], categories=truth.dataset['categories'], annotations=[])
            found.createIndex()
        evaluator.evaluate()
    return evaluator


def library_of(evaluator) -> str:
    """The library whose COCOeval it is: 'hotcoco' or 'pycocotools'."""
    return 'pycocotools' if type(evaluator).__module__.startswith('pycocotools') else 'hotcoco'


def content_of(annotations: str | dict) -> dict:
    """The content of COCO annotations, which may be a path or the content itself."""
    return annotations if isinstance(annotations, dict) else json.loads(Path(annotations).read_text('utf-8'))


def _by_hotcoco(annotations: str | dict, results: list[dict], kind: str, *settings):
    """Its COCOeval with all matches, or None where it is not installed or refuses what pycocotools may accept."""
    try:
        import hotcoco
    except ImportError:
        return None
    try:
        with silent(), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            truth = hotcoco.COCO(content_of(annotations))
            _check_images(annotations, settings[0], truth.imgs)
            evaluator = hotcoco.COCOeval(truth, truth.load_res(results), kind)
            _set(evaluator.params, *settings)
            evaluator.evaluate()
    except UserError:
        raise
    except Exception:  # noqa: BLE001  pycocotools decides what is wrong
        return None
    return evaluator


def _check_images(annotations: str | dict, images: Sequence[int], known) -> None:
    if not set(images) <= set(known):
        name = 'the annotations' if isinstance(annotations, dict) else f"'{annotations}'"
        raise UserError(f'{name} lacks images that the predictions are of; predict anew')


def _set(
    params,
    images: Sequence[int],
    categories: Sequence[int],
    max_detections: Sequence[int],
    ious: Sequence[float] | None,
    areas: Sequence[tuple[float, float]] | None,
) -> None:
    # In this order: COCOeval keeps the order of what it is given, loadRes that of the file.
    params.imgIds, params.catIds = sorted(images), sorted(categories)
    params.maxDets = list(max_detections)
    if ious is not None:
        params.iouThrs = np.array(ious)
    if areas is not None:
        params.areaRng = [list(area) for area in areas]
        params.areaRngLbl = [str(number) for number in range(len(areas))]
