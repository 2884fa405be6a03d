"""How train.py and test.py end on what their checks find, in this process."""

import pytest
import torch
from in_process import tool
from setups import CLASSES, detector

from mmattn.engine import launch
from mmattn.errors import UserError


def config(folder, **changes):
    detector(folder, **changes)
    return folder / f'{folder.name}.py'


def error_of(capsys):
    """The only line on stderr that is an error."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize('arguments', [['--check'], []], ids=['check', 'run'])
def test_train_ends_with_status_2_and_one_line(tmp_path, monkeypatch, capsys, arguments):
    options = ['--cfg-options', 'val_evaluator.metric=segm']
    path = config(tmp_path)
    assert tool(monkeypatch, 'train.py', path, *arguments, *options) == 2
    assert 'val_evaluator cannot be computed' in error_of(capsys)
    assert (tmp_path / 'work').exists() == (not arguments)
    monkeypatch.setenv('MMATTN_DEBUG', '1')
    with pytest.raises(UserError) as error:
        tool(monkeypatch, 'train.py', path, *arguments, *options)
    assert isinstance(error.value.__cause__, KeyError)


def test_test_compares_the_classes_of_the_checkpoint(tmp_path, monkeypatch, capsys):
    path = config(tmp_path)
    assert tool(monkeypatch, 'train.py', path) == 0
    checkpoint = torch.load(tmp_path / 'work' / 'epoch_1.pth', weights_only=False)
    for classes, status in ((CLASSES, 0), (CLASSES[::-1], 2), (('disc', 'square'), 0)):
        checkpoint['meta']['dataset_meta']['classes'] = classes
        torch.save(checkpoint, tmp_path / 'other.pth')
        capsys.readouterr()
        assert tool(monkeypatch, 'test.py', path, tmp_path / 'other.pth', '--check') == status
        if status:
            assert 'another order' in error_of(capsys)
        else:
            assert ('other names' in capsys.readouterr().out) == (classes != CLASSES)


def test_check_of_a_resumed_training_says_that_its_schedule_is_over_and_what_is_left(tmp_path, monkeypatch, capsys):
    path = config(tmp_path)
    with path.open('a') as file:
        file.write("param_scheduler = [dict(type='MultiStepLR', milestones=[1], by_epoch=True)]\n")
    assert tool(monkeypatch, 'train.py', path) == 0
    for epochs, said in ((3, 'the learning rate stays at its end'), (1, 'nothing left to train')):
        capsys.readouterr()
        assert (
            tool(
                monkeypatch, 'train.py', path, '--resume', '--check', '--cfg-options', f'train_cfg.max_epochs={epochs}'
            )
            == 0
        )
        assert said in capsys.readouterr().out


def test_an_error_of_another_process_than_the_first_is_said_after_a_while(monkeypatch, capsys):
    monkeypatch.setattr(launch, 'ALONE_AFTER', 0)
    monkeypatch.setenv('LOCAL_RANK', '1')

    def main():
        raise UserError('fix it')

    with pytest.raises(SystemExit):
        launch.run(main)
    assert capsys.readouterr().err == 'error: fix it (process 1 of this machine)\n'
