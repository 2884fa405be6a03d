"""Splits and copies: what is in which part, and that it stays so."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from mmattn.data.duplicates import duplicate_groups
from mmattn.data.split import read_split, split, write_split
from mmattn.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
NAMES = [f'{number:03}.jpg' for number in range(100)]


def test_split_keeps_the_share_of_each_class():
    draw = np.random.default_rng(0)
    classes = [
        draw.choice(['many', 'some', 'few'], size=draw.integers(1, 6), p=[0.8, 0.15, 0.05]).tolist() for _ in NAMES
    ]
    parts = split(NAMES, classes, NAMES, 0.2, seed=0)
    assert sorted(parts.train + parts.val) == NAMES and 17 <= len(parts.val) <= 23
    total, held = Counter(), Counter()
    for name, found in zip(NAMES, classes):
        total.update(set(found))
        held.update(set(found) if name in parts.val else ())
    assert all(0.12 <= held[each] / total[each] <= 0.3 for each in total), (held, total)


def test_split_is_the_same_by_the_seed_whatever_the_order_of_the_files():
    classes = dict(zip(NAMES, (['a'] if number % 3 else ['b'] for number in range(100))))
    turned = NAMES[::-1]
    one = split(NAMES, [classes[name] for name in NAMES], NAMES, 0.2, seed=3)
    same = split(turned, [classes[name] for name in turned], turned, 0.2, seed=3)
    other = split(NAMES, [classes[name] for name in NAMES], NAMES, 0.2, seed=4)
    assert set(one.val) == set(same.val) != set(other.val)


def test_split_leaves_a_class_with_one_image_to_the_training_and_says_so():
    parts = split(NAMES, [['rare', 'a'] if number == 50 else ['a'] for number in range(100)], NAMES, 0.2, seed=0)
    assert '050.jpg' in parts.train
    assert any('rare' in note for note in parts.notes)


def test_split_has_a_rare_class_on_both_sides_where_two_images_have_it():
    classes = [['rare'] if number in (3, 97) else ['a'] for number in range(100)]
    parts = split(NAMES, classes, NAMES, 0.1, seed=0)
    assert len({'003.jpg', '097.jpg'} & set(parts.val)) == 1


def test_split_of_a_thousand_classes_has_each_on_both_sides():
    names = [f'{number:04}.jpg' for number in range(4000)]
    parts = split(names, [[f'class {number % 1000}'] for number in range(4000)], names, 0.25, seed=0)
    assert {int(name[:4]) % 1000 for name in parts.val} == set(range(1000)) and len(parts.val) == 1000


@pytest.mark.parametrize('images', [2, 3, 5])
def test_split_of_few_images_has_one_at_least_in_each_part(images):
    parts = split(NAMES[:images], [['a']] * images, NAMES[:images], 0.01, seed=0)
    assert parts.train and parts.val
    parts = split(NAMES[:images], [[]] * images, NAMES[:images], 0.99, seed=0)
    assert parts.train and parts.val


def test_split_keeps_copies_on_one_side():
    groups = [number // 10 for number in range(100)]
    parts = split(NAMES, [['a']] * 100, groups, 0.2, seed=0)
    held = {int(name[:3]) // 10 for name in parts.val}
    assert held and not held & {int(name[:3]) // 10 for name in parts.train}
    assert any('90 images are copies' in note for note in parts.notes)


@pytest.mark.parametrize(
    'names, groups, why',
    [(['a.jpg'], [0], 'there is one image'), (['a.jpg', 'b.jpg'], [0, 0], 'all images are copies of one')],
)
def test_split_refuses_what_leaves_nothing_to_validate(names, groups, why):
    with pytest.raises(UserError, match=why):
        split(names, [['a']] * len(names), groups, 0.2, seed=0)


def test_split_file_is_read_as_it_was_written(tmp_path):
    parts = split(NAMES, [['a']] * 100, NAMES, 0.2, seed=0)
    write_split(parts, tmp_path / 'split.json', 0, 0.2)
    assert read_split(tmp_path / 'split.json', NAMES) == parts


@pytest.mark.parametrize(
    'change, why',
    [
        (lambda content: content['val'].append('new.jpg'), 'are missing now .new.jpg'),
        (lambda content: content['train'].append(content['val'][0]), 'are in it twice'),
        (lambda content: content['train'].pop(), 'are not in it'),
        (lambda content: content.update(train=content['train'] + content['val'], val=[]), 'no image to validate'),
        (lambda content: content.pop('val'), 'is no split'),
    ],
)
def test_split_file_that_does_not_fit_is_refused(tmp_path, change, why):
    path = tmp_path / 'split.json'
    write_split(split(NAMES, [['a']] * 100, NAMES, 0.2, seed=0), path, 0, 0.2)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=why):
        read_split(path, NAMES)


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    """Six photographs, and copies of the first: recompressed, halved, brighter, in another format."""
    folder = tmp_path_factory.mktemp('photographs')
    sources = sorted((ROOT / 'demo' / 'coco_cc_mini' / 'images').glob('*.jpg'))[:6]
    originals = [Image.open(path).convert('RGB') for path in sources]
    for number, image in enumerate(originals):
        image.save(folder / f'{number}.jpg', quality=95)
    first = originals[0]
    first.save(folder / 'compressed.jpg', quality=30)
    first.resize((first.width // 2, first.height // 2)).save(folder / 'half.jpg')
    ImageEnhance.Brightness(first).enhance(1.1).save(folder / 'brighter.png')
    return folder


def test_copies_are_found_and_different_photographs_are_not(photographs):
    paths = sorted(photographs.iterdir())
    groups = dict(zip((path.name for path in paths), duplicate_groups(paths)))
    assert len({groups[name] for name in ('0.jpg', 'compressed.jpg', 'half.jpg', 'brighter.png')}) == 1
    assert len({groups[f'{number}.jpg'] for number in range(6)}) == 6


def test_copies_are_not_looked_for_in_damaged_files(photographs, tmp_path):
    (tmp_path / 'damaged.jpg').write_bytes(b'no image')
    (tmp_path / 'empty.jpg').touch()
    groups = duplicate_groups([tmp_path / 'damaged.jpg', tmp_path / 'empty.jpg', photographs / '0.jpg'])
    assert len(set(groups)) == 3


def test_dark_photographs_are_no_copies_of_each_other(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(8):
        pixels = np.zeros((64, 64), np.uint8)
        top, left = draw.integers(0, 48, 2)
        pixels[top : top + 12, left : left + 12] = 40
        Image.fromarray(pixels).save(tmp_path / f'{number}.png')
    assert len(set(duplicate_groups(sorted(tmp_path.iterdir())))) == 8
