"""Batch size, precision, norm and learning rate, from the device and the number of images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from .choice import Choice

# Images of a batch on a CPU, where more of a detector take more memory and no less time an image.
CPU_BATCH = {'detector': 2, 'segmentor': 4, 'classifier': 32}
# GiB of a GPU's memory that a megapixel of a training image takes in single precision. mmdet's list of models has
# 4.0 GB for Faster R-CNN, ResNet-50 and two images of 1333 x 800; masks and attention take some more. mmsegmentation's
# has 7.5 GB for DeepLabV3+ and two of 1024 x 512 with an output of stride 8, of which stride 16 takes about half.
MEMORY = {
    ('detector', 'full'): 3.0,
    ('detector', 'thin'): 1.0,
    ('segmentor', 'full'): 4.0,
    ('segmentor', 'thin'): 1.5,
    ('classifier', 'full'): 3.0,
    ('classifier', 'thin'): 1.0,
}
# Share of the memory that is planned for; what mixed precision takes of it; the most images of a batch.
PLANNED, HALF = 0.7, 0.65
MOST = {'detector': 16, 'segmentor': 16, 'classifier': 128}
# Images per process from which BatchNorm has enough for its statistics.
ENOUGH = 16


@dataclass(frozen=True)
class Device:
    """What a training runs on.

    Args:
        name: Name of the GPU, or 'CPU'.
        memory: Memory of one GPU in bytes; None for a CPU.
        tensor_cores: Whether half precision is faster than single precision.
        count: Number of processes, each with a GPU of its own where there are any.
    """

    name: str
    memory: int | None
    tensor_cores: bool
    count: int


def this_device(count: int = 1) -> Device:
    """The device of this machine, for a number of processes."""
    if not torch.cuda.is_available():
        return Device('CPU', None, False, count)
    found = torch.cuda.get_device_properties(0)
    return Device(found.name, found.total_memory, found.major >= 7, count)


def choose_precision(device: Device) -> Choice:
    """Whether to train in mixed precision."""
    if device.memory is None:
        return Choice('precision', False, 'no CPU is faster with less', 'single')
    if device.tensor_cores:
        return Choice('precision', True, f'{device.name} is faster so, and it takes less memory', 'mixed')
    return Choice('precision', False, f'{device.name} has no tensor cores', 'single')


def choose_batch(kind: str, size: str, pixels: int, images: int, device: Device, mixed: bool) -> Choice:
    """Number of images of a batch, per process.

    Args:
        kind: 'detector', 'segmentor' or 'classifier'.
        size: 'thin' or 'full', the width of the network.
        pixels: Number of pixels of a training image.
        images: Number of training images.
        device: What the training runs on.
        mixed: Whether it runs in mixed precision.
    """
    # Smaller sets need small batches, to have iterations enough in an epoch; powers of two are what people expect.
    share = 2 ** int(math.log2(max(2, images / (16 * device.count))))
    if device.memory is None:
        most = CPU_BATCH[kind]
        chosen = min(most, share)
        return Choice('batch', chosen, 'on a CPU' if chosen == most else f'of {images} images')
    need = MEMORY[kind, size] * (HALF if mixed else 1) * pixels / 1e6
    fits = max(1, int(PLANNED * device.memory / 2**30 / need))
    chosen = min(fits, share, MOST[kind])
    return Choice(
        'batch',
        chosen,
        f'{fits} would fit into {device.memory / 2**30:.0f} GiB of {device.name}'
        if chosen < fits
        else f'what fits into {device.memory / 2**30:.0f} GiB of {device.name}',
    )


def choose_norm(pretrained: bool, batch: int, kind: str) -> Choice:
    """GroupNorm, BatchNorm, or BatchNorm that keeps the statistics of pretrained weights ('frozen').

    Args:
        pretrained: Whether the backbone begins with pretrained weights.
        batch: Number of images of a batch, per process.
        kind: 'detector', 'segmentor' or 'classifier'.
    """
    if pretrained and (kind == 'detector' or batch < ENOUGH):
        return Choice('norm', 'frozen', 'statistics of the pretrained weights', 'BatchNorm, frozen')
    if batch < ENOUGH:
        return Choice('norm', 'GN', f'BatchNorm needs {ENOUGH} images per process, there are {batch}', 'GroupNorm')
    return Choice('norm', 'BN', f'{batch} images per process', 'BatchNorm')


def choose_rate(kind: str, size: str, batch: int, device: Device) -> Choice:
    """Learning rate by the linear rule: in proportion to the images of an iteration.

    Args:
        kind: 'detector', 'segmentor' or 'classifier'.
        size: 'thin' or 'full'; thin networks are trained by AdamW, full ones by SGD.
        batch: Number of images of a batch, per process.
        device: What the training runs on.
    """
    rate, images, most = {
        ('detector', 'full'): (0.02, 16, 0.04),
        ('detector', 'thin'): (1e-3, 2, 4e-3),
        ('segmentor', 'full'): (0.01, 16, 0.02),
        ('segmentor', 'thin'): (1e-3, 2, 4e-3),
        ('classifier', 'full'): (0.1, 256, 0.4),
        ('classifier', 'thin'): (3e-3, 32, 6e-3),
    }[kind, size]
    total = batch * device.count
    chosen = float(f'{min(rate * total / images, most):.3g}')
    reason = f'linear rule: {rate:g} for {images} images, {total} an iteration'
    return Choice('learning rate', chosen, reason + (f', at most {most:g}' if chosen == most else ''))
