"""Tiles of large images, and the merging of what is found in them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmdet')

from blob_detector import CLASSES, write_model  # noqa: E402

from mmattn.analysis.predict import Detections, Masks, Patch, Predictor, Tiles  # noqa: E402
from mmattn.analysis.predict.tiles import merged  # noqa: E402
from mmattn.errors import UserError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
RED, GREEN = (220, 20, 30), (20, 200, 40)


# Where tiles lie.


@pytest.mark.parametrize('width, height', [(1000, 700), (641, 640), (640, 641), (5000, 100), (1216, 1216)])
def test_tiles_cover_the_image_with_at_least_the_overlap(width, height):
    tiles = Tiles(640, 0.2)
    windows = tiles.windows(width, height)
    seen = np.zeros((height, width), bool)
    for left, top, right, bottom in windows:
        assert right - left == min(640, width) and bottom - top == min(640, height)
        seen[top:bottom, left:right] = True
    assert seen.all() and len(set(windows)) == len(windows)
    for axis in (0, 1):
        starts = sorted({window[axis] for window in windows})
        assert all(first + 640 - second >= 0.2 * 640 - 1 for first, second in zip(starts, starts[1:], strict=False))
        assert starts[-1] == max(0, (width, height)[axis] - 640)


def test_an_image_not_larger_than_a_tile_has_none():
    assert Tiles(640).windows(640, 480) == []


@pytest.mark.parametrize('size, overlap', [(0, 0.2), (640, 1.0), (640, -0.1)])
def test_tiles_out_of_range_are_an_error(size, overlap):
    with pytest.raises(UserError, match='cannot be cut'):
        Tiles(size, overlap)


# Merging: the whole image is 200 x 100 px, with two tiles of 120 px that share the columns 80 to 120.

WINDOWS = [(0, 0, 200, 100), (0, 0, 120, 100), (80, 0, 200, 100)]


def detections(*objects):
    """From (box x1 y1 x2 y2, score, label)."""
    boxes = torch.tensor([box for box, _, _ in objects]).float().reshape(-1, 4)
    labels = torch.tensor([label for _, _, label in objects], dtype=torch.long)
    return Detections(
        boxes, torch.tensor([score for _, score, _ in objects]), labels, [f'class {label}' for label in labels.tolist()]
    )


def merge(whole=(), first=(), second=()):
    """Boxes in pixels of the image, the second tile's, too; returns (box, score, label) of what is left."""
    second = [((box[0] - 80, box[1], box[2] - 80, box[3]), *rest) for box, *rest in second]
    found = merged(WINDOWS, [detections(*whole), detections(*first), detections(*second)])
    return [
        (tuple(box), round(score, 2), label)
        for box, score, label in zip(found.boxes.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    ]


def test_an_object_in_both_tiles_and_the_whole_image_is_one_with_the_best_box():
    assert merge([((90, 10, 111, 31), 0.6, 0)], [((90, 10, 110, 30), 0.9, 0)], [((89, 10, 110, 30), 0.8, 0)]) == [
        ((90, 10, 110, 30), 0.9, 0)
    ]


def test_a_piece_goes_into_the_whole_object_that_another_tile_shows():
    assert merge(first=[((100, 10, 120, 40), 0.95, 0)], second=[((100, 10, 150, 40), 0.7, 0)]) == [
        ((100, 10, 150, 40), 0.95, 0)
    ]


def test_pieces_that_no_tile_shows_whole_become_one_object():
    """They share a fifth of their area, which is less than IoS asks for."""
    assert merge(first=[((20, 10, 120, 40), 0.9, 0)], second=[((80, 11, 180, 40), 0.8, 0)]) == [
        ((20, 10, 180, 40), 0.9, 0)
    ]


def test_pieces_go_into_a_larger_object_of_the_whole_image_even_with_better_scores():
    assert merge(
        [((5, 5, 195, 95), 0.5, 0)],
        [((5, 5, 120, 95), 0.9, 0), ((10, 40, 60, 90), 0.6, 0)],
        [((80, 5, 195, 95), 0.8, 0)],
    ) == [((5, 5, 195, 95), 0.9, 0)]


def test_neighbours_of_one_tile_stay_apart():
    """The detector's own NMS has told them from each other, though one covers most of the other."""
    pair = [((10, 10, 40, 60), 0.9, 0), ((20, 10, 45, 40), 0.8, 0)]
    assert merge(first=pair) == pair
    assert merge([((11, 11, 42, 61), 0.3, 0)], pair) == pair


def test_different_objects_cut_by_one_border_stay_apart():
    above, below = ((20, 10, 120, 30), 0.9, 0), ((80, 50, 180, 70), 0.8, 0)
    assert merge(first=[above], second=[below]) == [above, below]


def test_objects_of_two_classes_stay_apart_but_a_piece_of_another_class_is_dropped():
    one, other = ((90, 10, 110, 30), 0.9, 0), ((90, 10, 110, 30), 0.8, 1)
    assert merge(first=[one], second=[other]) == [one, other]
    assert merge(first=[((100, 10, 120, 40), 0.95, 1)], second=[((100, 10, 150, 40), 0.7, 0)]) == [
        ((100, 10, 150, 40), 0.7, 0)
    ]


def test_nothing_found_is_nothing_merged():
    assert merge() == []


def test_masks_of_pieces_are_united():
    def with_mask(box, size):
        mask = np.zeros(size[::-1], bool)
        mask[box[1] : box[3], box[0] : box[2]] = True
        return dataclasses.replace(detections((box, 0.9, 0)), masks=Masks([Patch.of(mask)], *size[::-1]))

    nothing = dataclasses.replace(detections(), masks=Masks([], 100, 200))
    first, second = (with_mask(box, (120, 100)) for box in ((20, 10, 120, 40), (0, 10, 100, 40)))
    found = merged(WINDOWS, [nothing, first, second])
    assert found.masks.shape == (1, 100, 200)
    assert found.masks[0][10:40, 20:180].all() and found.masks[0].sum() == 30 * 160


# End to end.


@pytest.fixture(scope='module')
def reduced(tmp_path_factory):
    """The work folder of a detector whose test pipeline brings images to 128 px, where it is blind to what is small."""
    return write_model(tmp_path_factory.mktemp('blobs'), scale=128)


def scene():
    """900 x 400 px with small squares everywhere, one long object, and one as large as a tile."""
    image, objects = Image.new('RGB', (900, 400)), []
    for index in range(40):
        left, top = 15 + 88 * (index % 10), 12 + 49 * (index // 10)
        objects.append(((left, top, left + 6, top + 6), index % 2))
    objects += [((30, 220, 870, 250), 0), ((300, 270, 440, 390), 1)]
    for box, label in objects:
        image.paste((RED, GREEN)[label], box)
    return image, objects


def test_small_objects_are_found_where_they_are_and_cut_ones_are_whole(reduced):
    image, objects = scene()
    pixels = np.asarray(image)[..., ::-1]
    [without] = Predictor(reduced, threshold=0.1)([pixels])
    [found] = Predictor(reduced, threshold=0.1, tiles=Tiles(128, 0.25), batch=4)([pixels])
    assert len(without) < 10 < len(objects) == len(found)
    boxes = torch.tensor([box for box, _ in objects]).float()
    distances = (found.boxes[:, None] - boxes).abs().amax(2)
    nearest = distances.argmin(1)
    assert sorted(nearest.tolist()) == list(range(len(objects)))
    assert (distances.amin(1) <= 4).all()  # the whole image is seen at a seventh of its size
    assert (distances.amin(1)[(boxes[nearest, 2] - boxes[nearest, 0]) < 10] <= 1).all()
    assert [found.names[index] for index in range(len(found))] == [
        CLASSES[objects[number][1]] for number in nearest.tolist()
    ]
    for index, number in enumerate(nearest.tolist()):
        mask, (left, top, right, bottom) = found.masks[index], objects[number][0]
        assert mask[top:bottom, left:right].float().mean() > 0.9
        assert mask.sum() < 1.35 * (right - left) * (bottom - top)


def test_nuclei_of_demo_images_are_found_at_their_places_in_a_mosaic(tmp_path):
    """Bright on black as they are, the blob detector finds them; tiles lie across the borders of the images."""
    from mmattn.analysis.predict.inputs import find_inputs

    model = write_model(tmp_path)
    paths = [one.path for one in find_inputs([str(ROOT / 'demo/nuclei_mini/images')]).images]
    dark = [
        np.asarray(image)
        for image in (Image.open(path).convert('RGB') for path in paths)
        if image.size == (256, 256) and np.asarray(image).mean() < 30
    ][:6]
    assert len(dark) == 6
    # Ground between the images, so that nuclei at their edges do not touch.
    dark = [np.pad(image[2:-2, 2:-2], ((2, 2), (2, 2), (0, 0))) for image in dark]
    single = list(Predictor(model, threshold=0.3)(dark))
    mosaic = np.concatenate([np.concatenate(dark[:3], 1), np.concatenate(dark[3:], 1)])
    shifts = [torch.tensor([256 * (i % 3), 256 * (i // 3)] * 2) for i in range(6)]
    expected = torch.cat([one.boxes + shift for one, shift in zip(single, shifts, strict=True)])
    [found] = Predictor(model, threshold=0.3, tiles=Tiles(200, 0.3))([mosaic])
    assert len(found) == len(expected) > 30
    assert ((found.boxes[:, None] - expected).abs().amax(2).amin(1) <= 1).all()
