"""Checks a dataset in COCO's format: a JSON file and a folder of images."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmattn.data.coco.annotations import check_annotations
from mmattn.data.coco.balance import add_balance
from mmattn.data.coco.classes import check_classes, check_names
from mmattn.data.coco.document import LISTS, read_document
from mmattn.data.coco.entries import check_ids, usable_entries
from mmattn.data.coco.images import check_images
from mmattn.data.coco.masks import MaskCheck
from mmattn.data.images import ImageLoader
from mmattn.data.report import Report


def check_coco(
    report: Report,
    ann_file: Path,
    image_dir: Path | None,
    classes: Sequence | None = None,
    workers: int | None = None,
    *,
    masks: MaskCheck | None = MaskCheck(),  # noqa: B008  frozen
    loader: ImageLoader | None = ImageLoader(),  # noqa: B008  frozen
    seconds: float | None = None,
    evaluated: bool = True,
    images_left_out: bool = False,
) -> None:
    """Looks through annotations and images and adds to the report.

    Args:
        report: Report that problems, notes and the class balance are added to.
        ann_file: Path of the JSON file.
        image_dir: Folder that the file names in the JSON file start from; None: no file is looked for.
        classes: Class names of the config; None where there is no config.
        workers: Number of threads that decode images; None: one for each CPU.
        masks: How masks are looked at; None: they are not, nor are they by default in a file that has none at all.
        loader: How images are decoded; None: they are not.
        seconds: Time after which no further image is decoded; None: all are.
        evaluated: Whether pycocotools reads the file, as mmdet's CocoMetric does.
        images_left_out: Whether the run leaves out images that it cannot read.
    """
    content = read_document(report, ann_file)
    if content is None:
        return
    entries = {key: usable_entries(report, content, key) for key in LISTS}
    for key in LISTS:
        check_ids(report, key, entries[key], evaluated)
    categories = entries['categories']
    pictures = check_images(
        report,
        entries['images'],
        image_dir,
        workers=workers,
        loader=loader,
        seconds=seconds,
        left_out=images_left_out,
        masks_evaluated=bool(masks and masks.evaluated),
    )
    names = {each['id']: str(each.get('name')) for each in categories}
    wanted = {each['id'] for each in categories if classes is None or each.get('name') in classes}
    if masks and not masks.required and not any('segmentation' in each for each in entries['annotations']):
        masks = None
    kept = check_annotations(report, entries['annotations'], pictures, names, wanted, masks, evaluated)
    report.images = len(pictures)
    add_balance(report, len(pictures), kept, names)
    check_names(report, categories)
    if classes is not None:
        check_classes(report, classes, categories, Counter(each['category_id'] for each in kept), evaluated)
