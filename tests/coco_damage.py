"""Damage of a file in COCO's format, by tables: what is changed, the kind that the check finds, and its effect.

Effects are those of mmattn.data.findings, in training and where pycocotools reads the file.
"""

from __future__ import annotations

from coco_data import sound, square

from mmattn.data.findings import DOUBTFUL, LEFT_OUT, STOPS

NAN, INF = float('nan'), float('inf')
MISSING = object()

# Values of every type, and the fields that they are put into.
ANYTHING = dict(
    missing=MISSING, null=None, text='abc', true=True, nan=NAN, infinite=INF, list=[1], object={'a': 1}, empty=''
)
FIELDS = [
    ('images', 'id'),
    ('images', 'file_name'),
    ('images', 'width'),
    ('images', 'height'),
    ('categories', 'id'),
    ('categories', 'name'),
    ('annotations', 'id'),
    ('annotations', 'image_id'),
    ('annotations', 'category_id'),
    ('annotations', 'bbox'),
    ('annotations', 'area'),
    ('annotations', 'iscrowd'),
    ('annotations', 'segmentation'),
]


SQUARE = square(2, 2, 20)
RUNS = dict(size=[30, 40])


def damaged(key, field, value, index=0):
    content = sound()
    if value is MISSING:
        del content[key][index][field]
    else:
        content[key][index][field] = value
    return content


def both(first, second):
    def change(content):
        first(content)
        second(content)

    return change


def change_all(key, field, value):
    def change(content):
        for each in content[key]:
            each[field] = value(each[field])

    return change


BOXES = [
    ([1, 2, 3], 'boxes that are not four numbers', STOPS),
    ([1, 2, 3, 4, 5], 'boxes that are not four numbers', STOPS),
    (['1', '2', '3', '4'], 'boxes that are not four numbers', STOPS),
    ([1, 2, None, 4], 'boxes that are not four numbers', STOPS),
    ([True, True, 10, 10], 'boxes that are not four numbers', STOPS),
    ([NAN, 1, 5, 5], 'boxes that are not four numbers', STOPS),
    ([1, 1, INF, 5], 'boxes that are not four numbers', STOPS),
    ([1, 1, 10**400, 5], 'boxes that are not four numbers', STOPS),
    ([[1, 1, 5, 5]], 'boxes that are not four numbers', STOPS),
    (dict(x=1, y=2, w=3, h=4), 'boxes that are not four numbers', STOPS),
    ([10, 10, -5, 5], 'empty boxes', LEFT_OUT),
    ([5, 5, 0, 5], 'empty boxes', LEFT_OUT),
    ([5, 5, 0.5, 5], 'boxes thinner than a pixel', LEFT_OUT),
    ([50, 50, 5, 5], 'boxes wholly outside the image', LEFT_OUT),
    ([-9, -9, 5, 5], 'boxes wholly outside the image', LEFT_OUT),
    ([1, 1, 1e9, 1e9], 'boxes far outside the image', STOPS),
    ([1, 1, 1e39, 5], 'boxes far outside the image', STOPS),
    ([30, 20, 20, 20], 'boxes outside the image', DOUBTFUL),
    ([-5, -5, 20, 20], 'boxes outside the image', DOUBTFUL),
]

CROWDS = [
    ('yes', STOPS, STOPS),
    ('0', STOPS, STOPS),
    (2, STOPS, STOPS),
    (-1, STOPS, STOPS),
    (NAN, STOPS, STOPS),
    ([], STOPS, STOPS),
    (None, DOUBTFUL, STOPS),
    (MISSING, DOUBTFUL, STOPS),
    (0.0, None, None),
    (True, None, None),
    (False, None, None),
]

MASKS = [
    (MISSING, 'annotations without segmentation', STOPS, STOPS),
    (None, 'annotations without segmentation', STOPS, STOPS),
    ([], 'annotations without segmentation', STOPS, STOPS),
    ({}, 'annotations without segmentation', STOPS, STOPS),
    ([[]], 'masks without a polygon of three points', LEFT_OUT, STOPS),
    ([[1, 1, 5, 5]], 'masks without a polygon of three points', LEFT_OUT, STOPS),
    ([SQUARE[:-1]], 'masks without a polygon of three points', LEFT_OUT, LEFT_OUT),
    ([SQUARE, SQUARE[:-1]], 'polygons with an odd count', DOUBTFUL, DOUBTFUL),
    ([[1, 1, 5, 5], SQUARE], 'polygons with an odd count', DOUBTFUL, STOPS),
    ([SQUARE, 'abc'], 'polygons with an odd count', DOUBTFUL, STOPS),
    (['abcde'], 'masks without a polygon of three points', LEFT_OUT, STOPS),
    (SQUARE, 'polygons that are not in a list', STOPS, STOPS),
    ([[[2, 2], [22, 2], [22, 22], [12, 30], [2, 22], [1, 9]]], 'polygons with what is no finite number', STOPS, STOPS),
    ([[str(number) for number in SQUARE]], 'polygons with what is no finite number', STOPS, STOPS),
    ([[True] * 8], 'polygons with what is no finite number', STOPS, STOPS),
    ([[None] * 8], 'polygons with what is no finite number', STOPS, STOPS),
    ([[NAN, *SQUARE[1:]]], 'polygons with what is no finite number', STOPS, STOPS),
    ([[INF, *SQUARE[1:]]], 'polygons with what is no finite number', STOPS, STOPS),
    ([[10**400, *SQUARE[1:]]], 'polygons with what is no finite number', STOPS, STOPS),
    (['abcdef'], 'polygons with what is no finite number', STOPS, STOPS),
    ([[1e9, *SQUARE[1:]], SQUARE[:-1]], 'polygons far outside the image', STOPS, STOPS),
    ([[1, 5, 1e9, 5, 2, 5]], 'polygons far outside the image', STOPS, STOPS),
    ([[1e9, *SQUARE[1:]]], 'polygons far outside the image', STOPS, STOPS),
    ([[-1e9, *SQUARE[1:]]], 'polygons far outside the image', STOPS, STOPS),
    ([square(41, 5, 20)], 'masks wholly outside the image', STOPS, STOPS),
    ([square(-3, 2, 20)], 'polygons that stick out of the image', DOUBTFUL, DOUBTFUL),
    ([[number / 40 for number in SQUARE]], 'masks wholly outside their box', STOPS, STOPS),
    ([[5, 5] * 4], 'masks without a pixel', DOUBTFUL, DOUBTFUL),
    ('abc', 'masks that are neither polygons nor', STOPS, STOPS),
    (5, 'masks that are neither polygons nor', STOPS, STOPS),
    (dict(counts=[1200]), 'run-length encoded masks without size or counts', LEFT_OUT, STOPS),
    (dict(RUNS), 'run-length encoded masks without size or counts', LEFT_OUT, STOPS),
    (dict(RUNS, counts=None), 'run-length encoded masks without size or counts', LEFT_OUT, STOPS),
    (dict(size='30x40', counts=[1200]), 'run-length encoded masks of a size', STOPS, STOPS),
    (dict(size=[30], counts=[1200]), 'run-length encoded masks of a size', STOPS, STOPS),
    (dict(size=[30.0, 40.0], counts=[1200]), 'run-length encoded masks of a size', STOPS, STOPS),
    (dict(size=[40, 30], counts=[100, 1000, 100]), 'run-length encoded masks of another size', STOPS, STOPS),
    (dict(size=[10**9, 10**9], counts=[10**18]), 'run-length encoded masks of another size', STOPS, STOPS),
    (dict(RUNS, counts=[100, 100]), 'run-length encoded masks whose counts do not add up', STOPS, STOPS),
    (dict(RUNS, counts=[1000, 1000]), 'run-length encoded masks whose counts do not add up', STOPS, STOPS),
    (dict(RUNS, counts=[]), 'run-length encoded masks whose counts do not add up', STOPS, STOPS),
    (dict(RUNS, counts=''), 'run-length encoded masks whose counts do not add up', STOPS, STOPS),
    (dict(RUNS, counts=[1300, -100]), 'run-length encoded masks with damaged counts', STOPS, STOPS),
    (dict(RUNS, counts=[100.0, 1000.0, 100.0]), 'run-length encoded masks with damaged counts', STOPS, STOPS),
    (dict(RUNS, counts='\u0100'), 'run-length encoded masks with damaged counts', STOPS, STOPS),
    (dict(RUNS, counts='o'), 'run-length encoded masks with damaged counts', STOPS, STOPS),
    (dict(RUNS, counts=[1200]), 'masks without a pixel', DOUBTFUL, DOUBTFUL),
]

CHANGES = [
    (lambda c: c['images'][1].update(id=1), 'duplicated ids of images', STOPS, STOPS),
    (lambda c: c['categories'][1].update(id=1), 'duplicated ids of categories', STOPS, STOPS),
    (lambda c: c['annotations'][1].update(id=1), 'duplicated ids of annotations', STOPS, STOPS),
    (lambda c: c['annotations'][1].update(id=1.0), 'duplicated ids of annotations', STOPS, STOPS),
    (lambda c: c['categories'][1].update(name='cat'), 'duplicated names of categories', STOPS, STOPS),
    (lambda c: c['images'][1].update(file_name='a.png'), 'duplicated file_names of images', DOUBTFUL, DOUBTFUL),
    (lambda c: c['annotations'][0].update(id=0), 'annotations with id 0', DOUBTFUL, STOPS),
    (lambda c: c['annotations'][0].update(id=1.5), 'ids of annotations that are no whole', DOUBTFUL, DOUBTFUL),
    (lambda c: c['annotations'][0].update(id=10**400), 'ids that are no numbers', STOPS, STOPS),
    (change_all('annotations', 'id', str), 'annotations with text for an id', DOUBTFUL, DOUBTFUL),
    (lambda c: c['annotations'][0].update(id='a1'), 'annotations with text for an id', DOUBTFUL, STOPS),
    (change_all('annotations', 'image_id', str), 'ids of images that are numbers here and text there', STOPS, STOPS),
    (change_all('images', 'id', str), 'ids of images that are numbers here and text there', STOPS, STOPS),
    (change_all('annotations', 'category_id', str), 'ids of categories that are numbers here and text', STOPS, STOPS),
    (both(change_all('images', 'id', str), change_all('annotations', 'image_id', str)), None, None, None),
    (both(change_all('categories', 'id', str), change_all('annotations', 'category_id', str)), None, None, None),
    (
        both(lambda c: c['images'][0].update(id='x'), lambda c: c['annotations'][0].update(image_id='x')),
        'ids of images that are text beside others',
        DOUBTFUL,
        STOPS,
    ),
    (
        both(lambda c: c['categories'][0].update(id='x'), lambda c: c['annotations'][0].update(category_id='x')),
        'ids of categories that are text beside others',
        DOUBTFUL,
        STOPS,
    ),
    (lambda c: c['annotations'][0].update(image_id=9), 'annotations of unknown images', LEFT_OUT, LEFT_OUT),
    (lambda c: c['annotations'][0].update(category_id=9), 'annotations of unknown categories', LEFT_OUT, LEFT_OUT),
    (lambda c: c['categories'].reverse(), 'classes in another order', STOPS, STOPS),
    (lambda c: c['categories'].append(dict(id=3, name='cow')), 'categories that are no class', LEFT_OUT, LEFT_OUT),
    (
        lambda c: c['images'][0].update(width=30, height=40),
        'image sizes that differ from the file, turned',
        STOPS,
        STOPS,
    ),
    (
        lambda c: c['images'][0].update(width=80, height=60),
        'image sizes that differ from the file, in both',
        STOPS,
        STOPS,
    ),
    (lambda c: c['images'][0].update(width=41), 'image sizes that differ from the file', DOUBTFUL, STOPS),
    (lambda c: c['images'][0].update(width=0), 'image sizes that no image can have', STOPS, STOPS),
    (lambda c: c['images'][0].update(width=2**63), 'image sizes that no image can have', STOPS, STOPS),
    (lambda c: c['images'][0].update(width=5e-324), 'image sizes that no image can have', STOPS, STOPS),
    (lambda c: c['images'][0].update(width='40'), 'image sizes that no image can have', STOPS, STOPS),
    (lambda c: c['images'].insert(0, 7), 'entries that are no objects', STOPS, STOPS),
    (lambda c: c['annotations'].append(None), 'entries that are no objects', STOPS, STOPS),
    (lambda c: c.update(images=[], annotations=[]), 'images missing', STOPS, STOPS),
    (lambda c: c.update(images=None), 'annotations that cannot be read', STOPS, STOPS),
    (lambda c: c.update(categories={}), 'annotations that cannot be read', STOPS, STOPS),
    (lambda c: c.update(annotations=None), 'annotations that cannot be read', STOPS, STOPS),
    (lambda c: c.pop('annotations'), 'annotations missing', DOUBTFUL, DOUBTFUL),
    (lambda c: c.update(annotations=[]), 'objects missing', DOUBTFUL, DOUBTFUL),
    (lambda c: c['annotations'][0].update(area=float('inf')), 'areas that are no numbers', STOPS, STOPS),
    (lambda c: c['annotations'][0].update(area=1e11), 'areas larger than the box', DOUBTFUL, DOUBTFUL),
    (change_all('annotations', 'area', lambda area: 0), 'objects missing', DOUBTFUL, DOUBTFUL),
    (lambda c: c['images'][0].update(file_name='\ud800.png'), 'images missing', STOPS, STOPS),
    (lambda c: c['images'][0].update(file_name='a\0.png'), 'images missing', STOPS, STOPS),
    (lambda c: c['images'][0].update(file_name='n' * 999), 'images that cannot be read', STOPS, STOPS),
    (lambda c: c['images'][0].update(file_name=''), 'images that cannot be read', STOPS, STOPS),
]
