"""An exported file that predicts on images as a trained model does: pictures, tiles, videos, with the same words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mmattn.analysis.predict.found import Detections, Found, Masks, Patch
from mmattn.analysis.predict.reading import LoadedImage
from mmattn.analysis.predict.streaming import StreamingPredictor
from mmattn.analysis.predict.tiles import Tiles
from mmattn.analysis.runs.tested_data import ClassNames
from mmattn.data.readable import check_readable
from mmattn.engine.kinds import Kind
from mmattn.errors import UserError, first_line, kind_and_text
from mmattn.export.opening import BACKENDS, opened
from mmattn.export.runner import read

# Kinds of models by what they find.
KINDS: dict[str, Kind] = dict(classes='classifier', boxes='detector', masks='detector', labels='segmentor')


class ExportedPredictor(StreamingPredictor):
    """A file that mmattn exported and images are given to.

    Args:
        path: Path of the file, NAME.onnx or NAME.pt2.
        threshold: Least score of the objects that a detector finds.
        classes: Names of the classes to look for; None: all.
        tiles: Tiles that a detector looks at besides the whole image; None: none.
        batch: Number of images or tiles that are predicted at a time; a detector with two stages takes one.
        backend: What runs a file of ONNX, 'onnxruntime' or 'openvino'.
        device: 'cpu' or a CUDA device for onnxruntime; None: a GPU where onnxruntime has one.

    Raises:
        UserError: The file is missing or none that mmattn exported, there is no such class, or the model is no detector
            but has tiles.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        threshold: float = 0.3,
        classes: Sequence[str] | None = None,
        tiles: Tiles | None = None,
        batch: int = 1,
        backend: str = BACKENDS[0],
        device: str | None = None,
    ) -> None:
        self._exported = opened(Path(path), backend, device)
        self.resized: bool = self._exported.info['resized']
        if self._exported.one_by_one:
            batch = 1
        names, kind = ClassNames(tuple(self._exported.classes)), KINDS[self._exported.task]
        palette = self._exported.info.get('palette')
        super().__init__(names, kind, threshold, classes, tiles, batch, palette)

    def load(self, image: str | Path | np.ndarray) -> LoadedImage:
        if isinstance(image, np.ndarray):
            return LoadedImage(image, self.transformed(image))
        try:
            check_readable(image)
            pixels = read(image)
        except FileNotFoundError:
            raise
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise OSError(f'{image} cannot be read as an image ({kind_and_text(error)})') from error
        pixels = np.ascontiguousarray(pixels[..., ::-1])
        return LoadedImage(pixels, self.transformed(pixels))

    def transformed(self, pixels: np.ndarray) -> dict:
        return dict(inputs=self._exported.prepared(np.ascontiguousarray(pixels[..., ::-1])), size=pixels.shape[:2])

    def find(self, batch: Sequence[dict]) -> list[Found]:
        try:
            found = self._exported.run(np.stack([data['inputs'] for data in batch]))
        except ValueError as error:
            raise UserError(first_line(error, 300)) from error
        if self.kind == 'classifier':
            return [self.likeliest(torch.from_numpy(scores)) for scores in found['scores']]
        if self.kind == 'segmentor':
            return [self.labelled(labels, len(self.classes)) for labels in found['labels']]
        return [self._objects(found, index, data['size']) for index, data in enumerate(batch)]

    def _objects(self, found: dict[str, np.ndarray], index: int, size: tuple[int, int]) -> Detections:
        boxes, scores, labels = (torch.from_numpy(found[name]) for name in ('boxes', 'scores', 'labels'))
        kept = self.kept(scores, labels)
        if 'image' in found:
            kept &= torch.from_numpy(found['image'] == index)
        chosen = kept.nonzero()[:, 0]
        chosen = chosen[scores[chosen].argsort(descending=True, stable=True)]
        masks = None
        if 'masks' in found:
            masks = Masks((Patch.of(found['masks'][place]) for place in chosen.tolist()), *size)
        return self.detections(boxes[chosen], scores[chosen], labels[chosen], masks)
