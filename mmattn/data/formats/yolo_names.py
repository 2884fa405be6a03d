"""Names of the classes of YOLO labels."""

from collections import Counter
from pathlib import Path

from mmattn.data.formats.draft import Draft
from mmattn.data.formats.tree import Tree
from mmattn.data.formats.yolo_config import Config, names_files, read_names
from mmattn.data.text import few
from mmattn.errors import UserError


class Names:
    """Names of the classes: of the description, else of the list of names nearest to a label file, else numbers.

    Args:
        draft: Draft that remarks are added to.
        tree: Files of the data set.
        config: The description; None if there is none.
    """

    def __init__(self, draft: Draft, tree: Tree, config: Config | None) -> None:
        self._tree, self._draft, self._config = tree, draft, config
        self._lists: dict[Path, dict[int, str]] = {}
        self._nearest: dict[Path, Path | None] = {}
        if config is not None and config.names:
            self._lists[config.path] = config.names
            if config.count is not None and config.count != len(config.names):
                draft.doubt(
                    'numbers of classes that differ',
                    f'{tree.relative(config.path)}: nc is {config.count}, names has {len(config.names)}',
                )
        else:
            self._lists = {path: read_names(path) for path in names_files(tree)}
        self.classes = list(dict.fromkeys(name for names in self._lists.values() for name in names.values()))
        orders = {tuple(names.values()) for names in self._lists.values()}
        if len(orders) > 1:
            draft.doubt(
                'lists of class names that differ (each counts for the labels beside it)',
                few([tree.relative(path) for path in self._lists]),
            )
        for path, names in self._lists.items():
            twice = [name for name, times in Counter(names.values()).items() if times > 1]
            if twice:
                draft.doubt('classes of the same name (taken for one class)', f'{tree.relative(path)}: {few(twice)}')

    def _list(self, label: Path) -> Path | None:
        """The list for a label file: that with which it has most folders in common, the outermost of several."""

        def common(path: Path) -> int:
            return sum(1 for ours, theirs in zip(path.parent.parts, label.parts) if ours == theirs)

        if label not in self._nearest:
            self._nearest[label] = max(self._lists, key=common, default=None)
        return self._nearest[label]

    def label(self, path: Path, index: int) -> str | None:
        """Name of a class; None if it has none.

        Args:
            path: Label file that the class is in.
            index: Number of the class there.
        """
        file = self._list(path)
        return f'class {index}' if file is None else self._lists[file].get(index)

    def say(self, path: Path) -> str:
        """Which list of names counts for a label file, for a message: 'data.yaml names 3 (0 to 2)'."""
        file = self._list(path)
        assert file is not None  # a class beyond the names, which this is said of, has a list of names
        numbers = sorted(self._lists[file])
        return f'{self._tree.relative(file)} names {len(numbers)} ({_span(numbers)})'

    def check(self, indices: dict[Path, list[int]]) -> None:
        """Looks at all class numbers of the labels at once.

        Raises:
            UserError: If they are counted from 1 and the names from 0.
        """
        for file, names in self._lists.items():
            used = Counter(index for path, each in indices.items() if self._list(path) == file for index in each)
            if names and used and min(used) == 1 and max(used) == len(names) and 0 in names and len(names) not in names:
                raise UserError(
                    f"the labels number the classes from 1 (1 to {max(used)}), and '{file}' names "
                    f'{len(names)} from 0; subtract 1 from each number, or begin the names with one for 0'
                )
        if not self._lists:
            found = sorted({index for each in indices.values() for index in each})
            self.classes = [f'class {index}' for index in found]
            if found:
                self._draft.note(
                    'there are no names of the classes (data.yaml, classes.txt), so they are called '
                    f'{few(self.classes, 3)}'
                )


def _span(numbers: list[int]) -> str:
    return f'{numbers[0]} to {numbers[-1]}' if numbers else 'none'
