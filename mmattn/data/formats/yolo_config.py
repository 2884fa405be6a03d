"""Files that describe a YOLO data set: data.yaml of ultralytics, obj.data of darknet, lists of class names."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from mmattn.data.formats.text_files import read_lines, read_text
from mmattn.data.formats.tree import Tree, tail
from mmattn.data.text import few, shown
from mmattn.errors import UserError, one_line

NAMES_FILES = (
    'classes.txt',
    'obj.names',
    'classes.names',
    'labels.txt',
    'names.txt',
    '_darknet.labels',
    'predefined_classes.txt',
)

_PARTS = ('train', 'val', 'test')


@dataclass
class Config:
    """What a description says.

    Args:
        path: Path of the file.
        names: Names of the classes by their numbers; empty where it has none.
        parts: Folders and lists of images, as they are written, by part.
        base: Folder that they start from, as it is written; '' where it says none.
        keypoints: Whether key points follow the box in each line.
        count: Number of classes that it states.
    """

    path: Path
    names: dict[int, str]
    parts: dict[str, list[str]] = field(default_factory=dict)
    base: str = ''
    keypoints: bool = False
    count: int | None = None

    def places(self, tree: Tree, part: str) -> tuple[list[Path], list[str]]:
        """Folders and lists of images of a part that exist, and those, as they are written, that do not.

        Args:
            tree: Files of the data set.
            part: 'train', 'val' or 'test'.
        """
        found, missing = [], []
        for value in self.parts.get(part, ()):
            place = self._place(value, tree)
            if place is None:
                missing.append(value)
            else:
                found.append(place)
        return found, missing

    def _place(self, value: str, tree: Tree) -> Path | None:
        """Where a path is: from ``path:``, from the file's folder, without ultralytics' ``../``, or its last folders.

        So that a path of another machine is found, folders are left out from the front as long as needed.
        """
        folder = self.path.parent
        parts = tail(value)
        if not parts:
            return folder
        names = [part for part in parts if part != '..']
        tries = [folder / tail_path(self.base) / value, Path(self.base) / value] if self.base else []
        tries += [folder / value, folder.joinpath(*parts), tree.root / value]
        tries += [base.joinpath(*names[start:]) for start in range(len(names)) for base in (folder, tree.root)]
        return next((path for path in tries if path.exists()), None)


def tail_path(name: str) -> Path:
    """A path of any system, as one of this."""
    return Path(name) if name.startswith('/') else Path(*name.replace('\\', '/').split('/'))


def find_config(tree: Tree) -> Config | None:
    """The description of a data set; None if there is none.

    Raises:
        UserError: If it is damaged, or there are several.
    """
    files = tree.with_suffix('.yaml', '.yml')
    configs = [config for path in files if (config := _read_yaml(path, len(files) == 1 or _is_named(path)))]
    configs = configs or [config for path in tree.with_suffix('.data') if (config := _read_data(path))]
    if not configs:
        return None
    configs.sort(key=lambda config: (not _is_named(config.path), len(config.path.parts)))
    best = [config for config in configs if _rank(config) == _rank(configs[0])]
    if len(best) > 1:
        raise UserError(
            f"'{tree.root}' has several descriptions of YOLO data sets "
            f'({few([tree.relative(config.path) for config in best])}); give one of these files'
        )
    return configs[0]


def _rank(config: Config) -> tuple:
    return not _is_named(config.path), len(config.path.parts)


def _is_named(path: Path) -> bool:
    return path.stem.lower() in ('data', 'dataset')


def _read_yaml(path: Path, needed: bool) -> Config | None:
    try:
        # Only texts, lists and dicts: a class called no is not False.
        content = yaml.load(read_text(path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        if not needed:
            return None
        mark = getattr(error, 'problem_mark', None)
        line = f':{mark.line + 1}' if mark else ''
        reason = getattr(error, 'problem', None) or one_line(error)
        raise UserError(f"'{path}{line}' is no YAML ({reason}); correct the line") from error
    except OSError as error:
        raise UserError(f"cannot read '{path}' ({error})") from error
    if not isinstance(content, dict) or not ('names' in content or 'nc' in content):
        return None
    parts = {name: _texts(content.get(name, content.get('valid') if name == 'val' else None)) for name in _PARTS}
    count = content.get('nc')
    return Config(
        path,
        _names(path, content.get('names')),
        {name: each for name, each in parts.items() if each},
        content['path'] if isinstance(content.get('path'), str) else '',
        'kpt_shape' in content,
        int(count) if isinstance(count, str) and count.isdecimal() else None,
    )


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str) and each.strip() and each not in ('null', '~')]


def _names(path: Path, names: Any) -> dict[int, str]:
    if isinstance(names, str) and tail(names) and (path.parent / names).is_file():
        return read_names(path.parent / names)
    if isinstance(names, str):
        names = re.split(r'[,\s]+', names.strip()) if names.strip() else []
    if names is None:
        return {}
    items = list(names.items()) if isinstance(names, dict) else list(enumerate(names))
    try:
        found = {int(number): name.strip() or f'class {int(number)}' for number, name in items}
    except (ValueError, AttributeError, TypeError):
        raise UserError(
            f"names in '{path}' is {shown(names)}; make it a list of the classes' names, or a number and a "
            'name in each line'
        ) from None
    return dict(sorted(found.items()))


def _read_data(path: Path) -> Config | None:
    """Darknet's obj.data: a key, = and a value in each line."""
    values = {}
    for _, line in read_lines(path):
        name, equals, value = line.partition('=')
        if equals:
            values[name.strip()] = value.strip()
    if not {'names', 'classes'} & values.keys():
        return None
    config = Config(
        path,
        {},
        {
            name: [values[word]]
            for name, word in (('train', 'train'), ('val', 'valid'), ('test', 'test'))
            if values.get(word)
        },
    )
    if values.get('names'):
        parts = tail(values['names'])
        file = next(
            (place for start in range(len(parts)) if (place := path.parent.joinpath(*parts[start:])).is_file()), None
        )
        if file is None:
            raise UserError(f"'{path}' says names = {values['names']}, and there is no such file; put it there")
        config.names = read_names(file)
    return config


def read_names(path: Path) -> dict[int, str]:
    """Names of classes by their numbers, from a file with one in each line.

    Args:
        path: Path of the file.
    """
    return dict(enumerate(line for _, line in read_lines(path)))


def names_files(tree: Tree) -> list[Path]:
    """Lists of class names of a data set, those nearest to its folder first."""
    files = [path for path in tree.files if path.name.lower() in NAMES_FILES or path.suffix.lower() == '.names']
    return sorted(files, key=lambda path: (len(path.parts), path))
