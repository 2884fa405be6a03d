"""A model as a file of torch.export, with the same inputs and outputs as the file of ONNX."""

from __future__ import annotations

import base64
import io
import json
import warnings
from pathlib import Path

import numpy as np
import torch

from mmattn.engine.process import weights_only
from mmattn.export.parts import Parts
from mmattn.export.runner import KEY, Exported

PIXELS = 'pixels.pt2'


def save_torch(parts: Parts, path: Path) -> None:
    """Writes a model as one file: the program of the network, and in it that of what prepares the images.

    Args:
        parts: Model to export.
        path: Path of the file.
    """
    inner = io.BytesIO()
    torch.export.save(parts.pixels.program(), inner)
    extra = {PIXELS: base64.b64encode(inner.getvalue()).decode(), KEY: json.dumps(parts.info)}
    torch.export.save(parts.network.program(), path, extra_files=extra)


class ExportedTorch(Exported):
    """A network that was exported by torch.export.

    Nothing that a file holds besides tensors and the graph of operators is executed.

    Args:
        path: Path of the file.

    Raises:
        ValueError: The file is none that mmattn exported.
    """

    def __init__(self, path: str | Path) -> None:
        extra = {PIXELS: '', KEY: ''}
        try:
            with weights_only(), warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of tensors that share the file's memory
                network = torch.export.load(path, extra_files=extra)
                pixels = torch.export.load(io.BytesIO(base64.b64decode(extra[PIXELS]))) if extra[PIXELS] else None
        except Exception as error:  # whatever is in a file
            raise ValueError(f'{path} is no file of torch.export that holds tensors alone, or damaged') from error
        self._describe(path, extra[KEY])
        assert pixels is not None
        self._pixels, self._network = pixels.module(), network.module()

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.check(images)
        try:
            with torch.no_grad():
                prepared = self._pixels(torch.from_numpy(np.require(images, requirements=('C', 'W'))))
                values = self._network(*prepared[: self.info['inputs']])
        except (RuntimeError, IndexError, AssertionError) as error:  # the last of PyTorch from 2.9 on
            raise ValueError(self.refusal(images, error)) from error
        return {name: value.numpy() for name, value in zip(self.info['outputs'], values, strict=True)}
