"""The benchmark tool: what it reads, how it measures, what it writes. No timing is tested."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from mmattn import ops
from mmattn.analysis.benchmark import (
    Other,
    Ours,
    Settings,
    Treatment,
    benchmark_ablation,
    benchmark_against,
    benchmark_overhead,
    benchmark_scaling,
    missed_targets,
    read_suite,
    suite_tables,
)
from mmattn.analysis.benchmark.agreement import compare_outputs
from mmattn.analysis.benchmark.child_process import Job
from mmattn.analysis.benchmark.memory import peak_memory
from mmattn.analysis.benchmark.printing import memory_texts, size_text, value_text
from mmattn.analysis.benchmark.random_weights import randomise
from mmattn.analysis.benchmark.rows import Case, make_row
from mmattn.analysis.benchmark.spec import Spec, parse_spec
from mmattn.analysis.benchmark.timing import alternate, latency, spread, timer_of
from mmattn.analysis.benchmark.treatment import runs_channels_last
from mmattn.errors import UserError
from mmattn.models.attention import EMA, SE

ROOT = Path(__file__).resolve().parents[2]
MOBILENET = 'configs/ema/ema-mobilenetv2_2xb256_in1k.py'
SMALL = 'SDAResNet(stage_blocks=(1, 1, 1, 1), base_channels=16)'
SETTINGS = Settings(modes=('infer',), batch=2, size=(32, 32), repeats=2, warmup=1, threads=1, treatment=Treatment())
FAST = ['--batch', '2', '--size', '8', '--repeats', '2', '--warmup', '1', '--threads', '1']

TOY = """
import os
import torch
from torch import nn
from mmattn.models.attention import SE

class Same(SE):
    def forward(self, x):
        return super().forward(x)

class Wrong(SE):
    def forward(self, x):
        return super().forward(x) + 1

class Renamed(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.unknown = nn.Conv2d(channels, channels, 1)
    def forward(self, x):
        return self.unknown(x)

class Hungry(nn.Module):
    def forward(self, x):
        return x + torch.ones(2**24)[0]  # 64 MiB

class Process(nn.Module):
    def forward(self, x):
        with open(os.path.join(os.path.dirname(__file__), 'processes.txt'), 'a') as file:
            print(os.getpid(), file=file)
        return x

class Failing(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        class Odd(Exception):  # cannot be sent to another process
            pass
        if self.kind == 'gone':
            os._exit(9)
        raise {'key': KeyError('what'), 'odd': Odd('no'), 'memory': torch.cuda.OutOfMemoryError('no')}[self.kind]

class Branching(SE):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else x

class Strided(SE):
    def forward(self, x):
        x.view(-1)
        return super().forward(x)

number = 3
def no_module():
    return number
"""


PARENT = """
import time
from mmattn.analysis.benchmark import Other, Treatment
from mmattn.analysis.benchmark.child_process import Job
from mmattn.analysis.benchmark.timing import timer_of

if __name__ == '__main__':
    with timer_of(Job(Other('torch.nn:Identity'), Treatment(), 'infer', [(1, 4, 8, 8)], 1, False)):
        print('ready', flush=True)
        time.sleep(60)
"""


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('benchmark_tool', ROOT / 'tools' / 'benchmark.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toys(tmp_path, monkeypatch):
    """A folder with the module `toys`, which no other test sees."""
    (tmp_path / 'toys.py').write_text(TOY)
    monkeypatch.setattr(sys, 'path', [*sys.path])
    yield tmp_path
    sys.modules.pop('toys', None)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# What the command line names


@pytest.mark.parametrize(
    'text, spec',
    [
        ('SDAResNet', Spec('SDAResNet')),
        ('mmattn.SDAResNet(depth=50)', Spec('mmattn.SDAResNet', (), {'depth': 50})),
        ('EMA(512, factor=8)', Spec('EMA', (512,), {'factor': 8})),
        ('type=SDAResNet,depth=86', Spec('SDAResNet', (), {'depth': 86})),
        ("type='mmattn.SE',in_channels=8", Spec('mmattn.SE', (), {'in_channels': 8})),
        (
            "AttnResNet(attn=[None, dict(type='mmattn.SE')])",
            Spec('AttnResNet', (), {'attn': [None, {'type': 'mmattn.SE'}]}),
        ),
    ],
)
def test_specs_are_read(text, spec):
    assert parse_spec(text) == spec


@pytest.mark.parametrize(
    'text',
    [
        '',
        'SDAResNet(',
        'SDAResNet(depth=open("x"))',
        'SDAResNet(**{})',
        'a + b',
        'f()()',
        'type=',
        'type=A,3',
        "SDAResNet(depth=__import__('os'))",
        'SDAResNet(dict(1))',
    ],
)
def test_only_literals_are_read(text):
    with pytest.raises(UserError, match='cannot read'):
        parse_spec(text)


@pytest.mark.parametrize(
    'argv, said',
    [
        (['SDAResNett'], 'did you mean SDAResNet'),
        (['SDAResNet(deph=50)'], 'deph'),
        (['EMA(in_channels=33)'], 'divisible'),
        (['configs/nothing.py'], 'no config'),
        (['GlobalAveragePoolingBN(8)', '--overhead'], 'needs a network'),
        (['AttnResNet(depth=18)', '--overhead'], 'the slots of AttnResNet(depth=18) are empty'),
        (['SE(8)', '--device', 'nonsense'], '--device nonsense'),
        (['SE(8)', '--device', 'meta'], 'give cpu or cuda'),
        (['SE(8)', '--json', '.'], "'.', which is a folder"),
        (['SE(8)', '--plot', 'README.md/x.png'], "'README.md' is a file"),
        (['AttnResNet(stage_blocks=(1, 1), base_channels=4)', '--scaling'], 'has 2'),
        ([MOBILENET, '--scaling'], 'that of configs/ema/ema-mobilenetv2_2xb256_in1k.py is a MobileNetV2'),
        ([MOBILENET, '--overhead'], 'needs a backbone of this package'),
        (['SE(8)', '--against', 'json'], 'MODULE:CALLABLE'),
        (['SE(8)', '--against', 'no_such_module:f'], '--against-path'),
        (['SE(8)', '--against', 'json:nothing'], 'json has no nothing'),
        (['SE(8)', '--against', 'json:dumps(1)'], 'returned a str'),
        (['SE(8)', '--against', 'json:dumps', '--against-path', 'nowhere'], "no folder 'nowhere'"),
        ([SMALL, '--mode', 'train', '--batch', '1'], 'Expected more than 1 value per channel'),
    ],
)
def test_a_mistake_of_the_user_is_one_line(tool, capsys, monkeypatch, argv, said):
    monkeypatch.chdir(ROOT)
    if MOBILENET in argv:
        pytest.importorskip('mmpretrain')
    batch = [] if '--batch' in argv else ['--batch', '2']
    assert tool.main([*argv, '--memory', 'none', '--threads', '1', *batch]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1
    assert said in errors[0]


@pytest.mark.parametrize(
    'argv',
    [
        [],
        ['SE(8)', '--batch', '0'],
        ['SE(8)', '--amp', 'int8'],
        ['SE(8)', '--prepare', '--mode', 'train'],
        ['SE(8)', '--fold-norms'],
        ['SE(8)', '--only', 'a'],
        ['SE(8)', '--suite', 'x.yml'],
        ['SE(8)', '--overhead', '--scaling'],
        ['SE(8)', 'SE(16)', '--against', 'a:b'],
        ['SE(8)', '--against-path', 'x'],
        ['SE(8)', '--classes', '-1'],
        ['SE(8)', '--size', '1', '2', '3'],
        ['SE(8)', '--plot', 'x.pdf'],
    ],
)
def test_wrong_usage(tool, capsys, argv):
    with pytest.raises(SystemExit) as exit_:
        tool.main(argv)
    assert exit_.value.code == 2
    assert 'usage: ' in capsys.readouterr().err


def test_help_has_examples(tool, capsys):
    with pytest.raises(SystemExit) as exit_:
        tool.main(['--help'])
    assert exit_.value.code == 0
    assert 'Examples:' in capsys.readouterr().out


# Time


def test_timers_take_turns():
    turns = []

    def timer(name, seconds):
        return lambda passes: turns.append((name, passes)) or [seconds] * passes

    seconds = alternate({'fast': timer('fast', 0.006), 'slow': timer('slow', 0.5)}, repeats=3, warmup=2)
    assert seconds == {'fast': [[0.006] * 17] * 3, 'slow': [[0.5]] * 3}
    assert turns[:2] == [('fast', 2), ('slow', 2)]
    # forwards, backwards, forwards; samples of more than 100 ms
    fast, slow = ('fast', 17), ('slow', 1)
    assert turns[2:] == [fast, slow, slow, fast, fast, slow]


@pytest.mark.slow
def test_each_is_timed_in_a_process_of_its_own(toys):
    job = Job(Other('toys:Process()', str(toys)), Treatment(), 'infer', [(1, 4, 8, 8)], 1, False)
    with timer_of(job) as first, timer_of(job) as second:
        times = first(2), second(1)
    assert [len(seconds) for seconds in times] == [2, 1] and all(0 < s < 60 for seconds in times for s in seconds)
    # each pass has left a line with the number of its process; one pass came before the timed ones
    numbers = (toys / 'processes.txt').read_text().split()
    assert len(numbers) == 5 and len(set(numbers)) == 2 and str(os.getpid()) not in numbers


def test_rates_are_of_rounds_and_latencies_of_passes():
    case = Case.of(Ours('SE(8)'), SETTINGS)
    row = make_row(case, case.job('infer', 1), [[1.0, 1.0, 4.0], [1.0, 1.0, 1.0, 1.0]], None)
    assert row['seconds'] == [2, 1] and row['images_per_second'] == spread([1, 2])
    assert row['latency_ms'] == latency([1, 1, 4, 1, 1, 1, 1])


def test_statistics():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == dict(median=3, low=2, high=4)
    assert latency([0.001] * 9 + [0.002]) == pytest.approx(dict(p50=1, p90=1.1))


@pytest.mark.parametrize(
    'options, classes, stages',
    [('', 10, (3,)), ('num_stages=2, ', 10, (1,)), ('', 0, (0, 1, 2, 3)), ('out_indices=(1, 3), ', 10, (1, 3))],
)
def test_a_classifier_takes_the_last_stage_only(options, classes, stages):
    model = Ours(f'AttnResNet({options}stage_blocks=(1, 1, 1, 1), base_channels=4)', classes).build()
    backbone = getattr(model, 'backbone', model)
    assert backbone.out_indices == stages and len(backbone.out_channels) == len(stages)
    assert model(torch.rand(2, 3, 32, 32))[0].shape[0] == (10 if classes else 2)


@pytest.mark.parametrize(
    'text, size, maps',
    [
        ('SE(8)', (28, 28), 1),
        ('SDA(channels=8, depth=3)', (28, 28), 3),
        ('PSA(64, 64)', (28, 28), 1),
        (SMALL, (224, 224), 1),
        ("AttnResNet(depth=18, stem='cifar', in_channels=1)", (32, 32), 1),
    ],
)
def test_inputs(text, size, maps):
    shapes = Ours(text).shapes(model=Ours(text).build(), batch=2)
    channels = {'SE': 8, 'SDA': 8, 'PSA': 64, 'Attn': 1}.get(
        next((name for name in ('SE', 'SDA(', 'PSA', 'Attn') if text.startswith(name)), '').strip('('), 3
    )
    assert shapes == [(2, channels, *size)] * maps


def test_a_config_is_measured_as_it_stands(tool, tmp_path):
    pytest.importorskip('mmpretrain')
    config = tmp_path / 'small.py'
    config.write_text(
        "default_scope = 'mmpretrain'\n"
        "model = dict(type='ImageClassifier', backbone=dict(type='mmattn.AttnResNet', depth=18, base_channels=8, "
        "attn='mmattn.SE'), neck=dict(type='GlobalAveragePooling'), "
        "head=dict(type='LinearClsHead', num_classes=7, in_channels=64))\n"
        "test_dataloader = dict(dataset=dict(type='CIFAR10'))\n"
    )
    subject = Ours(str(config))
    model = subject.build().eval()
    shapes = subject.shapes(model, 2)
    assert shapes == [(2, 3, 32, 32)]
    assert model(torch.rand(shapes[0])).shape == (2, 7)
    assert not any(isinstance(m, SE) for m in subject.changed(attn=None).build().modules())


def test_a_segmentor_is_measured_without_its_auxiliary_head(tmp_path):
    pytest.importorskip('mmseg')
    config = tmp_path / 'small.py'
    head = "dict(type='FCNHead', in_channels={}, in_index={}, channels=8, num_convs=1, num_classes=3, norm_cfg=norm)"
    config.write_text(
        "default_scope = 'mmseg'\nnorm = dict(type='SyncBN')\n"
        "model = dict(type='EncoderDecoder', data_preprocessor=dict(type='SegDataPreProcessor', size=(32, 64)), "
        "backbone=dict(type='mmattn.AttnResNet', depth=18, base_channels=8, norm_cfg=norm), "
        f'decode_head={head.format(64, 3)}, auxiliary_head={head.format(32, 2)}, '
        "train_cfg=dict(), test_cfg=dict(mode='whole'))\n"
    )
    subject = Ours(str(config))
    model = subject.build()
    assert subject.shapes(model, 2) == [(2, 3, 32, 64)]
    assert model(torch.rand(2, 3, 32, 64)).shape == (2, 3, 1, 2)
    assert sum('conv_seg' in name for name, _ in model.named_modules()) == 1


# What is written


def test_report_and_its_files(tool, tmp_path, capsys):
    file, picture = tmp_path / 'out' / 'se.json', tmp_path / 'se.png'
    assert (
        tool.main(
            ['SE(8)', SMALL, *FAST, '--size', '32', '--memory', 'none', '--json', str(file), '--plot', str(picture)]
        )
        == 0
    )
    report = json.loads(file.read_text())
    assert [path.name for path in file.parent.iterdir()] == ['se.json']
    assert picture.read_bytes().startswith(b'\x89PNG')
    assert report['schema'] == 2 and report['threads'] == 1 and report['device'] == 'cpu'
    assert report['machine']['cores'] >= 1 and report['machine']['cpu'] and report['machine']['gpu'] is None
    assert report['versions']['torch'] == torch.__version__
    assert str(tmp_path) not in report['command'] and "'SE(8)'" in report['command']
    assert [(row['name'], row['mode']) for row in report['results']] == [
        (name, mode) for name in ('SE(8)', SMALL) for mode in ('infer', 'train')
    ]
    for row in report['results']:
        assert row['code'] == 'ours' and row['treatment'] == 'default' and row['batch'] == 2
        assert len(row['seconds']) == 2 and row['peak_memory_bytes'] is None and row['parameters'] > 0
        rate = row['images_per_second']
        assert 0 < rate['low'] <= rate['median'] <= rate['high']
        assert 0 < row['latency_ms']['p50'] <= row['latency_ms']['p90']
    assert [row['depth'] for row in report['results']] == [None, None, 14, 14]
    printed = capsys.readouterr()
    assert 'SE(8)' in printed.out and torch.__version__ in printed.out
    assert 'round 2 of 2' in printed.err


def test_results_are_made_of_the_files(tool, tmp_path, capsys):
    against = ['AttnResNet(stage_blocks=(1, 1, 1, 1), base_channels=16)', *FAST, '--memory', 'none', '--mode', 'infer']
    assert (
        tool.main(
            [
                *against[:1],
                *FAST,
                '--size',
                '32',
                '--mode',
                'infer',
                '--memory',
                'none',
                '--scaling',
                '--json',
                str(tmp_path / 'scaling.json'),
            ]
        )
        == 0
    )
    assert (
        tool.main(
            [
                'SE(8)',
                *FAST,
                '--mode',
                'infer',
                '--memory',
                'none',
                '--against',
                'mmattn.models.attention:SE(8)',
                '--against-name',
                'another',
                '--json',
                str(tmp_path / 'against.json'),
            ]
        )
        == 0
    )
    report = json.loads((tmp_path / 'scaling.json').read_text())
    for row in report['results']:
        row['peak_memory_bytes'] = 2**20 * row['value']
        row['config'] = 'configs/sda/sda-resnet86_4xb64_in1k.py'
    # as if the config had been measured
    report['results'].append({k: v for k, v in report['results'][0].items() if k not in ('axis', 'value')})
    (tmp_path / 'scaling.json').write_text(json.dumps(report))
    capsys.readouterr()
    assert tool.main(['--results', str(tmp_path)]) == 0
    assert capsys.readouterr().out.count('wrote ') == 3
    text = (tmp_path / 'RESULTS.md').read_text()
    assert '| SE(8) | default | another | default | infer |' in text and 'outputs compared' in text
    assert 'resident MiB' in text and 'freed memory is handed back at once' in text
    assert '| depth | 50 |' in text and '| 50.0 |' in text
    assert '--against-name another' in text and str(tmp_path) not in text
    assert (tmp_path / 'accuracy.png').is_file() and (tmp_path / 'memory.png').is_file()


@pytest.mark.parametrize(
    'content, said',
    [
        (None, 'no JSON files'),
        ('{', 'was not written by'),
        ('[1]', 'was not written by'),
        ('{"schema": 0}', 'schema 0'),
        ('{"schema": 2, "results": [{"mode": "infer"}]}', 'is damaged'),
    ],
)
def test_results_of_other_files_are_refused(tool, tmp_path, capsys, content, said):
    if content is not None:
        (tmp_path / 'x.json').write_text(content)
    assert tool.main(['--results', str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


# Suites

SUITE = """
- name: se
  title: SE of 8
  command: "'SE(8)' --batch 2 --size 8 --warmup 1 --threads 1 --mode infer --keep-memory --against toys:Same(8)"
  targets: {infer speed: 0.001, infer memory: 0.5}
- name: parts
  title: parts of SE
  command: "'SE(8)' --batch 2 --size 8 --warmup 1 --threads 1 --mode infer --keep-memory --ablation keep_memory"
  targets: {ablation: 1000}
- {name: gone, title: gone, command: NoSuchNet}
"""


def test_a_suite_prints_targets_beside_measured_values(tool, toys, capsys):
    suite, folder = toys / 'suite.yml', toys / 'out'
    suite.write_text(SUITE)
    argv = [
        '--suite',
        str(suite),
        '--against-path',
        str(toys),
        '--repeats',
        '1',
        '--memory',
        'none',
        '--json',
        str(folder),
    ]
    assert tool.main(argv) == 2, 'gone cannot be measured'
    printed = capsys.readouterr()
    assert 'no network or module' in printed.err
    assert re.search(r'\| SE of 8 \| [\d.]+ \[≥ 0.001\] \| \*\*not measured\*\* \[≤ 0.5\] \|', printed.out)
    assert re.search(r'\| parts of SE \| keep_memory \| infer \| \*\*.*\*\* \[≥ 1000\] \|', printed.out)
    assert 'missed: SE of 8: infer memory; parts of SE: ablation of keep_memory' in printed.out
    assert tool.main([*argv, '--only', 'parts']) == 1
    assert sorted(path.name for path in folder.iterdir()) == ['parts.json', 'se.json']
    (folder / 'suite.yml').write_text(SUITE)
    assert tool.main(['--results', str(folder)]) == 0
    assert '## Targets' in (folder / 'RESULTS.md').read_text()
    assert tool.main([*argv, '--only', 'nothing']) == 2


def test_what_other_code_could_not_do_is_noted_below_the_targets(tmp_path):
    suite = tmp_path / 'suite.yml'
    suite.write_text('[{name: a, title: A, command: x, targets: {train speed: 2, train speed alike: 1.5}}]')
    between = dict(mode='train', memory=None, ours='a', theirs='b')
    reports = dict(
        a=dict(
            comparisons=[
                between | dict(published=True, alike=False, speedup=dict(median=2.5), refused=None),
                between | dict(published=False, alike=True, speedup=dict(median=1.4), refused='b cannot be folded'),
            ]
        )
    )
    entries = read_suite(suite)
    table, explanation, notes = suite_tables(entries, reports)
    assert '| A | 2.50 [≥ 2] | **1.40** [≥ 1.5] |' in table
    assert notes == '- A, train alike: b cannot be folded.'
    assert missed_targets(entries, reports) == ['A: train speed alike']
    assert missed_targets(entries, {}) == ['A: not measured']


@pytest.mark.parametrize(
    'content, said',
    [
        (None, 'cannot be read'),
        ('- 3', 'is no list of entries'),
        ('[{name: a, title: A, command: 5}]', 'command of a is 5'),
        ('[{name: a, title: A, command: "x \'"}]', 'No closing quotation'),
        ('[{name: a}]', 'is no list of entries'),
        ('[{name: a, title: A, command: x, targets: {infer: 2}}]', "there is no target 'infer'"),
    ],
)
def test_a_damaged_suite_is_one_line(tool, tmp_path, capsys, content, said):
    suite = tmp_path / 'suite.yml'
    if content is not None:
        suite.write_text(content)
    assert tool.main(['--suite', str(suite)]) == 2
    assert said in capsys.readouterr().err


def test_the_suites_of_the_repository_can_be_parsed(tool):
    entries = [entry for name in ('suite', 'more') for entry in read_suite(ROOT / 'benchmarks' / f'{name}.yml')]
    assert all(tool.parse_args(entry.argv).net for entry in entries)
    assert len({entry.name for entry in entries}) == len(entries)


@pytest.mark.parametrize('classes', ['0', '5'])
def test_the_command_has_what_was_given(tool, classes):
    command = tool.command(tool.parse_args(['SE(8)', '--classes', classes, '--prepare', '--json', 'x.json']))
    assert f'--classes {classes} ' in command
    assert '--prepare' in command and '--compile' not in command and '--amp' not in command and 'x.json' not in command


@pytest.mark.parametrize('size, shown', [((32, 32), '32'), ((24, 32), '24x32')])
def test_tables_show_height_and_width(size, shown):
    case = Case.of(Ours('SE(8)'), replace(SETTINGS, size=size))
    row = make_row(case, case.job('infer', 1), [[1.0]], 3 * 2**20, None) | dict(axis='size', value=size[0])
    assert size_text(row) == value_text(row) == shown
    assert memory_texts(row) == ('3.0', '')


# Memory


@pytest.mark.slow
def test_memory_is_what_a_fresh_process_needs_beyond_the_model(toys):
    job = Job(Other('toys:Hungry', str(toys)), Treatment(), 'infer', [(1, 4, 8, 8)], 1, False)
    # the module needs 64 MiB; the kernel counts pages in batches
    assert 63 <= peak_memory(job) / 2**20 < 80


def test_memory_is_reported(tool, tmp_path):
    file = tmp_path / 'x.json'
    assert tool.main([SMALL, *FAST, '--size', '64', '--mode', 'infer', '--resident', '--json', str(file)]) == 0
    (row,) = json.loads(file.read_text())['results']
    assert row['peak_memory_bytes'] > 0 and row['resident_peak_bytes'] > 0


def test_an_error_in_the_process_is_told(toys):
    job = Job(Other('toys:Renamed(8)', str(toys)), Treatment(), 'infer', [(1, 4, 8, 8)], 1, False)
    with pytest.raises(UserError, match='does not run'):
        peak_memory(job)


@pytest.mark.parametrize(
    'kind, said',
    [
        ('key', "does not run (KeyError: 'what')"),
        ('odd', 'does not run (Odd: no)'),
        ('memory', 'use a smaller --batch'),
        ('gone', 'use a smaller --batch'),
    ],
)
def test_any_error_in_the_process_is_told(toys, kind, said):
    job = Job(Other(f'toys:Failing({kind!r})', str(toys)), Treatment(), 'infer', [(1, 4, 8, 8)], 1, False)
    with pytest.raises(UserError, match=re.escape(said)), timer_of(job):
        pass


@pytest.mark.slow
def test_a_process_ends_with_its_parent(toys):
    script = toys / 'parent.py'
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    parent.stdout.readline()
    parent.kill()
    # the process holds the other end of the pipe, which is at its end when both have ended
    parent.communicate(timeout=60)


def test_an_interrupt_is_one_line(tool, monkeypatch, capsys):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(tool.benchmark, 'benchmark_alone', interrupted)
    assert tool.main(['SE(8)']) == 130
    assert capsys.readouterr().err == 'interrupted\n'


def test_what_was_measured_before_an_error_is_kept(tool, tmp_path, capsys):
    file = tmp_path / 'x.json'
    argv = ['SE(8)', SMALL, *FAST, '--batch', '1', '--mode', 'train', '--memory', 'none', '--json', str(file)]
    assert tool.main(argv) == 2
    printed = capsys.readouterr()
    assert 'SE(8)' in printed.out and 'Expected more than 1 value per channel' in printed.err
    assert [row['name'] for row in json.loads(file.read_text())['results']] == ['SE(8)']


# Against other code


def test_against_code_that_computes_the_same(toys):
    treatment = Treatment(channels_last=True, keep_memory=True)
    settings = replace(SETTINGS, modes=('infer', 'train'), treatment=treatment)
    report = benchmark_against(Ours('SE(8)'), Other('toys:Same(8)', str(toys)), settings)
    assert [(c['mode'], c['treatment'], c['published'], c['alike']) for c in report['comparisons']] == [
        (mode, *one)
        for mode in ('infer', 'train')
        for one in (('default', True, False), ('channels_last, memory kept', False, True))
    ]
    assert all(c['outputs'].startswith('outputs compared: max difference 0') for c in report['comparisons'])
    assert [(row['code'], row['mode']) for row in report['results']] == [
        (code, mode) for mode in ('infer', 'train') for code in ('ours', 'theirs', 'theirs')
    ]
    rows, first = report['results'], report['comparisons'][0]
    ratios = [b / a for a, b in zip(rows[0]['seconds'], rows[1]['seconds'], strict=True)]
    assert first['speedup'] == spread(ratios)


def test_against_code_with_default_settings_is_one_comparison(toys):
    (comparison,) = benchmark_against(Ours('SE(8)'), Other('toys:Same(8)', str(toys)), SETTINGS)['comparisons']
    assert comparison['published'] and comparison['alike'] and comparison['refused'] is None


def test_against_code_that_computes_something_else(tool, toys, capsys):
    argv = ['SE(8)', *FAST, '--memory', 'none', '--against-path', str(toys), '--against']
    assert tool.main([*argv, 'toys:Wrong(8)']) == 2
    assert 'do not compute the same' in capsys.readouterr().err
    assert tool.main([*argv, 'toys:Renamed(8)']) == 0
    assert 'not compared: the weights cannot be mapped' in capsys.readouterr().out
    assert tool.main([*argv, 'toys:no_module']) == 2
    assert 'returned a int' in capsys.readouterr().err


def test_other_code_is_treated_alike_as_far_as_it_runs(toys):
    settings = replace(SETTINGS, treatment=Treatment(channels_last=True, keep_memory=True))
    comparisons = benchmark_against(Ours('SE(8)'), Other('toys:Strided(8)', str(toys)), settings)['comparisons']
    assert [(c['treatment'], c['alike']) for c in comparisons] == [('default', False), ('memory kept', True)]
    assert comparisons[0]['refused'] is None
    assert '(channels_last, memory kept) does not run' in comparisons[1]['refused']


def test_other_code_is_folded_by_a_trace(toys):
    treatment, x = Treatment(prepared=True, foreign=True), torch.rand(1, 3, 8, 8)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    randomise(model)
    folded = treatment.apply(model, 'infer')
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert torch.allclose(folded(x), model.eval()(x), atol=1e-5)
    with pytest.raises(UserError, match='cannot be folded'):
        treatment.apply(Other('toys:Branching(8)', str(toys)).build(), 'infer')


def test_prepared_networks_of_ours_compute_the_same():
    subject, x = Ours(SMALL), torch.rand(2, 3, 32, 32)
    model = subject.build().eval()
    for without in ((), ('fold',), ('memory_format',), ('chunks',)):
        prepared = Treatment(prepared=True, without=without).apply(model, 'infer')
        with torch.inference_mode():
            assert torch.allclose(prepared(x), model(x), rtol=1e-3, atol=1e-3 * model(x).std().item())


@pytest.mark.parametrize('foreign', [False, True])
@pytest.mark.parametrize('fold_norms', [False, True])
def test_norms_are_in_eval_mode_in_finetune(foreign, fold_norms):
    model = Ours('AttnResNet(stage_blocks=(1, 1, 1, 1), base_channels=4)', 0).build()
    treated = Treatment(foreign=foreign, fold_norms=fold_norms).apply(model, 'finetune')
    x = torch.rand(2, 3, 32, 32)
    outputs = treated(x)
    assert treated.training and all(tensor.requires_grad for tensor in outputs)
    for output, expected in zip(outputs, model.eval()(x), strict=True):
        assert torch.allclose(output, expected, atol=1e-4 * expected.std().item())


def test_what_applies_depends_on_the_mode():
    treatment = Treatment(channels_last=True, prepared=True, fold_norms=True, keep_memory=True)
    names = {mode: treatment.within(mode).name for mode in ('infer', 'train', 'finetune')}
    assert names == dict(
        infer='prepared, memory kept',
        train='channels_last, memory kept',
        finetune='channels_last, norms folded, memory kept',
    )


def test_weights_of_a_known_layout_are_mapped():
    torchvision = pytest.importorskip('torchvision')
    ours, theirs = Ours('AttnResNet(depth=18)').build(), torchvision.models.resnet18()
    randomise(theirs, seed=1)
    agreement = compare_outputs(ours, theirs, torch.rand(2, 3, 32, 32))
    assert agreement.difference < 1e-5 and 'outputs compared' in agreement.text


def test_weights_of_a_single_module_are_mapped():
    class Theirs(nn.Module):
        def __init__(self):
            super().__init__()
            module = EMA(64)
            self.gn, self.conv1x1, self.conv3x3 = module.norm, module.conv1, module.conv3
            self.run = [module]  # a list hides it, and its keys

        def forward(self, x):
            return self.run[0](x)

    theirs = Theirs()
    randomise(theirs, seed=1)
    assert compare_outputs(Ours('EMA(64)').build(), theirs, torch.rand(2, 64, 8, 8)).difference == 0


def test_a_difference_in_shape_is_told():
    agreement = compare_outputs(SE(64), SE(32), torch.rand(2, 64, 8, 8))
    assert agreement.difference is None and 'of another shape is fc1' in agreement.text


class Outputs(nn.Module):
    """What `give` makes of the input."""

    def __init__(self, give):
        super().__init__()
        self.give = give

    def forward(self, x):
        return self.give(x)


@pytest.mark.parametrize(
    'ours, theirs, differs',
    [
        (lambda x: (x, x), lambda x: [x, x], False),
        (lambda x: x, lambda x: {'out': x}, False),
        (lambda x: (x, x.mean()), lambda x: (x, x.mean()), False),
        (lambda x: (x, x), lambda x: (x, x + 1), True),
        (lambda x: (x, x * x), lambda x: {'a': x, 'b': (x,)}, True),
        (lambda x: (x, x / 0 * 0), lambda x: (x, x), True),
        (lambda x: (x, x), lambda x: x, True),
        (lambda x: x, lambda x: x[:1], True),
    ],
)
def test_all_outputs_are_compared(ours, theirs, differs):
    agreement = compare_outputs(Outputs(ours), Outputs(theirs), torch.rand(2, 3))
    assert agreement.differs == differs and agreement.text.startswith('outputs compared: ')


def test_outputs_without_a_tensor_are_not_compared():
    agreement = compare_outputs(Outputs(str), Outputs(str), torch.rand(2, 3))
    assert not agreement.differs and agreement.text.startswith('not compared: ')


def test_the_memory_format_that_a_network_runs_in_is_seen():
    x = torch.rand(1, 3, 8, 8)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3))
    assert not runs_channels_last(model, x)
    assert runs_channels_last(model.to(memory_format=torch.channels_last), x)


# With something left out


def test_ablation_leaves_out_one_part_at_a_time():
    treatment = Treatment(prepared=True, keep_memory=True)
    settings = replace(SETTINGS, modes=('infer', 'train'), treatment=treatment)
    report = benchmark_ablation(Ours('SE(8)'), settings, ['fold', 'keep_memory'])
    assert [(a['mode'], a['part']) for a in report['ablations']] == [
        ('infer', 'fold'),
        ('infer', 'keep_memory'),
        ('train', 'keep_memory'),
    ]
    assert [row['treatment'] for row in report['results']] == [
        'prepared, memory kept',
        'prepared, memory kept, without fold',
        'prepared, memory kept, without keep_memory',
        'memory kept',
        'memory kept, without keep_memory',
    ]
    full, without = report['results'][:2]
    assert report['ablations'][0]['speedup'] == spread(
        [b / a for a, b in zip(full['seconds'], without['seconds'], strict=True)]
    )


def test_ablation_knows_the_faster_ways():
    assert set(ops.faster_ways()) < set(Treatment(prepared=True).parts())
    with pytest.raises(UserError, match='there is no nonsense to leave out; there are '):
        benchmark_ablation(Ours('SE(8)'), SETTINGS, ['nonsense'])


# Against the bare trunk, and growth


def test_overhead_is_measured_for_each_slot():
    report = benchmark_overhead(
        Ours("SDAResNet(stage_blocks=(1, 1, 1, 1), base_channels=16, attn='mmattn.SE')"), SETTINGS
    )
    assert [o['slot'] for o in report['overheads']] == ['spatial', 'attn', 'depth_attn']
    names = [row['name'] for row in report['results']]
    assert names[0] == report['overheads'][0]['name'] and names[3].endswith(', without depth_attn')
    full, _, without, _ = report['results']
    assert full['parameters'] > without['parameters']
    assert report['overheads'][1]['time'] == spread(
        [a / b for a, b in zip(full['seconds'], without['seconds'], strict=True)]
    )


@pytest.mark.slow
def test_scaling_changes_one_thing_at_a_time():
    rows = benchmark_scaling(Ours('AttnResNet(depth=164, base_channels=4, stem="cifar")'), SETTINGS)['results']
    points = {}
    for row in rows:
        points.setdefault(row['axis'], []).append((row['depth'], row['size'], row['batch']))
        assert row['value'] == row[row['axis']]
    assert points == {
        'depth': [(56, 32, 2), (110, 32, 2), (164, 32, 2)],
        'size': [(164, 16, 2), (164, 32, 2), (164, 48, 2)],
        'batch': [(164, 32, 1), (164, 32, 2)],
    }
    rows = benchmark_scaling(Ours('SE(8)'), replace(SETTINGS, size=(1, 1), batch=1))['results']
    assert [(row['axis'], row['value']) for row in rows] == [('size', 1), ('batch', 1)]
