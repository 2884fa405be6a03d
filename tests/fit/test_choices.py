"""Settings that are chosen by the data and the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmattn.fit.anchors import STRIDES, Anchors, choose_anchors, recall
from mmattn.fit.batch import Device, choose_batch, choose_norm, choose_precision, choose_rate
from mmattn.fit.image_size import choose_jitter, classifier_size, detector_size
from mmattn.fit.length import MOST_EPOCHS, epochs_in, validation_interval
from mmattn.fit.timing import Times

CPU = Device('CPU', None, False, 1)
GPU = Device('a GPU', 24 * 2**30, True, 1)


@pytest.mark.parametrize(
    'objects, size, longer',
    [
        (200, 'thin', 256),
        (40, 'thin', 320),
        (20, 'thin', 512),
        (4, 'thin', 512),
        (200, 'full', 512),
        (20, 'full', 640),
        (10, 'full', 1280),
        (1, 'full', 1333 // 32 * 32),
    ],
)
def test_smaller_objects_get_larger_images(objects, size, longer):
    choice = detector_size([(640, 480)] * 9, [objects] * 20, [0] * 20, size)
    assert choice.value[0] == pytest.approx(longer, abs=32)
    assert choice.value[1] == pytest.approx(0.75 * choice.value[0], abs=1)


def test_rare_class_of_small_objects_decides_the_image_size():
    objects, labels = [100] * 99 + [40], [0] * 99 + [1]
    assert detector_size([(640, 480)], objects, labels, 'thin').value == (320, 240)


def test_portrait_images_keep_their_shape():
    assert detector_size([(480, 640)], [40], [0], 'thin').value == (240, 320)


def test_images_are_not_enlarged_beyond_need():
    assert max(detector_size([(200, 100)], [50], [0], 'thin').value) == 192


def test_images_vary_in_size_where_no_object_is_too_small_for_it():
    assert choose_jitter([40] * 9, [0] * 9).value == (0.8, 1.25)
    assert choose_jitter([40] * 9 + [10], [0] * 9 + [1]).value is None


def test_classifier_gets_the_shorter_side_within_limits():
    assert [classifier_size([(side, 2 * side)], 'thin').value for side in (16, 64, 100, 500)] == [64, 64, 96, 128]


def brute_force(boxes, anchors, extent):
    """Best IoU of each box with mmdet's own anchors of an image of this size."""
    from mmdet.models.task_modules import AnchorGenerator
    from mmdet.structures.bbox import bbox_overlaps

    generator = AnchorGenerator(strides=list(STRIDES), scales=list(anchors.scales), ratios=list(anchors.ratios))
    sizes = [(extent[1] // stride, extent[0] // stride) for stride in STRIDES]
    grid = torch.cat(generator.grid_priors(sizes, device='cpu'))
    corners = torch.tensor(boxes, dtype=torch.float32)
    corners[:, 2:] += corners[:, :2]
    return bbox_overlaps(corners, grid).max(1).values.numpy()


@pytest.mark.parametrize(
    'anchors', [Anchors((8,), (0.5, 1.0, 2.0)), Anchors((2, 4), (1.0,)), Anchors((3, 4.24), (1, 3))]
)
def test_recall_is_that_of_mmdets_anchors(anchors):
    draw = np.random.default_rng(0)
    extents = draw.uniform(6, 100, (40, 2))
    boxes = np.concatenate([draw.uniform(32, 150, (40, 2)), extents], axis=1)  # away from the border
    best = brute_force(boxes, anchors, (320, 320))
    # A ratio that is rounded moves an IoU by little.
    assert np.mean(best >= 0.505) <= recall(boxes, anchors)
    assert recall(boxes, anchors) <= np.mean(best >= 0.495)


def test_round_objects_of_one_size_need_few_anchors():
    choice = choose_anchors(np.array([[x, x, 32, 32] for x in range(100)]))
    assert len(choice.value.scales) * len(choice.value.ratios) == 3
    assert recall(np.array([[x, x, 32.0, 32] for x in range(100)]), choice.value) >= 0.98


def test_thin_objects_get_other_ratios():
    choice = choose_anchors(np.array([[10, 10, 120, 40]] * 50 + [[10, 10, 30, 90]] * 50))
    assert min(choice.value.ratios) <= 0.5 and max(choice.value.ratios) >= 2
    assert '100.0 %' in choice.reason


def test_anchors_that_miss_boxes_say_so():
    choice = choose_anchors(np.array([[0, 0, 500, 3]] * 10))
    assert 'more would add little' in choice.reason


def test_batch_grows_with_memory_and_precision_and_shrinks_with_the_image():
    def chosen(memory, pixels, mixed=False):
        device = Device('GPU', memory * 2**30, True, 1)
        return choose_batch('detector', 'full', pixels, 10_000, device, mixed).value

    assert chosen(8, 1e6) < chosen(24, 1e6) <= chosen(24, 1e6, mixed=True)
    assert chosen(24, 1e6) < chosen(24, 0.25e6)
    assert chosen(1, 4e6) == 1


def test_small_data_set_gets_small_batches():
    assert choose_batch('classifier', 'full', 1e4, 40, GPU, True).value == 2
    assert choose_batch('classifier', 'thin', 1e4, 500, CPU, False).value == 16


def test_precision_is_mixed_where_it_is_faster():
    assert choose_precision(GPU).value and not choose_precision(CPU).value
    assert not choose_precision(Device('old', 2**33, False, 1)).value


@pytest.mark.parametrize(
    'pretrained, batch, kind, norm',
    [
        (True, 2, 'detector', 'frozen'),
        (True, 32, 'detector', 'frozen'),
        (False, 2, 'detector', 'GN'),
        (False, 16, 'detector', 'BN'),
        (True, 32, 'classifier', 'BN'),
        (True, 4, 'classifier', 'frozen'),
    ],
)
def test_norm_follows_images_per_process_and_weights(pretrained, batch, kind, norm):
    assert choose_norm(pretrained, batch, kind).value == norm


def test_learning_rate_follows_the_images_of_all_processes():
    one, four = (choose_rate('detector', 'full', 2, Device('GPU', 2**34, True, count)).value for count in (1, 4))
    assert one == pytest.approx(0.0025) and four == pytest.approx(0.01)
    assert choose_rate('detector', 'thin', 64, GPU).value == 4e-3


def test_length_fits_the_time():
    times = Times(iteration=0.5, iterations=100, validation=20)
    count = epochs_in(times, 900).value
    validations = -(-count // validation_interval(count, times))
    assert 600 < count * 50 + (validations + 1) * 20 <= 900


def test_length_is_one_epoch_at_least_and_not_endless():
    assert epochs_in(Times(10, 1000, 100), 60).value == 1
    assert epochs_in(Times(0.01, 10, 0.1), 3600).value == MOST_EPOCHS


def test_validations_take_a_small_share_of_the_time():
    assert validation_interval(20, Times(0.1, 100, 1)) == 2
    assert validation_interval(20, Times(0.1, 100, 60)) == 20
