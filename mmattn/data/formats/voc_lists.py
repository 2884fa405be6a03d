"""Lists of Pascal VOC, ImageSets/Main/train.txt and the like: which images are in which part."""

from pathlib import Path

from mmattn.data.formats.draft import Draft
from mmattn.data.formats.text_files import read_lines
from mmattn.data.formats.tree import Tree, key


def lists(tree: Tree) -> list[Path]:
    """The lists of images, one for each part."""
    return [
        path
        for path in tree.with_suffix('.txt')
        if path.stem in ('train', 'val', 'test', 'trainval')
        and 'ImageSets' in (path.parent.name, path.parent.parent.name if path.parent.name == 'Main' else '')
    ]


def image_sets(path: Path) -> Path:
    """The folder ImageSets that a list is in."""
    return path.parent.parent if path.parent.name == 'Main' else path.parent


def members(draft: Draft, tree: Tree) -> dict[str, dict[str, str]]:
    """Names of the images of each part, as they are compared and as they are written; empty without ImageSets.

    The list trainval is all of train and val together, so it only counts where these two are missing.

    Args:
        draft: Draft that gets what is doubtful.
        tree: Files of the data set.
    """
    parts: dict[str, dict[str, str]] = {}
    for path in lists(tree):
        for _, line in read_lines(path):
            # Some lists have suffixes, and those of single classes a second column.
            name = line.split('\t')[0].strip()
            name = name if _has_image(tree, name) or ' ' not in name else name.rsplit(None, 1)[0]
            parts.setdefault(path.stem, {})[_identifier(name)] = name
    together = parts.pop('trainval', None)
    if together and not parts.keys() & {'train', 'val'}:
        parts = {'train' if 'test' in parts else 'all': together, **parts}
    order = [name for name in ('train', 'val', 'test', 'all') if name in parts]
    for before, after in ((a, b) for index, a in enumerate(order) for b in order[index + 1 :]):
        for identifier in sorted(parts[before].keys() & parts[after].keys()):
            draft.doubt('images in two lists of ImageSets', f'{parts[before][identifier]}: {before} and {after}')
            del parts[after][identifier]
    return {name: parts[name] for name in order}


def _has_image(tree: Tree, name: str) -> bool:
    """Whether an image has this name, with or without its suffix."""
    try:
        tree.find_image(name, tree.root)
    except LookupError as error:
        return 'may be' in str(error)
    return True


def _identifier(name: str) -> str:
    last = name.replace('\\', '/').rpartition('/')[2]
    stem, dot, suffix = last.rpartition('.')
    return key(stem if dot and suffix.lower() in ('jpg', 'jpeg', 'png', 'bmp', 'tif', 'tiff', 'xml') else last)
