"""``prepare_data.py labels``: label pictures of polygons and of pictures of other codings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from dataset_writers import WRITERS, drawn
from label_data import coloured, write_pairs
from PIL import Image

from mmattn.errors import UserError

pytest.importorskip('pycocotools')

ROOT = Path(__file__).resolve().parents[2]
NUCLEI = ROOT / 'demo' / 'nuclei_mini'


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs the tool; returns its exit status and what it printed."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    import prepare_data

    def run(*arguments):
        with pytest.raises(SystemExit) as stop:
            prepare_data.main(['labels', *map(str, arguments)])
        return stop.value.code, capsys.readouterr().out

    yield run


def test_polygons_give_the_label_pictures_of_the_demo_and_a_config_that_reads_them(tmp_path, run):
    status, out = run(NUCLEI / 'instances_val.json', tmp_path / 'out')
    assert status == 0 and ['nucleus', '9', '139134', '17.4', '%'] in [line.split() for line in out.splitlines()]
    names = (tmp_path / 'out' / 'all.txt').read_text().splitlines()
    assert [Path(name).name for name in names] == (NUCLEI / 'val.txt').read_text().split()
    for name in names:
        made = np.asarray(Image.open(tmp_path / 'out' / 'labels' / f'{name}.png'))
        np.testing.assert_array_equal(made, np.asarray(Image.open(NUCLEI / 'labels' / f'{Path(name).name}.png')))

    pytest.importorskip('mmseg')
    from mmattn.data.check import check_of

    settings = eval(f'dict({"".join(out.partition("mmsegmentation:")[2].split(chr(10)))})')  # noqa: S307
    report = check_of(settings).run()
    assert report.images == 9 and report.problems.total() == 0


def test_folder_with_label_pictures_is_not_written_into(tmp_path, run):
    write_pairs(tmp_path, coloured)
    before = (tmp_path / 'labels' / '0.png').read_bytes()
    import prepare_data

    with pytest.raises(UserError, match='is there already; name another folder'):
        prepare_data.main(['labels', str(tmp_path), str(tmp_path)])
    assert (tmp_path / 'labels' / '0.png').read_bytes() == before


def test_what_is_left_out_is_said_by_the_status(tmp_path, run):
    write_pairs(tmp_path / 'data', coloured)
    (tmp_path / 'data' / 'labels' / '2.png').unlink()
    status, out = run(tmp_path / 'data', tmp_path / 'out')
    assert status == 1 and '! images without a label picture (left out): 1' in out
    assert len(list((tmp_path / 'out' / 'labels' / 'images').iterdir())) == 3


@pytest.mark.parametrize('name', ['background', 'cell'])
def test_objects_called_background_are_background(name, tmp_path, run):
    (tmp_path / 'data').mkdir()
    Image.effect_noise((40, 30), 60).save(tmp_path / 'data' / 'a.png')
    shape = [4, 4, 20, 4, 22, 12, 20, 20, 4, 20]
    entry = dict(image_id=1, bbox=[4, 4, 18, 16], area=272, iscrowd=0)
    document = dict(
        images=[dict(id=1, file_name='a.png', width=40, height=30)],
        annotations=[
            dict(id=1, category_id=1, segmentation=[shape], **entry),
            dict(
                id=2,
                category_id=2,
                segmentation=[[value + 8 for value in shape]],
                **(entry | dict(bbox=[12, 12, 18, 16])),
            ),
        ],
        categories=[dict(id=1, name=name), dict(id=2, name='ring')],
    )
    (tmp_path / 'data' / 'annotations.json').write_text(json.dumps(document))
    assert run(tmp_path / 'data', tmp_path / 'out')[0] == 0
    classes = (tmp_path / 'out' / 'classes.txt').read_text().split()
    assert classes == (['background', 'ring'] if name == 'background' else ['background', 'cell', 'ring'])
    labels = np.asarray(Image.open(tmp_path / 'out' / 'labels' / 'a.png'))
    assert set(np.unique(labels)) == set(range(len(classes))) and labels[25, 25] == len(classes) - 1


@pytest.mark.parametrize('format', ['coco', 'labelme', 'yolo'])
def test_polygons_of_all_formats_give_the_same_label_pictures(format, tmp_path, run):
    WRITERS[format](drawn(4, polygons=True), tmp_path / 'data')
    assert run(tmp_path / 'data', tmp_path / 'out')[0] == 0
    assert (tmp_path / 'out' / 'classes.txt').read_text().split() == ['background', 'cat', 'dog']
    found = sorted((tmp_path / 'out' / 'labels').rglob('*.png'))
    assert len(found) == 4
    for path, item in zip(found, drawn(4, polygons=True)):
        labels = np.asarray(Image.open(path))
        for label, name in ((1, 'cat'), (2, 'dog')):
            areas = [thing.box[2] * thing.box[3] / 2 for thing in item.things if thing.label == name]
            assert abs((labels == label).sum() - sum(areas)) < 40


def test_boxes_are_refused_in_a_sentence(tmp_path, run):
    import prepare_data

    with pytest.raises(UserError, match='has boxes, of which no label pictures can be made'):
        prepare_data.main(['labels', str(ROOT / 'tests' / 'fixtures' / 'blood_cells'), str(tmp_path / 'out')])
    assert not (tmp_path / 'out').exists()
