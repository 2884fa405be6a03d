"""Numbers on the command line: a wrong one is named, and what is asked for instead."""

import argparse
import importlib.util
import sys
from pathlib import Path

import pytest

from mmattn.engine import arguments

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    'kind, right, wrong',
    [
        ('positive', ['1', '30'], ['0', '-1', '1.5', 'x']),
        ('positive_float', ['1', '3e-4'], ['0', '-1', 'inf', 'nan', 'x']),
        ('count', ['0', '30'], ['-1', '1.5', 'x']),
        ('seconds', ['0', '2.5'], ['-1', 'inf', 'nan', 'x']),
        ('score', ['0', '0.5', '1'], ['-0.1', '1.1', 'nan', 'x']),
    ],
)
def test_types(kind, right, wrong):
    read = getattr(arguments, kind)
    assert [read(text) for text in right] == [float(text) for text in right]
    for text in wrong:
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is no .*number"):
            read(text)


@pytest.mark.parametrize(
    'tool, words',
    [
        ('tools/complexity', 'c.py --shape 0 3'),
        ('tools/compare', 'run --out a.md --resamples abc'),
        ('tools/compare', 'run --out a.md --latency abc'),
        ('demo/quickstart_report', 'run --score-thr x'),
        ('demo/quickstart_report', 'run --max-images x'),
        ('tools/visualize', 'c.py c.pth i.jpg --out o --top a'),
        ('tools/visualize', 'c.py c.pth i.jpg --out o --score-thr a'),
        ('tools/benchmark', 'SE --batch a'),
        ('tools/benchmark', 'SE --classes -1'),
        ('benchmarks/identity_start', '--epochs 0'),
        ('benchmarks/identity_start', '--finetune -1'),
        ('benchmarks/identity_start', '--seeds 0'),
        ('benchmarks/identity_start', '--lr 0'),
    ],
)
def test_tools_say_what_a_number_should_be(monkeypatch, capsys, tool, words):
    spec = importlib.util.spec_from_file_location('tool', ROOT / f'{tool}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, 'argv', [tool, *words.split()])
    with pytest.raises(SystemExit) as stop:
        module.main()
    line = capsys.readouterr().err.splitlines()[-1]
    assert stop.value.code == 2 and ' is no ' in line and 'number' in line, line
