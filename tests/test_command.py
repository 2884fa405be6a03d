"""The console command, and what help and messages call the commands."""

import ast
import subprocess
import sys

import pytest
from commands import ROOT, environment

import mmattn
from mmattn import __main__ as console
from mmattn import shipped
from mmattn.commands import SEVERAL, command, in_users_words, scripts
from mmattn.errors import UserError

COMMANDS = ['benchmark', 'check', 'compare', 'complexity', 'convert', 'export', 'fit', 'labels', 'predict', 'report']
COMMANDS += ['test', 'train', 'visdrone', 'visualize']


def python(*arguments, folder=ROOT):
    """Runs an interpreter of its own."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, env=environment(), text=True, capture_output=True
    )


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the console command in this process; returns its exit status, and what it printed to both streams."""

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['/usr/bin/mmattn', *arguments])
        monkeypatch.setattr(sys, 'path', sys.path.copy())
        monkeypatch.setitem(sys.modules, '__main__', sys.modules['__main__'])
        status = 0
        try:
            console.main()
        except SystemExit as stop:
            status = stop.code or 0
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """A folder of tools of one's own."""
    folder = tmp_path / 'tools'
    folder.mkdir()
    monkeypatch.setattr('mmattn.commands.TOOLS', folder)
    return folder


def test_help_lists_each_tool_with_the_first_line_of_its_docstring(run):
    status, out, err = run('--help')
    listed = dict(line.split(maxsplit=1) for line in out.partition('Commands:\n')[2].splitlines())
    assert status == 0 and err == '' and list(listed) == COMMANDS
    for name in {*COMMANDS} - {'check', 'labels', 'visdrone'}:
        assert listed[name] == ast.get_docstring(ast.parse((ROOT / f'tools/{name}.py').read_bytes())).splitlines()[0]
    assert all(text.endswith('.') for text in listed.values())


def test_a_tool_becomes_a_command_by_being_there(run, tools):
    source = '"""Does something later.\n\nMore."""\nimport sys\nprint(sys.argv, __name__, __file__)'
    (tools / 'later.py').write_text(source)
    (tools / '_shared.py').write_text('"""No tool."""')
    assert run('--help')[1].endswith('Commands:\n  later  Does something later.\n')
    assert run('later', '--fast', 'x')[1] == f"['mmattn later', '--fast', 'x'] __main__ {tools / 'later.py'}\n"
    assert run('_shared')[0] == 2


def test_help_does_not_run_the_tools_nor_import_torch(tools):
    (tools / 'loud.py').write_text('"""Is loud."""\nraise SystemExit(1)')
    code = (
        'import sys, mmattn.commands\n'
        f'mmattn.commands.TOOLS = __import__("pathlib").Path({str(tools)!r})\n'
        'import mmattn.__main__ as console\n'
        'sys.argv = ["mmattn", "--help"]\n'
        'try:\n    console.main()\nexcept SystemExit as stop:\n    assert not stop.code\n'
        'assert not {"torch", "mmengine", "mmcv"} & {*sys.modules}'
    )
    result = python('-c', code)
    assert result.returncode == 0 and 'Is loud.' in result.stdout, result.stderr


def test_a_misspelt_command_is_one_line_with_the_nearest(run):
    assert run('trian') == (2, '', "error: no command 'trian'; did you mean 'train'? mmattn --help lists all\n")
    assert run('xyzzy') == (2, '', "error: no command 'xyzzy'; mmattn --help lists all\n")


def test_without_a_command_help_is_printed_and_the_status_is_2(run):
    status, out, _ = run()
    assert status == 2 and 'usage: mmattn COMMAND' in out


def test_version_is_that_of_the_package(run):
    assert run('--version') == (0, f'mmattn {mmattn.__version__}\n', '')


@pytest.mark.parametrize('name', COMMANDS)
def test_help_of_a_command_calls_it_as_it_was_called(run, name):
    pytest.importorskip('mmdet')
    status, out, err = run(name, '--help')
    assert status == 0 and err == '' and out.startswith(f'usage: mmattn {name}')
    assert 'tools/' not in out and 'python ' not in out.replace('Python', '')


@pytest.mark.slow
def test_help_of_a_script_calls_it_as_a_script():
    result = python('tools/prepare_data.py', 'check', '-h')
    assert result.stdout.startswith('usage: prepare_data.py check') and 'mmattn check' not in result.stdout
    assert 'python tools/prepare_data.py check data/blood_cells\n' in result.stdout


@pytest.mark.slow
def test_a_failing_command_ends_with_the_status_of_the_tool(tmp_path):
    result = python('-m', 'mmattn', 'train', 'missing.py', folder=tmp_path)
    assert result.returncode == 2 and result.stderr.startswith("error: no config at 'missing.py'")
    result = python('-m', 'mmattn', 'check', tmp_path, folder=tmp_path)
    assert result.returncode == 2 and result.stderr.startswith('error: ')
    assert not list(tmp_path.iterdir())


def test_commands_are_named_as_the_process_was_started(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tools/train.py', 'x.py'])
    assert command('fit') == 'python tools/fit.py' and command('check') == 'python tools/prepare_data.py check'
    text = 'run python tools/fit.py, tools/test.py configs/ema.py or python tools/prepare_data.py check DATA'
    assert in_users_words(text) == text
    monkeypatch.setattr(sys, 'argv', ['mmattn train', 'x.py'])
    assert command('fit') == 'mmattn fit' and command('check') == 'mmattn check'
    assert in_users_words(text) == 'run mmattn fit, mmattn test configs/ema.py or mmattn check DATA'


def test_without_a_clone_commands_and_configs_are_those_of_the_package(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['/usr/lib/x/mmattn/.mim/tools/train.py'])
    monkeypatch.setattr('mmattn.commands.is_clone', lambda: False)
    assert command('train') == 'mmattn train'
    assert in_users_words('python tools/train.py configs/sda/x.py') == 'mmattn train mmattn::sda/x.py'


@pytest.mark.slow
def test_commands_of_a_script_with_several_are_its_own():
    for script, parts in SEVERAL.items():
        result = python(scripts()[script], '-h')
        assert all(f'  {part} ' in result.stdout for part in parts), result.stdout


def test_a_tool_without_its_packages_is_one_line(tmp_path):
    for path in scripts().values():
        (tmp_path / path.name).write_text(path.read_text('utf-8'))
    (tmp_path / '_imports.py').write_text((ROOT / 'tools' / '_imports.py').read_text('utf-8'))
    for path in scripts().values():
        result = python('-S', '-E', tmp_path / path.name, folder=tmp_path)
        assert result.returncode == 2, result.stderr
        assert result.stderr.startswith('error: No module named') and result.stderr.count('\n') == 1, result.stderr


def test_configs_of_the_package_are_found_by_name():
    name = 'sda/mask-rcnn_sda-resnet86_fpn_1x_coco.py'
    assert shipped.config_path(f'mmattn::{name}') == str(ROOT / 'configs' / name)
    assert shipped.config_path('configs/x.py') == 'configs/x.py'
    misspelt = name.replace('86', '68')
    with pytest.raises(UserError, match=f"no config 'mmattn::{misspelt}'; .* has mmattn::sda/mask-rcnn_"):
        shipped.config_path(f'mmattn::{misspelt}')


def test_a_command_takes_a_config_of_the_package_by_name(run, monkeypatch, tmp_path):
    pytest.importorskip('mmpretrain')
    monkeypatch.chdir(tmp_path)
    status, out, _ = run('complexity', 'mmattn::demo/imagenet_style_signs.py')
    assert status == 0 and 'imagenet_style_signs.py: ImageClassifier at 64 x 64' in out
    status, _, err = run('complexity', 'mmattn::demo/image_style_signs.py')
    assert status == 2 and 'mmattn::demo/imagenet_style_signs.py' in err.splitlines()[-1]


@pytest.mark.slow
def test_bases_of_the_package_are_known_to_mmengine_whatever_is_imported_first():
    ask = 'print(sys.modules["mmengine.config.utils"].MODULE2PACKAGE["mmattn"])'
    for imports in ('import sys, mmattn, mmengine.config', 'import sys, mmengine.config, mmattn'):
        result = python('-c', f'{imports}\n{ask}')
        assert result.stdout == 'mmattn\n', result.stderr


@pytest.mark.slow
def test_bases_of_mmsegmentation_are_found_whichever_distribution_is_installed():
    pytest.importorskip('mmseg')
    read = 'Config.fromfile("configs/demo/deeplabv3plus_sda_nuclei.py").model.type'
    for imports in (
        'import mmattn; from mmengine.config import Config',
        'from mmengine.config import Config; import mmattn',
    ):
        result = python('-c', f'{imports}\nprint({read})')
        assert result.stdout == 'EncoderDecoder\n', result.stderr
