"""Who may import whom: downwards only, without circles, and no library where it does not belong.

Imports are read from the source, those inside functions too; those for type checkers only are left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    '.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__'): path
    for folder in ('mmattn', 'tools')
    for path in sorted((ROOT / folder).rglob('*.py'))
}
# What each package may import of the others, besides `mmattn` itself.
EVERYWHERE = {'commands', 'errors', 'files', 'registry', 'shipped'}
ALLOWED = {
    '__main__': set(),
    'commands': set(),
    'config_scope': set(),
    'errors': set(),
    'files': set(),
    'registry': set(),
    'shipped': set(),
    'mmcv_ext': set(),
    'ops': set(),
    'weights': set(),
    'models': {'ops', 'weights'},
    'inference': {'models', 'ops', 'weights'},
    'engine': {'inference', 'models', 'ops', 'weights'},
    'data': {'engine', 'inference', 'models', 'ops', 'weights'},
    'checks': {'data', 'engine', 'inference', 'models', 'ops', 'weights'},
    'analysis': {'checks', 'data', 'engine', 'inference', 'models', 'ops', 'weights'},
    'fit': {'analysis', 'checks', 'data', 'engine', 'inference', 'models', 'ops', 'weights'},
    'export': {'analysis', 'checks', 'data', 'engine', 'inference', 'models', 'ops', 'weights'},
}
# Below the engine nothing knows of command lines, nor of libraries that not everybody has.
FORBIDDEN = {
    **{
        package: ('mmdet', 'mmpretrain', 'mmseg', 'mmrotate', 'mmcv.ops', 'argparse', 'optparse', 'click', 'sys.argv')
        for package in ('models', 'ops', 'weights', 'inference')
    },
    **{
        package: ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmpretrain')
        for package in ('__main__', 'commands', 'config_scope', 'errors', 'files', 'shipped')
    },
}


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names of what a module imports; `package` is that to which its relative imports refer."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ('TYPE_CHECKING', 'typing.TYPE_CHECKING'):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split('.')[: len(package.split('.')) - node.level + 1] if node.level else []
            base = '.'.join([*above, *([node.module] if node.module else [])])
            yield from (f'{base}.{alias.name}' for alias in node.names)
        yield from imported(node, package)


def module_of(name: str, modules: Iterable[str]) -> str | None:
    """The longest of the `modules` that a dotted name is or is in."""
    while name and name not in modules:
        name = name.rpartition('.')[0]
    return name or None


def read(files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Dotted names that each module imports."""
    return {
        module: list(
            imported(
                ast.parse(path.read_text('utf-8')), module if path.name == '__init__.py' else module.rpartition('.')[0]
            )
        )
        for module, path in files.items()
    }


def graph_of(names: Mapping[str, list[str]]) -> dict[str, set[str]]:
    """Modules of the same tree that each module imports."""
    return {
        module: {found for name in imports if (found := module_of(name, names)) not in (None, module)}
        for module, imports in names.items()
    }


def folders_of(graph: Mapping[str, set[str]], files: Mapping[str, Path]) -> dict[str, set[str]]:
    """The folders, as packages, whose modules import each other; a folder and those inside it are apart."""

    def home(module: str) -> str:
        return module if files[module].name == '__init__.py' else module.rpartition('.')[0]

    folders: dict[str, set[str]] = {}
    for module, others in graph.items():
        own = home(module)
        folders.setdefault(own, set()).update(
            place
            for place in map(home, others)
            if not f'{place}.'.startswith(f'{own}.') and not f'{own}.'.startswith(f'{place}.')
        )
    return folders


def circle(graph: Mapping[str, set[str]]) -> list[str] | None:
    """The names of a circle, first and last the same; None if there is none."""
    done: set[str] = set()

    def search(node: str, path: list[str]) -> list[str] | None:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        for other in sorted(graph.get(node, ())):
            found = search(other, [*path, node])
            if found:
                return found
        done.add(node)
        return None

    return next((found for node in sorted(graph) if (found := search(node, []))), None)


def upward(graph: Mapping[str, set[str]]) -> list[str]:
    """Imports that `ALLOWED` does not allow, as 'importer -> imported'."""
    found = []
    for module, others in graph.items():
        own = part(module)
        for other in others:
            target = part(other)
            if own not in ('', 'tools', target) and target not in ALLOWED.get(own, set()) | EVERYWHERE | {''}:
                found.append(f'{module} -> {other}')
    return sorted(found)


def part(module: str) -> str:
    """The package below `mmattn` that a module is in; 'tools' for a tool, '' for `mmattn` itself."""
    names = module.split('.')
    return names[0] if names[0] != 'mmattn' else names[1] if len(names) > 1 else ''


def forbidden(names: Mapping[str, list[str]]) -> list[str]:
    return sorted(
        f'{module} imports {name}'
        for module, imports in names.items()
        for name in imports
        for library in FORBIDDEN.get(part(module), ())
        if f'{name}.'.startswith(f'{library}.')
    )


NAMES = read(FILES)


def test_every_package_has_its_place():
    assert {part(module) for module in FILES} - {'', 'tools'} <= set(ALLOWED)


def test_imports_go_downwards():
    assert upward(graph_of(NAMES)) == []


def test_nothing_in_the_package_imports_a_tool():
    assert [
        module
        for module, names in NAMES.items()
        if part(module) != 'tools' and any(name.split('.')[0] == 'tools' for name in names)
    ] == []


def test_no_two_modules_import_each_other():
    assert circle(graph_of(NAMES)) is None


def test_no_two_folders_import_each_other():
    assert circle(folders_of(graph_of(NAMES), FILES)) is None


def test_no_library_where_it_does_not_belong():
    assert forbidden(NAMES) == []


@pytest.fixture
def tree(tmp_path):
    """Writes modules: name -> source; returns their files."""

    def write(**sources):
        files = {}
        for name, source in sources.items():
            package = name.endswith('__init')
            module = name.removesuffix('__init').replace('__', '.')
            path = (
                tmp_path.joinpath(*module.split('.'), '__init__.py')
                if package
                else tmp_path.joinpath(*module.split('.')).with_suffix('.py')
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
            files[module] = path
        return files

    return write


def test_what_is_found_in_sources(tree):
    files = tree(
        mmattn__init='import importlib\nfrom typing import TYPE_CHECKING\n'
        'if TYPE_CHECKING:\n    from mmattn.models.a import A\n',
        mmattn__models__init='from . import a',
        mmattn__models__a='from ..weights import load',
        mmattn__weights__init='def load():\n    from mmattn.models.a import A\n    from mmcv.cnn import ConvModule\n',
        mmattn__ops__init='from mmcv import ops\nimport argparse',
    )
    names = read(files)
    graph = graph_of(names)
    assert graph['mmattn'] == set() and graph['mmattn.models'] == {'mmattn.models.a'}
    assert upward(graph) == ['mmattn.weights -> mmattn.models.a']
    assert circle(graph) == ['mmattn.models.a', 'mmattn.weights', 'mmattn.models.a']
    assert circle(folders_of(graph, files)) == ['mmattn.models', 'mmattn.weights', 'mmattn.models']
    assert forbidden(names) == ['mmattn.ops imports argparse', 'mmattn.ops imports mmcv.ops']
