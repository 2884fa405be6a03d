"""Size that images are resized to for training, from the sizes of images and objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .choice import Choice

# Pixels that nine of ten objects should have at least (root of the area): the finest feature map has a stride of 4, and
# RoIAlign reads 7 x 7 values.
SMALLEST = 20
# Factor by which images with smaller objects are enlarged at most: on a CPU, where thin networks are trained, more
# iterations give more than larger images.
LARGER = {'thin': 1, 'full': 2}
# Share of these pixels below which an object is very small; factors between which training images vary in size.
FEW, JITTER = 0.8, (0.8, 1.25)
# Least and greatest longer side in pixels. mmdet's recipes have 1333 x 800.
LIMITS = {'thin': (256, 512), 'full': (512, 1333)}
# Longer side of a segmentor's images at most, side of the patches that are cut out of them for training, at most and at
# least, and factors between which they vary in size before. mmsegmentation's recipes have patches of 512 x 512, or
# 1024 x 512.
SEGMENTOR = {'thin': (512, 256), 'full': (1024, 512)}
LEAST_PATCH = 64
SEGMENTOR_JITTER = {'thin': (0.75, 1.5), 'full': (0.5, 2.0)}
# Sides of images for a classifier, where they are larger.
CLASSIFIER = {'thin': (64, 128), 'full': (64, 224)}


def detector_size(
    images: Sequence[tuple[int, int]], objects: Sequence[float], labels: Sequence[int], size: str
) -> Choice:
    """Size for a detector, (width, height) in pixels, into which images are fitted with their aspect ratio kept.

    Args:
        images: Width and height of each image in pixels.
        objects: Size of each object, the root of its area, in pixels where its image has the median size.
        labels: Class of each object, so that a rare class of small objects counts as well.
        size: 'thin' or 'full', the width of the network.
    """
    width, height = np.median(np.asarray(images, float), axis=0)
    long, (least, most) = max(width, height), LIMITS[size]
    small = smallest(objects, labels)
    side = min(max(long * min(SMALLEST / small, LARGER[size]), min(least, long)), most)
    side = max(32, round(side / 32) * 32)
    scale = side / long
    chosen = (side, max(32, round(height * scale))) if width >= height else (max(32, round(width * scale)), side)
    reason = (
        f'small objects have {small * scale:.0f} px then, {small:.0f} in the files (median {width:.0f} x {height:.0f})'
    )
    if small * scale < FEW * SMALLEST:
        reason += f'; {SMALLEST} are better: --image-size, and predict.py --tiles'
    return Choice('image size', chosen, reason, f'{chosen[0]} x {chosen[1]}')


def choose_jitter(objects: Sequence[float], labels: Sequence[int]) -> Choice:
    """Factors between which training images vary in size at random; None where small objects would be lost.

    Args:
        objects: Size of each object, the root of its area, in pixels of the resized image.
        labels: Class of each object.
    """
    small = smallest(objects, labels)
    if small < FEW * SMALLEST:
        return Choice('size jitter', None, f'objects of {small:.0f} px would become too small', 'none')
    return Choice('size jitter', JITTER, 'training images vary in size at random', f'{JITTER[0]:g} to {JITTER[1]:g}')


def smallest(objects: Sequence[float], labels: Sequence[int]) -> float:
    """Size of small objects in pixels: nine of ten are larger, and so is half of each class.

    Args:
        objects: Size of each object, the root of its area, in pixels.
        labels: Class of each object.
    """
    sizes, classes = np.asarray(objects, float), np.asarray(labels)
    medians = [np.median(sizes[classes == each]) for each in np.unique(classes)]
    return float(max(min(np.percentile(sizes, 10), *medians), 1))


def segmentor_size(images: Sequence[tuple[int, int]], size: str) -> Choice:
    """Size for a segmentor, (width, height) in pixels, into which images are fitted with their aspect ratio kept.

    Args:
        images: Width and height of each image in pixels.
        size: 'thin' or 'full', the width of the network.
    """
    width, height = np.median(np.asarray(images, float), axis=0)
    most = SEGMENTOR[size][0]
    scale = min(max(1.0, LEAST_PATCH / min(width, height)), most / max(width, height))
    chosen = (max(32, round(width * scale)), max(32, round(height * scale)))
    reason = 'that of the images'
    if scale < 1:
        reason = f'the images have {width:.0f} x {height:.0f}; what is small needs more: --image-size'
    elif scale > 1:
        reason = f'the images have {width:.0f} x {height:.0f}, which is little for an output of stride 16'
    return Choice('image size', chosen, reason, f'{chosen[0]} x {chosen[1]}')


def choose_patch(image: tuple[int, int], size: str) -> Choice:
    """Size (width, height) in pixels of the patches that a segmentor is trained on.

    Args:
        image: Width and height in pixels of the images as they are resized.
        size: 'thin' or 'full', the width of the network.
    """
    most = SEGMENTOR[size][1]
    width, height = (max(LEAST_PATCH, min(side // 32 * 32, most)) for side in image)
    reason = 'cut out at random' if (width, height) != tuple(image) else 'the whole image'
    return Choice('patches', (width, height), reason, f'{width} x {height}')


def segmentor_jitter(size: str) -> Choice:
    """Factors between which the training images of a segmentor vary in size, before patches are cut out.

    Args:
        size: 'thin' or 'full', the width of the network.
    """
    low, high = SEGMENTOR_JITTER[size]
    return Choice('size jitter', (low, high), 'training images vary in size at random', f'{low:g} to {high:g}')


def classifier_size(images: Sequence[tuple[int, int]], size: str) -> Choice:
    """Side in pixels of the square images of a classifier.

    Args:
        images: Width and height of each image in pixels.
        size: 'thin' or 'full', the width of the network.
    """
    least, most = CLASSIFIER[size]
    shorter = float(np.median(np.min(np.asarray(images, float), axis=1)))
    side = int(min(max(round(shorter / 32) * 32, least), most))
    why = 'the shorter side of the images' if side == round(shorter) else f'their shorter side is {shorter:.0f}'
    return Choice('image size', side, f'{why}; {least} to {most} are usual', f'{side} x {side}')
