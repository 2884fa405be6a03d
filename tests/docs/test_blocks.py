"""Reading of pages: what the tests take for a block, a command, a config; and that a wrong page fails."""

from __future__ import annotations

from subprocess import CompletedProcess

import pytest
from blocks import ROOT, Command, commands_of, read_blocks
from rules import Rule
from running import assert_shown


def blocks_of(text: str, monkeypatch, tmp_path) -> list:
    monkeypatch.setattr('blocks.ROOT', tmp_path)
    page = tmp_path / 'page.md'
    page.write_text(text, 'utf-8')
    return read_blocks(page)


def test_fences_in_lists_and_with_titles_are_read(monkeypatch, tmp_path):
    text = '1. a list\n\n    ```python title="a/b.py"\n    x = 1\n    ```\n\n~~~bash\n```\n~~~\n'
    first, second = blocks_of(text, monkeypatch, tmp_path)
    assert (first.language, first.title, first.text, first.place) == ('python', 'a/b.py', 'x = 1\n', 'page.md:3')
    assert (second.language, second.text, second.line) == ('bash', '```\n', 7)


def test_a_fence_that_is_not_closed_is_an_error(monkeypatch, tmp_path):
    with pytest.raises(AssertionError, match='line 3 is not closed'):
        blocks_of('\n\n```bash\nls\n', monkeypatch, tmp_path)


def test_commands_are_joined_and_have_no_comments(monkeypatch, tmp_path):
    text = "```bash\nmmattn a \\\n    --b 'c # d'  # why\n\n# nothing\nX=1 Y=2 mmattn e#f\n```\n"
    (block,) = blocks_of(text, monkeypatch, tmp_path)
    assert [(c.place, c.text) for c in commands_of(block)] == [
        ('page.md:2', "mmattn a --b 'c # d'"),
        ('page.md:6', 'X=1 Y=2 mmattn e#f'),
    ]
    assert commands_of(block)[1].words() == ({'X': '1', 'Y': '2'}, ['mmattn', 'e#f'])
    assert commands_of(block)[0].words() == ({}, ['mmattn', 'a', '--b', 'c # d'])


def test_console_blocks_have_commands_with_their_output(monkeypatch, tmp_path):
    (block,) = blocks_of('```console\n$ mmattn a\none # two\n\n$ mmattn b\n```\n', monkeypatch, tmp_path)
    assert [(c.text, c.output) for c in commands_of(block)] == [('mmattn a', ('one # two',)), ('mmattn b', ())]


@pytest.mark.parametrize(
    'text, config',
    [
        ("_base_ = 'a'\nmodel = dict(backbone=dict(depth=50), b=[1, -2], c={'d': None})", True),
        ("custom_hooks = [dict(type='mmattn.GateHook')]", True),
        ('x = dict(a=1)', False),
        ('model = SDAResNet(depth=50)', False),
        ('import torch\nmodel = dict(a=1)', False),
        ('model = dict(a=1)\nprint(model)', False),
        ('model = (', False),
    ],
)
def test_assignments_of_literals_to_a_setting_of_mmengine_are_a_config(text, config, monkeypatch, tmp_path):
    (block,) = blocks_of(f'```python\n{text}\n```\n', monkeypatch, tmp_path)
    assert block.is_config is config


def test_a_line_that_was_not_printed_fails():
    printed = CompletedProcess([], 0, 'loaded 3  of 4\n01/02 - mmengine - INFO - done\n', 'error: no x in /y; do z\n')
    assert_shown('page', ['loaded 3 of 4', 'done', 'error: no x in …; do z'], printed)
    for line in ('loaded 3', 'error: no x', 'loaded … of 5'):
        with pytest.raises(AssertionError, match='should print'):
            assert_shown('page', [line], printed)


def test_rules_replace_or_stop_what_they_match():
    assert Rule('^a (b)$', r'c \1', '').apply('a b') == 'c b'
    assert Rule('^a (b)$', r'c \1', '').apply('a bb') == 'a bb'
    assert Rule('^a', None, '').apply('a b') is None


def test_pages_are_found():
    pages = {command.place.partition(':')[0] for command in map(_first_command, ('README.md', 'docs/how_to.md'))}
    assert pages == {'README.md', 'docs/how_to.md'}


def _first_command(page: str) -> Command:
    return next(
        command for block in read_blocks(ROOT / page) if block.language == 'bash' for command in commands_of(block)
    )
