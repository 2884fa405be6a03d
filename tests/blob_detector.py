"""A detector for tests that finds bright blobs: it predicts what one sees, without training.

Used by a config through `custom_imports`, so that tools in other processes know it, too.
"""

import mmattn  # noqa: F401  isort: skip  before mmdet, of whose operators it has stand-ins
import cv2
import numpy as np
import torch
from mmdet.models.detectors.base import BaseDetector
from mmdet.registry import MODELS
from mmengine.structures import InstanceData

CLASSES = ('red', 'gruen 灰')


@MODELS.register_module(force=True)
class BlobDetector(BaseDetector):
    """Each connected bright blob is an object; its class is 0 if it is red, else 1, and its score grows with it.

    Args:
        masks: Whether it predicts masks.
        smallest: Least area of a blob in pixels of the network's input.
    """

    def __init__(self, masks=True, smallest=6, **kwargs):
        super().__init__(**kwargs)
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.masks, self.smallest = masks, smallest

    def predict(self, batch_inputs, batch_data_samples, rescale=True):
        for pixels, sample in zip(batch_inputs, batch_data_samples, strict=True):
            height, width = sample.img_shape
            sample.pred_instances = self._find(pixels[:, :height, :width].numpy(), sample)
        return batch_data_samples

    def _find(self, pixels, sample):
        """`pixels` are (3, H, W) in the order red, green, blue."""
        count, owner, stats, _ = cv2.connectedComponentsWithStats((pixels.max(0) > 100).astype(np.uint8))
        kept = [index for index in range(1, count) if stats[index, cv2.CC_STAT_AREA] >= self.smallest]
        boxes = stats[kept, :4].astype(np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        scale = np.array([*sample.get('scale_factor', (1, 1))] * 2, np.float32)
        areas = stats[kept, cv2.CC_STAT_AREA] / scale[:2].prod()
        labels = [int(pixels[0][owner == index].mean() < pixels[1][owner == index].mean()) for index in kept]
        found = InstanceData(
            bboxes=torch.from_numpy(boxes / scale),
            labels=torch.tensor(labels, dtype=torch.long),
            scores=torch.from_numpy((areas / (areas + 50)).astype(np.float32)),
        )
        if self.masks:
            size = sample.ori_shape[1::-1]
            masks = [
                cv2.resize((owner == index).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) for index in kept
            ]
            found.masks = torch.from_numpy(np.array(masks, bool).reshape(-1, *sample.ori_shape[:2]))
        return found

    def loss(self, *args):
        raise NotImplementedError

    def _forward(self, *args):
        raise NotImplementedError

    def extract_feat(self, batch_inputs):
        raise NotImplementedError


def write_model(folder, masks=True, scale=None, name='blobs.py'):
    """Writes a work folder with a config and a checkpoint of the detector; returns the folder.

    Args:
        masks: Whether it predicts masks.
        scale: Longest side in pixels that the test pipeline brings images to; None: as they are.
        name: Name of the config.
    """
    resize = f"dict(type='Resize', scale=({scale}, {scale}), keep_ratio=True), " if scale else ''
    (folder / name).write_text(
        f"""
default_scope = 'mmdet'
custom_imports = dict(imports=['blob_detector'])
model = dict(type='BlobDetector', masks={masks},
             data_preprocessor=dict(type='DetDataPreprocessor', bgr_to_rgb=True, pad_size_divisor=32))
test_dataloader = dict(dataset=dict(metainfo=dict(classes={CLASSES}), pipeline=[
    dict(type='LoadImageFromFile'), {resize}dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackDetInputs', meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor'))]))
""",
        'utf-8',
    )
    torch.save(
        dict(state_dict=dict(weight=torch.ones(1)), meta=dict(dataset_meta=dict(classes=CLASSES))),
        folder / 'epoch_1.pth',
    )
    return folder
