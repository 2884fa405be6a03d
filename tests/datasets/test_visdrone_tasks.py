"""VisDrone files of another task than detection in images: an error, never an empty split."""

from pathlib import Path

import pytest
from PIL import Image

from mmattn.data import visdrone
from mmattn.errors import UserError

VIDEO = '1,0,10,20,30,40,1,4,0,0'


def split_of(folder: Path, text: str, name: str = 'a') -> Path:
    for part in ('images', 'annotations'):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (100, 80)).save(folder / 'images' / f'{name}.jpg')
    (folder / 'annotations' / f'{name}.txt').write_text(text)
    return folder


@pytest.mark.parametrize('text', [VIDEO, f'{VIDEO}\n{VIDEO},\n\n', f'\ufeff{VIDEO}\r\n'])
def test_a_file_of_ten_fields_is_named_with_its_task(tmp_path, text):
    split_of(tmp_path, '1,2,3,4,1,4,0,0', 'a')
    with pytest.raises(UserError, match=r'b.txt.*of a video task \(VisDrone-VID or -MOT\).*10 fields'):
        visdrone.convert_split('train', split_of(tmp_path, text, 'b'), workers=1)


def test_one_line_of_ten_fields_is_a_damaged_line(tmp_path):
    split = visdrone.convert_split('train', split_of(tmp_path, f'1,2,3,4,1,4,0,0\n{VIDEO}'), workers=1)
    assert split.findings.total() == 1 and len(split.content['annotations']) == 1


@pytest.mark.parametrize(
    'text, why',
    [
        ('10,20,30,40', 'a.txt:1: 4 fields instead of 8'),  # of single-object tracking
        ('1,0,10,20,30,40,1,1,1', '9 fields instead of 8'),  # of the MOT challenge
        ('0 0.5 0.5 0.1 0.1', '1 fields instead of 8'),  # of YOLO
        ('900,900,30,40,1,4,0,0', 'boxes outside the image'),
        ('', 'whose files are empty'),
    ],
)
def test_a_split_without_objects_is_not_written(tmp_path, text, why):
    split = visdrone.convert_split('train', split_of(tmp_path / 'src', text), workers=1)
    with pytest.raises(UserError, match=f'no object in .* could be converted.*{why}'):
        visdrone.write(split, tmp_path)
    assert not (tmp_path / 'instances_train.json').exists()


@pytest.mark.parametrize('inside', [False, True])
def test_sequences_of_a_video_task_are_no_split(tmp_path, inside):
    folder = tmp_path / 'VisDrone2019-VID-val' if inside else tmp_path
    for part in ('sequences', 'annotations'):
        (folder / part).mkdir(parents=True)
    with pytest.raises(UserError, match='of a video task'):
        visdrone.find_splits(tmp_path)
