"""Figures of a detector: COCO's by every library, TIDE's kinds of errors, confusion, thresholds, sizes, calibration."""

import contextlib
import copy
import io
import sys

import numpy as np
import pytest

from mmattn.analysis.evaluation.box_matches import match_boxes
from mmattn.analysis.evaluation.calibration import calibrate
from mmattn.analysis.evaluation.coco_evaluator import evaluated, library_of
from mmattn.analysis.evaluation.confusion import detector_confusion, pair
from mmattn.analysis.evaluation.detector_figures import detector_figures
from mmattn.analysis.evaluation.error_kinds import KINDS, error_kinds
from mmattn.analysis.evaluation.label_errors import missing_annotations
from mmattn.analysis.evaluation.precision_recall import average_precision, best_threshold
from mmattn.analysis.evaluation.size_bins import size_bins
from mmattn.errors import UserError

pytest.importorskip('pycocotools')
CLASSES = ('ant', 'bee', 'cow')
SIDE = 400
SETTINGS = dict(max_detections=[100, 300, 1000], ious=None, parallel=False)


def coco(objects, images=1, classes=CLASSES, size=SIDE):
    """COCO annotations: objects as (image, label, box) or (image, label, box, iscrowd)."""
    return dict(
        images=[dict(id=i + 1, file_name=f'{i + 1}.png', width=size, height=size) for i in range(images)],
        categories=[dict(id=10 * (k + 1), name=name) for k, name in enumerate(classes)],
        annotations=[
            dict(
                id=n,
                image_id=image + 1,
                category_id=10 * (label + 1),
                bbox=list(map(float, box)),
                area=float(box[2] * box[3]),
                iscrowd=int(any(crowd)),
                segmentation=polygon(box),
            )
            for n, (image, label, box, *crowd) in enumerate(objects, start=1)
        ],
    )


def polygon(box):
    x, y, w, h = map(float, box)
    return [[x, y, x + w, y, x + w, y + h, x + w / 3, y + h, x, y + h / 2]]


def mask(box):
    from pycocotools import mask as coco_mask

    [rle] = coco_mask.frPyObjects(polygon(box), SIDE, SIDE)
    return dict(size=rle['size'], counts=rle['counts'].decode())


def predictions(annotations, found, masks=False):
    """Predictions of a detector: found as (image, label, box, score)."""
    boxes = [
        dict(image_id=image + 1, category_id=10 * (label + 1), bbox=list(map(float, box)), score=float(score))
        for image, label, box, score in found
    ]
    results = dict(bbox=boxes)
    if masks:
        results['segm'] = [
            {**{key: one[key] for key in ('image_id', 'category_id', 'score')}, 'segmentation': mask(one['bbox'])}
            for one in boxes
        ]
    return dict(
        kind='detector',
        annotations=annotations,
        images=[one['id'] for one in annotations['images']],
        categories=[one['id'] for one in annotations['categories']],
        results=results,
        settings=dict.fromkeys(results, SETTINGS),
    )


def random_predictions(seed, images=12, classes=6, masks=False, crowds=0.1, ties=True):
    """Overlapping objects of many classes with crowds, and detections of which some have equal scores."""
    generator = np.random.default_rng(seed)
    objects, found = [], []
    for image in range(images):
        for _ in range(generator.integers(0, 8)):
            box = np.r_[generator.uniform(0, 250, 2), generator.uniform(3, 140, 2)]
            label = int(generator.integers(classes))
            objects.append((image, label, box.tolist(), generator.random() < crowds and not masks))
            for _ in range(generator.integers(0, 4)):
                other = label if generator.random() < 0.8 else int(generator.integers(classes))
                score = generator.random()
                found.append(
                    (
                        image,
                        other,
                        (box * np.exp(generator.normal(0, 0.12, 4))).tolist(),
                        round(score, 1) if ties else score,
                    )
                )
    return predictions(coco(objects, images, [f'class {k}' for k in range(classes)]), found, masks)


def official(given, kind, areas=None):
    """COCOeval of pycocotools itself."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = copy.deepcopy(given['annotations'])
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(copy.deepcopy(given['results'][kind])), kind)
        evaluator.params.maxDets = [100, 300, 1000]
        if areas:
            evaluator.params.areaRng, evaluator.params.areaRngLbl = areas, [str(k) for k in range(len(areas))]
        evaluator.evaluate()
        evaluator.accumulate()
        if not areas:
            evaluator.summarize()
    return evaluator


def evaluate(given, kind='bbox', **options):
    given = copy.deepcopy(given)
    return evaluated(
        given['annotations'],
        given['results'][kind],
        kind,
        given['images'],
        given['categories'],
        [100, 300, 1000],
        **options,
    )


# COCO's figures.


@pytest.mark.parametrize('library', ['hotcoco', 'pycocotools'])
@pytest.mark.parametrize('kind', ['bbox', 'segm'])
@pytest.mark.parametrize('seed', [0, 1])
def test_coco_figures_are_those_of_pycocotools_to_the_last_bit(library, kind, seed, monkeypatch):
    if library == 'hotcoco':
        pytest.importorskip('hotcoco')
    else:
        monkeypatch.setitem(sys.modules, 'hotcoco', None)
    given = random_predictions(seed, masks=kind == 'segm')
    areas = [[0, 1e10], [0, 900], [900, 4000], [4000, 1e10]]
    for options in ({}, dict(areas=areas)):
        ours, theirs = evaluate(given, kind, **options), official(given, kind, **options)
        assert library_of(ours) == library
        for name in ('precision', 'recall', 'scores'):
            np.testing.assert_array_equal(np.asarray(ours.eval[name]), theirs.eval[name])
        if not options:
            np.testing.assert_array_equal(np.asarray(ours.stats), theirs.stats)
    assert 0.05 < official(given, kind).stats[0] < 0.95  # neither all nor nothing is found


def test_figures_by_class_are_pycocotools_precisions_and_recalls():
    given = random_predictions(3, masks=True)
    found, theirs = detector_figures(copy.deepcopy(given)), {kind: official(given, kind) for kind in ('bbox', 'segm')}
    for row, kind in (('box', 'bbox'), ('mask', 'segm')):
        precision, recall = theirs[kind].eval['precision'], theirs[kind].eval['recall']
        for k, values in enumerate(found.by_class[row].values()):
            for column, part in (
                ('AP', precision[:, :, k, 0, 0]),
                ('AP50', precision[0, :, k, 0, 2]),
                ('AP75', precision[5, :, k, 0, 2]),
                ('AP_S', precision[:, :, k, 1, 2]),
                ('AP_L', precision[:, :, k, 3, 2]),
                ('AR', recall[:, k, 0, 2]),
            ):
                expected = part[part > -1].mean() if (part > -1).any() else None
                assert values[column] == expected
        assert found.overall[row]['AP'] == theirs[kind].stats[0]
        np.testing.assert_array_equal(found.curves[row], precision[0, :, :, 0, 2].T)


def test_all_figures_are_the_same_without_hotcoco_and_leave_the_predictions_as_they_are(monkeypatch):
    pytest.importorskip('hotcoco')
    given = random_predictions(4, masks=True)
    before = copy.deepcopy(given)
    ours = detector_figures(given)
    monkeypatch.setitem(sys.modules, 'hotcoco', None)
    theirs = detector_figures(given)
    assert (ours.library, theirs.library) == ('hotcoco', 'pycocotools') and given == before
    for name in ('overall', 'by_class', 'sizes', 'thresholds'):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.sizes['mask'] != ours.sizes['box']


def test_a_library_that_is_missing_or_fails_is_replaced_by_pycocotools(monkeypatch):
    hotcoco = pytest.importorskip('hotcoco')
    given = random_predictions(0, images=2)
    monkeypatch.setattr(hotcoco, 'COCO', lambda *_: (_ for _ in ()).throw(ValueError('something else')))
    assert library_of(evaluate(given)) == 'pycocotools'


def test_images_that_the_annotations_lack_are_an_error_of_one_line():
    given = random_predictions(0, images=2)
    given['images'].append(77)
    with pytest.raises(UserError, match='lacks images'):
        evaluate(given)


# Matching and TIDE.


@pytest.mark.parametrize('seed', range(4))
def test_ap_of_the_matches_is_pycocotools_ap50(seed):
    given = random_predictions(seed)
    assert error_kinds(match_boxes(given)).ap == pytest.approx(official(given, 'bbox').stats[1], abs=1e-12)


@pytest.mark.parametrize('seed', range(4))
def test_kinds_of_errors_are_those_of_another_implementation(seed):
    hotcoco = pytest.importorskip('hotcoco')
    given = random_predictions(seed, images=30, crowds=0, ties=False)
    found = error_kinds(match_boxes(given))
    truth = hotcoco.COCO(given['annotations'])
    evaluator = hotcoco.COCOeval(truth, truth.load_res(given['results']['bbox']), 'bbox')
    evaluator.evaluate()
    theirs = evaluator.tide_errors()
    names = dict(zip(KINDS, ('Cls', 'Loc', 'Both', 'Dupe', 'Bkg', 'Miss'), strict=True))
    assert found.number == {name: theirs['counts'].get(names[name], 0) for name in KINDS}
    assert sum(number > 0 for number in found.number.values()) == len(KINDS)
    for name in KINDS:
        assert found.cost[name] == pytest.approx(theirs['delta_ap'][names[name]], abs=1e-9)


OBJECT = (100, 100, 100, 100)
MOVED = (170, 100, 100, 100)  # IoU 30 / 170 = 0.18


@pytest.mark.parametrize(
    'found, kind, cost',
    [
        ([(0, 1, OBJECT, 0.9)], 'classification', 1.0),  # with the right class it finds the only object
        ([(0, 0, MOVED, 0.9)], 'localisation', 1.0),
        ([(0, 1, MOVED, 0.9)], 'both', 0.0),  # removed, and the object is missed still
        ([(0, 0, OBJECT, 0.9), (0, 0, OBJECT, 0.8)], 'duplicate', 0.0),  # after all objects it costs nothing
        ([(0, 0, (300, 300, 50, 50), 0.95), (0, 0, OBJECT, 0.9)], 'background', 0.5),  # precision 1/2 becomes 1
        ([], 'missed', 1.0),
    ],
)
def test_each_kind_of_error_alone_has_its_name_and_its_cost(found, kind, cost):
    matches = match_boxes(predictions(coco([(0, 0, OBJECT)]), found))
    errors = error_kinds(matches)
    missed = kind in ('both', 'missed')
    assert errors.number == {**dict.fromkeys(KINDS, 0), **({'missed': 1} if missed else {}), kind: 1}
    assert errors.cost[kind] == pytest.approx(cost, abs=1e-9)
    assert errors.cost['missed'] == pytest.approx(1.0 if missed else 0.0, abs=1e-9)


def test_an_object_is_given_to_the_best_of_several_errors_only():
    """Of two detections with a wrong class one would find the object; the other is removed."""
    errors = error_kinds(
        match_boxes(
            predictions(
                coco([(0, 0, OBJECT), (0, 1, (0, 0, 50, 50))]),
                [(0, 1, OBJECT, 0.9), (0, 2, OBJECT, 0.8), (0, 1, (0, 0, 50, 50), 0.7)],
            )
        )
    )
    assert errors.number['classification'] == 2 and errors.number['missed'] == 0
    assert errors.ap == pytest.approx((0 + 0.5) / 2) and errors.cost['classification'] == pytest.approx(0.75)


def test_detections_in_a_crowd_are_no_errors():
    given = predictions(
        coco([(0, 0, (0, 0, 200, 200), True), (0, 0, (300, 300, 50, 50))]),
        [(0, 0, (10, 10, 50, 50), 0.9), (0, 0, (300, 300, 50, 50), 0.8), (0, 1, (20, 20, 50, 50), 0.85)],
    )
    matches = match_boxes(given)
    assert matches.ignored.tolist() == [True, False, False] and matches.count() == 1
    errors = error_kinds(matches)
    assert errors.ap == pytest.approx(1) and errors.number['duplicate'] == errors.number['missed'] == 0
    matrix = detector_confusion(matches, pair(matches, [0] * 3))
    assert matrix.sum() == matrix[0, 0] == 1  # and what has another class in the crowd is not held against it


def test_nothing_detected_and_nothing_annotated():
    nothing = match_boxes(predictions(coco([(0, 0, OBJECT)]), []))
    assert len(nothing) == 0 and nothing.thresholds() == [None] * 3
    assert detector_confusion(nothing, pair(nothing, [0.5] * 3))[0].tolist() == [0, 0, 0, 1]
    figures = detector_figures(predictions(coco([(0, 0, OBJECT)]), []))
    assert figures.overall['box']['AP'] == 0 and np.isnan(figures.calibration.error)
    empty = match_boxes(predictions(coco([]), [(0, 0, OBJECT, 0.9)]))
    errors = error_kinds(empty)
    assert np.isnan(errors.ap) and errors.number['background'] == 1


# Confusion.


def test_confusion_counts_right_wrong_missed_and_background():
    objects = [
        (0, 0, (0, 0, 50, 50)),
        (0, 0, (100, 0, 50, 50)),
        (0, 1, (200, 0, 50, 50)),
        (1, 2, (0, 0, 50, 50)),
        (1, 1, (100, 100, 50, 50)),
    ]
    found = [
        (0, 0, (0, 0, 50, 50), 0.9),  # right
        (0, 1, (100, 0, 50, 50), 0.8),  # an ant taken for a bee
        (0, 1, (200, 0, 50, 50), 0.7),  # right
        (0, 2, (200, 0, 50, 50), 0.95),  # the same bee once more, as a cow: nothing is left to find
        (1, 2, (300, 300, 50, 50), 0.6),  # nothing there
        (1, 1, (100, 100, 50, 50), 0.1),
    ]  # below the threshold: missed
    matches = match_boxes(predictions(coco(objects, images=2), found))
    pairing = pair(matches, [0.5] * 3)
    assert detector_confusion(matches, pairing).tolist() == [[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 2, 0]]
    assert matches.objects.label[pairing.missed].tolist() == [2, 1]


def test_confusion_of_random_data_counts_every_object_and_kept_detection_once():
    matches = match_boxes(random_predictions(5))
    pairing = pair(matches, [0.4] * len(matches.classes))
    matrix = detector_confusion(matches, pairing)
    assert matrix[:-1].sum() == matches.count()
    assert matrix[:, :-1].sum() == pairing.kept.sum() > 0
    partners = pairing.partner[pairing.partner >= 0]
    assert len(set(partners)) == len(partners)


# Thresholds, calibration, sizes, label errors.


def test_best_threshold_is_where_f1_is_best():
    scores, right = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.5]), np.array([1, 1, 0, 1, 0, 0], bool)
    best = best_threshold(right, scores, objects=4)
    assert (best.score, best.precision, best.recall) == (0.6, 0.75, 0.75) and best.f1 == pytest.approx(0.75)
    generator = np.random.default_rng(0)
    scores, right = generator.random(200).round(2), generator.random(200) < 0.4
    best = best_threshold(right, scores, 100)
    every = [2 * right[scores >= s].sum() / ((scores >= s).sum() + 100) for s in np.unique(scores)]
    assert best.f1 == pytest.approx(max(every))
    assert best_threshold(np.zeros(3, bool), np.ones(3), 5) is None


def test_average_precision_of_a_known_ranking():
    # Recall 1/2 at precision 1, recall 1 at precision 2/3: 51 recalls of 101 with 1, the others with 2/3.
    value = average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]), 2)
    assert value == pytest.approx((51 + 50 * 2 / 3) / 101) and np.isnan(average_precision(np.zeros(0), np.zeros(0), 0))


def test_calibration_of_known_scores():
    scores = np.array([0.95] * 10 + [0.55] * 4 + [0.1, np.nan])
    right = np.array([True] * 9 + [False] + [True, False, False, False] + [False, True])
    found = calibrate(scores, right)
    assert found.count.tolist() == [1, 0, 0, 0, 0, 4, 0, 0, 0, 10]  # 0.1 belongs to the first bin
    assert found.right[9] == 0.9 and found.right[5] == 0.25 and np.isnan(found.right[3])
    assert found.error == pytest.approx((10 * 0.05 + 4 * 0.3 + 1 * 0.1) / 15)
    assert calibrate(np.full(1000, 0.3), np.arange(1000) < 300).error == pytest.approx(0, abs=1e-9)


def test_size_bins_have_equal_numbers_of_objects_and_pycocotools_ap():
    given = random_predictions(7, images=40, classes=2)
    matches = match_boxes(given)
    bins = size_bins(copy.deepcopy(given), matches.objects)
    assert len(bins) == 10 and sum(one.objects for one in bins) == matches.count()
    assert max(one.objects for one in bins) - min(one.objects for one in bins) <= 1
    borders = [0, *((a.high**2 + b.low**2) / 2 for a, b in zip(bins, bins[1:])), 1e10]
    theirs = official(given, 'bbox', areas=[list(pair) for pair in zip(borders, borders[1:])]).eval['precision']
    for k, one in enumerate(bins):
        values = theirs[:, :, :, k, 0]
        assert one.ap == pytest.approx(values[values > -1].mean(), abs=1e-12)


def test_objects_of_one_size_are_in_one_bin():
    given = predictions(coco([(0, 0, (50 * k, 0, 20, 20)) for k in range(6)]), [(0, 0, (0, 0, 20, 20), 0.9)])
    [one] = size_bins(given, match_boxes(given).objects)
    assert (one.low, one.high, one.objects) == (20, 20, 6) and 0 < one.ap50 < 0.2


def test_confident_detections_on_nothing_are_suspected_label_errors():
    found = [
        (0, 0, OBJECT, 0.8),
        (0, 0, (300, 300, 50, 50), 0.9),
        (0, 0, (300, 10, 50, 50), 0.7),
        (0, 1, (10, 300, 50, 50), 0.6),
        (0, 2, (10, 10, 50, 50), 0.4),
        (0, 1, (120, 120, 80, 80), 0.99),
    ]
    matches = match_boxes(predictions(coco([(0, 0, OBJECT)]), found))
    # Not the one less sure than right ants are, not the one below 0.5, not the one on the annotated object.
    assert matches.score[missing_annotations(matches)].tolist() == [0.9, 0.6]


def test_boxes_of_a_model_with_masks_alone_are_those_around_the_masks():
    given = random_predictions(1, images=3, masks=True)
    del given['results']['bbox']
    figures = detector_figures(given)
    assert list(figures.overall) == ['mask'] and len(figures.matches) == len(given['results']['segm'])
