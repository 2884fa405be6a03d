"""Balance of label pictures: pixels and images of each class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mmattn.data.report import share

# Kind of problem: a picture that nothing is learnt from.
ALL_IGNORED = 'label pictures whose pixels are all ignored'


class Balance:
    """Counts pixels and images of each class, one label picture after the other.

    Args:
        classes: Names of the classes, in the order of their labels.

    Attributes:
        labelled: Number of pixels that have a class.
        ignored: Number of pixels that have none.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = list(classes)
        self.labelled = self.ignored = 0
        self._pixels: Counter[int] = Counter()
        self._images: Counter[int] = Counter()
        self._pictures = 0

    def add(self, labels: Mapping[int, int], ignore_index: int) -> int:
        """Counts a label picture.

        Args:
            labels: Number of pixels by label; labels beyond the classes count as ignored.
            ignore_index: Label of the pixels that have no class.

        Returns:
            Its number of ignored pixels.
        """
        self._pictures += 1
        ignored = 0
        for label, pixels in labels.items():
            if label == ignore_index or label >= len(self.classes):
                ignored += pixels
                continue
            self._pixels[label] += pixels
            self._images[label] += 1
        self.ignored += ignored
        self.labelled += sum(labels.values()) - ignored
        return ignored

    def absent(self) -> list[str]:
        """Names of the classes that no pixel has."""
        return [name for label, name in enumerate(self.classes) if not self._pixels[label]]

    def notes(self) -> list[str]:
        """How much there is, in one line each."""
        return [
            f'classes: {len(self.classes)}; label pictures: {self._pictures}; ignored pixels: '
            f'{share(self.ignored, self.ignored + self.labelled)}'
        ]

    def table(self) -> list[Sequence]:
        """A heading and a row for each class, as of `mmattn.data.report.Report`."""
        rows = (
            (name, self._images[label], self._pixels[label], share(self._pixels[label], self.labelled))
            for label, name in enumerate(self.classes)
        )
        return [('class', 'images', 'pixels', 'share'), *rows]
