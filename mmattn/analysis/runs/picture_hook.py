"""Pictures of a test's predictions, a file for each image, by a hook."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.hooks import Hook
from PIL import Image

from mmattn.analysis.shown_image import reader_of, to_rgb
from mmattn.engine.hooks.drawn_names import drawable_meta
from mmattn.files import unique_names

from .annotated import annotated_objects
from .class_colors import class_colors
from .label_pictures import LabelExample, draw_label_example
from .objects import Instances
from .pictures import PANEL, Example, draw_answer, draw_example, save_picture

# Longer side of each of the three images in a segmentor's picture, pixels.
LARGEST = 1280


class PictureHook(Hook):
    """Draws ground truth and prediction of each image of a test.

    The image is as the config decodes it, and each has a file of its own, called like it, with a number where that is
    taken. What is of neither detection, semantic segmentation nor classification is drawn by the config's visualizer.

    Args:
        folder: Folder that gets the pictures.
        score_thr: Least score of the detections that are drawn.
    """

    def __init__(self, folder: str | Path, score_thr: float = 0.3) -> None:
        self.folder = Path(folder)
        self.score_thr = score_thr

    def before_test_epoch(self, runner) -> None:
        dataset = runner.test_dataloader.dataset
        self._read = reader_of(dataset)
        self._classes = dataset.metainfo.get('classes') or ()
        self._palette = dataset.metainfo.get('palette')
        self._ignored = getattr(dataset, 'ignore_index', 255)
        self._infos = dataset.get_data_info
        infos = [self._infos(index) for index in range(len(dataset))]
        self._indices = {_path(info, index): index for index, info in enumerate(infos)}
        self._names = dict(zip(self._indices, unique_names(Path(path).stem for path in self._indices)))
        self._annotated = any(info.get('instances') for info in infos)
        self.folder.mkdir(parents=True, exist_ok=True)

    def after_test_iter(self, runner, batch_idx: int, data_batch: dict, outputs: Sequence) -> None:
        for number, sample in enumerate(outputs):
            path = _path(sample, batch_idx * runner.test_dataloader.batch_size + number)
            file = self.folder / f'{self._names.get(path, Path(path).stem)}.png'
            if 'pred_instances' in sample and 'bboxes' in sample.pred_instances:
                image = to_rgb(self._read(path))
                # Not those of the sample, which the pipeline may have resized.
                info = self._infos(self._indices[path]) if path in self._indices else {}
                truth = annotated_objects(info, self._texts) if self._annotated else None
                example = Example(file.stem, image, truth, self._found(sample))
                save_picture(draw_example(example, self.score_thr, max(PANEL, *image.size)), file)
            elif 'pred_sem_seg' in sample:
                image = to_rgb(self._read(path))
                panel = min(max(PANEL, *image.size), LARGEST)
                save_picture(draw_label_example(self._labels(image, sample), panel), file)
            elif 'pred_label' in sample:
                image = to_rgb(data_batch['inputs'][number].permute(1, 2, 0).numpy())
                save_picture(draw_answer(image, self._answers(sample)), file)
            else:
                runner.visualizer.dataset_meta = drawable_meta(runner.visualizer.dataset_meta or {})
                runner.visualizer.add_datasample(
                    file.stem, np.asarray(to_rgb(self._read(path))), sample, out_file=str(file)
                )

    def _labels(self, image: Image.Image, sample) -> LabelExample:
        predicted = sample.pred_sem_seg.data[0].cpu().numpy().astype(np.int64)
        truth = sample.gt_sem_seg.data[0].cpu().numpy() if 'gt_sem_seg' in sample else None
        if truth is not None and truth.shape != predicted.shape:  # resized by the pipeline
            truth = None
        names = tuple(map(self._name, range(max(len(self._classes), int(predicted.max(initial=0)) + 1))))
        return LabelExample(image, truth, predicted, names, class_colors(names, self._palette), self._ignored)

    def _found(self, sample) -> Instances:
        found = sample.pred_instances.cpu()
        found = found[found.scores >= self.score_thr]
        found = found[found.scores.argsort(descending=True)]
        names = self._texts(found.labels.tolist())
        if names is not None:
            names = [f'{name} {score:.2f}' for name, score in zip(names, found.scores.tolist())]
        return Instances(found.bboxes, found.get('masks'), names)

    def _texts(self, labels: list[int]) -> list[str] | None:
        """Texts at the boxes, which only clutter the picture where all would be the same."""
        return [self._name(label) for label in labels] if len(self._classes) != 1 else None

    def _answers(self, sample) -> list[str]:
        lines = [f'ground truth: {self._list(sample.gt_label)}'] if 'gt_label' in sample else []
        scores = sample.get('pred_score')
        return [*lines, f'prediction: {self._list(sample.pred_label, scores)}']

    def _list(self, labels: torch.Tensor, scores: torch.Tensor | None = None) -> str:
        return ', '.join(
            self._name(label) + ('' if scores is None else f' {float(scores[label]):.2f}')
            for label in labels.reshape(-1).tolist()
        )

    def _name(self, label: int) -> str:
        return str(self._classes[label]) if label < len(self._classes) else f'class {label}'


def _path(of, number: int) -> str:
    return str(of.get('img_path', number))
