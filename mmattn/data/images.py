"""Sizes of image files, and whether the files decode; many at a time."""
import os
from collections.abc import Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

from PIL import Image

from mmattn.engine.progress import progress

# Aerial images are larger than Pillow expects, and here they are the user's own.
Image.MAX_IMAGE_PIXELS = None

EXTENSIONS = ('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif')

_ORIENTATION = 0x0112
_TRANSPOSED = (5, 6, 7, 8)


def read_sizes(paths: Sequence[Path], label: str, decode: bool,
               workers: int | None = None) -> list[tuple[int, int] | OSError]:
    """Reads the sizes of images in parallel threads, with a progress bar on stderr.

    Args:
        paths: Paths of the image files.
        label: Text of the progress bar.
        decode: Whether to decode the pixels, which finds truncated and damaged files, or to read
            the headers only.
        workers: Number of threads (default: one for each CPU).

    Returns:
        For each path its (width, height) as the mm libraries load it, that is with the EXIF
        orientation applied; or a FileNotFoundError, or an OSError that says what is damaged.
    """
    def size_or_error(path: Path) -> tuple[int, int] | OSError:
        try:
            return read_size(path, decode)
        except OSError as error:
            return error

    with ThreadPool(workers or os.cpu_count()) as pool:
        return list(progress(pool.imap(size_or_error, paths, chunksize=4), label, len(paths)))


def read_size(path: Path, decode: bool = False) -> tuple[int, int]:
    """(width, height) of an image file with its EXIF orientation applied.

    Args:
        path: Path of the image file.
        decode: Whether to decode the pixels too.

    Raises:
        FileNotFoundError: If there is no such file.
        OSError: If it cannot be read as an image.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no file {path}')
    try:
        with Image.open(path) as image:
            width, height = image.size
            if decode:
                image.load()
            transposed = image.getexif().get(_ORIENTATION) in _TRANSPOSED
    except Image.UnidentifiedImageError:
        empty = path.stat().st_size == 0
        raise OSError('the file is empty' if empty else 'not an image') from None
    except Exception as error:  # each of Pillow's decoders has its own exceptions for damage
        raise OSError(f'{error}') from error
    return (height, width) if transposed else (width, height)
