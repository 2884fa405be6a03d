"""Image files: their sizes, and whether a run can decode them; many at a time."""

import io
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

from mmcv.image import imfrombytes
from PIL import Image

from mmattn.data.readable import check_readable
from mmattn.engine.progress import progress

# Aerial images are larger than Pillow expects, and here they are the user's own.
Image.MAX_IMAGE_PIXELS = None

# Images that mmpretrain finds in folders of classes, if its config says nothing else.
EXTENSIONS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')

# Images that OpenCV decodes, which mm's LoadImageFromFile reads by.
IMAGES = (*EXTENSIONS, '.tiff', '.webp', '.jp2', '.pbm', '.pnm')

_ORIENTATION = 0x0112

# EXIF orientations that exchange width and height.
TRANSPOSED = (5, 6, 7, 8)

# What Pillow's decoders say of a file that ends too early, of which OpenCV may fill the rest with grey.
_TRUNCATED = ('truncated', 'not enough image data', 'broken data stream', 'unrecognized data stream')

Result = TypeVar('Result')


@dataclass(frozen=True)
class ImageLoader:
    """How a run decodes images: the settings of the transform LoadImageFromFile, with its names and defaults.

    Args:
        color_type: Colours that an image is converted to, or 'unchanged'.
        imdecode_backend: Library that decodes.
        ignore_empty: Whether a training takes another image for one that does not decode.
    """

    color_type: str = 'color'
    imdecode_backend: str = 'cv2'
    ignore_empty: bool = False

    def shape(self, path: Path) -> tuple[int, ...]:
        """Decodes an image; its shape (height, width) or (height, width, channels), EXIF orientation applied.

        Raises:
            FileNotFoundError: If there is no such file.
            OSError: If it cannot be decoded, or only in part.
        """
        check_readable(path)
        content = path.read_bytes()
        try:
            image = imfrombytes(content, flag=self.color_type, backend=self.imdecode_backend)
        except Exception as error:  # each library has its own exceptions for damage
            raise OSError(f'{type(error).__name__}: {error}') from error
        if image is None:
            raise OSError(f'not an image that {self.imdecode_backend} can decode')
        shape = image.shape
        del image  # before another library decodes it, too: it may be an aerial image of gigabytes
        check_whole(content)
        return shape


def check_whole(content: bytes) -> None:
    """Raises OSError for an image that ends too early, which OpenCV decodes in part and in silence."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except Exception as error:  # Pillow does not know every format that others decode, nor all kinds of one
        if any(words in str(error) for words in _TRUNCATED):
            raise OSError(f'truncated ({error})') from error


def look_for(
    paths: Sequence[Path], workers: int | None = None, label: str = 'looking for images'
) -> dict[Path, OSError | None]:
    """Looks for files in parallel threads, since each may take a while on a network; with a progress bar on stderr.

    Args:
        paths: Paths of the files, each once.
        workers: Number of threads; None: one for each CPU.
        label: Text of the progress bar.

    Returns:
        For each path None, or the error that `check_readable` raises.
    """
    return dict(zip(paths, _in_threads(check_readable, paths, label, workers), strict=True))


def read_shapes(
    paths: Sequence[Path], loader: ImageLoader, workers: int | None = None, seconds: float | None = None
) -> dict[Path, tuple[int, ...] | OSError]:
    """Decodes images in parallel threads, with a progress bar on stderr.

    Args:
        paths: Paths of the image files, each once.
        loader: How they are decoded.
        workers: Number of threads; None: one for each CPU.
        seconds: Time after which no further image is decoded; they come in random, but always the same order then.

    Returns:
        For each path that was reached its shape; or a FileNotFoundError, or an OSError that says what is damaged.
    """
    return read_in_time(loader.shape, paths, 'decoding images', workers, seconds)


def read_in_time(
    read: Callable[[Path], Result],
    paths: Sequence[Path],
    label: str,
    workers: int | None = None,
    seconds: float | None = None,
) -> dict[Path, Result | OSError]:
    """Reads files in parallel threads as long as there is time, with a progress bar on stderr.

    Args:
        read: What is done with each path.
        paths: Paths of the files, each once.
        label: Text of the progress bar.
        workers: Number of threads; None: one for each CPU.
        seconds: Time after which no further file is read; they come in random, but always the same order then.

    Returns:
        For each path that was reached what `read` returned, or the OSError that it raised.
    """
    order = list(paths)
    if seconds is not None:
        random.Random(0).shuffle(order)
    end = time.monotonic() + (float('inf') if seconds is None else seconds)

    def in_time(path: Path) -> Result | None:
        return read(path) if time.monotonic() < end else None

    found = dict(zip(order, _in_threads(in_time, order, label, workers), strict=True))
    return {path: result for path in paths if (result := found[path]) is not None}


def read_sizes(paths: Sequence[Path], label: str, workers: int | None = None) -> list[tuple[int, int] | OSError]:
    """Reads the sizes of images from their headers, in parallel threads, with a progress bar on stderr.

    Args:
        paths: Paths of the image files.
        label: Text of the progress bar.
        workers: Number of threads; None: one for each CPU.

    Returns:
        For each path its (width, height) as the mm libraries load it, that is with the EXIF
        orientation applied; or a FileNotFoundError, or an OSError that says what is damaged.
    """
    return _in_threads(read_size, paths, label, workers)


def read_size(path: Path) -> tuple[int, int]:
    """(width, height) of an image file, from its header, with its EXIF orientation applied.

    Args:
        path: Path of the image file.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it cannot be read as an image.
    """
    check_readable(path)
    try:
        with Image.open(path) as image:
            width, height = image.size
            transposed = image.getexif().get(_ORIENTATION) in TRANSPOSED
    except Image.UnidentifiedImageError:
        raise OSError('not an image') from None
    except Exception as error:  # each of Pillow's decoders has its own exceptions for damage
        raise OSError(f'{error}') from error
    return (height, width) if transposed else (width, height)


def read_orientation(path: Path) -> int:
    """EXIF orientation of an image file that can be read, 1 to 8; 1 where it has none.

    Args:
        path: Path of the image file.
    """
    try:
        with Image.open(path) as image:
            return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # each of Pillow's decoders has its own exceptions for damage
        return 1


def _in_threads(
    read: Callable[[Path], Result], paths: Sequence[Path], label: str, workers: int | None
) -> list[Result | OSError]:
    def result_or_error(path: Path) -> Result | OSError:
        try:
            return read(path)
        except OSError as error:
            return error

    if not paths:
        return []
    with ThreadPool(workers or os.cpu_count()) as pool:
        return list(progress(pool.imap(result_or_error, paths, chunksize=4), label, len(paths)))
