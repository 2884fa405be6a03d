"""The standard commands, run as a user runs them."""

import json
import shutil
import signal
from pathlib import Path

import pytest
from commands import fresh

from mmattn.engine.resuming.lock import locked

pytest.importorskip('mmdet')

CONFIG = 'configs/demo/mask_rcnn_sda_nuclei.py'
SMALL = [
    '--cfg-options',
    'train_dataloader.dataset.times=1',
    'train_dataloader.dataset.dataset.indices=4',
    'val_dataloader.dataset.indices=2',
    'test_dataloader.dataset.indices=2',
    'default_hooks.logger.interval=1',
    'default_hooks.checkpoint.max_keep_ckpts=-1',
]


def succeeded(result):
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result


def records(work_dir):
    """What mmengine logged as numbers, from all runs in a work folder, oldest first."""
    files = sorted(Path(work_dir).glob('*/vis_data/scalars.json'))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def evaluations(work_dir):
    return [record for record in records(work_dir) if 'coco/bbox_mAP' in record]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The work folder of a training of one epoch, two iterations, with evaluation."""
    work_dir = tmp_path_factory.mktemp('train')
    result = fresh('train.py', CONFIG, '--work-dir', work_dir, *SMALL, 'train_cfg.max_epochs=1')
    succeeded(result)
    return work_dir


@pytest.mark.slow
def test_training_learns_evaluates_and_keeps_a_checkpoint(trained):
    steps = [record['loss'] for record in records(trained) if 'loss' in record]
    assert len(steps) == 2
    assert all(0 < loss < 100 for loss in steps)
    assert len(evaluations(trained)) == 1
    assert (trained / 'epoch_1.pth').is_file()


@pytest.mark.slow
def test_test_gives_the_metrics_of_the_training_and_draws(trained, commands, tmp_path):
    out = tmp_path / 'results' / 'metrics.json'
    pictures = tmp_path / 'pictures'
    succeeded(
        commands(
            'test.py',
            CONFIG,
            trained / 'epoch_1.pth',
            '--work-dir',
            tmp_path,
            '--out',
            out,
            '--show-dir',
            pictures,
            *SMALL,
        )
    )
    metrics = json.loads(out.read_text())
    in_training = evaluations(trained)[-1]
    assert 'coco/segm_mAP_s' in metrics
    # the log has three digits, and neither recalls nor classes
    logged = {name: value for name, value in metrics.items() if '_mAP' in name}
    assert {name: pytest.approx(value, abs=6e-4) for name, value in logged.items()} == {
        name: in_training[name] for name in logged
    }
    assert {'coco/segm_AR@100', 'coco/bbox_classwise'} <= set(metrics)
    assert len(list(pictures.glob('*.png'))) == 2
    assert [path.name for path in out.parent.iterdir()] == ['metrics.json']


@pytest.mark.slow
def test_resume_goes_on_from_the_last_checkpoint(trained, commands, tmp_path):
    shutil.copy(trained / 'epoch_1.pth', tmp_path)
    succeeded(commands('train.py', CONFIG, '--work-dir', tmp_path, '--resume', *SMALL, 'train_cfg.max_epochs=2'))
    assert {record['epoch'] for record in records(tmp_path) if 'loss' in record} == {2}
    assert (tmp_path / 'epoch_2.pth').is_file()


@pytest.mark.slow
def test_two_cpu_processes_train_together(tmp_path):
    """Each does half of the iterations, and both are on the same weights."""
    result = succeeded(fresh('train.py', CONFIG, '--gpus', 2, '--work-dir', tmp_path, *SMALL, 'train_cfg.max_epochs=1'))
    output = result.stdout + result.stderr
    assert 'Distributed launcher: pytorch' in output
    assert 'bucket view strides' not in output  # as torch warns where gradients change the format
    assert len([record for record in records(tmp_path) if 'loss' in record]) == 1
    assert len(evaluations(tmp_path)) == 1


@pytest.mark.parametrize(
    'name',
    [
        'train.py',
        'test.py',
        'predict.py',
        'dist_train.sh',
        'dist_test.sh',
        'slurm_train.sh',
        'quickstart.sh',
        'setup_env.sh',
        'run_tests.sh',
        'test_matrix.sh',
    ],
)
def test_help(name, commands):
    result = succeeded(commands(name, '--help'))
    assert result.stdout.lower().startswith('usage: ')
    if name not in ('quickstart.sh', 'setup_env.sh'):
        assert 'Example' in result.stdout


@pytest.mark.parametrize(
    'name, arguments',
    [
        ('dist_train.sh', [CONFIG]),
        ('dist_train.sh', [CONFIG, 'two']),
        ('dist_train.sh', [CONFIG, '0']),
        ('dist_test.sh', [CONFIG, '1']),
        ('slurm_train.sh', ['gpu', 'name']),
        ('quickstart.sh', ['--fore']),
        ('setup_env.sh', ['--fore']),
    ],
)
def test_wrong_usage_prints_the_usage(name, arguments):
    result = fresh(name, *arguments)
    assert result.returncode == 2
    assert 'Usage: ' in result.stderr


NO_DATA = ['--cfg-options', 'train_dataloader.dataset.dataset.data_root=nowhere/']


@pytest.mark.parametrize(
    'name, arguments, said',
    [
        ('train.py', ['configs/nothing.py'], 'no config'),
        ('train.py', [CONFIG, *NO_DATA], 'train_dataloader.dataset.dataset.data_root=DIR'),
        ('dist_train.sh', [CONFIG, '2', *NO_DATA], "no folder 'nowhere/'"),
        ('train.py', [CONFIG, '--resume', 'nothing.pth'], 'nothing.pth'),
        ('train.py', [CONFIG, '--launcher', 'pytorch'], 'dist_train.sh'),
        ('train.py', [CONFIG, '--amp'], 'GPU'),
        ('test.py', [CONFIG, 'nothing.pth'], 'nothing.pth'),
        ('test.py', [CONFIG, 'nothing.pth', '--out', 'all.txt'], '.json'),
        ('test.py', [CONFIG, CONFIG], 'is not a checkpoint'),
        ('test.py', [CONFIG, CONFIG, '--out', f'{CONFIG}/m.json'], 'is a file, no folder'),
        ('test.py', [CONFIG, CONFIG, '--show-dir', CONFIG], 'is a file, no folder'),
        ('train.py', [CONFIG, '--cfg-options', 'model=3'], "no 'model'"),
        ('test.py', [CONFIG, CONFIG, '--cfg-options', 'test_dataloader=3'], "no 'test_dataloader'"),
        ('train.py', [CONFIG, '--cfg-options', 'model.backbone.type=mmattn.SDAResnet'], 'SDAResnet'),
        ('train.py', [CONFIG, '--cfg-options', 'model.no_such_option=1'], 'no_such_option'),
        ('train.py', [CONFIG, '--cfg-options', 'val_dataloader.dataset.no_such_option=1'], 'no_such_option'),
    ],
)
def test_what_a_user_can_correct_is_one_line_and_status_2(name, arguments, said, commands, tmp_path):
    result = commands(name, *arguments, '--work-dir', tmp_path)
    assert result.returncode == 2
    assert 'Traceback' not in result.stdout + result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1
    assert said in errors[0]


@pytest.mark.slow
def test_a_checkpoint_of_another_network_is_refused(trained, commands, tmp_path):
    result = commands(
        'test.py', 'configs/demo/imagenet_style_signs.py', trained / 'epoch_1.pth', '--work-dir', tmp_path
    )
    assert result.returncode == 2
    assert 'does not fit the model' in result.stderr and 'Traceback' not in result.stderr


@pytest.mark.parametrize('option', ['lr:1', 'a.b=[1,2'])
@pytest.mark.parametrize('name', ['train.py', 'prepare_data.py', 'visualize.py'])
def test_malformed_override_is_a_usage_error(name, option, commands):
    arguments = ['check', CONFIG] if name == 'prepare_data.py' else [CONFIG]
    result = commands(name, *arguments, '--cfg-options', option)
    assert result.returncode == 2
    assert 'KEY=VALUE' in result.stderr
    assert 'Traceback' not in result.stderr


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(commands, tmp_path):
    """SIGINT once training is under way: the iteration ends, is saved, and the training can go on."""
    running = commands.start('train.py', CONFIG, '--work-dir', tmp_path, *SMALL)
    running.wait_for('Epoch(train)')
    running.send(signal.SIGINT)
    done = running.end()
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1].startswith('stopped by SIGINT; saved ') and '--resume' in done.stderr
    assert 'Traceback' not in done.stderr
    assert len(list(tmp_path.glob('*.pth'))) == 1


@pytest.mark.parametrize('options', [(), ('--resume', '--force')])
def test_a_work_folder_that_another_training_writes_is_refused_by_force_too(commands, tmp_path, options):
    with locked(tmp_path):
        done = commands('train.py', CONFIG, '--work-dir', tmp_path, *options, *SMALL)
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith(f"error: '{tmp_path}' is in use by process")
