"""Folders of classes: a folder of images for each class, in train/, val/ and test/ or directly."""

from pathlib import Path

from mmattn.data.formats.draft import Draft, Picture
from mmattn.data.formats.tree import Tree, part_of
from mmattn.data.images import IMAGES
from mmattn.data.text import few
from mmattn.errors import UserError

# Folders with these names hold the images of a data set of another kind.
_NOT_CLASSES = {
    'images',
    'image',
    'img',
    'imgs',
    'labels',
    'label',
    'annotations',
    'annotation',
    'jpegimages',
    'masks',
    'imagesets',
    'segmentationclass',
    'segmentationobject',
    'pictures',
    'photos',
}


def recognise(tree: Tree) -> str | None:
    """What the format is recognised by, in a few words; None if the data set has another."""
    if tree.only:
        return None
    parts = part_folders(tree)
    classes = {name for root in parts.values() for name in _class_names(tree, root)}
    # A single folder may hold the images of anything.
    if len(classes) < 2 or {name.lower() for name in classes} <= _NOT_CLASSES:
        return None
    return few([f'{name}/' for name in sorted(classes)], 4)


def read(tree: Tree) -> Draft:
    """Takes each image's class from its folder.

    Raises:
        UserError: If there is no class folder.
    """
    parts = part_folders(tree)
    names = {part: found for part, root in parts.items() if (found := _class_names(tree, root))}
    classes = sorted({name for each in names.values() for name in each})
    if not classes:
        raise UserError(
            f"there is no folder of images in '{tree.root}'; put the images of each class into a folder with its name"
        )
    draft = Draft(few([f'{name}/' for name in classes], 4), classes=classes)
    outside = 0
    for image in tree.images:
        part, root = next(((part, root) for part, root in parts.items() if image.is_relative_to(root)), ('', None))
        inside = image.relative_to(root).parts if root else ()
        if len(inside) < 2:
            outside += 1
            continue
        draft.add(part, Picture(image, tree.relative(image), label=inside[0]))
    if outside:
        draft.note(f'{outside} images lie outside the class folders and are passed over')
    for part in parts.keys() - names.keys():
        draft.note(f'{part} has no class folders and is passed over')
    for part, found in names.items():
        missing = sorted(set(classes) - set(found))
        if missing:
            draft.doubt('class folders that not all parts have', f'{part} has no {few(missing)}')
    _add_empty_folders(draft, tree, parts)
    return draft


def part_folders(tree: Tree) -> dict[str, Path]:
    """The folders of the parts; {'all': the folder itself} where there are none.

    Folders inside folders are gone down while there is only one, without an image beside it.
    """
    root = tree.root
    while True:
        folders = sorted(
            {
                root / path.relative_to(root).parts[0]
                for path in tree.images
                if path.is_relative_to(root) and path.parent != root
            }
        )
        beside = any(path.parent == root for path in tree.images)
        parts = {part: folder for folder in folders if (part := part_of(folder.name)) and _is_part(folder.name)}
        # A class may be called train, too: parts have class folders in them.
        if any(
            path.is_relative_to(folder) and path.parent != folder for folder in parts.values() for path in tree.images
        ):
            return {name: parts[name] for name in ('train', 'val', 'test') if name in parts}
        if len(folders) != 1 or beside or not any(path.parent.parent != root for path in tree.images):
            return {'all': root}
        root = folders[0]


def _is_part(name: str) -> bool:
    """Whether a folder is a part and not a class that has 'train' in its name ("freight train")."""
    return name.lower().rstrip('0123456789_- ').removesuffix('ing').removesuffix('_set').removesuffix('set') in (
        'train',
        'val',
        'valid',
        'validation',
        'test',
        'dev',
    )


def _class_names(tree: Tree, root: Path) -> list[str]:
    return sorted(
        {path.relative_to(root).parts[0] for path in tree.images if path.is_relative_to(root) and path.parent != root}
    )


def _add_empty_folders(draft: Draft, tree: Tree, parts: dict[str, Path]) -> None:
    """Folders beside the class folders that hold no image: of a class without images, or of files that are none."""
    for root in parts.values():
        for folder in sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith('.')):
            if draft.classes is None or folder.name in draft.classes or folder in parts.values():
                continue
            others = sorted({path.suffix.lower() for path in folder.rglob('*') if path.is_file()} - set(IMAGES))
            draft.leave_out(
                'class folders without an image (left out)',
                tree.relative(folder) + (f': only {few(others)}' if others else ': empty'),
            )
