"""Each hostile file, given to each tool that reads checkpoints."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from commands import Commands
from hostile import write
from hostile_commands import faults, hostile_commands

from mmattn.engine.progress import progress


def soak() -> tuple[dict[str, int], bool]:
    """Runs all commands with all files.

    Returns:
        Counts of files, commands and what was wrong; whether nothing was.
    """
    counts: Counter[str] = Counter({'ran code': 0, 'exit status 0': 0, 'no line of at most 300 characters': 0})
    number, names = 0, ()
    run = Commands()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / 'files').mkdir()
        marker = folder / 'marker'
        paths = write(folder / 'files', marker)
        for path in progress(paths, 'files'):
            arguments = hostile_commands(path, folder)
            names = tuple(arguments)
            for name, each in arguments.items():
                done = run(*each)
                number += 1
                for fault in faults(done, marker):
                    counts[fault] += 1
                    print(f'{path.name}: {name}: {fault}: {done.stderr[-400:]}', file=sys.stderr)
    run.close()
    return {'files': len(paths), f'commands ({", ".join(names)})': number, **counts}, not sum(counts.values())
