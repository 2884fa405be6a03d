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
from networks import NETWORKS
from torch import nn

from mmattn.analysis.benchmark import (
    Other,
    Ours,
    Settings,
    Treatment,
    measure_against,
    measure_overhead,
    measure_scaling,
)
from mmattn.analysis.benchmark.agreement import compare_outputs
from mmattn.analysis.benchmark.measure import _case, _row, _same_treatment
from mmattn.analysis.benchmark.memory import peak_memory
from mmattn.analysis.benchmark.process import Job
from mmattn.analysis.benchmark.report import memory_texts, size_text, value_text
from mmattn.analysis.benchmark.spec import Spec, parse_spec
from mmattn.analysis.benchmark.timing import alternate, latency, spread, timer_of
from mmattn.analysis.benchmark.treatment import prefers_channels_last
from mmattn.analysis.benchmark.weights import randomise
from mmattn.errors import UserError
from mmattn.inference.fold import fuse
from mmattn.models.attention import EMA, SE
from mmattn.models.backbones import AttnResNet
from mmattn.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
MOBILENET = 'configs/ema/ema-mobilenetv2_2xb256_in1k.py'
SMALL = 'SDAResNet(stage_blocks=(1, 1, 1, 1), base_channels=16)'
SETTINGS = Settings(modes=('infer',), batch=2, size=(32, 32), repeats=2, warmup=1, threads=1, treatment=Treatment(),
                    memory=False)
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
from mmattn.analysis.benchmark.process import Job
from mmattn.analysis.benchmark.timing import timer_of

if __name__ == '__main__':
    with timer_of(Job(Other('torch.nn:Identity'), Treatment(), False, [(1, 4, 8, 8)], 1, False)):
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

@pytest.mark.parametrize('text, spec', [
    ('SDAResNet', Spec('SDAResNet')),
    ('mmattn.SDAResNet(depth=50)', Spec('mmattn.SDAResNet', (), {'depth': 50})),
    ('EMA(512, factor=8)', Spec('EMA', (512,), {'factor': 8})),
    ('type=SDAResNet,depth=86', Spec('SDAResNet', (), {'depth': 86})),
    ("type='mmattn.SE',in_channels=8", Spec('mmattn.SE', (), {'in_channels': 8})),
    ("AttnResNet(attn=[None, dict(type='mmattn.SE')])",
     Spec('AttnResNet', (), {'attn': [None, {'type': 'mmattn.SE'}]})),
])
def test_specs_are_read(text, spec):
    assert parse_spec(text) == spec


@pytest.mark.parametrize('text', [
    '', 'SDAResNet(', 'SDAResNet(depth=open("x"))', 'SDAResNet(**{})', 'a + b', 'f()()', 'type=', 'type=A,3',
    "SDAResNet(depth=__import__('os'))", 'SDAResNet(dict(1))'])
def test_only_literals_are_read(text):
    with pytest.raises(UserError, match='cannot read'):
        parse_spec(text)


@pytest.mark.parametrize('argv, said', [
    (['SDAResNett'], 'did you mean SDAResNet'),
    (['SDAResNet(deph=50)'], 'deph'),
    (['EMA(in_channels=33)'], 'divisible'),
    (['configs/nothing.py'], 'no config'),
    (['GlobalAveragePoolingBN(8)', '--overhead'], 'needs a network'),
    (['AttnResNet(depth=18)', '--overhead'], 'nothing stands in the slots'),
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
    ([SMALL, '--mode', 'train', '--batch', '1'], 'cannot train on one image'),
])
def test_what_a_user_can_mend_is_one_line(tool, capsys, monkeypatch, argv, said):
    monkeypatch.chdir(ROOT)
    if MOBILENET in argv:
        pytest.importorskip('mmpretrain')
    assert tool.main([*argv, '--no-memory', '--threads', '1', *([] if '--batch' in argv else ['--batch', '2'])]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1
    assert said in errors[0]


@pytest.mark.parametrize('argv', [
    [], ['SE(8)', '--batch', '0'], ['SE(8)', '--amp', 'int8'], ['SE(8)', '--fuse', '--mode', 'train'],
    ['SE(8)', '--overhead', '--scaling'], ['SE(8)', 'SE(16)', '--against', 'a:b'], ['SE(8)', '--against-path', 'x'],
    ['SE(8)', '--classes', '-1'], ['SE(8)', '--size', '1', '2', '3'], ['SE(8)', '--plot', 'x.pdf']])
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
    assert turns[:4] == [('fast', 2), ('fast', 1), ('slow', 2), ('slow', 1)]
    # forwards, backwards, forwards; samples of more than 100 ms
    fast, slow = ('fast', 17), ('slow', 1)
    assert turns[4:] == [fast, slow, slow, fast, fast, slow]


def test_each_is_timed_in_a_process_of_its_own(toys):
    job = Job(Other('toys:Process()', str(toys)), Treatment(), False, [(1, 4, 8, 8)], 1, False)
    with timer_of(job) as first, timer_of(job) as second:
        times = first(2), second(1)
    assert [len(seconds) for seconds in times] == [2, 1] and all(0 < s < 60 for seconds in times for s in seconds)
    # each pass has left a line with the number of its process; one pass came before the timed ones
    numbers = (toys / 'processes.txt').read_text().split()
    assert len(numbers) == 5 and len(set(numbers)) == 2 and str(os.getpid()) not in numbers


def test_rates_are_of_rounds_and_latencies_of_passes():
    case = _case(Ours('SE(8)'), SETTINGS)
    row = _row(case, case.job('infer', 1), [[1.0, 1.0, 4.0], [1.0, 1.0, 1.0, 1.0]], None)
    assert row['seconds'] == [2, 1] and row['images_per_second'] == spread([1, 2])
    assert row['latency_ms'] == latency([1, 1, 4, 1, 1, 1, 1])


def test_statistics():
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == dict(median=3, low=2, high=4)
    assert latency([0.001] * 9 + [0.002]) == pytest.approx(dict(p50=1, p90=1.1))


@pytest.mark.parametrize('options, classes, stages', [
    ('', 10, (3,)), ('num_stages=2, ', 10, (1,)), ('', 0, (0, 1, 2, 3)), ('out_indices=(1, 3), ', 10, (1, 3))])
def test_a_classifier_takes_the_last_stage_only(options, classes, stages):
    model = Ours(f'AttnResNet({options}stage_blocks=(1, 1, 1, 1), base_channels=4)', classes).build()
    backbone = getattr(model, 'backbone', model)
    assert backbone.out_indices == stages and len(backbone.out_channels) == len(stages)
    assert model(torch.rand(2, 3, 32, 32))[0].shape[0] == (10 if classes else 2)


@pytest.mark.parametrize('text, size, maps', [
    ('SE(8)', (28, 28), 1), ('SDA(channels=8, depth=3)', (28, 28), 3), ('PSA(64, 64)', (28, 28), 1),
    (SMALL, (224, 224), 1), ("AttnResNet(depth=18, stem='cifar', in_channels=1)", (32, 32), 1)])
def test_inputs(text, size, maps):
    shapes = Ours(text).shapes(model=Ours(text).build(), batch=2)
    channels = {'SE': 8, 'SDA': 8, 'PSA': 64, 'Attn': 1}.get(next(
        (name for name in ('SE', 'SDA(', 'PSA', 'Attn') if text.startswith(name)), '').strip('('), 3)
    assert shapes == [(2, channels, *size)] * maps


def test_a_config_is_measured_as_it_stands(tool, tmp_path):
    pytest.importorskip('mmpretrain')
    config = tmp_path / 'small.py'
    config.write_text(
        "default_scope = 'mmpretrain'\n"
        "model = dict(type='ImageClassifier', backbone=dict(type='mmattn.AttnResNet', depth=18, base_channels=8, "
        "attn='mmattn.SE'), neck=dict(type='GlobalAveragePooling'), "
        "head=dict(type='LinearClsHead', num_classes=7, in_channels=64))\n"
        "test_dataloader = dict(dataset=dict(type='CIFAR10'))\n")
    subject = Ours(str(config))
    model = subject.build().eval()
    shapes = subject.shapes(model, 2)
    assert shapes == [(2, 3, 32, 32)]
    assert model(torch.rand(shapes[0])).shape == (2, 7)
    assert not any(isinstance(m, SE) for m in subject.changed(attn=None).build().modules())


# What is written

def test_report_and_its_files(tool, tmp_path, capsys):
    file, picture = tmp_path / 'out' / 'se.json', tmp_path / 'se.png'
    assert tool.main(['SE(8)', SMALL, *FAST, '--size', '32', '--no-memory', '--json', str(file), '--plot',
                      str(picture)]) == 0
    report = json.loads(file.read_text())
    assert [path.name for path in file.parent.iterdir()] == ['se.json']
    assert picture.read_bytes().startswith(b'\x89PNG')
    assert report['schema'] == 1 and report['threads'] == 1 and report['device'] == 'cpu'
    assert report['machine']['cores'] >= 1 and report['machine']['cpu'] and report['machine']['gpu'] is None
    assert report['versions']['torch'] == torch.__version__
    assert str(tmp_path) not in report['command'] and "'SE(8)'" in report['command']
    assert [(row['name'], row['mode']) for row in report['results']] == [
        (name, mode) for name in ('SE(8)', SMALL) for mode in ('infer', 'train')]
    for row in report['results']:
        assert row['code'] == 'ours' and row['treatment'] == 'as it comes' and row['batch'] == 2
        assert len(row['seconds']) == 2 and row['peak_memory_bytes'] is None and row['parameters'] > 0
        rate = row['images_per_second']
        assert 0 < rate['low'] <= rate['median'] <= rate['high']
        assert 0 < row['latency_ms']['p50'] <= row['latency_ms']['p90']
    assert [row['depth'] for row in report['results']] == [None, None, 14, 14]
    printed = capsys.readouterr()
    assert 'SE(8)' in printed.out and torch.__version__ in printed.out
    assert 'round 2 of 2' in printed.err


def test_results_are_made_of_the_files(tool, tmp_path, capsys):
    against = ['AttnResNet(stage_blocks=(1, 1, 1, 1), base_channels=16)', *FAST, '--no-memory', '--mode', 'infer']
    assert tool.main([*against[:1], *FAST, '--size', '32', '--mode', 'infer', '--no-memory', '--scaling', '--json',
                      str(tmp_path / 'scaling.json')]) == 0
    assert tool.main(['SE(8)', *FAST, '--mode', 'infer', '--no-memory', '--against',
                      'mmattn.models.attention:SE(8)', '--against-name', 'another', '--json',
                      str(tmp_path / 'against.json')]) == 0
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
    assert '| SE(8) | as it comes | another | as it comes | infer |' in text and 'outputs compared' in text
    assert 'resident MiB' in text and 'freed memory is handed back at once' in text
    assert '| depth | 50 |' in text and '| 50.0 |' in text
    assert '--against-name another' in text and str(tmp_path) not in text
    assert (tmp_path / 'accuracy.png').is_file() and (tmp_path / 'memory.png').is_file()


@pytest.mark.parametrize('content, said', [
    (None, 'no JSON files'), ('{', 'was not written by'), ('[1]', 'was not written by'), ('{"schema": 0}', 'schema 0'),
    ('{"schema": 1, "results": [{"mode": "infer"}]}', 'is damaged')])
def test_results_of_other_files_are_refused(tool, tmp_path, capsys, content, said):
    if content is not None:
        (tmp_path / 'x.json').write_text(content)
    assert tool.main(['--results', str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize('classes', ['0', '5'])
def test_the_command_has_what_was_given(tool, classes):
    command = tool.command(tool.parse_args(['SE(8)', '--classes', classes, '--fuse', '--json', 'x.json']))
    assert f'--classes {classes} ' in command
    assert '--fuse' in command and '--compile' not in command and '--amp' not in command and 'x.json' not in command


@pytest.mark.parametrize('size, shown', [((32, 32), '32'), ((24, 32), '24x32')])
def test_tables_show_height_and_width(size, shown):
    case = _case(Ours('SE(8)'), replace(SETTINGS, size=size))
    row = _row(case, case.job('infer', 1), [[1.0]], 3 * 2**20, None) | dict(axis='size', value=size[0])
    assert size_text(row) == value_text(row) == shown
    del row['resident_peak_bytes']  # as in older files
    assert memory_texts(row) == ('3.0', '')


# Memory

def test_memory_is_what_a_fresh_process_needs_beyond_the_model(toys):
    job = Job(Other('toys:Hungry', str(toys)), Treatment(), False, [(1, 4, 8, 8)], 1, False)
    # the module needs 64 MiB; the kernel counts pages in batches
    assert 63 <= peak_memory(job) / 2**20 < 80


def test_memory_is_reported(tool, tmp_path):
    file = tmp_path / 'x.json'
    assert tool.main([SMALL, *FAST, '--size', '64', '--mode', 'infer', '--json', str(file)]) == 0
    row, = json.loads(file.read_text())['results']
    assert row['peak_memory_bytes'] > 0 and row['resident_peak_bytes'] > 0


def test_an_error_in_the_process_is_told(toys):
    job = Job(Other('toys:Renamed(8)', str(toys)), Treatment(), False, [(1, 4, 8, 8)], 1, False)
    with pytest.raises(UserError, match='does not run'):
        peak_memory(job)


@pytest.mark.parametrize('kind, said', [
    ('key', "does not run (KeyError: 'what')"), ('odd', 'does not run (Odd: no)'), ('memory', 'use a smaller --batch'),
    ('gone', 'use a smaller --batch')])
def test_any_error_in_the_process_is_told(toys, kind, said):
    job = Job(Other(f'toys:Failing({kind!r})', str(toys)), Treatment(), False, [(1, 4, 8, 8)], 1, False)
    with pytest.raises(UserError, match=re.escape(said)), timer_of(job):
        pass


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

    monkeypatch.setattr(tool.benchmark, 'measure', interrupted)
    assert tool.main(['SE(8)']) == 130
    assert capsys.readouterr().err == 'interrupted\n'


def test_what_was_measured_before_an_error_is_kept(tool, tmp_path, capsys):
    file = tmp_path / 'x.json'
    argv = ['SE(8)', SMALL, *FAST, '--batch', '1', '--mode', 'train', '--no-memory', '--json', str(file)]
    assert tool.main(argv) == 2
    printed = capsys.readouterr()
    assert 'SE(8)' in printed.out and 'cannot train on one image' in printed.err
    assert [row['name'] for row in json.loads(file.read_text())['results']] == ['SE(8)']


# Against other code

def test_against_code_that_computes_the_same(toys):
    settings = replace(SETTINGS, modes=('infer', 'train'), treatment=Treatment(channels_last=True))
    report = measure_against(Ours('SE(8)'), Other('toys:Same(8)', str(toys)), settings)
    assert [(c['mode'], c['treatment'], c['as_it_comes']) for c in report['comparisons']] == [
        ('infer', 'as it comes', True), ('infer', 'channels_last', False),
        ('train', 'as it comes', True), ('train', 'channels_last', False)]
    assert all(c['outputs'].startswith('outputs compared: max difference 0') for c in report['comparisons'])
    assert [(row['code'], row['mode']) for row in report['results']] == [
        (code, mode) for mode in ('infer', 'train') for code in ('ours', 'theirs', 'theirs')]
    rows, first = report['results'], report['comparisons'][0]
    ratios = [b / a for a, b in zip(rows[0]['seconds'], rows[1]['seconds'], strict=True)]
    assert first['speedup'] == spread(ratios)


def test_against_code_that_computes_something_else(tool, toys, capsys):
    argv = ['SE(8)', *FAST, '--no-memory', '--against-path', str(toys), '--against']
    assert tool.main([*argv, 'toys:Wrong(8)']) == 2
    assert 'do not compute the same' in capsys.readouterr().err
    assert tool.main([*argv, 'toys:Renamed(8)']) == 0
    assert 'not compared: the weights cannot be mapped' in capsys.readouterr().out
    assert tool.main([*argv, 'toys:no_module']) == 2
    assert 'returned a int' in capsys.readouterr().err


def test_what_the_other_cannot_do_is_told(toys):
    settings = replace(SETTINGS, treatment=Treatment(channels_last=True))
    report = measure_against(Ours('SE(8)'), Other('toys:Strided(8)', str(toys)), settings)
    assert [c['as_it_comes'] for c in report['comparisons']] == [True, False]
    assert 'does not run' in report['comparisons'][1]['refused']


def test_other_code_is_folded_where_it_can_be_traced(toys):
    treatment, x = Treatment(fuse=True, foreign=True), torch.rand(1, 3, 8, 8)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    randomise(model)
    folded = treatment.prepare(model, training=False)
    assert not norms(folded)
    assert torch.allclose(folded(x), model.eval()(x), atol=1e-5)
    # its forward looks at how its input is stored
    with pytest.raises(UserError, match='cannot be folded'):
        treatment.prepare(Other('toys:Same(8)', str(toys)).build(), training=False)


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


@pytest.mark.parametrize('ours, theirs, differs', [
    (lambda x: (x, x), lambda x: [x, x], False),
    (lambda x: x, lambda x: {'out': x}, False),
    (lambda x: (x, x.mean()), lambda x: (x, x.mean()), False),
    (lambda x: (x, x), lambda x: (x, x + 1), True),
    (lambda x: (x, x * x), lambda x: {'a': x, 'b': (x,)}, True),
    (lambda x: (x, x / 0 * 0), lambda x: (x, x), True),
    (lambda x: (x, x), lambda x: x, True),
    (lambda x: x, lambda x: x[:1], True),
])
def test_all_outputs_are_compared(ours, theirs, differs):
    agreement = compare_outputs(Outputs(ours), Outputs(theirs), torch.rand(2, 3))
    assert agreement.differs == differs and agreement.text.startswith('outputs compared: ')


def test_outputs_without_a_tensor_are_not_compared():
    agreement = compare_outputs(Outputs(str), Outputs(str), torch.rand(2, 3))
    assert not agreement.differs and agreement.text.startswith('not compared: ')


@pytest.mark.parametrize('device, chosen', [('cpu', True), ('cuda', False)])
def test_a_memory_format_is_chosen_on_a_cpu_only(device, chosen):
    model = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    treatment = _same_treatment(Treatment(device=device), model, [(1, 3, 8, 8)])
    assert treatment == Treatment(device=device, channels_last=chosen, foreign=True)


@pytest.mark.parametrize('batch, chosen', [(1, False), (100, True)])
def test_a_memory_format_is_chosen_for_the_batch(batch, chosen):
    model = AttnResNet(depth=18, base_channels=8).eval()
    assert _same_treatment(Treatment(), model, [(batch, 3, 32, 32)]).channels_last == chosen


def test_the_layout_that_a_network_chooses_is_seen():
    x = torch.rand(1, 3, 8, 8)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3))
    assert not prefers_channels_last(model, x)
    assert prefers_channels_last(model.to(memory_format=torch.channels_last), x)


# Against the bare trunk, and growth

def test_overhead_is_measured_for_each_slot():
    report = measure_overhead(
        Ours("SDAResNet(stage_blocks=(1, 1, 1, 1), base_channels=16, attn='mmattn.SE')"), SETTINGS)
    assert [o['slot'] for o in report['overheads']] == ['spatial', 'attn', 'depth_attn']
    names = [row['name'] for row in report['results']]
    assert names[0] == report['overheads'][0]['name'] and names[3].endswith(', without depth_attn')
    full, _, without, _ = report['results']
    assert full['parameters'] > without['parameters']
    assert report['overheads'][1]['time'] == spread(
        [a / b for a, b in zip(full['seconds'], without['seconds'], strict=True)])


def test_scaling_changes_one_thing_at_a_time():
    rows = measure_scaling(Ours('AttnResNet(depth=164, base_channels=4, stem="cifar")'), SETTINGS)['results']
    points = {}
    for row in rows:
        points.setdefault(row['axis'], []).append((row['depth'], row['size'], row['batch']))
        assert row['value'] == row[row['axis']]
    assert points == {'depth': [(56, 32, 2), (110, 32, 2), (164, 32, 2)],
                      'size': [(164, 16, 2), (164, 32, 2), (164, 48, 2)],
                      'batch': [(164, 32, 1), (164, 32, 2)]}
    rows = measure_scaling(Ours('SE(8)'), replace(SETTINGS, size=(1, 1), batch=1))['results']
    assert [(row['axis'], row['value']) for row in rows] == [('size', 1), ('batch', 1)]


# Folding

def folded_alike(model, x):
    """The folded model, after a check that it gives the same."""
    randomise(model)
    model.eval()
    keys = list(model.state_dict())
    folded = fuse(model)
    with torch.no_grad():
        expected, got = model(x), folded(x)
    assert list(model.state_dict()) == keys
    for a, b in zip(expected if isinstance(expected, tuple) else [expected], got if isinstance(got, tuple) else [got],
                    strict=True):
        assert (a - b).abs().max() <= 1e-4 * a.std()
    return folded


def norms(model):
    return [name for name, module in model.named_modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def kept(name):
    """The norms that cannot be folded: before a pre-activation block's first convolution, or after an attention."""
    if name.startswith('preact'):
        return {'bn1', 'backbone.bn'}
    return {'neck.bn'} if 'sda_' in name else set()


@pytest.mark.parametrize('name', NETWORKS)
def test_every_network_folds_to_the_same_function(name):
    folded = folded_alike(NETWORKS[name].build_small(), torch.randn(1, 3, 32, 32))
    left = {n if n.startswith(('neck', 'backbone.bn')) else n.rpartition('.')[2] for n in norms(folded)}
    assert left == kept(name)


@pytest.mark.parametrize('options, left', [
    (dict(deep_stem=True, avg_down=True), 0),
    (dict(attn='mmattn.CoordAttention'), 0),
    (dict(attn='mmattn.TripletAttention'), 0),
    (dict(norm_cfg=dict(type='GN', num_groups=4)), 0),
    (dict(norm_cfg=dict(type='SyncBN')), 0),
    # BAM has a norm after a linear layer in each of 8 blocks
    (dict(attn='mmattn.BAM'), 8),
    # the plugin stands between convolution and norm in each of 8 blocks
    (dict(block='preact', plugins=[dict(cfg=dict(type='mmattn.SE'), position='after_conv1')]), 17),
])
def test_variants_fold_to_the_same_function(options, left):
    model = AttnResNet(depth=18, base_channels=16, **options)
    folded = folded_alike(model, torch.randn(2, 3, 64, 64))
    assert len(norms(folded)) == left


def test_a_subclass_of_convolution_is_not_folded():
    class Standardised(nn.Conv2d):
        def forward(self, x):
            return self._conv_forward(x, self.weight - self.weight.mean(), self.bias)

    model = nn.Sequential(Standardised(3, 4, 3), nn.BatchNorm2d(4))
    assert norms(folded_alike(model, torch.randn(1, 3, 8, 8))) == ['1']


def test_what_cannot_take_a_norm_keeps_it():
    twice, hooked, norm = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
    weight_normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1))
    norm.register_forward_hook(lambda module, args, out: out.relu())
    hooked.register_forward_hook(lambda module, args, out: out.relu())
    model = nn.Sequential(twice, nn.BatchNorm2d(3), twice, nn.BatchNorm2d(3), hooked, nn.BatchNorm2d(3),
                          nn.Conv2d(3, 3, 1), norm, weight_normed, nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1),
                          nn.BatchNorm2d(3))
    assert norms(folded_alike(model, torch.randn(1, 3, 8, 8))) == ['1', '3', '5', '7', '9']


@pytest.mark.parametrize('name, width', [('PSA', 64), ('MSPA', 96)])
def test_a_folded_gate_keeps_the_type_of_the_maps(name, width):
    model = fuse(nn.Sequential(MODELS.build(dict(type=f'mmattn.{name}', in_channels=width, out_channels=width)),
                               nn.BatchNorm2d(width)).eval())
    with torch.no_grad(), torch.autocast('cpu', torch.bfloat16):
        assert model(torch.randn(2, width, 8, 8)).dtype == torch.bfloat16


def test_folding_wants_eval_mode():
    with pytest.raises(ValueError, match='eval'):
        fuse(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train())
