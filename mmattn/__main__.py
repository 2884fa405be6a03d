"""The console command: ``mmattn COMMAND …`` or ``python -m mmattn COMMAND …`` runs a command-line tool."""

from __future__ import annotations

import ast
import difflib
import sys
from pathlib import Path
from types import ModuleType

import mmattn
from mmattn.commands import PROGRAM, SEVERAL, script_of, scripts

USAGE = f"""\
usage: {PROGRAM} COMMAND …
       {PROGRAM} COMMAND --help
       {PROGRAM} --version

Attention networks for mmdet, mmseg and mmpretrain. Configs of the package are named {PROGRAM}::NAME, for instance
{PROGRAM} train {PROGRAM}::demo/mask_rcnn_sda_nuclei.py

Commands:"""


def main() -> None:
    """Runs the command that the command line names."""
    name, *arguments = sys.argv[1:] or ['']
    descriptions = commands()
    script = scripts().get(script_of(name))
    if script is not None:
        run(script, name, arguments)
    elif name in ('', '-h', '--help'):
        width = max(map(len, descriptions), default=0)
        print(USAGE, *(f'  {command:{width}}  {what}' for command, what in descriptions.items()), sep='\n')
        sys.exit(0 if name else 2)
    elif name == '--version':
        print(f'{PROGRAM} {mmattn.__version__}')
    else:
        alike = difflib.get_close_matches(name, descriptions, n=1)
        meant = f"did you mean '{alike[0]}'? " if alike else ''
        print(f"error: no command '{name}'; {meant}{PROGRAM} --help lists all", file=sys.stderr)
        sys.exit(2)


def commands() -> dict[str, str]:
    """What each command does, by its name: the first line of a script's docstring, which is read and not run."""
    found = {}
    for name, path in scripts().items():
        found.update(SEVERAL.get(name) or {name: _first_line(path)})
    return dict(sorted(found.items()))


def _first_line(script: Path) -> str:
    return (ast.get_docstring(ast.parse(script.read_bytes())) or '').partition('\n')[0]


def run(script: Path, name: str, arguments: list[str]) -> None:
    """Runs a script as an interpreter does, under the name that its user typed.

    Args:
        script: Path of the script.
        name: Name of the command.
        arguments: What stands behind it on the command line.
    """
    one_of_several = name in SEVERAL.get(script.stem, ())
    sys.argv = [PROGRAM, name, *arguments] if one_of_several else [f'{PROGRAM} {name}', *arguments]
    sys.path.insert(0, str(script.parent))
    # A module of its own, because runpy would put the script's path into sys.argv[0], of which help pages speak.
    module = sys.modules['__main__'] = ModuleType('__main__')
    module.__file__ = str(script)
    exec(compile(script.read_bytes(), str(script), 'exec', dont_inherit=True), vars(module))


if __name__ == '__main__':
    main()
