"""Every fenced block of the README and the docs: what is printed there works.

The language of a block says what happens to it:

* bash: commands, which have to succeed;
* console: commands behind ``$``, which have to print the lines below them, where ``…`` is any text, and to fail if one
  of these begins with ``error:``;
* python: a program, all of a page in one namespace, or a config or a part of one, whose model is built;
* yaml, json, toml, bibtex: parsed;
* text: behind a program, lines that the page's programs have to print; else the output of something dear, not compared.

A block with ``title="…"`` is also the content of that file. `rules` has what does not run as it stands, `things` makes
what the blocks are about.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from blocks import OUTPUT, PAGES, PARSED, ROOT, RUN, Block, Command, commands_of, read_blocks
from rules import RULES, shortened
from running import HERE, assert_names_exist, assert_shown, run
from things import EXPORTS, THINGS, TORCH_HOME, Things

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')

BLOCKS = {str(page.relative_to(ROOT)): read_blocks(page) for page in PAGES}
ALL = [block for blocks in BLOCKS.values() for block in blocks]
SHELL = ('bash', 'console')


def pages_with(condition) -> list[str]:
    return [page for page, blocks in BLOCKS.items() if any(map(condition, blocks))]


def is_shell(block: Block) -> bool:
    return block.language in SHELL


def is_program(block: Block) -> bool:
    return block.language == 'python' and not block.is_config


@pytest.fixture(scope='module')
def things(tmp_path_factory, commands) -> Things:
    return Things(tmp_path_factory.mktemp('things'), commands)


@pytest.fixture
def folder(tmp_path, things):
    """Makes a folder with what some blocks of a page need, and with the files whose content they are."""

    def make(page: str, languages: tuple[str, ...]) -> Path:
        blocks = [block for block in BLOCKS[page] if block.language in languages or block.title]
        named = [block.text for block in blocks]
        named += [
            shortened(command.text) or '' for block in blocks if is_shell(block) for command in commands_of(block)
        ]
        things.put(tmp_path, '\n'.join(named))
        for block in BLOCKS[page]:
            if block.title:
                path = tmp_path / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, 'utf-8')
        return tmp_path

    return make


@pytest.mark.slow
@pytest.mark.parametrize('page', pages_with(is_shell))
def test_commands_of_a_page_succeed_and_print_what_it_says(page, folder, commands):
    place, done = folder(page, SHELL), set()
    for block in BLOCKS[page]:
        for command in commands_of(block) if is_shell(block) else ():
            text = shortened(command.text)
            if text is None:
                assert_names_exist(command, commands)
                continue
            words = tuple(Command(command.place, text).words()[1])
            if words[:2] == ('mmattn', 'export') and not EXPORTS:
                continue
            if words in done and block.language == 'bash':  # the same as another, but for what the rules changed
                continue
            done.add(words)
            result = run(command, text, place, commands)
            wanted = any(line.startswith('error:') for line in command.output)
            assert (result.returncode != 0) == wanted, (
                f'{command.place}: {command.text}\nran as {text}\nstatus {result.returncode}\n'
                f'{result.stdout[-3000:]}{result.stderr[-3000:]}'
            )
            assert_shown(f'{command.place}: {command.text}', command.output, result)


@pytest.mark.slow
@pytest.mark.parametrize('page', pages_with(is_program))
def test_python_of_a_page_runs(page, folder, commands, tmp_path_factory):
    place = folder(page, ('python',))
    programs = [(str(b.page), b.line, b.title, shortened(b.text)) for b in BLOCKS[page] if is_program(b)]
    file = tmp_path_factory.mktemp('program') / 'blocks.json'
    file.write_text(json.dumps(programs), 'utf-8')
    result = commands(HERE / 'run_python.py', file, folder=place, TORCH_HOME=str(place / TORCH_HOME))
    assert result.returncode == 0, f'{page}\n{result.stdout[-3000:]}{result.stderr[-3000:]}'
    for before, block in pairwise(BLOCKS[page]):
        if is_program(before) and block.language == 'text':
            assert_shown(block.place, block.text.splitlines(), result)


@pytest.mark.slow
@pytest.mark.parametrize('block', [block for block in ALL if block.is_config], ids=lambda block: block.place)
def test_network_of_a_config_on_a_page_is_built(block, folder, commands):
    place = folder(str(block.page.relative_to(ROOT)), ('python',))
    path = place / (block.title or 'config_of_the_page.py')
    path.write_text(block.text, 'utf-8')
    result = commands(HERE / 'read_config.py', path, folder=place)
    assert result.returncode == 0, f'{block.place}\n{result.stdout[-3000:]}{result.stderr[-3000:]}'


def test_data_on_pages_can_be_parsed():
    for block in ALL:
        if block.language == 'json':
            json.loads(block.text)
        elif block.language == 'yaml':
            assert yaml.safe_load(block.text), block.place
        elif block.language == 'toml':
            pytest.importorskip('tomllib').loads(block.text)
        elif block.language == 'bibtex':
            assert block.text.startswith('@') and block.text.count('{') == block.text.count('}'), block.place


def test_every_block_says_what_it_is():
    unknown = [block.place for block in ALL if block.language not in RUN | PARSED | OUTPUT]
    assert not unknown, f'give each a language of {sorted(RUN | PARSED | OUTPUT)}'


def test_every_rule_and_every_thing_is_needed():
    texts = [command.text for block in ALL if is_shell(block) for command in commands_of(block)]
    texts += [block.text for block in ALL if block.language == 'python']
    unused = [rule.pattern for rule in RULES if not any(_reaches(rule, text) for text in texts)]
    assert not unused, 'no page needs these rules any more'
    unnamed = [make.__name__ for make, names in THINGS.items() if not any(n in text for n in names for text in texts)]
    assert not unnamed, 'no page names these things any more'


def _reaches(rule, text: str) -> bool:
    """Whether a rule changes a text that the rules before it leave to it."""
    for earlier in RULES[: RULES.index(rule)]:
        text = earlier.apply(text)
        if text is None:
            return False
    return rule.apply(text) != text


def test_badges_are_what_the_package_states():
    badges, package = ((ROOT / name).read_text('utf-8') for name in ('docs/badges.svg', 'pyproject.toml'))
    for badge, statement in (
        ('Apache-2.0', 'license = "Apache-2.0"'),
        ('3.10 and newer', 'requires-python = ">=3.10"'),
        ('2.1 and newer', '"torch>=2.1"'),
    ):
        assert f'>{badge}<' in badges and statement in package, badge


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r'\]\(([^)#\s]+)[^)]*\)', (ROOT / 'README.md').read_text('utf-8'))
    missing = [link for link in links if '://' not in link and not (ROOT / link).exists()]
    assert links and not missing


def test_readme_is_short():
    assert len((ROOT / 'README.md').read_text('utf-8').splitlines()) <= 200
