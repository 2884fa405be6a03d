"""What can be imported from `mmattn` itself."""

import ast
import subprocess
import sys
from pathlib import Path

import mmattn  # isort: skip  before mmdet and mmpretrain
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS as MM_MODELS

import mmattn.models  # noqa: F401
from mmattn.registry import HOOKS, MODELS

HOME = Path(mmattn.__file__)


def script(code):
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize('name', mmattn.__all__)
def test_each_public_name_loads_and_is_callable(name):
    assert callable(getattr(mmattn, name))


@pytest.mark.parametrize('registry', [MODELS, HOOKS], ids=lambda registry: registry.name)
def test_whatever_is_registered_is_public_under_its_name(registry):
    registry.import_from_location()
    registered = {name: cls for name, cls in registry.module_dict.items() if cls.__module__.startswith('mmattn.')}
    assert registered and registered == {name: getattr(mmattn, name) for name in registered}


def test_editors_see_the_names_that_are_loaded():
    declared = [
        node
        for node in ast.walk(ast.parse(HOME.read_text('utf-8')))
        if isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING'
    ]
    seen = [
        alias.asname or alias.name
        for node in ast.walk(declared[0])
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(seen) == sorted(mmattn.__all__) == sorted(set(seen))
    assert set(mmattn.__all__) <= set(dir(mmattn))
    assert HOME.with_name('py.typed').is_file()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'mmattn' has no attribute 'SDAResnet'"):
        _ = mmattn.SDAResnet
    with pytest.raises(ImportError):
        from mmattn import SDAResnet  # noqa: F401


def test_import_of_the_package_loads_neither_torch_nor_mm_libraries():
    heavy = script(
        'import sys, mmattn, mmattn.errors, mmattn.files, mmattn.engine.process\n'
        'print(*{"torch", "mmengine", "mmcv", "mmdet", "mmpretrain", "mmattn.models"} & {*sys.modules})'
    )
    assert heavy.split() == []


def test_import_of_a_network_loads_neither_compiler_nor_detection_library():
    # mmengine loads some of them itself, with some releases of torch
    heavy = script(
        'import sys, mmengine.runner\nbefore = {*sys.modules}\nfrom mmattn import SDAResNet\n'
        'print(*{"torch._dynamo", "torch._inductor", "mmdet", "mmpretrain", "mmcv.ops"}'
        ' & ({*sys.modules} - before))'
    )
    assert heavy.split() == []


def test_classes_serve_as_types_in_a_pure_python_config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(
        'from mmattn import EMA, GC, SDAResNet\n'
        'model = dict(type=SDAResNet, depth=50, base_channels=8, attn=dict(type=EMA, factor=4),\n'
        '             plugins=[dict(cfg=dict(type=GC, reduction=8), position="after_conv3")])\n'
    )
    cfg = Config.fromfile(path)
    network = MM_MODELS.build(cfg.model)
    assert isinstance(network, mmattn.SDAResNet) and isinstance(network.layer1[0].attn, mmattn.EMA)
    assert "'mmattn.SDAResNet'" in cfg.pretty_text
    cfg.dump(tmp_path / 'dumped.py')
    assert isinstance(MM_MODELS.build(Config.fromfile(tmp_path / 'dumped.py').model), mmattn.SDAResNet)
