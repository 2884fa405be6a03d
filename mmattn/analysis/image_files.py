"""Image files in folders, recognised by their suffixes."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from mmattn.data.images import IMAGES
from mmattn.errors import UserError

# OpenCV decodes the first image of a GIF from 4.11 on; where it does not, the file is named as one that it cannot.
SUFFIXES = frozenset((*IMAGES, '.gif'))


def images_in(folder: Path, without: Iterable[Path] = ()) -> list[Path]:
    """The image files in a folder and those below it, in order of their paths; hidden ones are left out.

    A link to nothing is among them, so that it is missed.

    Args:
        folder: Folder to search.
        without: Folders that are left out, with all that is in them.

    Raises:
        UserError: There is none.
    """
    left_out, found = {os.path.realpath(path) for path in without}, []
    for place, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith('.') and os.path.realpath(os.path.join(place, name)) not in left_out
        ]
        paths = (Path(place, name) for name in files if not name.startswith('.'))
        found += [path for path in paths if path.suffix.lower() in SUFFIXES and (path.is_file() or path.is_symlink())]
    if not found:
        raise UserError(f"no image ({', '.join(sorted(SUFFIXES))}) in the folder '{folder}'; name another")
    return sorted(found)
