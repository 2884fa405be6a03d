"""Files of a run's data sets: what is refused, what is counted, and that each is read once, by the first process."""

import coco_data
import pytest
from mmengine.config import Config

from mmattn.checks import run
from mmattn.checks.annotations import check_annotations
from mmattn.errors import UserError


def config(folder, content, **splits):
    coco_data.write(folder, content)
    inner = coco_data.settings(folder)
    return Config(
        {
            f'{split}_dataloader': dict(dataset=dict(type='RepeatDataset', dataset=inner))
            for split in splits or ('train',)
        }
    )


def test_a_sound_file_says_nothing(tmp_path):
    assert list(check_annotations(config(tmp_path, coco_data.sound()), ('train',))) == []


def test_what_cannot_be_trained_on_is_one_line_with_the_command_that_shows_all(tmp_path):
    content = coco_data.sound()
    for annotation in content['annotations']:
        annotation['bbox'] = [float('nan')] * 4
    with pytest.raises(
        UserError,
        match=r'instances.json: .*look through the data with: python tools/prepare_data.py '
        'check CONFIG --split train',
    ) as error:
        list(check_annotations(config(tmp_path, content), ('train',)))
    assert '\n' not in str(error.value)


def test_objects_that_are_left_out_are_counted_and_the_first_three_named(tmp_path):
    content = coco_data.sound()
    content['annotations'] += [dict(content['annotations'][0], id=10 + i, bbox=[3, 3, 0, 0]) for i in range(5)]
    lines = list(check_annotations(config(tmp_path, content), ('train',)))
    assert len(lines) == 1 and 'left out: 5: ' in lines[0] and lines[0].endswith('(and 2 more)')
    assert [f'annotation {10 + i} of' in lines[0] for i in range(5)] == [True] * 3 + [False] * 2


def test_each_file_is_read_once(tmp_path, monkeypatch):
    cfg = config(tmp_path, coco_data.sound(), train=1, val=1, test=1)
    cfg.val_cfg = dict()
    count = []
    from mmattn.data.check import Check

    read = Check.run
    monkeypatch.setattr(Check, 'run', lambda check, **options: count.append(check) or read(check, **options))
    list(check_annotations(cfg, ('train', 'val', 'test')))
    assert len(count) == len({str(check.fill) for check in count}) <= 2


@pytest.mark.parametrize(
    'variables, reads', [({}, True), (dict(RANK='0'), True), (dict(RANK='1'), False), (dict(MMATTN_CHECKED='1'), False)]
)
def test_only_the_first_process_reads_and_none_after_a_launch_script_has(monkeypatch, variables, reads):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    read = []
    monkeypatch.setattr(run, 'check_annotations', lambda *_: read.append(1) or [])
    for name in ('check_data', 'check_weights', 'check_gpus'):
        monkeypatch.setattr(run.preflight, name, lambda *_, **__: None)
    run.check_run(Config(dict()), ('train',), training=False, launcher='pytorch' if 'RANK' in variables else 'none')
    assert bool(read) == reads
