"""Progress in a log file: a line at most every tenth of the work or every 30 s."""

import pytest

from mmattn.engine import progress as module
from mmattn.engine.progress import progress, status


@pytest.fixture
def log(monkeypatch, capsys):
    """Reads what was written to stderr, which is no terminal, though the environment asks for colours."""
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('TTY_COMPATIBLE', '1')
    return lambda: capsys.readouterr().err


def run(monkeypatch, items, seconds, **options):
    """Iterates over items, each of which takes so many seconds of a clock of its own."""
    now = [100.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    for item in progress(items, 'working', **options):
        now[0] += seconds
        yield item


@pytest.mark.parametrize('seconds, lines', [(0, 1), (0.005, 5), (0.1, 10), (100, 1000)])
def test_a_log_gets_a_line_for_each_tenth_or_30_seconds(monkeypatch, log, seconds, lines):
    assert list(run(monkeypatch, range(1000), seconds)) == list(range(1000))
    written = log()
    assert written.count('\n') == lines and not {'\r', '\x1b'} & set(written)
    assert written.splitlines()[-1].startswith('working 1000/1000, ')


def test_what_is_left_is_estimated(monkeypatch, log):
    list(run(monkeypatch, range(10), 60))
    assert log().splitlines()[3] == 'working 4/10, 0:04:00, 0:06:00 left'


def test_items_without_a_length_get_a_line_every_30_seconds(monkeypatch, log):
    list(run(monkeypatch, iter(range(10)), 10))
    assert log().splitlines() == [
        'working 3, 0:00:30',
        'working 6, 0:01:00',
        'working 9, 0:01:30',
        'working 10, 0:01:40',
    ]


def test_the_length_may_be_given_and_nothing_is_nothing(monkeypatch, log):
    list(run(monkeypatch, iter(range(3)), 60, total=3))
    list(run(monkeypatch, [], 0))
    assert [line.split(',')[0] for line in log().splitlines()] == [
        'working 1/3',
        'working 2/3',
        'working 3/3',
        'working 0/0',
    ]


def test_a_terminal_gets_a_bar(monkeypatch, log):
    monkeypatch.setattr(module, 'is_terminal', lambda stream: True)
    assert list(progress(range(3), 'working')) == [0, 1, 2]
    written = log()
    assert '3/3' in written and '\x1b' in written


def test_status_is_in_place_on_a_terminal_and_in_lines_elsewhere(monkeypatch, log):
    status('one')
    status('')
    assert log() == 'one\n'
    monkeypatch.setattr(module, 'is_terminal', lambda stream: True)
    status('two')
    assert log().endswith(f'\r{"two":99}')
