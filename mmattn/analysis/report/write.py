"""Writing of a report: predictions, figures, page, metrics.json and CSV files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmattn.analysis.evaluation.checkpoint_predictions import cache_path, predictions_of
from mmattn.analysis.evaluation.detector_figures import DetectorFigures
from mmattn.analysis.evaluation.figures import figures_by_kind
from mmattn.analysis.evaluation.segmentor_figures import SegmentorFigures
from mmattn.analysis.extras import require
from mmattn.analysis.page import Page, write_page
from mmattn.commands import command
from mmattn.engine.preflight import check_output
from mmattn.engine.progress import status
from mmattn.errors import UserError
from mmattn.files import csv_text, write_json, write_text

from .classifier import report_classifier
from .content import PICTURES, Content
from .detector import report_detector
from .images import DataSetImages
from .segmentor import report_segmentor

IMAGES = 24
PICTURE_NAME = re.compile(r'(worst|label)-\d+\.jpg')
PARTS = {'val': 'validation', 'test': 'test'}


@dataclass(frozen=True)
class ReportResult:
    """What was written, and what to print.

    Args:
        page: Path of report.html.
        metrics: Path of metrics.json.
        tables: Paths of the CSV files.
        lines: Lines for a terminal: the tables of figures, and what they say in words.
    """

    page: Path
    metrics: Path
    tables: tuple[Path, ...]
    lines: tuple[str, ...]


def write_report(
    cfg: Config,
    checkpoint: str | Path,
    folder: str | Path,
    device: str = 'cpu',
    images: int = IMAGES,
    split: str = 'val',
) -> ReportResult:
    """Predicts on the images of a part, or takes the predictions kept beside the checkpoint, and reports on them.

    Args:
        cfg: Config of a detector of mmdet whose evaluator is a CocoMetric, of a segmentor of mmseg with an IoUMetric,
            or of a classifier of mmpretrain.
        checkpoint: Path of the checkpoint.
        folder: Folder that gets report.html, metrics.json, CSV files and the folder pictures/.
        device: Device to predict on: 'cpu', 'cuda', 'cuda:1', …
        images: Number of the worst images, and of suspected label errors, that are shown.
        split: Part of the data to report on, 'val' or 'test'.

    Raises:
        UserError: Data, annotations or a package are missing, or the checkpoint is damaged or of another model.
    """
    folder, checkpoint = Path(folder), Path(checkpoint)
    check_output(folder, folder=True)
    require('matplotlib')
    if not checkpoint.is_file():
        raise UserError(f"no checkpoint at '{checkpoint}'; name another")
    predictions = predictions_of(cfg, checkpoint, device, split)
    pictures = DataSetImages(cfg, split)
    for old in (folder / PICTURES).glob('*.jpg'):  # of an earlier report, which may have had more
        if PICTURE_NAME.fullmatch(old.name):
            old.unlink()
    status('evaluating the predictions')
    figures = figures_by_kind(predictions)
    if isinstance(figures, DetectorFigures):
        _check(figures.matches.count(), 'objects', split)
        content = report_detector(figures, pictures, folder, images)
    elif isinstance(figures, SegmentorFigures):
        _check(figures.areas.truth.sum(), 'pixels', split)
        content = report_segmentor(figures, pictures, cache_path(cfg, checkpoint, split), folder, images)
    else:
        content = report_classifier(figures, pictures, folder, images)
    return _write(content, cfg, checkpoint, folder, split)


def _check(annotated: int, what: str, split: str) -> None:
    if not annotated:
        raise UserError(
            f'the {PARTS[split]} images have no annotated {what} of the classes of the config, so that there is '
            f'nothing to compare with; correct {split}_dataloader, or take another --split'
        )


def _write(content: Content, cfg: Config, checkpoint: Path, folder: Path, split: str) -> ReportResult:
    config = Path(cfg.filename).name if cfg.filename else 'a config without file'
    facts = (f'{checkpoint.name} of {config}, on the {PARTS[split]} images.', *content.facts)
    page, metrics = folder / 'report.html', folder / 'metrics.json'
    for name, rows in content.tables.items():
        write_text(csv_text(rows), folder / name)
    write_json(dict(config=config, checkpoint=checkpoint.name, part=split, **content.metrics), metrics)
    # Of a work folder whose config is called like that in all of them, the folder's name.
    name = checkpoint.resolve().parent.name if Path(config).stem == 'config' else Path(config).stem
    write_page(
        Page(f'Report: {name}', command('report'), tuple(content.sections), facts, content.series, contents=True), page
    )
    return ReportResult(page, metrics, tuple(folder / name for name in content.tables), tuple(content.lines))
