"""A segmentor for tests whose classes are the colours of the pixels: it predicts what one sees, without training.

Used by a config through `custom_imports`, so that tools in other processes know it, too. It is mmseg's EncoderDecoder
with two modules of its own, and its weights are set rather than learned.
"""

import mmattn  # noqa: F401  isort: skip  before mmseg, which imports mmcv's operators
import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import nn

CLASSES = ('background', 'red', 'gruen 灰')
PALETTE = ((0, 0, 0), (250, 60, 60), (60, 200, 90))
# Colours of the pixels of each class, which images for it are painted with.
COLORS = ((20, 20, 20), (220, 20, 30), (20, 200, 40))


@MODELS.register_module(force=True)
class PixelBackbone(nn.Module):
    """The pixels themselves, by a convolution that a Grad-CAM can look at."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)

    def forward(self, x):
        return (self.conv(x),)


@MODELS.register_module(force=True)
class PixelHead(BaseDecodeHead):
    """Logits from the pixels: about 100 for the background, 1 for each step of red, 1 for each of green."""

    def forward(self, inputs):
        return self.conv_seg(inputs[0])


def write_model(folder, name='pixels.py', scale=None, classes=CLASSES, palette=PALETTE, evaluator='IoUMetric', more=''):
    """Writes a work folder with a config and a checkpoint of the segmentor; returns the folder.

    Its validation images are those in the folder's images/, with label pictures in labels/.

    Args:
        name: Name of the config.
        scale: Longest side in pixels that the test pipeline brings images to; None: as they are.
        classes: Names of the classes, three.
        palette: Their colours in the checkpoint.
        evaluator: Type of the metric, and arguments behind it.
        more: Further lines of the config.
    """
    resize = f"dict(type='Resize', scale=({scale}, {scale}), keep_ratio=True), " if scale else ''
    (folder / name).write_text(
        f"""
default_scope = 'mmseg'
custom_imports = dict(imports=['blob_segmentor'])
norm_cfg = dict(type='BN')
model = dict(type='EncoderDecoder', backbone=dict(type='PixelBackbone'),
             data_preprocessor=dict(type='SegDataPreProcessor', bgr_to_rgb=True),
             decode_head=dict(type='PixelHead', in_channels=3, channels=3, num_classes=3, in_index=0, dropout_ratio=0,
                              align_corners=False), train_cfg=dict(), test_cfg=dict(mode='whole'))
val_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(
    type='BaseSegDataset', data_root={str(folder)!r}, data_prefix=dict(img_path='images', seg_map_path='labels'),
    img_suffix='.png', seg_map_suffix='.png', test_mode=True, metainfo=dict(classes={tuple(classes)!r}),
    pipeline=[dict(type='LoadImageFromFile'), {resize}dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
test_dataloader = val_dataloader
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='{evaluator}')
{more}
""",
        'utf-8',
    )
    weights = {
        'backbone.conv.weight': torch.eye(3).reshape(3, 3, 1, 1),
        'decode_head.conv_seg.weight': torch.tensor([[-0.01, 0, 0], [1, 0, 0], [0, 1, 0]]).reshape(3, 3, 1, 1),
        'decode_head.conv_seg.bias': torch.tensor([100.0, 0, 0]),
    }
    meta = dict(classes=tuple(classes), palette=[list(color) for color in palette])
    torch.save(dict(state_dict=weights, meta=dict(dataset_meta=meta)), folder / 'iter_1.pth')
    (folder / 'last_checkpoint').write_text('iter_1.pth')
    return folder
