"""How hostile files are refused by each function that reads checkpoints: in what time, in how much memory.

    python tests/weights/refusals.py

prints the largest figures.
"""

from __future__ import annotations

import ctypes
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hostile import network, write
from mmengine.logging import MMLogger
from mmengine.runner.checkpoint import load_checkpoint

from mmattn.engine.loading import one_reader
from mmattn.errors import CheckpointError, UserError
from mmattn.weights import read_state
from mmattn.weights.loading import load_weights
from mmattn.weights.pretrained import load_pretrained
from mmattn.weights.reader import with_weights
from mmattn.weights.training import read_training


def by_mmengine(path: Path) -> None:
    with one_reader():
        load_checkpoint(network(), str(path))


ENTRIES = {
    'load_weights': lambda path: load_weights(network(), path),
    'read_state': read_state,
    'load_pretrained': lambda path: load_pretrained(network(), str(path)),
    'read_training': lambda path: with_weights(read_training(path), path),
    'one_reader': by_mmengine,
}


@dataclass(frozen=True)
class Refusal:
    """How a file was refused.

    Args:
        fault: What is wrong: it was loaded, or the message is no line of at most 300 characters; None for nothing.
        seconds: Time of the processor in seconds.
        memory: Bytes by which the process had grown at its largest; 0 where the system does not say.
    """

    fault: str | None
    seconds: float
    memory: int


def refused(path: Path, entry: str) -> Refusal:
    """Has one of `ENTRIES` read a file."""
    fault = None
    with peak() as grown:
        start = time.process_time()
        try:
            ENTRIES[entry](path)
            fault = 'loaded'
        except (UserError, CheckpointError) as error:
            if '\n' in str(error) or len(str(error)) > 300 + len(str(path)):
                fault = str(error)
        return Refusal(fault, time.process_time() - start, grown())


@contextmanager
def peak() -> Iterator[Callable[[], int]]:
    """Bytes by which the process has grown at its largest."""

    def largest() -> int:
        lines = Path('/proc/self/status').read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith('VmHWM')).split()[1])

    try:
        ctypes.CDLL(None).malloc_trim(0)  # or what was freed before is there for what is to be measured
        Path('/proc/self/clear_refs').write_text('5')
    except (OSError, AttributeError):
        yield lambda: 0
        return
    before = largest()
    yield lambda: largest() - before


def main() -> None:
    warnings.simplefilter('ignore')
    MMLogger.get_current_instance().setLevel('ERROR')
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), Path(folder, 'marker'))
        for entry in ENTRIES:
            refused(next(path for path in paths if path.suffix == '.safetensors'), entry)  # imports its library
            found = [(refused(path, entry), path) for path in paths]
            slowest, path = max(found, key=lambda item: item[0].seconds)
            print(f'{entry}: {len(found)} files; most time {slowest.seconds:.2f} s ({path.name})')
            most = sorted(found, key=lambda item: item[0].memory - 3 * item[1].stat().st_size, reverse=True)[:3]
            for refusal, path in most:
                print(f'    {refusal.memory / 2**20:.1f} MiB for {path.stat().st_size / 2**20:.2f} MiB ({path.name})')


if __name__ == '__main__':
    main()
