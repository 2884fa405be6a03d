"""Images and label pictures of semantic segmentation: pixels are numbers of classes, grey masks, or colours."""

from __future__ import annotations

from pathlib import Path

from mmattn.data.formats.draft import Draft, Picture
from mmattn.data.formats.label_names import find_names
from mmattn.data.formats.label_pairs import Pairs, find_pairs
from mmattn.data.formats.text_files import read_lines
from mmattn.data.formats.tree import Tree, key, part_of
from mmattn.data.images import read_in_time
from mmattn.data.label_pictures.balance import ALL_IGNORED
from mmattn.data.label_pictures.coding import CodingError, find_coding
from mmattn.data.label_pictures.from_objects import IGNORED
from mmattn.data.label_pictures.raw import Content, count, read_raw
from mmattn.data.text import few
from mmattn.errors import UserError

# Label pictures that are looked into to recognise the format.
_SAMPLE = 4
# Suffixes of pictures whose values are not kept.
_LOSSY = ('.jpg', '.jpeg')
_LISTS = ('train', 'training', 'val', 'valid', 'validation', 'test')


def recognise(tree: Tree) -> str | None:
    """What the format is recognised by, in a few words; None if the data set has another."""
    if tree.only:
        return None
    found = find_pairs(tree).found
    pictures = list(found.values())
    sample = [_has_few_values(path) for path in pictures[:: max(1, len(pictures) // _SAMPLE)]]
    if sample.count(True) <= sample.count(False):
        return None
    return _homes(tree, found)


def advice(tree: Tree) -> str | None:
    """Why pictures in folders of labels are not read, to follow the data set's path; None if there are no such."""
    if tree.only:
        return None
    pairs = find_pairs(tree)
    lossy = [path for path in pairs.found.values() if path.suffix.lower() in _LOSSY]
    if lossy and 2 * len(lossy) > len(pairs.found):
        return (
            f'has label pictures as JPEG ({tree.relative(lossy[0])}), which changes colours and numbers of classes; '
            'save them as PNG'
        )
    if pairs.found or not pairs.loose or not pairs.without:
        return None
    count, home = len(pairs.loose), few([f'{name}/' for name in _folders(tree, pairs.loose)], 2)
    return (
        f'has {count} picture{"s" if count > 1 else ""} in {home}, none with the name of an image in '
        f'{few([f"{name}/" for name in _folders(tree, pairs.without)], 2)} ({few([pairs.loose[0].stem], 1)}, '
        f'{few([pairs.without[0].stem], 1)}); give each the name of its image'
    )


def _folders(tree: Tree, paths: list[Path]) -> list[str]:
    return sorted({tree.relative(path.parent) for path in paths})


def read(tree: Tree) -> Draft:
    """Pairs images with label pictures, and finds out what their values mean.

    Raises:
        UserError: There is no pair, or the pictures are no label pictures.
    """
    pairs = find_pairs(tree)
    if not pairs.found:
        raise UserError(
            f"there are no label pictures in '{tree.root}'; put them into a folder labels/ beside images/, with the "
            'same names'
        )
    draft = Draft(_homes(tree, pairs.found))
    _say_what_is_left(draft, tree, pairs)
    contents = read_in_time(lambda path: count(read_raw(path)), list(pairs.found.values()), 'label pictures')
    usable = {path: content for path, content in contents.items() if isinstance(content, Content)}
    if usable:
        names, file = find_names(tree)
        try:
            draft.coding = find_coding({tree.relative(path): content for path, content in usable.items()}, names)
        except CodingError as error:
            raise UserError(f"the label pictures of '{tree.root}' {error}") from error
        draft.classes = list(draft.coding.classes)
        for note in draft.coding.notes:
            draft.note(note)
        if file is not None and set(draft.classes) & {each.name for each in names}:
            draft.note(f'the names of the classes are from {tree.relative(file)}')
        for kind, detail in draft.coding.doubts:
            draft.doubt(kind, detail)
    parts = _lists(tree)
    for image, picture in pairs.found.items():
        content = contents[picture]
        where = tree.relative(picture)
        if isinstance(content, OSError):
            draft.lose_image('label pictures that cannot be read (left out)', f'{where}: {content}')
            continue
        part = tree.part(image.parent) or parts.get(key(image.stem), 'all')
        assert draft.coding is not None
        pixels = draft.coding.count(content)
        if set(pixels) == {IGNORED}:
            draft.doubt(ALL_IGNORED, where)
        draft.add(part, Picture(image, where, stated=content.size, labels=picture, pixels=pixels))
    return draft


def _has_few_values(path: Path) -> bool | None:
    """Whether a picture may be one of labels; None where it cannot be read, of which there are some in any data set."""
    try:
        return count(read_raw(path)).has_few_values()
    except OSError:
        return None


def _homes(tree: Tree, pairs: dict[Path, Path]) -> str:
    """The folders of images and of label pictures, in a few words."""
    images, labels = (_folders(tree, list(paths)) for paths in (pairs, pairs.values()))
    return few(
        [f'{name}/' for name in dict.fromkeys([*images[:1], *labels[:1], *images, *labels]) if name != '.']
        or ['names with endings'],
        2,
    )


def _say_what_is_left(draft: Draft, tree: Tree, pairs: Pairs) -> None:
    for image in pairs.without:
        draft.leave_out('images without a label picture (left out)', tree.relative(image))
    for image, pictures in pairs.doubtful.items():
        draft.lose_image(
            'images with several label pictures (left out)',
            f'{tree.relative(image)}: {few(map(tree.relative, pictures))}',
        )
    for picture in pairs.loose:
        draft.leave_out('label pictures without an image (passed over)', tree.relative(picture))


def _lists(tree: Tree) -> dict[str, str]:
    """Part of each image that a list train.txt, val.txt or test.txt names, by the image's name."""
    known = {key(path.stem) for path in tree.images}
    found: dict[str, str] = {}
    for path in tree.with_suffix('.txt'):
        part = part_of(path.stem)
        if path.stem.lower() not in _LISTS or part is None:
            continue
        for _, line in read_lines(path):
            for name in (line, line.split()[0]):
                last = key(name.replace('\\', '/').rpartition('/')[2])
                stem = next((each for each in (last, last.rpartition('.')[0]) if each in known), None)
                if stem is not None:
                    found.setdefault(stem, part)
                    break
    return found
