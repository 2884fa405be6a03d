"""Runs a command of a page, and looks at what it printed."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from subprocess import CompletedProcess

from blocks import ROOT, Command
from commands import TIMEOUT, Commands, environment
from things import TORCH_HOME

HERE = Path(__file__).resolve().parent


def run(command: Command, text: str, folder: Path, commands: Commands) -> CompletedProcess:
    """Runs a command as it is after the rules, in a folder."""
    variables, words = Command(command.place, text).words()
    variables['TORCH_HOME'] = str(folder / TORCH_HOME)
    if words[0] == 'mmattn' and 'PYTHONPATH' not in variables:
        return commands(HERE / 'run_mmattn.py', *words[1:], folder=folder, **variables)
    if words[0] == 'python' and words[1].endswith('.py') and 'PYTHONPATH' not in variables:
        return commands(ROOT / words[1], *words[2:], folder=folder, **variables)
    if 'PYTHONPATH' in variables:
        variables['PYTHONPATH'] += f':{ROOT}'
    words = [sys.executable, '-m', *words] if words[0] == 'mmattn' else words
    words = [sys.executable, *words[1:]] if words[0] == 'python' else words
    place = ROOT if words[0] == 'bash' else folder
    return subprocess.run(
        words, cwd=place, env=environment(**variables), text=True, capture_output=True, timeout=TIMEOUT
    )


def assert_shown(place: str, lines: Iterable[str], result: CompletedProcess) -> None:
    """Asserts that a process printed some lines, in which … is any text; a log has its date in front."""
    printed = [' '.join(line.split()) for line in (result.stdout + result.stderr).splitlines()]
    for line in lines:
        pattern = r'(.* - INFO - )?' + '.*'.join(map(re.escape, ' '.join(line.split()).split('…')))
        assert any(re.fullmatch(pattern, other) for other in printed), '\n'.join(
            [place, 'should print', line, 'and prints', result.stdout[-2000:], result.stderr[-2000:]]
        )


def assert_names_exist(command: Command, commands: Commands) -> None:
    """Asserts of a command that does not run that what it names is there: configs, scripts, options of ours."""
    _, words = command.words()
    named = [word for word in words if re.match(r'(configs|tools|tests|benchmarks)/\S+\.\w+$', word)]
    missing = [word for word in named if not (ROOT / word).exists()]
    assert not missing, f'{command.place}: there is no {", ".join(missing)}'
    if words[0] == 'mmattn':
        page = commands(HERE / 'run_mmattn.py', words[1], '--help').stdout
        unknown = [word for word in words[2:] if word.startswith('--') and word not in page]
        assert page and not unknown, f'{command.place}: mmattn {words[1]} has no {", ".join(unknown)}'
