"""Frames of videos and cameras, read one by one, and videos written the same way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from mmattn.errors import UserError

from .inputs import VideoSource

# Codecs by the suffixes of their files, the first that OpenCV can write is taken.
CODECS = {'.mp4': 'mp4v', '.avi': 'MJPG'}
# Frames a second of what does not say, as some cameras.
RATE = 25.0


class Video:
    """A video that is being read.

    Args:
        video: What to read.
        every: Of so many frames one is read.

    Raises:
        OSError: It cannot be opened, or holds no frame.
    """

    def __init__(self, video: VideoSource, every: int = 1) -> None:
        self.name, self.every, self.live = video.name, every, video.live
        self._capture = cv2.VideoCapture(video.source)
        if not self._capture.isOpened():
            raise OSError(f'{video.name} cannot be opened as a {"camera or stream" if video.live else "video"}')
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 1000 else RATE
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.count = count if count > 0 and not video.live else None  # of all frames, as the file says
        self.read = 0

    def __len__(self) -> int:
        """Number of frames that will be read. Raises TypeError where it is not known."""
        if self.count is None:
            raise TypeError(f'{self.name} does not say how many frames it has')
        return -(-self.count // self.every)

    def frames(self) -> Iterator[tuple[int, np.ndarray]]:
        """Numbers of frames, from 0 on, and the frames, (H, W, 3) in the order blue, green, red."""
        while self._capture.grab():
            number, self.read = self.read, self.read + 1
            if number % self.every == 0:
                whole, frame = self._capture.retrieve()
                if not whole:
                    break
                yield number, frame

    def missing(self) -> str | None:
        """What is wrong with the video after its last frame; None if it was whole."""
        if self.live:
            return None
        if self.read == 0:
            return f'{self.name} holds no frame that can be read'
        # What a file says of its length may be off by a few frames.
        if self.count is not None and self.read < self.count - max(2, self.count // 100):
            return f'{self.name} is truncated or damaged: {self.read} of {self.count} frames could be read'
        return None

    def close(self) -> None:
        """Frees the file or camera."""
        self._capture.release()


class VideoWriter:
    """A video that is being written, as MPEG-4, or as Motion JPEG where OpenCV lacks that codec.

    Args:
        path: Path of the file without suffix.
        rate: Frames a second.
        size: Width and height of the frames in pixels.

    Raises:
        UserError: OpenCV can write neither.
    """

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        self.size = size
        for whole, codec in zip(self.paths(path), CODECS.values(), strict=True):
            self.path = whole
            # Not the name itself: half a video is none, and one that was there stays until this one is whole.
            self._temporary = path.with_name(f'.{path.name}.part{whole.suffix}')
            self._temporary.parent.mkdir(parents=True, exist_ok=True)
            code = cv2.VideoWriter_fourcc(*codec)  # type: ignore[attr-defined]  # absent from stubs
            self._writer = cv2.VideoWriter(str(self._temporary), code, rate, size)
            if self._writer.isOpened():
                return
            self._temporary.unlink(missing_ok=True)
        raise UserError(f"OpenCV can write no video to '{path}' here; --no-pictures predicts without")

    @staticmethod
    def paths(path: Path) -> list[Path]:
        """The files that may be written, by a path without suffix."""
        return [path.with_name(f'{path.name}{suffix}') for suffix in CODECS]

    def add(self, frame: np.ndarray) -> None:
        """Adds a frame, (H, W, 3) in the order blue, green, red, scaled where it has another size than the first."""
        if frame.shape[1::-1] != self.size:
            frame = cv2.resize(frame, self.size)
        self._writer.write(frame)

    def close(self) -> Path:
        """Ends the video, which has its own name from then on, and returns its path."""
        self._writer.release()
        self._temporary.replace(self.path)
        return self.path
