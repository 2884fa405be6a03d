"""Made-up predictions, with which a metric or a visualizer is tried where the model has none yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def with_an_object(sample: object) -> object:
    """A detector's data sample with one predicted object at least, so that its metrics have something to compute.

    An untrained detector's scores are often all below its threshold, and mmdet's metrics stop early without objects.

    Args:
        sample: Data sample as the model returns it; of other models, or with objects, it is returned as it is.
    """
    found = sample.get('pred_instances') if hasattr(sample, 'get') else None
    if found is None or not hasattr(found, '__len__') or len(found) or not found.keys():
        return sample
    return with_labels(sample, [0])


def with_labels(sample: Any, labels: Sequence[int]) -> Any:
    """A copy of a detector's data sample that has one predicted object for each label, with a score of 0.9.

    Args:
        sample: Data sample with ``pred_instances``; they may be none.
        labels: Labels of the objects.
    """
    height, width = sample.ori_shape[:2]
    found = sample.pred_instances
    made = type(found)()
    for name, value in found.all_items():
        if not isinstance(value, torch.Tensor):
            continue
        rows = value.new_zeros(len(labels), *value.shape[1:])
        if name == 'bboxes':
            corners = [0, 0, width / 2, height / 2] if rows.shape[-1] == 4 else [0] * rows.shape[-1]
            rows += rows.new_tensor(corners)
        elif name == 'labels':
            rows = torch.tensor(list(labels), device=rows.device)  # some models, SOLOv2 for one, have none as floats
        elif 'score' in name:
            rows = rows + 0.9
        elif name == 'masks':
            rows[:, : height // 2, : width // 2] = True
        made.set_field(rows, name)
    copied = sample.clone()
    copied.pred_instances = made
    return copied


def with_pixels(sample: Any, labels: Sequence[int], size: tuple[int, int]) -> Any:
    """A copy of a segmentor's data sample in whose prediction a column of pixels has each of these labels.

    Args:
        sample: Data sample with ``pred_sem_seg``.
        labels: Labels of the classes.
        size: Height and width of the prediction in pixels; there are columns as far as they go.
    """
    columns = torch.tensor((list(labels) or [0])[: size[1]])
    width = -(-size[1] // len(columns))
    copied = sample.clone()
    copied.pred_sem_seg = type(sample.pred_sem_seg)(
        data=columns.repeat_interleave(width)[: size[1]].expand(1, *size).contiguous()
    )
    return copied
