"""Pictures of a test's predictions, a file for each image, by a hook."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.hooks import Hook

from mmattn.analysis.shown_image import reader_of, to_rgb
from mmattn.engine.hooks.drawn_names import drawable_meta
from mmattn.files import unique_names

from .pictures import PANEL, Example, Instances, draw_answer, draw_example, save_picture


class PictureHook(Hook):
    """Draws ground truth and prediction of each image of a test.

    The image is as the config decodes it, and each has a file of its own, called like it, with a number where that is
    taken. What is neither of detection nor of classification is drawn by the config's visualizer.

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
        paths = dict.fromkeys(_path(dataset.get_data_info(index), index) for index in range(len(dataset)))
        self._names = dict(zip(paths, unique_names(Path(path).stem for path in paths)))
        self.folder.mkdir(parents=True, exist_ok=True)

    def after_test_iter(self, runner, batch_idx: int, data_batch: dict, outputs: Sequence) -> None:
        for number, sample in enumerate(outputs):
            path = _path(sample, batch_idx * runner.test_dataloader.batch_size + number)
            file = self.folder / f'{self._names.get(path, Path(path).stem)}.png'
            if 'pred_instances' in sample and 'bboxes' in sample.pred_instances:
                image = to_rgb(self._read(path))
                truth = sample.gt_instances.cpu() if 'gt_instances' in sample else None
                example = Example(file.stem, image, truth and self._instances(truth), self._found(sample))
                save_picture(draw_example(example, self.score_thr, max(PANEL, *image.size)), file)
            elif 'pred_label' in sample:
                image = to_rgb(data_batch['inputs'][number].permute(1, 2, 0).numpy())
                save_picture(draw_answer(image, self._answers(sample)), file)
            else:
                runner.visualizer.dataset_meta = drawable_meta(runner.visualizer.dataset_meta or {})
                runner.visualizer.add_datasample(
                    file.stem, np.asarray(to_rgb(self._read(path))), sample, out_file=str(file))

    def _found(self, sample) -> Instances:
        found = sample.pred_instances.cpu()
        found = found[found.scores >= self.score_thr]
        return self._instances(found[found.scores.argsort(descending=True)])

    def _instances(self, found) -> Instances:
        names = [self._name(label) for label in found.labels.tolist()]
        if 'scores' in found:
            names = [f'{name} {score:.2f}' for name, score in zip(names, found.scores.tolist())]
        masks = found.get('masks')
        if masks is not None and not isinstance(masks, torch.Tensor):  # of annotations, as mmdet has them
            masks = masks.to_tensor(torch.bool, 'cpu')
        boxes = found.bboxes
        return Instances(getattr(boxes, 'tensor', boxes), masks, names if len(self._classes) != 1 else None)

    def _answers(self, sample) -> list[str]:
        lines = [f'ground truth: {self._list(sample.gt_label)}'] if 'gt_label' in sample else []
        scores = sample.get('pred_score')
        return [*lines, f'prediction: {self._list(sample.pred_label, scores)}']

    def _list(self, labels: torch.Tensor, scores: torch.Tensor | None = None) -> str:
        return ', '.join(self._name(label) + ('' if scores is None else f' {float(scores[label]):.2f}')
                         for label in labels.reshape(-1).tolist())

    def _name(self, label: int) -> str:
        return str(self._classes[label]) if label < len(self._classes) else f'class {label}'


def _path(of, number: int) -> str:
    return str(of.get('img_path', number))
