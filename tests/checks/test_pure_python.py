"""Configs of pure Python (`read_base`, classes as types, no default scope) in the tools, as text configs are."""

import pytest
from pure import write_classifier, write_detector


@pytest.mark.slow
@pytest.mark.parametrize('write', [write_detector, write_classifier])
def test_a_config_of_pure_python_works_in_every_tool(tmp_path, commands, write):
    def tool(*arguments):
        return commands(*arguments).returncode

    config, work = write(tmp_path), tmp_path / 'work'
    assert tool('train.py', config, '--work-dir', work, '--check') == 0 and not work.exists()
    assert tool('train.py', config, '--work-dir', work) == 0
    checkpoint = work / 'epoch_1.pth'
    assert tool('test.py', config, checkpoint, '--work-dir', work, '--check') == 0
    assert tool('test.py', config, checkpoint, '--work-dir', work, '--out', tmp_path / 'out.json') == 0
    assert (tmp_path / 'out.json').is_file()
    assert tool('prepare_data.py', 'check', config) == 0

    assert tool('complexity.py', config, '--shape', 64, 64) == 0
    image = next(path for path in sorted(tmp_path.rglob('*')) if path.suffix in ('.png', '.jpg'))
    assert tool('visualize.py', config, checkpoint, image, '--out', tmp_path / 'pictures') == 0
    assert list((tmp_path / 'pictures').iterdir())
    page = tmp_path / 'page.html'
    assert tool('compare.py', work, '--predict', '--resamples', 20, '--out', page) == 0
    assert 'not the same' not in page.read_text('utf-8')
    assert (
        tool(
            'benchmark.py',
            config,
            '--mode',
            'infer',
            '--batch',
            1,
            '--size',
            64,
            '--repeats',
            1,
            '--warmup',
            1,
            '--device',
            'cpu',
            '--json',
            tmp_path / 'benchmark.json',
        )
        == 0
    )
