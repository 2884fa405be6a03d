"""Files that are whole or not there, JSON and CSV of any content, names."""

import csv
import io
import json
import os

import numpy as np
import pytest
import torch

from mmattn.files import atomic_path, csv_text, plain, unique_names, write_json, write_text


def test_a_link_stays_a_link_and_its_file_is_replaced(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'real' / 'a.txt').write_text('old')
    (tmp_path / 'link.txt').symlink_to(tmp_path / 'real' / 'a.txt')
    write_text('new', tmp_path / 'link.txt')
    assert (tmp_path / 'link.txt').is_symlink() and (tmp_path / 'real' / 'a.txt').read_text() == 'new'
    assert os.listdir(tmp_path / 'real') == ['a.txt']


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    os.mkfifo(tmp_path / 'pipe.json')
    reader = os.open(tmp_path / 'pipe.json', os.O_RDONLY | os.O_NONBLOCK)
    write_json([1], tmp_path / 'pipe.json')
    assert json.loads(os.read(reader, 99)) == [1] and not (tmp_path / 'pipe.json').is_file()
    os.close(reader)


@pytest.mark.parametrize('name', ['a' * 250 + '.json', '行' * 80 + '.json'])
def test_a_name_may_be_as_long_as_names_can_be(tmp_path, name):
    with atomic_path(tmp_path / name) as temporary:
        assert temporary.suffix == '.json'
        temporary.write_text('x')
    assert os.listdir(tmp_path) == [name]


def test_half_of_a_surrogate_pair_does_not_lose_the_file(tmp_path):
    write_text('a\ud800b', tmp_path / 'a.txt')
    assert (tmp_path / 'a.txt').read_text('utf-8') == 'a\\ud800b'


@pytest.mark.parametrize(
    'value, expected',
    [
        (float('nan'), None),
        (-np.inf, None),
        (np.float64(0.1), 0.1),
        (torch.tensor([float('inf')]), [None]),
        ({1: (np.int8(2), b'x')}, {'1': [2, 'x']}),
        (torch.nn.Parameter(torch.ones(1, 1)), [[1.0]]),
        (object, str(object)),
    ],
)
def test_anything_has_a_form_in_json(value, expected):
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == expected


def test_no_cell_is_a_formula():
    row = ['=1+1', '+cmd|x', '-2+3', '@SUM(A1)', '\t=1', '-2.5', '+3e-4', -2.5, None, 'a=b', 'two\nlines, "q"', '']
    [read] = csv.reader(io.StringIO(csv_text([row]), newline=''))
    assert read == [
        "'=1+1",
        "'+cmd|x",
        "'-2+3",
        "'@SUM(A1)",
        "'\t=1",
        '-2.5',
        '+3e-4',
        '-2.5',
        '',
        'a=b',
        'two\nlines, "q"',
        '',
    ]


def test_names_differ_whatever_the_file_system():
    assert unique_names(['a', 'A', 'a-2', 'a', 'index'], ['index']) == ['a', 'A-2', 'a-2-2', 'a-3', 'index-2']
