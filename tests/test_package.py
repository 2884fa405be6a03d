"""The wheel, installed beside mmdet and used from an empty folder: nothing of the clone is needed."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from commands import ROOT

import mmattn

pytest.importorskip('mmdet')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        int(version('setuptools').split('.')[0]) < 77, reason='setuptools before 77 builds no project with PEP 639'
    ),
]

SOURCES = ['LICENSE', 'MANIFEST.in', 'README.md', 'model-index.yml', 'pyproject.toml', 'setup.py']
FOLDERS = ['configs', 'demo', 'mmattn', 'tools']
DEMO = 'mmattn::demo/mask_rcnn_sda_nuclei.py'
SHORT = [
    '--cfg-options',
    'train_dataloader.dataset.times=1',
    'train_dataloader.dataset.dataset.indices=4',
    'val_dataloader.dataset.indices=2',
    'train_cfg.max_epochs=1',
]
CLONE_SCRIPTS = {'quickstart.sh', 'quickstart_report.py', 'run_tests.sh', 'setup_env.sh'}


def built(kind: str, source: Path, target: Path) -> Path:
    """Builds 'sdist' or 'wheel' in a folder, with the setuptools that is installed."""
    code = f'import setuptools.build_meta as backend; print(backend.build_{kind}({str(target)!r}))'
    result = subprocess.run([sys.executable, '-c', code], cwd=source, text=True, capture_output=True)
    assert result.returncode == 0, result.stderr
    return target / result.stdout.splitlines()[-1]


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from the source distribution."""
    folder = tmp_path_factory.mktemp('build')
    clone = folder / 'clone'
    clone.mkdir()
    for name in SOURCES:
        shutil.copy2(ROOT / name, clone)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns('__pycache__', '.mim'))
    sdist = built('sdist', clone, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)
    return built('wheel', folder / sdist.name.removesuffix('.tar.gz'), folder)


class Installed:
    """An environment with the wheel, in which all other packages of this environment can be imported."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.bin = folder / 'bin'
        self.run(sys.executable, '-m', 'venv', folder, folder=folder.parent)
        paths = sysconfig.get_paths(vars=dict(base=str(folder), platbase=str(folder)))
        self.package = Path(paths['purelib'], 'mmattn')
        # The editable installation that this environment may have is a line in a .pth file, and those of a folder
        # that is itself named in one are not read.
        others = dict.fromkeys(sysconfig.get_path(name) for name in ('purelib', 'platlib'))
        Path(paths['purelib'], 'beside.pth').write_text('\n'.join(others) + '\n')
        self.run(self.bin / 'python', '-m', 'pip', 'install', '--no-deps', '--no-index', wheel, folder=folder)

    def run(self, *command: object, folder: Path, status: int = 0) -> str:
        """Runs a command; returns what it printed, or if it has to fail, what it printed as errors.

        Args:
            *command: The command.
            folder: Where it runs.
            status: The exit status that it should have.
        """
        variables = {name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'PYTHONHOME')}
        variables |= dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
        variables['PATH'] = os.pathsep.join((str(self.bin), variables['PATH']))
        result = subprocess.run(
            list(map(str, command)), cwd=folder, env=variables, text=True, capture_output=True, timeout=600
        )
        assert result.returncode == status, result.stdout[-2000:] + result.stderr[-2000:]
        return result.stderr if status else result.stdout

    def python(self, code: str, folder: Path) -> str:
        return self.run(self.bin / 'python', '-c', code, folder=folder)

    def mmattn(self, *arguments: object, folder: Path, status: int = 0) -> str:
        return self.run(self.bin / 'mmattn', *arguments, folder=folder, status=status)


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp('env') / 'env')


@pytest.fixture(scope='module')
def trained(installed, tmp_path_factory) -> Path:
    """A folder with the work folder of the demo, trained for two iterations."""
    folder = tmp_path_factory.mktemp('empty')
    installed.mmattn('train', DEMO, *SHORT, folder=folder)
    return folder


def test_wheel_has_all_that_the_commands_need_and_nothing_of_the_clone(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = email.message_from_bytes(archive.read(f'mmattn-{mmattn.__version__}.dist-info/METADATA'))
    inside = {name.removeprefix('mmattn/.mim/') for name in names if name.startswith('mmattn/.mim/')}
    for name in ('configs', 'demo', 'tools'):
        shipped = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / name).rglob('*')
            if path.is_file() and path.suffix != '.pyc' and not path.name.startswith('.')
        }
        left_out = {path for path in shipped - inside if Path(path).suffix in ('.py', '.sh')}
        assert shipped - inside == left_out and {Path(path).name for path in left_out} <= CLONE_SCRIPTS | {
            'build_docs.sh',
            'test_matrix.sh',
        }
    assert 'model-index.yml' in inside and 'mmattn/py.typed' in names
    assert {name.split('/')[0] for name in names} == {'mmattn', f'mmattn-{mmattn.__version__}.dist-info'}
    assert metadata['Version'] == mmattn.__version__ and metadata['License-Expression'] == 'Apache-2.0'
    required = {text.split('>')[0] for text in metadata.get_all('Requires-Dist') if 'extra ==' not in text}
    assert required == {'numpy', 'Pillow', 'PyYAML', 'safetensors', 'torch', 'torchvision'}
    assert {'all', 'docs', 'export', 'fit', 'mm', 'openmmlab', 'test', 'tools', 'viz'} <= {
        *metadata.get_all('Provides-Extra')
    }


def test_the_console_command_lists_the_commands(installed, tmp_path):
    assert installed.mmattn('--version', folder=tmp_path) == f'mmattn {mmattn.__version__}\n'
    assert '\n  train ' in installed.mmattn('--help', folder=tmp_path)


def test_help_of_every_command_speaks_of_the_installed_package(installed, tmp_path):
    said = installed.python(
        'import sys\nfrom mmattn import __main__ as console\n'
        'for name in console.commands():\n'
        '    sys.argv = ["mmattn", name, "--help"]\n'
        '    try:\n        console.main()\n    except SystemExit as stop:\n        assert not stop.code, name\n',
        tmp_path,
    )
    assert said.count('usage: mmattn ') == len(said.split('usage: ')) - 1 > 10
    assert not re.search(r'tools/|configs/\S+\.py', said) and 'mmattn::mask_rcnn_sda.py' in said
    assert list(tmp_path.iterdir()) == []


def test_a_config_of_ones_own_builds_on_one_of_the_package(installed, tmp_path):
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'mmattn::sda/faster-rcnn_sda-resnet86_fpn_1x_coco.py'\n"
        'model = dict(roi_head=dict(bbox_head=dict(num_classes=3)))\n'
    )
    assert installed.mmattn('complexity', 'mine.py', folder=tmp_path).startswith('mine.py: FasterRCNN at 800 x 1280')
    assert installed.python(
        'import mmattn, mmengine.hub\n'
        "cfg = mmengine.hub.get_config('mmattn::ema/ema-resnet50_4xb64_in1k.py')\n"
        "print(cfg.model.backbone.type, cfg.custom_imports['imports'])",
        tmp_path,
    ).endswith("mmattn.EMAResNet ['mmattn']\n")


def test_demo_trains_in_an_empty_folder(trained):
    assert (trained / 'work_dirs' / 'mask_rcnn_sda_nuclei' / 'epoch_1.pth').is_file()


def test_training_script_takes_what_mim_gives_it(installed, tmp_path):
    """mim starts the script of a package itself, with one of the last two options if --gpus is in its help."""
    script = installed.package / '.mim' / 'tools' / 'train.py'
    options = ['--launcher', 'none', '--gpus', '1', '--device', 'cpu']
    said = installed.run(installed.bin / 'python', script, 'missing.py', *options, folder=tmp_path, status=2)
    assert said.startswith("error: no config at 'missing.py'")


def test_several_processes_are_started_without_a_clone(installed, tmp_path):
    said = installed.mmattn('train', 'missing.py', '--gpus', '2', folder=tmp_path, status=2)
    assert said.startswith("error: no config at 'missing.py'")


def test_fit_writes_a_config_that_mmdet_reads(installed, tmp_path):
    data = installed.package / '.mim' / 'demo' / 'nuclei_mini'
    options = ['--only-config', '--epochs', '1', '--image-size', '96', '--batch', '1']
    said = installed.mmattn('fit', data, '--name', 'mine', *options, folder=tmp_path)
    assert 'train with: mmattn train work_dirs/mine/config.py' in said
    # As mmdet's own tools read a config: without mmattn.
    said = installed.python(
        'import sys\nfrom mmengine.config import Config\n'
        'assert "mmattn" not in sys.modules\n'
        'Config.fromfile("work_dirs/mine/config.py")\n'
        'import mmdet.models\nprint("mmattn" in sys.modules)',
        tmp_path,
    )
    assert said.splitlines()[-1] == 'True'


def test_mmdets_own_training_script_trains_a_config_of_the_package(installed, tmp_path):
    import mmdet

    script = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'train.py'
    config = installed.package / '.mim' / 'configs' / 'demo' / 'mask_rcnn_sda_nuclei.py'
    installed.run(installed.bin / 'python', script, config, '--work-dir', 'work', *SHORT, folder=tmp_path)
    assert (tmp_path / 'work' / 'epoch_1.pth').is_file()


def test_mmdets_inferencer_predicts_with_a_config_of_the_package(installed, trained):
    said = installed.python(
        'import mmattn\n'
        'from pathlib import Path\n'
        'from mmdet.apis import DetInferencer\n'
        'from mmattn.shipped import ROOT\n'
        'config = ROOT / "configs/demo/mask_rcnn_sda_nuclei.py"\n'
        'image = sorted(Path(ROOT, "demo/nuclei_mini/images").iterdir())[0]\n'
        'inferencer = DetInferencer(str(config), "work_dirs/mask_rcnn_sda_nuclei/epoch_1.pth", device="cpu")\n'
        'found = inferencer(str(image), no_save_vis=True)["predictions"][0]\n'
        'print(sorted(found), len(found["scores"]) == len(found["masks"]))',
        trained,
    )
    assert said.rstrip().endswith("['bboxes', 'labels', 'masks', 'scores'] True")
