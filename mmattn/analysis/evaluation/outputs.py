"""The files that ``tools/test.py --out`` names, each by what the end of its name says."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from mmattn.engine import preflight
from mmattn.engine.kinds import kind_of
from mmattn.errors import UserError, one_line
from mmattn.files import plain, write_json
from mmattn.weights.loading import unwrapped

from .coco_figures import class_precisions, figures_of, recorded_evaluations
from .iou_figures import record_iou
from .predictions import CocoResults, LabelPictures, pickled_predictions

PICKLES = ('.pkl', '.pickle')
COCO = {'.bbox.json': 'bbox', '.segm.json': 'segm'}


class Outputs:
    """Files with the results of a test.

    Args:
        paths: Paths of the files: NAME.json gets the metrics, NAME.pkl the predictions as mmdet's and mmpretrain's
            analysis tools read them, NAME.bbox.json and NAME.segm.json COCO's result lists, a folder, there already,
            with '/' at the end or without a suffix, the label pictures of a segmentor.

    Raises:
        UserError: A name ends with nothing of this, or nothing can be written there.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.metrics: list[Path] = []
        self.pickles: list[Path] = []
        self.coco: dict[str, Path] = {}
        self.folders: list[Path] = []
        for name in paths:
            path = Path(name)
            kind = next((kind for end, kind in COCO.items() if path.name.endswith(end)), None)
            if kind in self.coco:
                raise UserError(f"--out names two files with '{kind}' results; name one")
            if kind:
                self.coco[kind] = path
            elif path.suffix in PICKLES:
                self.pickles.append(path)
            elif path.suffix == '.json':
                self.metrics.append(path)
            elif not path.suffix or str(name).endswith('/') or path.is_dir():
                self.folders.append(path)
            else:
                raise UserError(
                    "--out writes metrics as NAME.json, predictions as NAME.pkl, COCO's result lists as NAME.bbox.json "
                    f"and NAME.segm.json, and label pictures into a folder NAME/, not '{path}'"
                )
            preflight.check_output(path, folder=path in self.folders)
        self._figures: dict[str, object] = {}
        self._notes: list[str] = []

    def attach(self, runner: Runner) -> None:
        """Has a runner that will test keep what the files need.

        The predictions are written before the metrics are computed, so that an error there leaves them.

        Args:
            runner: Runner with its test loop built.

        Raises:
            UserError: The model or its data set has nothing for a file.
        """
        evaluator, dataset = runner.test_evaluator, runner.test_dataloader.dataset
        model = unwrapped(runner.model)
        kind = kind_of(model)
        writers = [pickled_predictions(path, kind) for path in self.pickles]
        for folder in self.folders:
            if kind != 'segmentor':
                raise UserError(
                    f"--out '{folder}' is a folder for the label pictures of a segmentor, and this test is of a "
                    f'{kind}: name a file that ends with .json or .pkl'
                )
            images = [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]
            writers.append(LabelPictures(folder, images))
        if self.coco:
            if 'segm' in self.coco and kind == 'detector' and not model.with_mask:
                raise UserError(f"--out '{self.coco['segm']}': the model predicts no masks; leave it out")
            writers.append(CocoResults(self.coco, _categories(dataset)))
        for writer in writers:
            writer.dataset_meta = evaluator.dataset_meta
        if self.metrics:
            for metric in evaluator.metrics:
                self._record(metric)
        evaluator.metrics[:0] = writers

    def write(self, metrics: dict) -> None:
        """Writes the metrics, in the process that computed them, and says what was written.

        Args:
            metrics: What the runner's test returned.

        Raises:
            UserError: A file cannot be written; the metrics are printed then.
        """
        content = {**metrics, **self._figures}
        for path in self.metrics:
            try:
                write_json(content, path)
            except OSError as error:
                print(json.dumps(plain(content)))
                raise UserError(
                    f"the metrics cannot be written to '{path}' ({one_line(error)}); they are above"
                ) from error
            none = ', which are none: nothing was detected, or the evaluator computes none (format_only, say)'
            print(f'metrics written to {path}' + ('' if content else none))
        print(*self._notes, sep='\n', end='\n' if self._notes else '')
        for path in (*self.pickles, *self.coco.values(), *self.folders):
            print(f'predictions written to {path}')

    def _record(self, metric) -> None:
        """Has a metric leave its figures in full precision, under the names that it gives to the rounded ones."""
        names = {cls.__name__ for cls in type(metric).__mro__}
        if 'IoUMetric' in names:
            record_iou(metric, self._figures)
        if 'CocoMetric' not in names:
            return
        compute = metric.compute_metrics

        def computing(results: list) -> dict:
            with recorded_evaluations() as evaluations:
                rounded = compute(results)
            found: dict[str, Any] = {}
            for evaluation in evaluations:
                found.update(figures_of(evaluation))
                if evaluation.params.useCats and metric.classwise:
                    found.update(class_precisions(evaluation))
            if any(
                _unlike(found.get(name, value), value) for name, value in rounded.items() if name.endswith('_precision')
            ):
                self._notes.append(
                    "note: the log has the classes' figures under wrong names, as the categories of the "
                    'annotations are not in the order of their ids; they are right in the file'
                )
            prefix = f'{metric.prefix}/' if metric.prefix else ''
            self._figures.update({f'{prefix}{name}': value for name, value in found.items()})
            return rounded

        metric.compute_metrics = computing


def _unlike(exact: float, rounded: float) -> bool:
    return math.isnan(exact) != math.isnan(rounded) or abs(exact - rounded) > 1e-3


def _categories(dataset) -> list[int]:
    """Ids of the classes in the annotations, of a data set or of all parts of one."""
    lists = set(_category_lists(dataset))
    found = [each for each in lists if each is not None]
    if len(found) < len(lists):
        raise UserError(
            "COCO's result lists are of detectors on a data set with COCO's annotations; this test is of "
            'another: name a file that ends with .pkl'
        )
    if len(found) > 1:
        raise UserError(
            'the parts of the test set number their categories differently, so that there is no one list '
            'of results; test them one by one'
        )
    return list(found.pop())


def _category_lists(dataset) -> Iterator[tuple[int, ...] | None]:
    if hasattr(dataset, 'cat_ids'):
        yield tuple(dataset.cat_ids)
    elif hasattr(dataset, 'datasets') or hasattr(dataset, 'dataset'):
        for part in getattr(dataset, 'datasets', None) or [dataset.dataset]:
            yield from _category_lists(part)
    else:
        yield None
