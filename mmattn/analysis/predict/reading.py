"""Images read and transformed as those of a config's test data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.dataset import Compose

from mmattn.analysis.runs.tested_data import transforms_of
from mmattn.data.images import check_whole
from mmattn.data.readable import check_readable
from mmattn.engine.types import type_name
from mmattn.errors import UserError, kind_and_text


@dataclass(frozen=True)
class LoadedImage:
    """An image as the config's transforms read it.

    Args:
        pixels: The image, (H, W) or (H, W, C); three channels in the order blue, green, red.
        data: What the transforms make of it for the network.
    """

    pixels: np.ndarray
    data: dict

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


class ImageReader:
    """Reads images, and puts them through the transforms of a config's test data, without those for annotations.

    Args:
        cfg: Config of mmdet, mmpretrain or mmseg.

    Raises:
        UserError: It has no such transforms, they cannot be built, or none of them reads files.
    """

    def __init__(self, cfg: Config) -> None:
        self._config = cfg.filename
        self._load_image, self._transforms = _pipeline(cfg)

    def load(self, image: str | Path | np.ndarray) -> LoadedImage:
        """Reads an image and transforms it.

        Args:
            image: Path of an image file, or an image as an array, (H, W, 3), in the order blue, green, red.

        Raises:
            OSError: The file is missing, or no whole image, or none that the transforms take.
        """
        if isinstance(image, np.ndarray):
            pixels = self._as_loaded(image)
            return LoadedImage(pixels, self.transformed(pixels))
        pixels = self._read(image)
        return LoadedImage(pixels, self.transformed(pixels, str(image)))

    def _read(self, path: str | Path) -> np.ndarray:
        try:
            check_readable(path)
        except FileNotFoundError:  # which is in its text
            raise
        except OSError as error:
            raise OSError(f'{path}: {error}') from None
        try:
            pixels = self._load_image.transform(dict(img_path=str(path), img_id=0))['img']
        except AssertionError:
            raise OSError(f'{path} is no image that {self._load_image.imdecode_backend} can decode') from None
        except Exception as error:  # each library has its own exceptions for damage
            raise OSError(f'{path} cannot be read as an image ({kind_and_text(error)})') from error
        try:
            check_whole(Path(path).read_bytes())
        except OSError as error:
            raise OSError(f'{path} is {error}') from error
        return pixels

    def _as_loaded(self, pixels: np.ndarray) -> np.ndarray:
        """An image in colour as the config's reader of files would give it."""
        if self._load_image.color_type.startswith('gray') and pixels.ndim == 3:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        return np.require(pixels, np.float32 if self._load_image.to_float32 else None, ('C', 'W'))

    def transformed(self, pixels: np.ndarray, path: str = '') -> dict:
        """What the transforms make of an image for the network.

        Args:
            pixels: Image, (H, W) or (H, W, C), as the config's reader of files returns it.
            path: Path of its file, '' where there is none.

        Raises:
            OSError: A transform does not take it.
        """
        size = pixels.shape[:2]
        try:
            return self._transforms(
                dict(img=pixels, img_shape=size, ori_shape=size, height=size[0], width=size[1], img_path=path, img_id=0)
            )
        except Exception as error:  # a transform may raise anything
            raise OSError(
                f'{path or "the image"} is none that the test pipeline of {self._config} takes ({kind_and_text(error)})'
            ) from error


def _pipeline(cfg: Config) -> tuple[LoadImageFromFile, Compose]:
    """What reads an image file, and the transforms after it but those for annotations."""
    settings = [step for step in transforms_of(cfg) if 'Annotations' not in type_name(step)]
    try:
        steps = Compose(settings).transforms
    except Exception as error:  # noqa: BLE001  a transform may raise anything
        raise UserError(
            f'the test pipeline of {cfg.filename} cannot be built ({kind_and_text(error)}); correct it there'
        ) from error
    first = next((index for index, step in enumerate(steps) if isinstance(step, LoadImageFromFile)), None)
    if first is None:
        raise UserError(
            f'the test pipeline of {cfg.filename} has no LoadImageFromFile, so that it cannot be given images; add it'
        )
    return steps[first], Compose(steps[first + 1 :])
