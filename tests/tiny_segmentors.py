"""Segmentors of mmsegmentation made small: one block a stage, of the width that its attention needs, thin heads."""

from __future__ import annotations

import torch
from mmengine.config import Config

# Width of the heads.
CHANNELS = 16
# The size of the images, in pixels.
SIDE = 64


def shrink(cfg: Config) -> Config:
    """Makes the model of a config of mmsegmentation small, in place.

    Args:
        cfg: Config whose backbone is a trunk of this package, or one that is small as it is.

    Returns:
        The same config.
    """
    model = cfg.model
    model.data_preprocessor.size = (SIDE, SIDE)
    if 'depth' in model.backbone:
        model.backbone.update(depth=None, stage_blocks=(1, 1, 1, 1), init_cfg=None)
    for head in (model.decode_head, model.auxiliary_head):
        head.get('backbone', head).channels = CHANNELS
    return cfg


def batch(classes: int, images: int = 2) -> dict:
    """Random images with all labels and ignored pixels, as a data loader gives them to a model's data preprocessor.

    Args:
        classes: Number of classes.
        images: Number of images.
    """
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(images):
        labels = torch.randint(classes, (1, SIDE, SIDE), generator=generator)
        labels[:, :4] = 255
        sample = SegDataSample(metainfo=dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE), img_path='1.png'))
        samples.append(sample.set_field(PixelData(data=labels), 'gt_sem_seg', dtype=PixelData) or sample)
    inputs = torch.randint(256, (images, 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    return dict(inputs=list(inputs), data_samples=samples)
