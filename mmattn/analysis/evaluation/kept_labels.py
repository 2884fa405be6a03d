"""Label pictures that a segmentor predicted, kept in a zip of PNG files beside the checkpoint."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from mmattn.errors import UserError
from mmattn.files import atomic_path


def labels_path(path: Path) -> Path:
    """Where the label pictures are kept that a segmentor predicted: PNG files, by the places of the images, in a zip.

    Args:
        path: Path of the other predictions, as of `cache_path`.
    """
    return path.with_suffix('.zip')


def predicted_labels(path: Path, index: int) -> np.ndarray:
    """The labels that a segmentor predicted for an image, (H, W).

    Args:
        path: Path of the predictions, as of `cache_path`.
        index: Place of the image in the data set.

    Raises:
        UserError: They cannot be read.
    """
    try:
        with zipfile.ZipFile(labels_path(path)) as file:
            return np.asarray(Image.open(io.BytesIO(file.read(_member(index)))))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"'{labels_path(path)}' cannot be read; delete it, and it is predicted anew") from error


class LabelsFile:
    """A zip that gets label pictures.

    Args:
        file: The zip, open for writing.
    """

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._file, self._count = file, 0

    def add(self, labels: np.ndarray) -> None:
        """Adds the label picture of the next image, (H, W), of labels from 0 to 65535."""
        png = io.BytesIO()
        Image.fromarray(labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.uint16)).save(png, 'PNG')
        self._file.writestr(_member(self._count), png.getvalue())
        self._count += 1


@contextmanager
def labels_file(path: Path) -> Iterator[LabelsFile]:
    """Writes a zip of label pictures, which appears only when it is complete.

    Args:
        path: Path of the zip, as of `labels_path`.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, 'w') as file:
        yield LabelsFile(file)


def _member(index: int) -> str:
    return f'{index:06}.png'
