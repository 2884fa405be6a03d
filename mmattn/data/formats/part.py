"""Part of a data set (train, val, test) in COCO's form."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Part:
    """One part of a data set.

    Args:
        root: Folder that the file names start from.
        images: Entries with id (from 1), file_name (with /, relative to the root, absolute where the image is
            elsewhere), width and height in pixels (as the mm libraries load it: EXIF orientation applied); for
            classification also label, the place of the class from 0; for label pictures also labels, the path of the
            label picture, and pixels, its number of pixels by label.
        annotations: Entries with id (from 1), image_id, category_id (1 is the first class), bbox [x, y, width, height]
            in pixels, area, iscrowd (1 also for what the data set calls difficult or ignored), and segmentation
            (polygons or run-length encoded) where the object has a mask.
    """

    root: Path
    images: list[dict] = field(default_factory=list)
    annotations: list[dict] = field(default_factory=list)

    def coco(self, classes: Sequence[str]) -> dict:
        """The part as the content of a COCO JSON file.

        Args:
            classes: Names of the classes, in the order of the category ids.
        """
        return dict(
            images=self.images,
            annotations=self.annotations,
            categories=[dict(id=number, name=name) for number, name in enumerate(classes, start=1)],
        )
