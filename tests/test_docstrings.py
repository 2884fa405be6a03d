"""Every example in the package's docstrings runs, returns what it says, and its configs fit the classes they name."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import mmattn  # isort: skip  before mmdet, of whose operators it has stand-ins
import pytest
import torch
from mmengine.registry import Registry
from PIL import Image

from mmattn import registry

HOME = Path(mmattn.__file__).parent
LIBRARIES = ('mmdet', 'mmpretrain', 'mmseg')
PROMPT = '>>> '


def docstrings() -> Iterator[tuple[str, str, str]]:
    """Module, name and text of each docstring with an example, read from the source: imports may hide some."""
    for path in sorted(HOME.rglob('*.py')):
        text = path.read_text('utf-8')
        module = '.'.join(('mmattn', *path.relative_to(HOME).with_suffix('').parts)).removesuffix('.__init__')
        for node in ast.walk(ast.parse(text)) if PROMPT in text else ():
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
                docstring = ast.get_docstring(node) or ''
                if PROMPT in docstring:
                    yield module, getattr(node, 'name', module), docstring


def checkpoint(path: Path) -> None:
    """A classifier with SDA-ResNet-86, as the example's training would have left it."""
    state = mmattn.SDAResNet(depth=86).state_dict()
    torch.save(dict(state_dict={f'backbone.{key}': value for key, value in state.items()}), path)


def work_folder(path: Path) -> None:
    """Config and checkpoint of a detector, and an image."""
    pytest.importorskip('mmdet')
    from blob_detector import write_model

    path.mkdir(parents=True)
    write_model(path)


def image(path: Path) -> None:
    Image.new('RGB', (64, 48)).save(path)


# What the examples take to be there.
FILES = {'epoch_100.pth': checkpoint, 'work_dirs/quickstart': work_folder, 'one.jpg': image, 'two.jpg': image}
EXAMPLES = list(docstrings())


@pytest.mark.parametrize(('module', 'name', 'text'), EXAMPLES, ids=[f'{module}.{name}' for module, name, _ in EXAMPLES])
def test_example_of(module, name, text, tmp_path, monkeypatch):
    for library in LIBRARIES:
        if f"'{library}." in text:
            pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    for file, make in FILES.items():
        if file in text:
            make(tmp_path / file)
    names = dict(vars(importlib.import_module(module)), torch=torch)
    test = doctest.DocTestParser().get_doctest(text, names, name, module, 0)
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append, clear_globs=False)
    assert result.attempted and not result.failed, ''.join(said)
    assert not any(example.options.get(doctest.SKIP) for example in test.examples)
    assigned = {target: value for target, value in test.globs.items() if f'{PROMPT}{target} = ' in text}
    for config in configs(assigned):
        accepts(config)


def configs(value: object) -> Iterator[dict]:
    """The configs inside a value: dicts with a type."""
    if isinstance(value, dict):
        if isinstance(value.get('type'), str):
            yield value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from configs(each)


def accepts(config: dict) -> None:
    """Fails unless the class that a config names takes its arguments."""
    ours = [each for each in vars(registry).values() if isinstance(each, Registry) and each.scope == 'mmattn']
    cls = next(filter(None, (each.get(config['type']) for each in ours)))
    inspect.signature(cls).bind_partial(**{key: value for key, value in config.items() if key != 'type'})


def test_a_config_that_no_class_takes_is_found():
    assert list(configs([dict(type='mmattn.GateHook', interval=3)])) == [dict(type='mmattn.GateHook', interval=3)]
    with pytest.raises(TypeError, match='intervall'):
        accepts(dict(type='mmattn.GateHook', intervall=3))
