"""What a command line names to predict on: images, folders, patterns, videos, streams and cameras."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmattn.analysis.image_files import images_in
from mmattn.errors import UserError
from mmattn.files import unique_names

VIDEO_SUFFIXES = frozenset(
    ('.avi', '.flv', '.m2ts', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.mts', '.ogv', '.ts', '.webm', '.wmv')
)


@dataclass(frozen=True)
class ImageFile:
    """An image to predict on.

    Args:
        path: Path of the image.
        file_name: Its path from the folder that all images are in, with '/' between the folders.
        output: The same without suffix, of which no two are alike.
    """

    path: Path
    file_name: str
    output: str


@dataclass(frozen=True)
class VideoSource:
    """A video file, stream or camera to predict on.

    Args:
        source: What OpenCV opens: a path or an address, or the number of a camera.
        name: What it is called in messages and results.
        output: Name without suffix for what is made of it, of which no two are alike.
        live: Whether it goes on until it is interrupted.
    """

    source: str | int
    name: str
    output: str
    live: bool


@dataclass(frozen=True)
class Inputs:
    """All that is to be predicted on.

    Args:
        root: Folder that all images are in; None without images.
        images: Images, each once.
        videos: Videos, streams and cameras.
    """

    root: Path | None
    images: tuple[ImageFile, ...]
    videos: tuple[VideoSource, ...]


def find_inputs(named: Iterable[str], without: Sequence[Path] = ()) -> Inputs:
    """Finds what a command line names.

    Args:
        named: Paths of images, videos or folders, which are searched for images with all below them; patterns such as
            'a/*.jpg' and 'a/**/*.png'; numbers or device files of cameras; addresses of streams.
        without: Folders that are not searched.

    Raises:
        UserError: Something is not there, or a folder has no image.
    """
    paths, videos = [], []
    for text in named:
        if '://' in text or _is_camera(text):
            videos.append((int(text) if text.isdigit() else text, text, True))
            continue
        for path in _expanded(text):
            if path.is_dir():
                paths += images_in(path, without)
            elif path.suffix.lower() in VIDEO_SUFFIXES:
                videos.append((str(path), str(path), False))
            else:
                paths.append(path)
    paths = list({os.path.abspath(path): path for path in reversed(paths)}.values())[::-1]  # each once, the first
    names = unique_names(_output_name(source, text) for source, text, _ in videos)
    return Inputs(
        *_images(paths),
        tuple(VideoSource(source, text, name, live) for (source, text, live), name in zip(videos, names, strict=True)),
    )


def _is_camera(text: str) -> bool:
    path = Path(text)
    return path.is_char_device() or text.isdigit() and not path.exists()


def _expanded(text: str) -> list[Path]:
    path = Path(text).expanduser()
    if path.exists():
        return [path]
    if not glob.has_magic(text):
        raise UserError(f"no image, video or folder '{text}'; name another")
    found = sorted(Path(one) for one in glob.glob(str(path), recursive=True) if not Path(one).is_dir())
    if not found:
        raise UserError(f"the pattern '{text}' matches no file; correct it")
    return found


def _output_name(source: str | int, text: str) -> str:
    if isinstance(source, int):
        return f'camera{source}'
    kept = ''.join(letter if letter.isalnum() or letter in '-_. ' else '_' for letter in text.partition('://')[2])
    return kept[:100] if '://' in text else Path(text).stem


def _images(paths: list[Path]) -> tuple[Path | None, tuple[ImageFile, ...]]:
    if not paths:
        return None, ()
    whole = [Path(os.path.abspath(path)) for path in paths]
    root = Path(os.path.commonpath([path.parent for path in whole]))
    names = [path.relative_to(root).as_posix() for path in whole]
    outputs = unique_names(name.removesuffix(path.suffix) for name, path in zip(names, whole, strict=True))
    return root, tuple(ImageFile(*parts) for parts in zip(paths, names, outputs, strict=True))
