"""Predictions on all that a command line names, as pictures, label pictures or videos, JSON and CSV in a folder."""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np

from mmattn.analysis.counted import counted
from mmattn.analysis.runs.pictures import save_picture
from mmattn.data.images import read_sizes
from mmattn.data.text import few
from mmattn.engine.progress import progress
from mmattn.errors import LINE, UserError, shortened

from .drawing import draw_found, label_picture
from .found import Labels
from .inputs import ImageFile, Inputs, VideoSource
from .reading import LoadedImage
from .results import Results
from .streaming import StreamingPredictor
from .video import Video, VideoWriter

PICTURES, LABELS, VIDEOS = 'pictures', 'labels', 'videos'
# Threads that read images.
READERS = 2


class PredictionFolder:
    """A folder that gets predictions: ``predictions.json``, ``predictions.csv``, ``pictures/`` and ``videos/``.

    Of a segmentor also ``labels/``, with a label picture for each image.

    Files of these names are replaced, and no others are touched. What was predicted before an interruption is kept.

    Args:
        folder: Folder that gets the files.
        predictor: Trained model.
        pictures: Whether pictures and videos are made.
        info: What the JSON tells of the model and the options.
    """

    def __init__(
        self, folder: Path, predictor: StreamingPredictor, pictures: bool = True, info: dict | None = None
    ) -> None:
        self.folder, self.predictor, self.pictures = folder, predictor, pictures
        self.failures: list[str] = []
        self.written: list[str] = []
        self._info = info or {}
        self._noted = False
        self._made: set[Path] = set()

    def predict(self, inputs: Inputs, every: int = 1) -> Results:
        """Predicts on all inputs, with progress on stderr, and writes the files; also after Ctrl-C, which is raised on.

        What cannot be read, or not to its end, is named on stderr and in `failures`, and passed over.

        Args:
            inputs: What to predict on.
            every: Of so many frames of a video one is predicted, and is in the video that is made.

        Raises:
            UserError: A picture or video would replace one of the inputs.
        """
        self._check_outputs(inputs)
        classes = self.predictor.classes
        info = dict(self._info, image_root=None if inputs.root is None else str(inputs.root))
        results = Results(self.folder, classes.names, self.predictor.kind, info)
        with closing(results):
            try:
                if inputs.images:
                    self._images(inputs.images, results)
                for video in inputs.videos:
                    self._video(video, every, results)
            finally:
                if results.images:  # else those of a run before stay
                    self.written += [path.name for path in results.write()]
        if results.images:
            self._say_what_remains(inputs)
        return results

    def _say_what_remains(self, inputs: Inputs) -> None:
        """Says on stderr how many pictures and videos of another run are still in the folder."""
        given = {image.path.resolve() for image in inputs.images}
        given |= {Path(str(video.source)).resolve() for video in inputs.videos if not video.live}
        remain = [
            path
            for name in (PICTURES, LABELS, VIDEOS)
            for path in (self.folder / name).rglob('*')
            if path.is_file() and path not in self._made and path.resolve() not in given
        ]
        if remain:
            print(
                f'note: {counted(len(remain), "file")} of an earlier run remain{"s" * (len(remain) == 1)} in '
                f'{self.folder}: {few(path.relative_to(self.folder).as_posix() for path in sorted(remain))}',
                file=sys.stderr,
            )

    def _check_outputs(self, inputs: Inputs) -> None:
        files = [one.path for one in inputs.images] + [Path(str(one.source)) for one in inputs.videos if not one.live]
        named = {path.resolve(): path for path in files}
        made = [self._labels(one) for one in inputs.images] if self.predictor.kind == 'segmentor' else []
        if self.pictures:
            made += [self._picture(one) for one in inputs.images]
            made += [path for one in inputs.videos for path in VideoWriter.paths(self._video_stem(one))]
        for path in made:
            if path.resolve() in named:
                raise UserError(
                    f"what is drawn would replace '{named[path.resolve()]}', which is to be predicted on; "
                    'name another folder with --out'
                )

    def _picture(self, image: ImageFile) -> Path:
        return self.folder / PICTURES / f'{image.output}.jpg'

    def _labels(self, image: ImageFile) -> Path:
        return self.folder / LABELS / f'{image.output}.png'

    def _video_stem(self, video: VideoSource) -> Path:
        return self.folder / VIDEOS / video.output

    def _images(self, images: tuple[ImageFile, ...], results: Results) -> None:
        views = self._views(images)
        label = 'images' if self.predictor.tiles is None else 'images and tiles'
        with closing(progress(itertools.repeat(None, sum(views)), label, sum(views))) as bar:
            next(bar, None)
            self._predict_images(images, views, results, lambda: next(bar, None))

    def _views(self, images: tuple[ImageFile, ...]) -> list[int]:
        """How often each image is looked at: once, and once for each of its tiles; 0 where its size cannot be read."""
        tiles = self.predictor.tiles
        if tiles is None:
            return [1] * len(images)
        sizes = read_sizes([image.path for image in images], 'sizes of images')
        return [0 if isinstance(size, OSError) else 1 + len(tiles.windows(*size)) for size in sizes]

    def _predict_images(
        self, images: tuple[ImageFile, ...], views: list[int], results: Results, done: Callable[[], object]
    ) -> None:
        for image, loaded, found in self.predictor.stream(self._loaded(images, views, done), done):
            self._note_scale(loaded)
            more = {}
            if self.pictures:
                save_picture(draw_found(loaded, found, len(self.predictor.classes)), self._picture(image))
                self._made.add(self._picture(image))
                more['picture'] = self._picture(image).relative_to(self.folder).as_posix()
            if isinstance(found, Labels):
                save_picture(label_picture(found), self._labels(image))
                self._made.add(self._labels(image))
                more['labels'] = self._labels(image).relative_to(self.folder).as_posix()
            if not results.images:
                self.written += [f'{name}/' for key, name in (('picture', PICTURES), ('labels', LABELS)) if key in more]
            results.add(image.file_name, loaded.size, found, **more)

    def _loaded(
        self, images: tuple[ImageFile, ...], views: list[int], done: Callable[[], object]
    ) -> Iterator[tuple[ImageFile, LoadedImage]]:
        for (image, loading), count in zip(self._loading(images), views, strict=True):
            try:
                loaded = loading.result()
            except OSError as error:
                self._fail(image.file_name, error)
                for _ in range(count):
                    done()
                continue
            yield image, loaded

    def _loading(self, images: tuple[ImageFile, ...]) -> Iterator[tuple[ImageFile, Future]]:
        """Reads images in threads while others are predicted, but only a few ahead, as they may be large."""
        waiting: deque[tuple[ImageFile, Future]] = deque()
        with ThreadPoolExecutor(READERS) as pool:
            try:
                for image in images:
                    waiting.append((image, pool.submit(self.predictor.load, image.path)))
                    if len(waiting) > READERS:
                        yield waiting.popleft()
                while waiting:
                    yield waiting.popleft()
            finally:
                for _, loading in waiting:
                    loading.cancel()

    def _video(self, source: VideoSource, every: int, results: Results) -> None:
        try:
            video = Video(source, every)
        except OSError as error:
            self._fail(source.name, error)
            return
        writer = None
        with closing(video):
            try:
                for number, loaded, found in self.predictor.stream(self._frames(video)):
                    self._note_scale(loaded)
                    if self.pictures:
                        frame = np.asarray(draw_found(loaded, found, len(self.predictor.classes), enlarged=False))
                        if writer is None:
                            height, width = frame.shape[:2]
                            writer = VideoWriter(self._video_stem(source), video.rate / every, (width, height))
                        writer.add(np.ascontiguousarray(frame[..., ::-1]))
                    results.add(
                        f'{source.output}/{number:06d}.jpg',
                        loaded.size,
                        found,
                        video=source.name,
                        frame=number,
                        seconds=round(number / video.rate, 3),
                    )
                wrong: object = video.missing()
            except OSError as error:  # frames that the transforms do not take, or a full disk
                wrong = error
            finally:
                if writer is not None:
                    path = writer.close()
                    self._made.add(path)
                    self.written.append(f'{VIDEOS}/{path.name}')
            if wrong is not None:
                self._fail(source.name, wrong)

    def _frames(self, video: Video) -> Iterator[tuple[int, LoadedImage]]:
        count = None if video.count is None else len(video)
        for number, frame in progress(video.frames(), f'frames of {video.name}', count):
            yield number, self.predictor.load(frame)

    def _fail(self, name: str, reason: object) -> None:
        self.failures.append(name)
        print(f'passed over: {shortened(" ".join(str(reason).split()), LINE)}', file=sys.stderr)

    def _note_scale(self, image: LoadedImage) -> None:
        """Says once if the transforms make tiles smaller, which takes from them what they are for."""
        tiles = self.predictor.tiles
        if self._noted or tiles is None or max(image.size) <= tiles.size:
            return
        self._noted = True
        longest = max(self.predictor.tile_shape(image))
        if longest < 0.9 * tiles.size:
            print(
                f'note: the test pipeline of the config reduces tiles of {tiles.size} px to {longest} px; '
                f'--tiles {longest} shows small objects as they are',
                file=sys.stderr,
            )
