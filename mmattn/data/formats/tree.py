"""Files of a data set's folder, and the search for the images that annotations name."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from mmattn.data.images import IMAGES
from mmattn.errors import UserError

# Pictures and films by their suffixes, which the mm libraries cannot read.
OTHER_IMAGES = ('.heic', '.heif', '.avif', '.gif', '.svg', '.psd', '.dng', '.cr2', '.nef', '.dcm', '.jxl')

_PART = re.compile(r'(?:^|[^a-z])(train|training|val|valid|validation|dev|test|testing)(?=$|[^a-z])')
_PARTS = dict(
    train='train', training='train', val='val', valid='val', validation='val', dev='val', test='test', testing='test'
)
# Folders of annotations, beside which those of the images are.
_ANNOTATIONS = ('annotations', 'annotation', 'labels', 'json', 'csv')

# Folders of photographs, and of pictures beside them that have the same names.
_PHOTOGRAPHS = ('jpegimages', 'images', 'image', 'imgs', 'img', 'photos')
_DRAWINGS = (
    'masks',
    'mask',
    'trimaps',
    'segmentationclass',
    'segmentationobject',
    'segmentationclasspng',
    'segmentationobjectpng',
    'segmentationclassvisualization',
    'visualization',
    'thumbnails',
    'depth',
)

# What systems and trainings leave behind in a folder, the data of a training among it.
_LEFT_ASIDE = ('work_dirs', 'runs', '__MACOSX', '@eaDir')


def part_of(path: str | PurePosixPath) -> str | None:
    """'train', 'val' or 'test', as the names in a relative path say, the last one first; None if none does."""
    for name in reversed(PurePosixPath(path).parts):
        found = _PART.findall(name.lower())
        if found:
            return _PARTS[found[-1]]
    return None


def key(name: str) -> str:
    """A name to compare: letters composed (NFC) and without the difference of small and large ones."""
    return unicodedata.normalize('NFC', name).casefold()


def tail(name: str) -> list[str]:
    """The folders and the name in a path of any system, or a URL, without drive and query, from the first to the last.

    Label Studio's paths of local files are the query of a URL: /data/local-files/?d=images/a.jpg.
    """
    name = name.strip().strip('"\'')
    if '?d=' in name:
        name = name.partition('?d=')[2]
    if '://' in name:
        name = name.partition('://')[2].partition('?')[0]
    name = re.sub(r'^[A-Za-z]:(?=[\\/])', '', name.replace('\\', '/'))
    return [part for part in name.split('/') if part not in ('', '.')]


class Tree:
    """The files below a folder, hidden ones left out; links are followed, each folder once.

    Args:
        root: The folder.
        only: A file that is the whole data set apart from the images; None: all files are.
    """

    def __init__(self, root: Path, only: Path | None = None) -> None:
        self.root, self.only = root, only
        self._prefix = '' if root == Path() else f'{root.as_posix().rstrip("/")}/'
        self._parts: dict[Path, str | None] = {}
        everything = sorted(_walk(root))
        self.images = [path for path in everything if path.suffix.lower() in IMAGES]
        self.files = [path for path in everything if path.suffix.lower() not in IMAGES] if only is None else [only]
        self._image_set = set(self.images)
        self._names: dict[str, list[Path]] = {}
        self._stems: dict[str, list[Path]] = {}
        for path in self.images:
            self._names.setdefault(key(path.name), []).append(path)
            self._stems.setdefault(key(path.stem), []).append(path)

    def photographs(self) -> list[Path]:
        """The images without masks and the like, which are in folders of their own beside them."""
        found = [path for path in self.images if not self._inside(path, _DRAWINGS)]
        return found or self.images

    def _inside(self, path: Path, names: tuple[str, ...]) -> bool:
        return any(part.lower() in names for part in self.relative(path).split('/')[:-1])

    def with_suffix(self, *suffixes: str) -> list[Path]:
        """Files, other than images, with one of the suffixes (in small letters), sorted."""
        return [path for path in self.files if path.suffix.lower() in suffixes]

    def relative(self, path: Path) -> str:
        """The path from the folder on, with /; whole where it is elsewhere."""
        text = path.as_posix()
        if text.startswith(self._prefix):
            return text[len(self._prefix) :]
        return '.' if path == self.root else text

    def homes(self, files: Iterable[Path]) -> list[str]:
        """The folders that files are in, for messages: 'labels/', and '.txt files' for the data set's own folder."""
        suffixes = {self.relative(path.parent): path.suffix for path in files}
        return [f'{suffixes[name]} files' if name == '.' else f'{name}/' for name in sorted(suffixes)]

    def part(self, folder: Path) -> str | None:
        """The part of the data set that a folder inside it is of, by the names from there on."""
        if folder not in self._parts:
            self._parts[folder] = part_of(self.relative(folder)) if folder.is_relative_to(self.root) else None
        return self._parts[folder]

    def find_image(self, name: str, near: Path, part: str | None = None) -> Path:
        """The image that an annotation names.

        Looked for as the path says, from the annotation's folder and the data set's; else by its name alone wherever it
        is, where the last folders of the path and the part decide between several; else by the name without the suffix.

        Args:
            name: Path as it is in the annotation: relative or not, of any system.
            near: Folder of the annotation.
            part: Part of the data set that the annotation is in.

        Raises:
            LookupError: If there is no such image, or several; the message says which.
        """
        parts = tail(name)
        if not parts:
            raise LookupError('no name of an image')
        for base in (near, near / 'images', self.root):
            path = base.joinpath(*parts)
            if path in self._image_set:
                return path
        if name.startswith('/') and Path(name).suffix.lower() in IMAGES and os.path.isfile(name):
            return Path(name)
        if '..' in parts:
            path = Path(os.path.normpath(near.joinpath(*parts)))
            if path in self._image_set or (path.suffix.lower() in IMAGES and path.is_file()):
                return path
        return self._best(name, parts, near, part)

    def find_stem(self, stem: str, near: Path, part: str | None = None) -> Path:
        """The image whose name without the suffix this is; see `find_image`."""
        return self._best(stem, [stem], near, part, stems=True)

    def _best(self, name: str, parts: list[str], near: Path, part: str | None, stems: bool = False) -> Path:
        found = [] if stems else self._names.get(key(parts[-1]), [])
        if not found:
            # A name without a suffix may have dots: frame.001
            found = self._stems.get(key(parts[-1]), []) or (
                [] if stems else self._stems.get(key(PurePosixPath(parts[-1]).stem), [])
            )
        if not found:
            unread = next(
                (
                    base.joinpath(*parts)
                    for base in (near, near / 'images', self.root)
                    if Path(parts[-1]).suffix and os.path.isfile(base.joinpath(*parts))
                ),
                None,
            )
            raise LookupError(
                f"'{parts[-1]}' is of a kind that cannot be read, convert it to .jpg or .png"
                if unread
                else f"no image '{parts[-1]}'"
            )
        if len(found) == 1:
            return found[0]
        ranks = sorted(((self._rank(path, parts, near, part), path) for path in found), reverse=True)
        if ranks[0][0] == ranks[1][0]:
            raise LookupError(f"'{parts[-1]}' may be {self.relative(ranks[1][1])} or {self.relative(ranks[0][1])}")
        return ranks[0][1]

    def _rank(self, path: Path, parts: list[str], near: Path, part: str | None) -> tuple:
        folders = path.parts[:-1]
        same = 0
        for ours, theirs in zip(reversed(folders), reversed(parts[:-1])):
            if key(ours) != key(theirs):
                break
            same += 1
        common = len(os.path.commonpath([path.parent, near]).split(os.sep))
        exact = unicodedata.normalize('NFC', path.name) == unicodedata.normalize('NFC', parts[-1])
        usual = self._inside(path, _PHOTOGRAPHS[:1]) + self._inside(path, _PHOTOGRAPHS) - self._inside(path, _DRAWINGS)
        return (
            same,
            part is not None and self.part(path.parent) == part,
            usual,
            exact,
            path.parent == near,
            common,
            -len(folders),
        )


def open_tree(path: Path) -> Tree:
    """The files of a data set, by their absolute paths.

    Args:
        path: Path of a folder, or of the one file that describes the data set.

    Raises:
        UserError: If there is nothing at the path, or it cannot be read.
    """
    path = Path(os.path.abspath(path))
    if os.path.isdir(path):
        try:
            os.listdir(path)
        except OSError as error:
            raise UserError(f"cannot read the folder '{path}' ({error.strerror}); allow this user to") from error
        return Tree(path)
    if os.path.isfile(path):
        root = path.parent
        if root.name.lower() in _ANNOTATIONS and not any(each.suffix.lower() in IMAGES for each in _walk(root)):
            root = root.parent
        return Tree(root, only=path)
    raise UserError(f"no file or folder '{path}'; give the folder of a data set")


def _walk(root: Path) -> Iterator[Path]:
    seen = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith('.') and name not in _LEFT_ASIDE)
        yield from (Path(folder, name) for name in files if not name.startswith('.'))
