"""Images become the network's input to the last bit as by OpenCV and the test pipelines of mmdet and mmpretrain."""

import mmattn  # noqa: F401  isort: skip  before mmdet and mmpretrain
import numpy as np
import onnxruntime
import pytest
import torch
from mmengine.dataset import Compose

from mmattn.export.onnx_graph import to_onnx
from mmattn.export.parts import GivenToo, Module
from mmattn.export.pixels import Pixels
from mmattn.export.resize import resize
from mmattn.export.steps import CenterCrop, FitInside, PadToSquare, Resize, ResizeEdge

# Height and width: usual, odd, tiny, elongated, with sides of one pixel.
SIZES = (
    *((64, 64), (128, 128), (48, 64), (480, 640), (427, 640), (333, 500), (17, 31), (7, 5), (2, 3), (1, 2)),
    *((1, 1), (1, 90), (90, 1), (3, 400), (400, 3), (255, 256), (257, 256), (32, 800)),
    (3, 1000),
)


def image(height, width, seed=0):
    """Noise, whose neighbours differ as much as can be."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def of_library(scope, transforms, pixels):
    """The pixels after transforms of mmdet or mmpretrain."""
    if scope == 'mmdet':
        pytest.importorskip('mmdet.datasets.transforms')
    else:
        pytest.importorskip('mmpretrain.datasets.transforms')
    size = pixels.shape[:2]
    data = dict(img=pixels, img_shape=size, ori_shape=size)
    return Compose([dict(one, type=f'{scope}.{one["type"]}') for one in transforms])(data)['img']


def of_step(step, pixels):
    return step(torch.from_numpy(pixels).int()[None])[0].numpy()


@pytest.mark.parametrize('target', [(64, 64), (32, 32), (1, 1), (1, 77), (130, 3), (224, 224), (97, 201)])
def test_resize_equals_opencv_to_the_last_bit(target):
    import cv2

    for size in SIZES:
        pixels = image(*size)
        found = resize(torch.from_numpy(pixels).int()[None], *target)[0].numpy()
        wanted = cv2.resize(pixels, target[::-1], interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(found, wanted, err_msg=f'{size} to {target}')


def test_resize_by_two_equals_opencv_which_averages_there():
    import cv2

    for height, width in ((2, 2), (6, 10), (64, 48), (500, 332)):
        pixels = image(height, width)
        found = resize(torch.from_numpy(pixels).int()[None], height // 2, width // 2)[0].numpy()
        np.testing.assert_array_equal(found, cv2.resize(pixels, (width // 2, height // 2)))


STEPS = {
    'fit inside': ('mmdet', FitInside(333, 200), [dict(type='Resize', scale=(333, 200), keep_ratio=True)]),
    'one size': ('mmdet', Resize(60, 90), [dict(type='Resize', scale=(90, 60), keep_ratio=False)]),
    'short edge': ('mmpretrain', ResizeEdge('short', 72), [dict(type='ResizeEdge', scale=72, edge='short')]),
    'long edge': ('mmpretrain', ResizeEdge('long', 72), [dict(type='ResizeEdge', scale=72, edge='long')]),
    'width': ('mmpretrain', ResizeEdge('width', 51), [dict(type='ResizeEdge', scale=51, edge='width')]),
    'height': ('mmpretrain', ResizeEdge('height', 51), [dict(type='ResizeEdge', scale=51, edge='height')]),
    'center crop': ('mmpretrain', CenterCrop(24, 24), [dict(type='CenterCrop', crop_size=24)]),
    'wide crop': ('mmpretrain', CenterCrop(20, 31), [dict(type='CenterCrop', crop_size=(31, 20))]),
    'pad to square': ('mmdet', PadToSquare(114), [dict(type='Pad', pad_to_square=True, pad_val=dict(img=(114,) * 3))]),
}


@pytest.mark.parametrize('name', STEPS)
def test_step_equals_its_transform_to_the_last_bit(name):
    scope, step, transforms = STEPS[name]
    for size in SIZES:
        try:
            wanted = of_library(scope, transforms, image(*size))
        except Exception:  # noqa: BLE001  of OpenCV, for an image that becomes less than a pixel high
            with pytest.raises(IndexError):
                of_step(step, image(*size))
            continue
        found = of_step(step, image(*size))
        np.testing.assert_array_equal(found, wanted, err_msg=f'{name} of {size}')


def session(pixels: Pixels, count=2):
    images = torch.from_numpy(np.stack([image(320, 416, seed) for seed in range(count)]))
    dim = torch.export.Dim
    sizes = {0: dim('n', min=1, max=64), 1: dim('h', min=1, max=2**15), 2: dim('w', min=1, max=2**15)}
    module = Module(GivenToo(pixels.eval()), dict(images=images), ('x', 'size', 'scale', 'given'), dict(images=sizes))
    return onnxruntime.InferenceSession(to_onnx(module).SerializeToString(), providers=['CPUExecutionProvider'])


MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
PIXELS = {
    'classifier': Pixels([ResizeEdge('short', 72), CenterCrop(64, 64)], MEAN, STD),
    'detector': Pixels([FitInside(333, 200)], MEAN, STD, divisor=32),
    'one-stage': Pixels([FitInside(96, 96), PadToSquare(114)], (0, 0, 0), (1, 1, 1), blue_first=True, divisor=32),
    'as they are': Pixels([], MEAN, STD, blue_first=True, divisor=8, pad_value=1.5),
}


@pytest.mark.slow
@pytest.mark.parametrize('name', PIXELS)
def test_prepared_images_of_the_file_equal_those_of_pytorch_at_any_size(name):
    pixels = PIXELS[name]
    run = session(pixels).run
    compared = 0
    for number, size in enumerate(SIZES):
        images = np.stack([image(*size, seed) for seed in range(1 + number % 3)])
        try:
            wanted = pixels(torch.from_numpy(images))
        except IndexError:  # a side shrinks to nothing
            with pytest.raises(Exception, match='ONNXRuntimeError'):
                run(None, dict(images=images))
            continue
        found = run(None, dict(images=images))
        for value, expected in zip(found, (*wanted, torch.from_numpy(images)), strict=True):
            np.testing.assert_array_equal(value, expected.numpy(), err_msg=f'{name} of {size}')
        compared += 1
    assert compared == len(SIZES) - (name == 'one-stage')


def test_prepared_images_are_normalised_in_the_order_of_the_network():
    images = torch.from_numpy(image(5, 7))[None]
    x, size, scale = Pixels([], MEAN, STD, blue_first=True, divisor=4, pad_value=9)(images)
    wanted = (images[0].numpy()[..., ::-1].astype(np.float32) - np.float32(MEAN)) / np.float32(STD)
    np.testing.assert_array_equal(x[0, :, :5, :7].numpy(), wanted.transpose(2, 0, 1))
    assert x.shape == (1, 3, 8, 8) and (x[0, :, 5:] == 9).all() and (x[0, :, :, 7:] == 9).all()
    assert size.tolist() == [5, 7] and scale.tolist() == [1, 1]
