"""The runner alone: copied into a folder, in an environment that has onnxruntime, NumPy and Pillow."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import files, requires
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from packaging.requirements import Requirement
from PIL import Image

from mmattn.export import runner
from mmattn.export.onnx_file import describe

NEEDED = ('onnxruntime', 'numpy', 'pillow')


def linear_classifier(path: Path) -> Path:
    """Writes a file like an exported classifier: its three logits are the means of red, green and blue."""
    images = helper.make_tensor_value_info('images', TensorProto.UINT8, ('images', 'height', 'width', 3))
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ('images', 3)) for name in ('logits', 'scores')]
    nodes = [
        helper.make_node('Cast', ['images'], ['x'], to=TensorProto.FLOAT),
        helper.make_node('ReduceMean', ['x', 'axes'], ['logits'], keepdims=0),
        helper.make_node('Softmax', ['logits'], ['scores'], axis=1),
    ]
    axes = helper.make_tensor('axes', TensorProto.INT64, (2,), (1, 2))
    graph = helper.make_graph(nodes, 'means', [images], outputs, [axes])
    return saved(graph, path, 'classes', ('logits', 'scores'), ('red', 'green', 'blue'))


def constant_detector(path: Path) -> Path:
    """Writes a file like an exported detector: it finds the same three objects in any image."""
    images = helper.make_tensor_value_info('images', TensorProto.UINT8, (1, 'height', 'width', 3))
    values = dict(
        boxes=np.array([[0, 0, 1, 1], [1, 2, 3.5, 4], [5, 5, 9, 9]], np.float32),
        scores=np.array([0.2, 0.9, 0.5], np.float32),
        labels=np.array([1, 0, 1], np.int64),
        masks=np.arange(3 * 4 * 5).reshape(3, 4, 5) % 7 == 0,
    )
    constants = [onnx.numpy_helper.from_array(value, f'{name}_value') for name, value in values.items()]
    nodes = [helper.make_node('Identity', [f'{name}_value'], [name]) for name in values]
    outputs = [
        helper.make_tensor_value_info(name, one.data_type, one.dims)
        for name, one in zip(values, constants, strict=True)
    ]
    graph = helper.make_graph(nodes, 'constant', [images], outputs, constants)
    return saved(graph, path, 'masks', tuple(values), ('cat', 'dog'))


def saved(graph, path, task, outputs, classes) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    describe(
        model, dict(task=task, outputs=list(outputs), classes=list(classes), before=[], one_by_one=task == 'masks')
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.fixture(scope='module')
def alone(tmp_path_factory):
    """``alone(*arguments)`` runs Python in a folder with a copy of the runner, where nothing else is installed."""
    folder = tmp_path_factory.mktemp('alone')
    shutil.copyfile(runner.__file__, folder / 'runner.py')
    venv.create(folder / 'environment', with_pip=False, symlinks=True)
    python = folder / 'environment' / 'bin' / 'python'
    packages = Path(
        sysconfig.get_path('purelib', vars=dict(base=folder / 'environment', platbase=folder / 'environment'))
    )
    for package in needed_packages():
        for top in {Path(str(one)).parts[0] for one in files(package)} - {'..'}:
            source = Path(sysconfig.get_path('purelib')) / top
            if source.exists() and not (packages / top).exists():
                (packages / top).symlink_to(source)

    def of(*arguments):
        return subprocess.run(
            [python, *map(str, arguments)],
            cwd=folder,
            text=True,
            capture_output=True,
            env={'PATH': '/usr/bin:/bin', 'OMP_NUM_THREADS': '1'},
        )

    of.folder = folder
    return of


def needed_packages() -> set[str]:
    """What the runner needs, with what these need themselves."""
    found, waiting = set(), list(NEEDED)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            wanted = [Requirement(one) for one in requires(name) or ()]
            waiting += [one.name for one in wanted if one.marker is None or one.marker.evaluate({'extra': ''})]
    return found


def test_environment_of_the_runner_has_neither_torch_nor_mmattn(alone):
    for name in ('torch', 'mmattn', 'mmcv', 'cv2', 'onnx'):
        result = alone('-c', f'import {name}')
        assert f"ModuleNotFoundError: No module named '{name}'" in result.stderr, result.stderr


def test_runner_alone_classifies_from_python(alone):
    linear_classifier(alone.folder / 'means.onnx')
    Image.new('RGB', (9, 6), (10, 30, 20)).save(alone.folder / 'green.png')
    code = """
from pathlib import Path
import numpy as np
from PIL import Image
from runner import Exported
model = Exported('means.onnx', threads=1)
for image in ('green.png', Path('green.png'), Image.open('green.png'), np.asarray(Image.open('green.png'))):
    found = model(image)
    print(found['names'], found['labels'].tolist(), found['scores'].round(3).tolist())
print(model.run(np.zeros((3, 4, 5, 3), np.uint8))['logits'].shape)
"""
    result = alone('-c', code)
    assert result.stderr == ''
    *lines, shape = result.stdout.splitlines()
    assert lines == ["['green', 'blue', 'red'] [1, 2, 0] [1.0, 0.0, 0.0]"] * 4
    assert shape == '(3, 3)'


def test_runner_alone_prints_lines_of_json(alone):
    constant_detector(alone.folder / 'three.onnx')
    Image.new('RGB', (5, 4)).save(alone.folder / 'black.png')
    result = alone('runner.py', 'three.onnx', 'black.png', 'black.png', '--threshold', '0.4')
    assert (result.returncode, result.stderr) == (0, '')
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    first = dict(image='black.png', name='cat', score=0.9, box=[1, 2, 3.5, 4], mask_pixels=3)
    assert lines == [first, dict(image='black.png', name='dog', score=0.5, box=[5, 5, 9, 9], mask_pixels=3)] * 2


def test_runner_alone_goes_on_after_an_image_that_it_cannot_read(alone):
    linear_classifier(alone.folder / 'means.onnx')
    Image.new('RGB', (9, 6), (90, 30, 20)).save(alone.folder / 'red.png')
    (alone.folder / 'text.png').write_text('no image')
    whole = (alone.folder / 'red.png').read_bytes()
    (alone.folder / 'half.png').write_bytes(whole[: len(whole) // 2])
    result = alone('runner.py', 'means.onnx', 'missing.png', 'text.png', 'half.png', 'red.png', '--top', '1')
    assert result.returncode == 1
    assert json.loads(result.stdout) == dict(image='red.png', name='red', score=1.0)
    errors = result.stderr.splitlines()
    assert [line.split(': ')[:2] for line in errors] == [
        ['error', name] for name in ('missing.png', 'text.png', 'half.png')
    ]


@pytest.mark.parametrize('name', ['damaged', 'foreign', 'missing', 'empty'])
def test_runner_alone_says_in_a_line_that_a_file_is_not_its_own(alone, name):
    path = alone.folder / f'{name}.onnx'
    if name == 'damaged':
        content = linear_classifier(path).read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif name == 'foreign':
        linear_classifier(path)
        model = onnx.load(path)
        del model.metadata_props[:]
        onnx.save(model, path)
    elif name == 'empty':
        path.write_bytes(b'')
    result = alone('runner.py', path.name, 'any.png')
    assert result.returncode == 2 and result.stdout == ''
    said = dict(foreign='was not exported by mmattn', missing='is no file')
    assert f'error: {path.name} {said.get(name, "is no ONNX file that onnxruntime can run")}' in result.stderr
    assert 'Traceback' not in result.stderr


def test_runner_refuses_arrays_that_are_no_images(tmp_path):
    model = runner.Exported(linear_classifier(tmp_path / 'means.onnx'), threads=1)
    for array in (np.zeros((4, 5, 3)), np.zeros((4, 5), np.uint8), np.zeros((4, 5, 4), np.uint8)):
        with pytest.raises(ValueError, match='an image is'):
            model(array)
    for array in (np.zeros((4, 5, 3), np.uint8), np.zeros((1, 4, 5, 3), np.float32), np.zeros((1, 3, 4, 5), np.uint8)):
        with pytest.raises(ValueError, match='images are'):
            model.run(array)


def images_of_all_kinds(folder: Path) -> dict[str, Path]:
    """Image files of the kinds that people have."""
    random = np.random.default_rng(0)
    color = Image.fromarray(random.integers(0, 256, (24, 36, 3), dtype=np.uint8))
    smooth = color.resize((6, 4)).resize((48, 32))
    deep = Image.fromarray(random.integers(0, 65536, (24, 36), dtype=np.uint16))
    alpha = Image.merge('RGBA', (*color.split(), color.getchannel(0)))
    turned = Image.Exif()
    turned[0x0112] = 6
    made = {
        'color.png': (color, {}),
        'photograph.jpg': (smooth, dict(quality=90)),
        'full color.jpg': (smooth, dict(quality=95, subsampling=0)),
        'progressive.jpg': (smooth, dict(progressive=True)),
        'grey.png': (color.convert('L'), {}),
        'grey.jpg': (smooth.convert('L'), {}),
        'black and white.png': (color.convert('1'), {}),
        'palette.png': (color.convert('P'), {}),
        'transparent palette.png': (color.convert('P'), dict(transparency=3)),
        'alpha.png': (alpha, {}),
        'grey with alpha.png': (color.convert('LA'), {}),
        'deep.png': (deep, {}),
        'deep.tif': (deep, {}),
        'turned.jpg': (smooth, dict(exif=turned)),
        'turned.png': (color, dict(exif=turned)),
        'color.bmp': (color, {}),
        'color.tif': (color, {}),
        'color.webp': (color, dict(lossless=True)),
    }
    for name, (image, options) in made.items():
        image.save(folder / name, **options)
    return {name: folder / name for name in made}


def test_runner_reads_images_as_mmcv_does(tmp_path):
    import mmcv

    for name, path in images_of_all_kinds(tmp_path).items():
        wanted = mmcv.imread(path, channel_order='rgb')
        np.testing.assert_array_equal(runner.read(path), wanted, err_msg=name)
        if not name.startswith('turned'):
            np.testing.assert_array_equal(runner.read(Image.open(path)), wanted, err_msg=name)


def test_image_larger_than_pillow_opens_is_an_error_in_python_and_read_by_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)
    path = tmp_path / 'large.png'
    Image.new('RGB', (40, 30), (1, 2, 3)).save(path)
    with pytest.raises(OSError, match='exceeds limit of 200 pixels'):
        runner.read(path)
    model = linear_classifier(tmp_path / 'means.onnx')
    monkeypatch.setattr(sys, 'argv', ['runner.py', str(model), str(path), '--top', '1'])
    assert runner.main() == 0
    assert json.loads(capsys.readouterr().out)['name'] == 'blue'


def test_runner_stands_alone():
    """The file imports nothing but what it says that it needs."""
    imported = set()
    for node in ast.walk(ast.parse(Path(runner.__file__).read_text('utf-8'))):
        if isinstance(node, ast.Import):
            imported |= {name.name.split('.')[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split('.')[0])
    assert imported - set(sys.stdlib_module_names) == {'numpy', 'onnxruntime', 'PIL'}
