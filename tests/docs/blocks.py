"""The fenced blocks of the pages that users read, and the commands in those of a shell."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md'), *ROOT.glob('configs/*/README.md')])

# What is in a block of each language, and how it is tested.
RUN = {'bash', 'python', 'console'}
PARSED = {'yaml', 'json', 'bibtex', 'toml'}
OUTPUT = {'text'}

FENCE = re.compile(r'^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})(?P<info>[^\n`]*)$')
TITLE = re.compile(r'title="([^"]+)"')
# A block of assignments to one of these is a config, or a part of one.
CONFIG_NAMES = {
    '_base_',
    'model',
    'custom_hooks',
    'optim_wrapper',
    'default_hooks',
    'custom_imports',
    'train_dataloader',
}


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: The page that it is in.
        line: Number of the line of its opening fence.
        language: First word behind the fence, '' if there is none.
        title: Path of the file that the block is the content of, '' if it has no ``title="…"``.
        text: What is between the fences.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def place(self) -> str:
        return f'{self.page.relative_to(ROOT)}:{self.line}'

    @property
    def is_config(self) -> bool:
        """Whether a block of Python is a config: literals alone are assigned, and one of mmengine's names is."""
        if self.language != 'python':
            return False
        try:
            statements = ast.parse(self.text).body
        except SyntaxError:
            return False
        names = {statement.targets[0].id for statement in statements if _assigns_literal(statement)}
        return len(names) == len(statements) and bool(names & CONFIG_NAMES)


@dataclass(frozen=True)
class Command:
    """A command of a shell block.

    Attributes:
        place: Page and line.
        text: The command, its continued lines joined, without comments.
        output: Lines that a console block shows below it.
    """

    place: str
    text: str
    output: tuple[str, ...] = field(default=())

    def words(self) -> tuple[dict[str, str], list[str]]:
        """The variables in front of the command, and its words."""
        words = shlex.split(self.text)
        variables = {}
        while words and re.match(r'[A-Z_]+=', words[0]):
            name, _, variables[name] = words.pop(0).partition('=')
        return variables, words


def read_blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page.

    Raises:
        AssertionError: A fence is not closed.
    """
    blocks, opened = [], None
    for number, line in enumerate(page.read_text('utf-8').splitlines(), start=1):
        found = FENCE.match(line)
        if opened is None and found:
            opened, start, lines = found, number, []
        elif opened is not None and found and not found['info'].strip() and found['fence'] == opened['fence']:
            info = opened['info'].strip()
            title = TITLE.search(info)
            text = dedent('\n'.join(lines)) + '\n'
            blocks.append(Block(page, start, info.split(' ')[0], title[1] if title else '', text))
            opened = None
        elif opened is not None:
            lines.append(line)
    assert opened is None, f'{page.relative_to(ROOT)}: the fence of line {start} is not closed'
    return blocks


def commands_of(block: Block) -> list[Command]:
    """The commands of a bash or console block."""
    if block.language == 'console':
        return _commands_with_output(block)
    return [Command(f'{block.page.relative_to(ROOT)}:{line}', text) for line, text in _commands(block.text, block.line)]


def _commands_with_output(block: Block) -> list[Command]:
    """Commands behind ``$``, each with the lines below it."""
    found = []
    for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
        if line.startswith('$ '):
            found.append((number, [line[2:]], []))
        elif found and found[-1][1][-1].endswith('\\'):
            found[-1][1].append(line.removeprefix('> '))
        else:
            assert found, f'{block.place}: a console block begins with a line "$ command"'
            if line.strip():
                found[-1][2].append(line.strip())
    place = block.page.relative_to(ROOT)
    return [
        Command(f'{place}:{number}', text, tuple(output))
        for number, lines, output in found
        for _, text in _commands('\n'.join(lines), number)
    ]


def _commands(text: str, first: int) -> list[tuple[int, str]]:
    """Line and text of each command: continued lines joined, comments left out."""
    found, continued = [], False
    for number, line in enumerate(text.splitlines(), start=first + 1):
        line = _without_comment(line).rstrip()
        if continued:
            found[-1] = (found[-1][0], f'{found[-1][1]} {line.strip()}')
        elif line.strip():
            found.append((number, line.strip()))
        continued = line.endswith('\\')
        if continued:
            found[-1] = (found[-1][0], found[-1][1][:-1].rstrip())
    return found


def _without_comment(line: str) -> str:
    """A line without what is behind a # at the beginning of a word outside of quotes."""
    quote = ''
    for index, letter in enumerate(line):
        if quote:
            quote = '' if letter == quote else quote
        elif letter in '\'"':
            quote = letter
        elif letter == '#' and (index == 0 or line[index - 1].isspace()):
            return line[:index]
    return line


def _assigns_literal(statement: ast.stmt) -> bool:
    """Whether a statement is ``name = …`` with constants, lists, tuples and dicts, in braces or by ``dict(…)``."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return False
    allowed = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.keyword, ast.Load, ast.UnaryOp, ast.USub, ast.BinOp)
    operators = (ast.Add, ast.Mult, ast.Div, ast.Name, ast.Starred, ast.Attribute)
    return all(
        isinstance(node, (*allowed, *operators))
        or isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == 'dict'
        for node in ast.walk(statement.value)
    )
