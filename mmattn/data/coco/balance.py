"""Balance of a COCO file: objects and images of each class, and sizes of objects."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from mmattn.data.report import Report, share

# COCO's bounds of small and medium objects, in pixels of area.
SMALL, MEDIUM = 32**2, 96**2


def add_balance(report: Report, images: int, annotations: Sequence[dict], names: dict) -> None:
    """Adds notes and the table of classes to the report.

    Args:
        report: Report that they are added to.
        images: Number of images.
        annotations: Annotations that count: of a known image and category, with a box.
        names: Names of the categories by their ids.
    """
    crowds = [each for each in annotations if each.get('iscrowd')]
    objects = [each for each in annotations if not each.get('iscrowd')]
    empty = images - len({each['image_id'] for each in annotations})
    report.notes.append(
        f'classes: {len(names)}; images: {images} ({empty} without annotations); '
        f'objects: {len(objects)}; crowds: {len(crowds)}'
    )

    sizes: dict[object, Counter[str]] = defaultdict(Counter)
    seen_in: dict[object, set] = defaultdict(set)
    crowded = Counter(each['category_id'] for each in crowds)
    for each in objects:
        sizes[each['category_id']][_object_size(each)] += 1
        seen_in[each['category_id']].add(each['image_id'])
    total: Counter[str] = sum(sizes.values(), Counter())
    report.notes.append(
        'object sizes: '
        + ', '.join(
            f'{total[size]} {size} ({share(total[size], len(objects))})' for size in ('small', 'medium', 'large')
        )
        + "; COCO's bounds 32² and 96² pixels"
    )
    report.table = [('class', 'objects', 'share', 'images', 'small', 'medium', 'large', 'crowds')]
    for identifier, name in names.items():
        count = sizes[identifier]
        report.table.append(
            (
                name,
                count.total(),
                share(count.total(), len(objects)),
                len(seen_in[identifier]),
                count['small'],
                count['medium'],
                count['large'],
                crowded[identifier],
            )
        )
    without = sum(1 for row in report.table[1:] if row[1] == 0)
    if without:
        report.notes.append(f'{without} of {len(names)} classes have no object')


def _object_size(annotation: dict) -> str:
    area = annotation.get('area', annotation['bbox'][2] * annotation['bbox'][3])
    return 'small' if area < SMALL else 'medium' if area < MEDIUM else 'large'
