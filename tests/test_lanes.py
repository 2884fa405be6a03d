"""The lanes of the tests: what the fast one leaves out, and what an environment without some libraries skips."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from absent import TESTS, for_want_of_a_library
from mmengine.config import Config

ROOT = TESTS.parent
PACKAGE = ROOT / 'mmattn'
# Least share of the test functions of an area that the fast lane runs.
LEAST = 0.4


def is_slow(node: ast.AST) -> bool:
    """Whether a decorator, or the value of ``pytestmark``, has the mark; of some parameters only does not count."""
    return any(ast.unparse(each) == 'pytest.mark.slow' for each in ast.walk(node))


def functions(path: Path) -> Iterator[tuple[str, bool]]:
    """Name of each test function of a file, and whether it is slow."""
    body = ast.parse(path.read_text('utf-8')).body
    whole = any(
        isinstance(node, ast.Assign) and 'pytestmark' in ast.unparse(node.targets[0]) and is_slow(node.value)
        for node in body
    )
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith('test_'):
            marks = [each for each in node.decorator_list if 'parametrize' not in ast.unparse(each)]
            yield node.name, whole or any(map(is_slow, marks))


def imported(path: Path) -> set[str]:
    """Packages of mmattn, 'mmattn.engine.hooks', that a file imports from, with those that they are in."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text('utf-8'))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f'{node.module}.{alias.name}' for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = [name.split('.') for name in names if name.startswith('mmattn.')]
    return {'.'.join(part[:end]) for part in parts for end in range(2, len(part) + 1)}


FILES = {path: list(functions(path)) for path in sorted(TESTS.rglob('test_*.py'))}
AREAS = sorted({path.parent for path in FILES if path.parent != TESTS})
PACKAGES = sorted('.'.join(path.parent.relative_to(ROOT).parts) for path in PACKAGE.glob('*/**/__init__.py'))


@pytest.mark.parametrize('area', AREAS, ids=lambda area: area.name)
def test_the_fast_lane_runs_a_good_part_of_each_area(area):
    count = Counter(slow for path, tests in FILES.items() if path.parent == area for _, slow in tests)
    assert count[False] >= LEAST * count.total() > 0


@pytest.mark.parametrize('package', PACKAGES)
def test_each_package_has_tests_in_the_fast_lane(package):
    fast = {path for path, tests in FILES.items() if any(not slow for _, slow in tests)}
    assert any(package in imported(path) for path in fast), f'no fast test imports {package}'


def test_what_is_slow_is_read_from_marks(tmp_path):
    path = tmp_path / 'test_a.py'
    path.write_text(
        'import pytest\n@pytest.mark.slow\ndef test_a(): ...\n@pytest.fixture\ndef b(): ...\ndef test_b(b): ...\n'
        '@pytest.mark.parametrize("c", [1, pytest.param(2, marks=pytest.mark.slow)])\ndef test_c(c): ...\n'
    )
    assert dict(functions(path)) == {'test_a': True, 'test_b': False, 'test_c': False}
    path.write_text('pytestmark = [pytest.mark.slow]\n' + path.read_text())
    assert dict(functions(path)) == {'test_a': True, 'test_b': True, 'test_c': True}


@pytest.mark.parametrize(('place', 'skipped'), [(TESTS / 'some.py', True), (PACKAGE / 'some.py', False)])
def test_an_absent_library_is_a_skip_where_a_test_imports_it_and_an_error_where_the_package_does(place, skipped):
    with pytest.raises(ModuleNotFoundError) as raised:
        exec(compile('import no_such_library', place, 'exec'))
    assert for_want_of_a_library(raised.value) is skipped


def test_a_config_of_an_absent_library_is_a_skip(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("_base_ = 'mmrotate::some/nothing.py'\n")
    with pytest.raises(ModuleNotFoundError) as raised:
        Config.fromfile(path)
    assert for_want_of_a_library(raised.value)
    assert not for_want_of_a_library(ValueError('no library'))
