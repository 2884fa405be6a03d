"""Trainings in two processes beside a busy process: each of which must end with exit status 0."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
from collections import Counter
from pathlib import Path

from test_processes import Job

from mmattn.engine.progress import progress

# Seconds after which a job hangs.
TIMEOUT = 900


def _spin() -> None:
    while True:
        pass


def soak(jobs: int) -> tuple[dict[str, int], bool]:
    """Runs trainings over gloo, one after the other, while another process keeps a core busy.

    Returns:
        Counts of exit statuses, of jobs that printed errors and of those without a last checkpoint; whether all is
        as it should be.
    """
    counts: Counter[str] = Counter({'jobs': 0, 'exit status 0': 0, 'printed errors': 0, 'without last checkpoint': 0})
    busy = multiprocessing.Process(target=_spin, daemon=True)
    busy.start()
    try:
        for _ in progress(range(jobs), 'jobs'):
            with tempfile.TemporaryDirectory() as place:
                status, lines = Job(Path(place), '--seconds', 0).end(TIMEOUT)
                for line in lines:
                    print(line, file=sys.stderr)
                counts.update(
                    {
                        'jobs': 1,
                        f'exit status {status}': 1,
                        'printed errors': bool(lines),
                        'without last checkpoint': not Path(place, 'work/epoch_8.pth').is_file(),
                    }
                )
    finally:
        busy.kill()
    return dict(counts), counts['exit status 0'] == jobs and not counts['without last checkpoint']
