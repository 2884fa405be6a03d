"""The command-line tools by name, and what their user types to run one.

A command is a script in the folder of tools: ``mmattn train`` is the same code as ``python tools/train.py``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mmattn.shipped import SCOPE, TOOLS, is_clone

PROGRAM = 'mmattn'
# A script with several commands: what they are called, and what they do.
SEVERAL = {
    'prepare_data': {
        'check': 'Looks through a data set before a long run.',
        'labels': 'Makes label pictures of polygons, masks or colour-coded pictures.',
        'visdrone': 'Converts VisDrone-DET annotations to COCO JSON.',
    }
}
_PARTS = '|'.join(part for parts in SEVERAL.values() for part in parts)
_SCRIPT = re.compile(rf'(?:python )?tools/(\w+)\.py(?: ({_PARTS})\b)?')
_CONFIG = re.compile(r'\bconfigs/(?=\S+\.py)')


def scripts() -> dict[str, Path]:
    """The scripts of the tools by their names; one whose name begins with an underscore is no tool."""
    return {path.stem: path for path in sorted(TOOLS.glob('[!_]*.py'))}


def script_of(command: str) -> str:
    """Name of the script that has a command: 'prepare_data' of 'check', the command's own name of any other."""
    return next((script for script, parts in SEVERAL.items() if command in parts), command)


def command(name: str) -> str:
    """What the user types to run a command, in the words in which this process was started.

    Args:
        name: Name of a command, as 'train' or 'check'.

    Returns:
        'mmattn train' where the console command was used, or where there is no clone; else 'python tools/train.py'.
    """
    if _by_console() or not is_clone():
        return f'{PROGRAM} {name}'
    script = script_of(name)
    return f'python tools/{script}.py' + (f' {name}' if script != name else '')


def installation(lacking: str = '') -> str:
    """What the user types to install everything that the commands need.

    Args:
        lacking: Name of the library that is missing, or an error's text that begins with it.
    """
    extra = 'seg' if lacking.startswith('mmseg') else 'mm'  # mmsegmentation
    if is_clone():
        return f"bash tools/setup_env.sh, or in an environment of your own: pip install -e '.[{extra}]'"
    return f"pip install '{PROGRAM}[{extra}]'"


def in_users_words(text: str) -> str:
    """A text with ``python tools/NAME.py`` and ``configs/NAME.py``, with what its user types for them.

    Args:
        text: Text of a help page.
    """
    if _by_console() or not is_clone():
        text = _SCRIPT.sub(lambda found: command(found[2] or found[1]), text)
    return text if is_clone() else _CONFIG.sub(SCOPE, text)


def _by_console() -> bool:
    return bool(sys.argv) and sys.argv[0].split(' ')[0] == PROGRAM
