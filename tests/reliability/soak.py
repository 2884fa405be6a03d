"""The long forms of the tests of reliability; each prints counts, and ends with 1 if one is not as it should be.

python tests/reliability/soak.py --kills 200   # kills trainings by SIGKILL, SIGTERM and SIGUSR1 at random times
python tests/reliability/soak.py --jobs 50     # trainings in two processes beside busy ones
python tests/reliability/soak.py --files       # gives each hostile file to each tool that reads checkpoints
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path += [str(Path(__file__).resolve().parents[1] / folder) for folder in ('', 'weights')]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--kills', type=int, default=200, help='number of kills (default: 200)')
    what.add_argument('--jobs', type=int, help='instead: number of trainings in two processes')
    what.add_argument('--files', action='store_true', help='instead: the hostile files')
    parser.add_argument('--each', type=int, default=1, help='kills of a training before it is left to end (default: 1)')
    parser.add_argument('--seconds', type=float, default=1.5, help='most seconds before a kill (default: 1.5)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the random times (default: 0)')
    options = parser.parse_args()
    if options.jobs:
        from soak_jobs import soak

        counts, well = soak(options.jobs)
    elif options.files:
        from soak_files import soak

        counts, well = soak()
    else:
        from soak_kills import soak

        counts, well = soak(options.kills, options.each, options.seconds, random.Random(options.seed))
    print(*(f'{name}: {count}' for name, count in counts.items()), sep='\n')
    return 0 if well else 1


if __name__ == '__main__':
    sys.exit(main())
