"""Images as pictures can show them: whatever a config's pipeline decodes, in RGB with 8 bits."""

from __future__ import annotations

from collections.abc import Callable

import mmcv
import numpy as np
from PIL import Image


def to_rgb(pixels: np.ndarray, bgr: bool = True) -> Image.Image:
    """An image array as a picture.

    Args:
        pixels: Image, (H, W) or (H, W, C), of any type. 8 bits are taken as they are, and so is what lies between 0 and
            255; anything else is stretched from its least to its largest finite value. Of two channels the first is
            shown in grey, of more than three the first three.
        bgr: Whether three channels are in the order blue, green, red, as mm's images are.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim == 3:
        pixels = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., 0]
    if pixels.dtype != np.uint8:
        pixels = _stretched(pixels.astype(np.float64))
    if pixels.ndim == 3 and bgr:
        pixels = pixels[..., ::-1]
    return Image.fromarray(np.ascontiguousarray(pixels)).convert('RGB')


def reader_of(dataset) -> Callable[[str], np.ndarray]:
    """Reads image files as the pipeline of a data set decodes them: so many bits and channels, turned or not.

    Args:
        dataset: Data set, or a wrapper of data sets, of which the first is asked.
    """
    while not hasattr(dataset, 'pipeline') and (hasattr(dataset, 'datasets') or hasattr(dataset, 'dataset')):
        dataset = dataset.datasets[0] if hasattr(dataset, 'datasets') else dataset.dataset
    for step in getattr(getattr(dataset, 'pipeline', None), 'transforms', ()):
        if type(step).__name__ == 'LoadImageFromFile':
            return lambda path: step.transform(dict(img_path=path))['img']
    return mmcv.imread


def _stretched(values: np.ndarray) -> np.ndarray:
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if low < 0 or high > 255:
        values = (values - low) * (255 / max(high - low, 1e-12))
    return np.nan_to_num(values, nan=0, posinf=255, neginf=0).clip(0, 255).round().astype(np.uint8)
