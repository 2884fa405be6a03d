"""Segmentors predict the class of each pixel: from Python, as label pictures, pictures, videos, JSON and CSV."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmseg')

from blob_segmentor import CLASSES, COLORS, PALETTE, write_model  # noqa: E402
from pycocotools import mask as coco_mask  # noqa: E402
from pycocotools.coco import COCO  # noqa: E402

from mmattn.analysis.predict import Labels, Predictor, Tiles  # noqa: E402
from mmattn.analysis.predict.drawing import draw_found, label_picture  # noqa: E402
from mmattn.analysis.predict.inputs import find_inputs  # noqa: E402
from mmattn.analysis.predict.reading import LoadedImage  # noqa: E402
from mmattn.analysis.predict.run import PredictionFolder  # noqa: E402
from mmattn.analysis.predict.video import Video, VideoWriter  # noqa: E402
from mmattn.analysis.runs.class_colors import class_colors  # noqa: E402
from mmattn.errors import UserError  # noqa: E402

# A red and a green rectangle: left, top, right, bottom.
RED, GREEN = (10, 12, 40, 30), (60, 50, 90, 75)


def picture(size=(120, 90)):
    image = Image.new('RGB', size, COLORS[0])
    for color, (left, top, right, bottom) in zip(COLORS[1:], (RED, GREEN)):
        image.paste(color, (left, top, right, bottom))
    return image


def truth(size=(120, 90)):
    labels = np.zeros(size[::-1], np.uint8)
    for label, (left, top, right, bottom) in enumerate((RED, GREEN), start=1):
        labels[top:bottom, left:right] = label
    return labels


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('pixels'))


@pytest.fixture(scope='module')
def predictor(model):
    return Predictor(model)


def predict(predictor, out, *named, pictures=True):
    folder = PredictionFolder(out, predictor, pictures)
    folder.predict(find_inputs(map(str, named)))
    return folder


def test_paths_and_arrays_give_labels_names_colors_and_areas(predictor, tmp_path):
    picture().save(tmp_path / 'a.png')
    for found in predictor([tmp_path / 'a.png', np.asarray(picture())[..., ::-1]]):
        np.testing.assert_array_equal(found.labels, truth())
        assert found.labels.dtype == np.uint8 and found.names == CLASSES and found.colors == PALETTE
        assert found.areas().tolist() == [90 * 120 - 30 * 18 - 30 * 25, 30 * 18, 30 * 25] and found.found() == [0, 2, 1]
        assert found.shares().sum() == pytest.approx(1) and found.texts()[2] == 'red 5.0 %'


def test_labels_are_of_the_size_of_the_image_also_where_the_pipeline_resizes(tmp_path):
    small = Predictor(write_model(tmp_path, scale=60))
    found = next(small([np.asarray(picture())[..., ::-1]]))
    assert found.labels.shape == (90, 120) and (found.labels == truth()).mean() > 0.97


def test_images_of_any_sizes_do_not_depend_on_the_batch(model):
    images = [np.asarray(picture(size))[..., ::-1] for size in ((120, 90), (100, 80), (100, 80), (120, 90))]
    for batch in (1, 3):
        for image, found in zip(images, Predictor(model, batch=batch)(images)):
            np.testing.assert_array_equal(found.labels, truth(image.shape[1::-1]))


def test_only_the_classes_that_are_looked_for(model, tmp_path):
    chosen = Predictor(model, classes=['red'])
    picture().save(tmp_path / 'a.png')
    predict(chosen, tmp_path / 'out', tmp_path / 'a.png')
    labels = np.asarray(Image.open(tmp_path / 'out/labels/a.png'))
    np.testing.assert_array_equal(labels, np.where(truth() == 1, 1, 255))
    rows = list(csv.reader((tmp_path / 'out/predictions.csv').read_text('utf-8').splitlines()))
    assert rows == [['image', 'class', 'area', 'share', 'labels'], ['a.png', 'red', '540', '0.05', 'labels/a.png']]
    with pytest.raises(UserError, match="'blue' is no class"):
        Predictor(model, classes=['blue'])


def test_tiles_are_for_detectors_and_the_message_names_mode_slide(model):
    with pytest.raises(UserError, match=r'no detector, which tiles are for.*model.test_cfg.mode=slide'):
        Predictor(model, tiles=Tiles(64))


def test_a_folder_gets_label_pictures_with_a_palette_pictures_json_and_csv(predictor, tmp_path):
    (tmp_path / 'in/deep').mkdir(parents=True)
    picture().save(tmp_path / 'in/a.png')
    picture((100, 80)).save(tmp_path / 'in/deep/b.png')
    folder = predict(predictor, tmp_path / 'out', tmp_path / 'in')
    assert folder.written == ['pictures/', 'labels/', 'predictions.json', 'predictions.csv']
    indexed = Image.open(tmp_path / 'out/labels/deep/b.png')
    assert indexed.mode == 'P' and indexed.getpalette()[:9] == list(sum(PALETTE, ()))
    np.testing.assert_array_equal(np.asarray(indexed), truth((100, 80)))
    shown = np.asarray(Image.open(tmp_path / 'out/pictures/a.jpg').convert('RGB').resize((120, 116))).astype(int)
    assert abs(shown[20, 25] - (np.array(PALETTE[1]) + COLORS[1]) / 2).max() < 25  # tinted
    assert abs(shown[85, 5] - COLORS[0]).max() < 12  # the background, which is black, is not
    content = json.loads((tmp_path / 'out/predictions.json').read_text('utf-8'))
    assert [one['label'] for one in content['categories']] == [0, 1, 2]
    assert [tuple(one['color']) for one in content['categories']] == list(PALETTE)
    assert [(one['file_name'], one['labels']) for one in content['images']] == [
        ('a.png', 'labels/a.png'),
        ('deep/b.png', 'labels/deep/b.png'),
    ]
    coco = COCO()
    coco.dataset = content
    coco.createIndex()
    for one in coco.loadAnns(coco.getAnnIds(imgIds=[1])):
        np.testing.assert_array_equal(coco_mask.decode(one['segmentation']), truth() == one['category_id'] - 1)
        assert one['area'] == coco.annToMask(one).sum() and one['share'] == pytest.approx(one['area'] / 10800, abs=1e-6)
        assert one['bbox'] == coco_mask.toBbox(one['segmentation']).tolist()
    rows = list(csv.DictReader((tmp_path / 'out/predictions.csv').read_text('utf-8').splitlines()))
    assert [(row['image'], row['class'], row['area']) for row in rows[:3]] == [
        ('a.png', CLASSES[0], '9510'),
        ('a.png', CLASSES[2], '750'),
        ('a.png', CLASSES[1], '540'),
    ]


def test_files_of_an_earlier_run_are_named_and_images_of_one_stem_told_apart(predictor, tmp_path, capsys):
    for name in ('in/a.png', 'in/a.bmp', 'in/b.png'):
        (tmp_path / 'in').mkdir(exist_ok=True)
        picture().save(tmp_path / name)
    predict(predictor, tmp_path / 'out', tmp_path / 'in', pictures=False)
    assert 'earlier run' not in capsys.readouterr().err
    rows = list(csv.DictReader((tmp_path / 'out/predictions.csv').read_text('utf-8').splitlines()))
    assert len({row['labels'] for row in rows}) == 3 and all(
        (tmp_path / 'out' / row['labels']).is_file() for row in rows
    )
    predict(predictor, tmp_path / 'out', tmp_path / 'in/b.png', pictures=False)
    assert 'note: 2 files of an earlier run remain in ' in capsys.readouterr().err


def test_without_pictures_there_are_label_pictures_all_the_same(predictor, tmp_path):
    picture().save(tmp_path / 'a.png')
    predict(predictor, tmp_path / 'out', tmp_path / 'a.png', pictures=False)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'labels',
        'predictions.csv',
        'predictions.json',
    ]


def test_label_pictures_never_replace_what_is_to_be_predicted_on(predictor, tmp_path):
    (tmp_path / 'labels').mkdir()
    picture().save(tmp_path / 'labels/a.png')
    with pytest.raises(UserError, match=r"would replace '.*labels/a.png'"):
        predict(predictor, tmp_path, tmp_path / 'labels/a.png', pictures=False)


def test_the_frames_of_a_video_are_tinted_and_keep_their_size(predictor, tmp_path):
    writer = VideoWriter(tmp_path / 'in', 10, (120, 90))
    for _ in range(3):
        writer.add(np.ascontiguousarray(np.asarray(picture())[..., ::-1]))
    source = writer.close()
    predict(predictor, tmp_path / 'out', source)
    [video] = find_inputs([str(tmp_path / 'out/videos/in.mp4')]).videos
    frames = [frame for _, frame in Video(video).frames()]
    assert len(frames) == 3 and frames[0].shape == (90, 120, 3)
    assert abs(frames[0][70, 75, ::-1].astype(int) - (np.array(PALETTE[2]) + COLORS[2]) / 2).max() < 30
    assert not (tmp_path / 'out/labels').exists()  # of a video the JSON has the classes of the pixels
    content = json.loads((tmp_path / 'out/predictions.json').read_text('utf-8'))
    assert [image['frame'] for image in content['images']] == [0, 1, 2] and len(content['annotations']) == 9


def test_of_many_classes_label_pictures_have_16_bits_and_legends_end(tmp_path):
    names = tuple(f'a class with a long name, number {number}' for number in range(300))
    labels = np.arange(300, dtype=np.uint16).repeat(40).reshape(100, 120)
    found = Labels(labels, names, class_colors(names))
    label_picture(found).save(tmp_path / 'a.png')
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'a.png')), labels)
    assert found.unsaid == 65535 and len(set(found.colors)) > 250
    image = LoadedImage(np.zeros((100, 120, 3), np.uint8), {})
    assert draw_found(image, found, 300).size == (640, 533 + 6 * 26)
    assert draw_found(image, found, 300, enlarged=False).size == (120, 100)


def test_a_segmentor_with_one_channel_of_logits_has_two_classes(tmp_path):
    folder = write_model(tmp_path, classes=('other', 'red'), palette=())
    config = (folder / 'pixels.py').read_text('utf-8')
    binary = 'num_classes=2, out_channels=1, threshold=0.5'
    (folder / 'pixels.py').write_text(config.replace('num_classes=3', binary), 'utf-8')
    content = torch.load(folder / 'iter_1.pth')
    weights = content['state_dict']
    weights['decode_head.conv_seg.weight'] = weights['decode_head.conv_seg.weight'][1:2]
    weights['decode_head.conv_seg.bias'] = torch.tensor([-100.0])
    torch.save(content, folder / 'iter_1.pth')
    found = next(Predictor(folder)([np.asarray(picture())[..., ::-1]]))
    np.testing.assert_array_equal(found.labels, truth() == 1)
    assert found.names == ('other', 'red') and found.areas().tolist() == [10260, 540]


def test_classes_have_the_colors_of_the_data_set_unless_these_were_drawn_at_random():
    assert class_colors(('a', 'b'), [[1, 2, 3], [4, 5, 6]]) == ((1, 2, 3), (4, 5, 6))
    drawn = np.random.RandomState(42).randint(0, 255, size=(2, 3)).tolist()
    assert class_colors(('a', 'b'), drawn) == class_colors(('a', 'b'), [[1, 2, 3]]) == class_colors(('a', 'b'))
    assert class_colors(('Background', 'b'))[0] == (0, 0, 0) != class_colors(('b', 'Background'))[0]
