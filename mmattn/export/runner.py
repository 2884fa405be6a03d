"""Runs a file that mmattn exported: ``Exported('nuclei.onnx')('image.jpg')``. This file can be copied: it needs
onnxruntime, NumPy and Pillow, and nothing of mmattn.

On a command line it prints what it finds, a line of JSON for each object or class (of a mask its number of pixels):

    python runner.py nuclei.onnx image.jpg another.jpg --threshold 0.5

Of a segmentor it prints the classes with their areas and, with ``--out``, saves the labels of the pixels as pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

# Where the file keeps what it says about itself.
KEY = 'mmattn'


class Exported:
    """A network that was exported to ONNX.

    Args:
        path: Path of the file.
        threads: Number of threads to compute with; None: as many as there are cores.
        providers: What onnxruntime computes with, such as ('CUDAExecutionProvider', 'CPUExecutionProvider'); None: a
            GPU where onnxruntime has one, else the CPU.

    Attributes:
        info: What the file says about itself: class names, thresholds, versions, hashes of config and weights.
        task: 'classes', 'boxes', 'masks' or, of a segmentor, 'labels'.
        classes: Names of the classes, by label.

    Raises:
        ValueError: The file is none that mmattn exported.
    """

    def __init__(
        self, path: str | os.PathLike, threads: int | None = None, providers: tuple[str, ...] | None = None
    ) -> None:
        import onnxruntime  # which whoever runs a file of torch.export may not have

        if not os.path.isfile(path):
            raise ValueError(f'{path} is no file')
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors alone
        if threads:
            options.intra_op_num_threads = threads
        available = onnxruntime.get_available_providers()
        wanted = providers or [name for name in ('CUDAExecutionProvider', 'CPUExecutionProvider') if name in available]
        try:
            self._session = onnxruntime.InferenceSession(os.fspath(path), options, providers=list(wanted))
        except Exception as error:  # onnxruntime's exceptions have no common class
            raise ValueError(f'{path} is no ONNX file that onnxruntime can run: {error}') from error
        self._describe(path, self._session.get_modelmeta().custom_metadata_map.get(KEY))

    def _describe(self, path: str | os.PathLike, stated: str | None) -> None:
        """Takes what a file says about itself, or raises ValueError if it says nothing."""
        if not stated:
            raise ValueError(f'{path} was not exported by mmattn, so that it does not say what its outputs are')
        self.info: dict = json.loads(stated)
        info = self.info
        self.task: str = info['task']
        self.classes: list[str] = info['classes']
        self.one_by_one: bool = info['one_by_one']

    def __call__(self, image: str | os.PathLike | np.ndarray | Image.Image, threshold: float = 0.3) -> dict:
        """What is found in an image.

        Args:
            image: Path of an image, an image of Pillow, or an array (H, W, 3), RGB, uint8.
            threshold: Least score of the objects of a detector.

        Returns:
            Of a detector, best first: 'boxes' (N, 4), x1 y1 x2 y2 in pixels of the image, 'scores' (N,), 'labels' (N,),
            'names', and 'masks' (N, H, W), boolean, where it has them. Of a classifier, best first: 'scores' (K,),
            'labels' (K,) and 'names' of all classes. Of a segmentor 'labels' (H, W), the class of each pixel, 'scores'
            (H, W) where it has them, and 'areas', the numbers of pixels by the names of the classes that any pixel is
            of, the largest first.

        Raises:
            OSError: The file is missing, or no image.
            ValueError: The array is none of this kind.
        """
        found = self.run(self.prepared(read(image))[None])
        if self.task == 'labels':
            found = {name: values[0] for name, values in found.items()}
            return dict(found, areas=self.areas(found['labels']))
        if self.task == 'classes':
            order = np.argsort(-found['scores'][0], kind='stable')
            found = dict(scores=found['scores'][0][order], labels=order)
        else:
            order = np.argsort(-found['scores'], kind='stable')
            order = order[found['scores'][order] >= threshold]
            found = {name: values[order] for name, values in found.items() if name != 'image'}
        return dict(found, names=[self.name(label) for label in found['labels']])

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs of the network as they are.

        Args:
            images: Images of one size, (N, H, W, 3), RGB, uint8; of a detector with two stages one image.

        Returns:
            Of a classifier 'logits' and 'scores', (N, K). Of a detector 'boxes', 'scores', 'labels', and 'masks' where
            it has them; of a detector for several images also 'image', the number of the image of each object. Of a
            segmentor 'labels', (N, H, W), uint8 or, of more than 256 classes, int64, and 'scores' where it has them.

        Raises:
            ValueError: The array is none of this kind.
        """
        self.check(images)
        try:
            values = self._session.run(None, {'images': np.ascontiguousarray(images)})
        except Exception as error:  # onnxruntime's exceptions have no common class
            raise ValueError(self.refusal(images, error)) from error
        return dict(zip(self.info['outputs'], values, strict=True))

    def check(self, images: np.ndarray) -> None:
        """Raises ValueError if an array is none that the network takes."""
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
            raise ValueError(f'images are (N, H, W, 3), uint8, not {images.shape}, {images.dtype}')
        if self.one_by_one and len(images) != 1:
            raise ValueError(f'this network takes one image at a time, not {len(images)}')

    def refusal(self, images: np.ndarray, error: Exception) -> str:
        """What is said of images for which the network has no answer."""
        count, height, width = images.shape[:3]
        return f'the network cannot take {count} image(s) of {width} x {height} pixels: {error}'

    def prepared(self, image: np.ndarray) -> np.ndarray:
        """An image after those steps of the test pipeline that are not in the file."""
        for step in self.info['before']:
            image = STEPS[step['type']](image, step)
        return image

    def areas(self, labels: np.ndarray) -> dict[str, int]:
        """The number of pixels of each class that any is of, by its name, the largest first.

        Args:
            labels: Label of each pixel, (H, W).
        """
        counts = np.bincount(labels.reshape(-1))
        return {self.name(label): int(counts[label]) for label in np.argsort(-counts, kind='stable') if counts[label]}

    def picture(self, labels: np.ndarray) -> Image.Image:
        """A label picture: its pixels are the labels, and are shown in the colours of the classes.

        Args:
            labels: Label of each pixel, (H, W).
        """
        if labels.dtype != np.uint8:
            return Image.fromarray(labels.astype(np.uint16))  # of more classes than a palette has colours
        picture = Image.fromarray(labels)
        picture.putpalette([value for color in self.info['palette'] for value in color])
        return picture

    def name(self, label: int) -> str:
        """Name of a class; its number where the file has no name for it."""
        return self.classes[label] if label < len(self.classes) else str(label)


def read(image: str | os.PathLike | np.ndarray | Image.Image) -> np.ndarray:
    """An image as an array (H, W, 3), RGB, uint8, upright where the camera was turned.

    Raises:
        OSError: The file is missing, no image, or has more pixels than Pillow opens (`PIL.Image.MAX_IMAGE_PIXELS`).
        ValueError: The array is none of this kind.
    """
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f'an image is (H, W, 3), uint8, not {image.shape}, {image.dtype}')
        return image
    if not isinstance(image, Image.Image):
        try:
            with Image.open(image) as opened:
                opened.load()
                image = opened.copy() if not opened.getexif().get(0x0112) else ImageOps.exif_transpose(opened)
        except (SyntaxError, Image.DecompressionBombError) as error:  # a broken PNG; more pixels than Pillow opens
            raise OSError(str(error)) from error
    if image.mode.startswith('I;16'):  # which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return np.asarray(image.convert('RGB'))


def _resize_edge(image: np.ndarray, step: dict) -> np.ndarray:
    height, width = image.shape[:2]
    edge, length = step['edge'], step['length']
    if edge == 'width' or (edge == 'short' and width < height) or (edge == 'long' and width > height):
        size = length, int(length * height / width)
    else:
        size = int(length * width / height), length
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling[step['interpolation'].upper()]))


def _center_crop(image: np.ndarray, step: dict) -> np.ndarray:
    first = [max(0, round((side - step[name]) / 2)) for side, name in zip(image.shape[:2], ('height', 'width'))]
    return image[first[0] : first[0] + step['height'], first[1] : first[1] + step['width']]


STEPS = {'resize edge': _resize_edge, 'center crop': _center_crop}


def main() -> int:
    """Prints what a network finds in images."""
    parser = argparse.ArgumentParser(
        description='Prints what an exported network finds in images, a line of JSON for each object or class.',
        epilog='Example: python runner.py nuclei.onnx image.jpg --threshold 0.5',
    )
    parser.add_argument('model', metavar='FILE.onnx', help='exported by mmattn')
    parser.add_argument('images', metavar='IMAGE', nargs='+', type=Path)
    parser.add_argument('--threshold', type=float, default=0.3, help='least score of the objects (default: 0.3)')
    parser.add_argument('--top', type=int, default=5, help='classes of a classifier that are printed (default: 5)')
    parser.add_argument('--out', metavar='DIR', type=Path, help='folder that gets the label pictures of a segmentor')
    parser.add_argument('--threads', type=int, help='threads to compute with (default: one for each core)')
    args = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = None  # aerial photographs have more than Pillow opens otherwise
    failed, saved = 0, set[Path]()
    try:
        model = Exported(args.model, args.threads)
    except (ValueError, ImportError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    for path in args.images:
        try:
            found = model(path, args.threshold)
            if model.task == 'labels':
                _tell_labels(model, path, found, args.out, saved)
                continue
        except (OSError, ValueError) as error:
            print(f'error: {path}: {error}', file=sys.stderr)
            failed = 1
            continue
        count = len(found['scores']) if model.task != 'classes' else min(args.top, len(found['scores']))
        for index in range(count):
            line = {'image': str(path), 'name': found['names'][index], 'score': round(float(found['scores'][index]), 4)}
            if 'boxes' in found:
                line['box'] = [round(float(value), 2) for value in found['boxes'][index]]
            if 'masks' in found:
                line['mask_pixels'] = int(found['masks'][index].sum())
            print(json.dumps(line))
    return failed


def _tell_labels(model: Exported, path: Path, found: dict, folder: Path | None, saved: set[Path]) -> None:
    """Prints the classes of an image's pixels and, where there is a folder, saves the labels in it."""
    named = {}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        picture = folder / f'{path.stem}.png'
        if picture.exists() and picture.samefile(path):
            raise ValueError(f'the label picture would replace the image; give another folder than {folder}')
        if picture in saved:
            raise ValueError(f'{picture} is that of another image of this name; give this image in a run of its own')
        model.picture(found['labels']).save(picture)
        saved.add(picture)
        named = {'labels': str(picture)}
    for name, pixels in found['areas'].items():
        share = round(pixels / found['labels'].size, 4)
        print(json.dumps({'image': str(path), 'name': name, 'pixels': pixels, 'share': share, **named}))


if __name__ == '__main__':
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read the lines has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
