"""Figures of segmentors: those of mmseg's IoUMetric, of any choice of images, of single images and of borders."""

import numpy as np
import pytest
import torch

from mmattn.analysis.compare.intervals import resample
from mmattn.analysis.compare.metrics import evaluate
from mmattn.analysis.evaluation.calibration import bin_sums, calibrate, calibration_of
from mmattn.analysis.evaluation.pixels import PixelAreas, border_errors, dense, pixel_confusion, sparse
from mmattn.analysis.evaluation.segmentor_figures import segmentor_figures
from mmattn.analysis.evaluation.segmentor_predictions import _scores
from mmattn.analysis.evaluation.wrong_regions import WrongRegion, suspected, wrong_regions

IGNORED = 255


def pictures(generator, classes, images=6, beyond=False, size=(23, 31)):
    """Annotated and predicted labels of images: blocks of classes; of more than two the last is in none of them."""
    found, known = [], max(2, classes - 1)
    for _ in range(images):
        truth = np.kron(generator.integers(0, known, (5, 7)), np.ones((5, 5), int))[: size[0], : size[1]]
        predicted = np.where(generator.random(size) < 0.7, truth, generator.integers(0, known, size))
        truth[generator.random(size) < 0.1] = IGNORED
        if beyond:
            truth[generator.random(size) < 0.05] = classes + 3
            predicted[generator.random(size) < 0.05] = classes
        found.append((truth, predicted))
    return found


def official(found, classes, **settings):
    """Means as IoUMetric prints them, and IoU and Acc by class unrounded."""
    pytest.importorskip('mmseg')
    from mmseg.evaluation import IoUMetric

    metric = IoUMetric(ignore_index=IGNORED, iou_metrics=['mIoU', 'mDice', 'mFscore'], **settings)
    metric.dataset_meta = dict(classes=tuple(map(str, range(classes))))
    for truth, predicted in found:
        sample = dict(
            pred_sem_seg=dict(data=torch.from_numpy(predicted)[None]),
            gt_sem_seg=dict(data=torch.from_numpy(truth)[None].clone()),
        )
        metric.process({}, [sample])
    results = [sum(each) for each in zip(*metric.results)]
    by_class = metric.total_area_to_metrics(*results, metric.metrics, metric.nan_to_num, metric.beta)
    return metric.compute_metrics(metric.results), by_class


def predictions(found, classes, nan=None):
    """What is kept of a segmentor's predictions."""
    return dict(
        kind='segmentor',
        classes=[f'class {label}' for label in range(classes)],
        images=[f'{index}.png' for index in range(len(found))],
        confusion=[sparse(pixel_confusion(truth, predicted, classes, IGNORED)) for truth, predicted in found],
        borders=[border_errors(truth, predicted, IGNORED) for truth, predicted in found],
        bins=bin_sums(np.ones(4), np.ones(4)).tolist(),
        usual=np.ones((2, classes)).tolist(),
        regions=[],
        settings=dict(ignored=IGNORED, nan=nan),
    )


@pytest.mark.parametrize(
    'classes, beyond, settings',
    [(2, False, {}), (5, False, {}), (5, True, {}), (4, False, dict(nan_to_num=0)), (150, True, {})],
    ids=['two', 'absent', 'labels beyond the classes', 'nan_to_num', 'many'],
)
def test_means_and_values_by_class_are_those_of_ioumetric(classes, beyond, settings):
    found = pictures(np.random.default_rng(classes), classes, beyond=beyond)
    printed, by_class = official(found, classes, **settings)
    areas = evaluate(predictions(found, classes, settings.get('nan_to_num'))).areas
    for name, value in areas.means().items():
        assert f'{100 * value:.2f}' == f'{printed[name]:.2f}'
    ours = areas.by_class()
    np.testing.assert_array_equal(ours['IoU'], by_class['IoU'])
    np.testing.assert_array_equal(ours['Acc'], by_class['Acc'])
    np.testing.assert_allclose(ours['Dice'], by_class['Dice'], rtol=1e-6)
    np.testing.assert_allclose(ours['precision'], by_class['Precision'], rtol=1e-6)
    if classes > 2 and not settings:
        assert np.isnan(ours['IoU'][-1]) and np.isfinite(areas.means()['mIoU'])  # left out of the mean


def test_sums_of_many_large_images_are_rounded_as_those_of_ioumetric():
    generator = np.random.default_rng(0)
    truth = generator.integers(10**6, 10**8, (500, 3))
    right = (truth * generator.random((500, 3))).astype(int)
    predicted = right + generator.integers(0, 10**7, (500, 3))
    areas = PixelAreas(right, predicted, truth, truth.sum(axis=1))
    one, two, three = (sum(torch.from_numpy(rows).float()) for rows in (right, predicted, truth))
    np.testing.assert_array_equal(areas.by_class()['IoU'], (one / (two + three - one)).numpy())
    assert areas.means()['aAcc'] == float(one.sum() / three.sum())


def test_without_images_or_counted_pixels_all_is_undefined():
    assert np.isnan(list(PixelAreas.of([], 3).means().values())).all()
    ignored = np.full((4, 4), IGNORED)
    figures = segmentor_figures(predictions([(ignored, np.zeros((4, 4), int))], 2))
    assert np.isnan(figures.wrong[0]) and np.isnan(figures.image_means()[0]) and not len(figures.worst())


def test_a_resample_counts_an_image_as_often_as_it_was_drawn():
    found = pictures(np.random.default_rng(1), 4)
    weights = np.array([0, 3, 1, 0, 2, 1.0])
    drawn = [pair for pair, count in zip(found, weights) for _ in range(int(count))]
    ours, repeated = (evaluate(predictions(each, 4)) for each in (found, drawn))
    for name, value in ours.metrics(weights).items():
        assert value == pytest.approx(repeated.metrics()[name], rel=1e-5)
    metrics = resample({'a': ours}, 20)['a']
    assert set(metrics) == {'mIoU', 'mAcc', 'aAcc'} and metrics['mIoU'].std() > 0


def test_images_are_the_same_if_names_classes_and_annotations_are():
    found = pictures(np.random.default_rng(1), 4)
    others = [(truth.copy(), predicted) for truth, predicted in found]
    others[0][0][:3] = 1
    first, again, other = (evaluate(predictions(each, 4)) for each in (found, list(found), others))
    assert first.images == again.images != other.images and first.count == 6 and first.curves() == {}


def test_a_confusion_matrix_is_kept_by_its_cells():
    truth, predicted = np.array([[0, 0, 1, IGNORED, 7]]), np.array([[0, 1, 1, 1, 0]])
    matrix = pixel_confusion(truth, predicted, 2, IGNORED)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert sparse(matrix) == [[0, 1, 4, 6], [1, 1, 1, 1]]
    np.testing.assert_array_equal(dense(sparse(matrix), 2), matrix)
    figures = segmentor_figures(predictions([(truth, predicted)], 2))
    assert figures.rows == ('class 0', 'class 1', 'no class') and figures.wrong[0] == 0.5
    np.testing.assert_array_equal(figures.confusion, matrix)


def test_pixels_near_a_border_are_those_up_to_three_from_it():
    truth = np.zeros((10, 20), int)
    truth[:, 10:] = 1
    predicted = truth.copy()
    predicted[:, 11] = 0
    predicted[0, 0] = 1
    assert border_errors(truth, predicted, IGNORED) == (60, 10)
    truth[:, 10:] = IGNORED  # where what is ignored begins there is no border
    assert border_errors(truth, predicted, IGNORED) == (0, 0)
    truth[:, 12:] = 1
    assert border_errors(truth, predicted, IGNORED) == (0, 0)


def test_the_worst_image_is_the_one_with_the_lowest_mean_iou_of_its_annotated_classes():
    truth = np.zeros((10, 10), int)
    truth[:2, :2] = 1
    missed = np.zeros((10, 10), int)  # a small object that costs few pixels
    blurred = truth.copy()
    blurred[5:7, :] = 2  # of a class that is not there
    figures = segmentor_figures(predictions([(truth, blurred), (truth, missed), (truth, truth)], 3))
    assert figures.worst().tolist() == [1, 0] and figures.wrong[0] > figures.wrong[1]
    np.testing.assert_allclose(figures.image_means(), [(76 / 96 + 1) / 2, 0.48, 1])
    assert np.isnan(figures.image_ious()[:, 2]).all()


# Scores.


def test_calibration_of_parts_is_that_of_the_whole():
    generator = np.random.default_rng(0)
    scores = np.r_[generator.random(500), np.nan, 1.0, 0.0]
    right = generator.random(503) < np.nan_to_num(scores)
    parts = sum(bin_sums(scores[part], right[part]) for part in (np.s_[:100], np.s_[100:]))
    whole, added = calibrate(scores, right), calibration_of(parts)
    assert whole.count.sum() == 502 and added.error == pytest.approx(whole.error)
    np.testing.assert_array_equal(added.count, whole.count)
    np.testing.assert_allclose(added.right, whole.right)


def sample(**data):
    from mmengine.structures import BaseDataElement, PixelData

    return BaseDataElement(**{name: PixelData(data=values) for name, values in data.items()})


def test_scores_are_the_softmax_of_the_predicted_class():
    logits = torch.randn(4, 3, 5) * 3
    expected, labels = logits.softmax(0).max(0)
    found = _scores(sample(seg_logits=logits, pred_sem_seg=labels[None]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Of one channel mmseg keeps the sigmoid.
    found = _scores(sample(seg_logits=torch.tensor([[[0.9, 0.2]]]), pred_sem_seg=torch.tensor([[[1.0, 0.0]]])))
    np.testing.assert_allclose(found, [[0.9, 0.8]], rtol=1e-6)
    assert np.isnan(_scores(sample(pred_sem_seg=torch.zeros(1, 2, 2)))).all()


def test_wrong_regions_are_thick_and_connected():
    truth, predicted, scores = np.zeros((60, 80), int), np.zeros((60, 80), int), np.full((60, 80), 0.5)
    predicted[10:20, 10:25], scores[10:20, 10:25] = 1, 0.8
    predicted[30:40, 0:12], scores[30:40, 0:12] = 1, 0.9  # at the border of the image
    predicted[50:54, 10:60] = 2  # thin
    truth[5:9, 70:74] = 1  # small
    truth[20:40, 60:75], predicted[20:40, 60:75] = 255, 1  # ignored
    truth[0:9, 30:45] = 7  # of no class
    found = wrong_regions(3, truth, predicted, scores, 3, IGNORED)
    assert found == [
        WrongRegion(3, 0, 1, 150, pytest.approx(0.8), (10, 10, 15, 10)),
        WrongRegion(3, 0, 1, 120, pytest.approx(0.9), (0, 30, 12, 10)),
    ]
    assert WrongRegion.of(found[0].as_list()) == found[0]
    assert suspected(found, np.array([0.9, 0.85, np.nan])) == found[1:]
    assert suspected(found, np.array([0.9, 0.3, 0.3])) == found  # from a score of 0.5 on
    assert suspected(found, np.array([0.9, np.nan, 0.3])) == []
