"""Annotations of a COCO file: what each refers to, its box and its mask."""

from collections.abc import Collection, Mapping, Sequence

from mmattn.data.coco.boxes import check_box, check_corners, check_crowd
from mmattn.data.coco.images import Picture
from mmattn.data.coco.masks import MaskCheck
from mmattn.data.coco.values import nested
from mmattn.data.findings import DOUBTFUL, LEFT_OUT, STOPS
from mmattn.data.report import Report
from mmattn.data.text import shown

# mmdet pickles the masks of all objects, whether the pipeline loads them or not.
_LEVELS = 100


def check_annotations(
    report: Report,
    entries: Sequence[dict],
    pictures: Mapping[int | str, Picture],
    names: Mapping,
    wanted: Collection,
    masks: MaskCheck | None,
    evaluated: bool,
) -> list[dict]:
    """Looks through the annotations.

    Args:
        report: Report that problems are added to; its ``objects`` is set to the number of objects to learn from.
        entries: Entries of ``annotations`` that have ids.
        pictures: The images by their ids.
        names: Names of the categories by their ids.
        wanted: Ids of those categories that are classes of the config.
        masks: How masks are looked at; None: they are not, since the pipeline loads none.
        evaluated: Whether pycocotools reads the file.

    Returns:
        Those annotations that mmdet keeps, of any category.
    """
    kept, objects, without_mask = [], 0, 0
    for entry in entries:
        picture = pictures.get(entry['image_id'])
        where = Where(entry, picture)
        known = _check_references(report, entry, pictures, names, where)
        check_crowd(report, entry, where, evaluated)
        ignored = bool(entry.get('ignore'))
        if ignored and not evaluated:
            continue
        keep = check_box(report, entry, picture, where) and known and not ignored
        if keep:
            kept.append(entry)
        # pycocotools reads masks of objects that mmdet leaves out, too.
        if picture is not None and known and entry['category_id'] in wanted and (keep or (masks and masks.evaluated)):
            usable = _mask_is_usable(report, entry, entry['bbox'] if keep else None, picture, masks, where)
            objects += keep and usable and not entry.get('iscrowd')
            without_mask += not usable
    check_corners(report, kept, pictures)
    report.objects = objects
    if not objects:
        report.problems.add(
            'objects missing',
            'not one that a training could learn from' + (', with its mask' if without_mask else ''),
            doubtful=True,
        )
    count = sum(1 for entry in entries if entry.get('ignore'))
    if count:
        report.notes.append(f"{count} annotations have 'ignore' set: mmdet leaves them out, pycocotools does not")
    return kept


class Where:
    """Words that name an annotation, put together where they are needed."""

    def __init__(self, entry: dict, picture: Picture | None) -> None:
        self.entry, self.picture = entry, picture

    def __str__(self) -> str:
        name = f' ({self.picture.name})' if self.picture else ''
        return f'annotation {shown(self.entry["id"])} of image {shown(self.entry["image_id"])}{name}'


def _check_references(report: Report, entry: dict, pictures: Mapping, names: Mapping, where: Where) -> bool:
    known = True
    for field, others, what in (('image_id', pictures, 'images'), ('category_id', names, 'categories')):
        if entry[field] in others:
            continue
        known = False
        other = _other_kind(entry[field])
        if other is not None and other in others:
            report.problems.add(
                f'ids of {what} that are numbers here and text there',
                f'{where}: {field} {shown(entry[field])}, {what} have {shown(other)}',
            )
        else:
            report.problems.add(
                f'annotations of unknown {what}', f'{where}: {field} {shown(entry[field])}', left_out=True
            )
    return known


def _other_kind(identifier: int | float | str) -> int | str | None:
    """The same id as text, or as a number."""
    if not isinstance(identifier, str):
        return str(identifier)
    return int(identifier) if identifier.isdecimal() and len(identifier) < 20 else None


def _mask_is_usable(
    report: Report, entry: dict, box: list | None, picture: Picture, masks: MaskCheck | None, where: Where
) -> bool:
    segmentation = entry.get('segmentation')
    problem = masks.problem(segmentation, box, picture.size) if masks else None
    if (problem or not masks) and nested(segmentation, _LEVELS):
        problem = 'masks nested too deeply', STOPS, f'more than {_LEVELS} lists inside each other'
    if problem is None:
        return True
    kind, effect, value = problem
    report.problems.add(kind, f'{where}: {value}', left_out=effect == LEFT_OUT, doubtful=effect == DOUBTFUL)
    return effect == DOUBTFUL
