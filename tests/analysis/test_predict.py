"""Predictions on images: what is read, found and written."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmdet')
pytest.importorskip('mmpretrain')

from blob_detector import CLASSES, write_model  # noqa: E402
from pycocotools import mask as coco_mask  # noqa: E402
from pycocotools.coco import COCO  # noqa: E402

from mmattn.analysis.predict import Predictor  # noqa: E402
from mmattn.analysis.predict.inputs import find_inputs  # noqa: E402
from mmattn.analysis.predict.run import PredictionFolder  # noqa: E402
from mmattn.analysis.predict.video import Video, VideoWriter  # noqa: E402
from mmattn.errors import UserError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
RED, GREEN = (220, 20, 30), (20, 200, 40)
# A red and a green rectangle: left, top, right, bottom.
FIRST, SECOND = (10, 12, 40, 30), (60, 50, 90, 75)


def picture(size=(120, 90), objects=((FIRST, RED), (SECOND, GREEN))):
    image = Image.new('RGB', size)
    for (left, top, right, bottom), color in objects:
        image.paste(color, (left, top, right, bottom))
    return image


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('blobs'))


@pytest.fixture(scope='module')
def predictor(model):
    return Predictor(model)


def predict(predictor, out, *named, every=1, pictures=True):
    folder = PredictionFolder(out, predictor, pictures)
    folder.predict(find_inputs(map(str, named)), every)
    return folder


def found_in(out):
    """For each file name the objects as (class, box x1 y1 x2 y2), best first."""
    content = json.loads((out / 'predictions.json').read_text('utf-8'))
    names = {one['id']: one['name'] for one in content['categories']}
    found = {image['file_name']: [] for image in content['images']}
    files = {image['id']: image['file_name'] for image in content['images']}
    for one in content['annotations']:
        x, y, width, height = one['bbox']
        found[files[one['image_id']]].append((names[one['category_id']], (x, y, x + width, y + height)))
    return found


BOTH = [(CLASSES[1], SECOND), (CLASSES[0], FIRST)]


# From Python.


def test_paths_and_arrays_give_boxes_names_scores_and_masks_best_first(predictor, tmp_path):
    picture().save(tmp_path / 'a.png')
    array = np.asarray(picture())[..., ::-1]
    for found in predictor([tmp_path / 'a.png', array]):
        assert found.boxes.tolist() == [list(SECOND), list(FIRST)] and found.names == [CLASSES[1], CLASSES[0]]
        assert found.scores[0] > found.scores[1] > 0.3 and found.masks.shape == (2, 90, 120)
        assert found.masks[1][12:30, 10:40].all() and found.masks[1].sum() == 18 * 30


def test_images_are_taken_as_they_are_needed(predictor):
    taken = []

    def images():
        for number in range(6):
            taken.append(number)
            yield np.asarray(picture())

    found = predictor(images())
    next(found)
    assert len(taken) <= 2


def test_threshold_and_classes_confine_what_is_found(model):
    few = Predictor(model, classes=[CLASSES[0]], threshold=0.9)
    [found] = few([np.asarray(picture())[..., ::-1]])
    assert found.names == [CLASSES[0]]
    [nothing] = Predictor(model, threshold=0.99)([np.asarray(picture())])
    assert len(nothing) == 0 and nothing.boxes.shape == (0, 4)
    with pytest.raises(UserError, match="'blue' is no class .* red"):
        Predictor(model, classes=['blue'])


@pytest.mark.parametrize('batch', [1, 2, 5])
def test_batches_of_any_size_predict_the_same_and_keep_the_order(model, batch):
    """Sizes change along the way, so that batches of two and five break."""
    images = [np.asarray(picture(size)) for size in ((120, 90), (120, 90), (150, 90), (150, 90), (120, 90))]
    found = list(Predictor(model, batch=batch)(images))
    assert [one.masks.shape[2] for one in found] == [120, 120, 150, 150, 120]
    assert all(len(one) == 2 for one in found)


def test_the_threshold_changes_nothing_above_it_in_a_real_detector(tmp_path):
    """It is put into the detector's own settings, where masks of what is left out need no time."""
    from mmengine.config import Config
    from mmengine.registry import MODELS, DefaultScope

    from mmattn.engine import launch

    cfg = Config.fromfile(ROOT / 'configs/demo/mask_rcnn_sda_nuclei.py')
    launch.register_modules(cfg)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'weights.pth')
    image = find_inputs([str(ROOT / 'demo/nuclei_mini/images')]).images[0].path
    [all_found] = Predictor(cfg, tmp_path / 'weights.pth', threshold=0.0)([image])
    middle = float(all_found.scores.median())
    [found] = Predictor(cfg, tmp_path / 'weights.pth', threshold=middle)([image])
    kept = all_found.scores >= middle
    assert 0 < len(found) < len(all_found)
    torch.testing.assert_close(found.boxes, all_found.boxes[kept])
    torch.testing.assert_close(found.scores, all_found.scores[kept])
    assert found.names[0] == 'nucleus'  # of the config, as the checkpoint has no names


# Inputs.


def test_folders_patterns_and_single_files_are_each_found_once(tmp_path):
    for name in (
        'a.JPG',
        'b.txt',
        'unter ordner/ä 灰.png',
        'unter ordner/a.jpg',
        '.hidden.png',
        'out/pictures/old.jpg',
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'x')
    inputs = find_inputs([str(tmp_path), str(tmp_path / '**/*.jpg'), str(tmp_path / 'a.JPG')], [tmp_path / 'out'])
    names = {one.file_name: one.output for one in inputs.images}
    assert names == {
        'a.JPG': 'a',
        'unter ordner/a.jpg': 'unter ordner/a',
        'unter ordner/ä 灰.png': 'unter ordner/ä 灰',
        'out/pictures/old.jpg': 'out/pictures/old',
    }  # named by the pattern
    assert inputs.root == tmp_path


def test_videos_streams_and_cameras_are_told_from_images(tmp_path):
    (tmp_path / 'clip.MP4').write_bytes(b'x')
    inputs = find_inputs([str(tmp_path / 'clip.MP4'), 'rtsp://host/live?a=1', '0', '/dev/null'])
    assert [(one.source, one.output, one.live) for one in inputs.videos] == [
        (str(tmp_path / 'clip.MP4'), 'clip', False),
        ('rtsp://host/live?a=1', 'host_live_a_1', True),
        (0, 'camera0', True),
        ('/dev/null', 'null', True),
    ]
    assert inputs.images == ()


@pytest.mark.parametrize(
    'named, said',
    [
        ('nothing.jpg', "no image, video or folder 'nothing.jpg'"),
        ('no*.jpg', "the pattern 'no\\*.jpg' matches no file"),
        ('empty', 'no image .* in the folder'),
    ],
)
def test_what_is_not_there_is_an_error_of_one_line(tmp_path, monkeypatch, named, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match=said) as error:
        find_inputs([named])
    assert '\n' not in str(error.value)


# What is written.


# Images of many kinds; OpenCV reads GIF from 4.11 on.
WHOLE = {'plain.png', 'plain.bmp', 'below/plain.png', '灰 ü.webp', 'grey.png', 'sixteen.png', 'alpha.png', 'cmyk.jpg'}
WHOLE |= {'turned.jpg', *(['animated.gif'] if cv2.haveImageWriter('.gif') else [])}


@pytest.fixture(scope='module')
def odd(tmp_path_factory):
    """A folder of images of many kinds, of which some are damaged."""
    folder = tmp_path_factory.mktemp('images äö')
    image = picture()
    (folder / 'below').mkdir()
    for name in ('plain.png', 'plain.bmp', 'below/plain.png', '灰 ü.webp'):
        image.save(folder / name, **(dict(lossless=True) if name.endswith('webp') else {}))
    if 'animated.gif' in WHOLE:
        image.save(folder / 'animated.gif', save_all=True, append_images=[Image.new('RGB', image.size)] * 2)
    grey = np.asarray(picture(objects=((FIRST, (200,) * 3), (SECOND, (200,) * 3))).convert('L'))
    Image.fromarray(grey).save(folder / 'grey.png')
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / 'sixteen.png')
    image.convert('RGBA').save(folder / 'alpha.png')
    image.convert('CMYK').save(folder / 'cmyk.jpg', quality=95)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.rotate(180).save(folder / 'turned.jpg', exif=exif, quality=95)
    whole = (folder / 'plain.bmp').read_bytes()
    (folder / 'cut.bmp').write_bytes(whole[: len(whole) // 2])
    image.save(folder / 'cut.jpg')
    whole = (folder / 'cut.jpg').read_bytes()
    (folder / 'cut.jpg').write_bytes(whole[: len(whole) // 2])
    (folder / 'empty.png').write_bytes(b'')
    (folder / 'text.png').write_text('no image')
    (folder / 'lost.png').symlink_to('nowhere.png')
    return folder


@pytest.fixture(scope='module')
def odd_out(odd, predictor, tmp_path_factory):
    out = tmp_path_factory.mktemp('out')
    return out, predict(predictor, out, odd)


def test_images_of_any_kind_are_predicted_as_the_config_loads_them(odd_out):
    found = found_in(odd_out[0])
    assert set(found) == WHOLE
    for name, objects in found.items():
        assert len(objects) == 2, name
        for (_, box), expected in zip(objects, (SECOND, FIRST), strict=True):
            np.testing.assert_allclose(box, expected, atol=1, err_msg=name)  # JPEG blurs
        if name not in ('grey.png', 'sixteen.png'):
            assert [one for one, _ in objects] == [CLASSES[1], CLASSES[0]], name


def test_damaged_images_are_named_and_passed_over(odd_out):
    assert sorted(odd_out[1].failures) == ['cut.bmp', 'cut.jpg', 'empty.png', 'lost.png', 'text.png']


def test_each_image_has_a_picture_of_its_own_with_what_was_found(odd_out):
    out = odd_out[0]
    images = json.loads((out / 'predictions.json').read_text('utf-8'))['images']
    files = [image['picture'] for image in images]
    assert len(set(files)) == len(images) == len(WHOLE)
    assert {path.relative_to(out).as_posix() for path in out.rglob('*.jpg')} == set(files)
    with Image.open(out / 'pictures/below/plain.jpg') as drawn:
        assert drawn.size == (640, 480)
        inside = drawn.convert('RGB').getpixel((640 * 25 // 120, 480 * 25 // 90))
    assert inside != RED  # tinted


def test_the_json_is_a_coco_data_set_with_results_that_can_be_evaluated(odd_out, capsys):
    coco = COCO(odd_out[0] / 'predictions.json')
    assert [one['name'] for one in coco.loadCats(coco.getCatIds())] == list(CLASSES)
    assert all((image['width'], image['height']) == (120, 90) for image in coco.imgs.values())
    assert len(coco.loadRes(list(coco.anns.values())).anns) == len(coco.anns) == 2 * len(WHOLE)
    for one in coco.anns.values():
        mask = coco_mask.decode(one['segmentation'])
        assert mask.shape == (90, 120) and mask.sum() == one['area'] and 0.3 <= one['score'] <= 1
        rows, columns = np.nonzero(mask)
        left, top, width, height = one['bbox']
        assert [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] == [left, top, left + width, top + height]


def test_the_csv_has_a_row_for_each_object(odd_out):
    lines = (odd_out[0] / 'predictions.csv').read_text('utf-8').splitlines()
    assert lines[0] == 'image,class,score,x,y,width,height,area' and len(lines) == 2 * len(WHOLE) + 1
    assert 'below/plain.png,gruen 灰,0.9375,60.0,50.0,30.0,25.0,750' in lines


def test_a_second_run_replaces_its_files_and_no_others(predictor, tmp_path):
    picture().save(tmp_path / 'a.png')
    out = tmp_path / 'out'
    (out / 'pictures').mkdir(parents=True)
    for name in ('mine.txt', 'pictures/other.jpg'):
        (out / name).write_text('mine')
    predict(predictor, out, tmp_path / 'a.png')
    picture(objects=((FIRST, RED),)).save(tmp_path / 'a.png')
    predict(predictor, out, tmp_path / 'a.png')
    assert found_in(out) == {'a.png': BOTH[1:]}
    assert sorted(path.name for path in out.rglob('*') if path.is_file()) == [
        'a.jpg',
        'mine.txt',
        'other.jpg',
        'predictions.csv',
        'predictions.json',
    ]
    assert (out / 'pictures/other.jpg').read_text() == 'mine'


def test_results_are_kept_where_nothing_of_a_later_run_can_be_read(predictor, tmp_path):
    picture().save(tmp_path / 'a.png')
    (tmp_path / 'b.png').write_bytes(b'')
    predict(predictor, tmp_path / 'out', tmp_path / 'a.png', pictures=False)
    folder = predict(predictor, tmp_path / 'out', tmp_path / 'b.png', pictures=False)
    assert (folder.failures, folder.written) == (['b.png'], []) and found_in(tmp_path / 'out') == {'a.png': BOTH}
    assert not (tmp_path / 'out/pictures').exists()


def test_a_picture_never_replaces_an_image(predictor, tmp_path):
    (tmp_path / 'pictures').mkdir()
    picture().save(tmp_path / 'pictures/a.jpg')
    with pytest.raises(UserError, match='would replace'):
        predict(predictor, tmp_path, tmp_path / 'pictures/a.jpg')


def test_what_was_done_before_an_interruption_is_kept(predictor, tmp_path, monkeypatch):
    for name in ('a.png', 'b.png', 'c.png'):
        picture().save(tmp_path / name)
    load = predictor.load

    def interrupted(image):
        if str(image).endswith('c.png'):
            raise KeyboardInterrupt
        return load(image)

    monkeypatch.setattr(predictor, 'load', interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict(predictor, tmp_path / 'out', tmp_path)
    assert set(found_in(tmp_path / 'out')) == {'a.png', 'b.png'}


# Videos.


def write_video(path, frames=12, codec='mp4v', size=(128, 96)):
    """A red rectangle goes to the right, 4 pixels a frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, size)
    assert writer.isOpened()
    for number in range(frames):
        left = 4 + 4 * number
        writer.write(np.asarray(picture(size, (((left, 20, left + 24, 44), RED),)))[..., ::-1])
    writer.release()
    return path


def frames_of(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        whole, frame = capture.read()
        if not whole:
            return frames, capture.get(cv2.CAP_PROP_FPS)
        frames.append(frame)


def test_a_video_becomes_a_video_with_each_frame_in_the_results(predictor, tmp_path):
    folder = predict(predictor, tmp_path / 'out', write_video(tmp_path / 'clip.mp4'))
    assert folder.failures == [] and 'videos/clip.mp4' in folder.written
    found = found_in(tmp_path / 'out')
    assert list(found) == [f'clip/{number:06d}.jpg' for number in range(12)]
    for number, [(name, box)] in enumerate(found.values()):
        assert name == 'red'
        np.testing.assert_allclose(box, (4 + 4 * number, 20, 28 + 4 * number, 44), atol=2)
    frames, rate = frames_of(tmp_path / 'out/videos/clip.mp4')
    assert len(frames) == 12 and rate == pytest.approx(10) and frames[0].shape == (96, 128, 3)
    images = json.loads((tmp_path / 'out/predictions.json').read_text())['images']
    assert images[3]['frame'] == 3 and images[3]['seconds'] == 0.3 and images[3]['video'].endswith('clip.mp4')
    assert sorted(path.name for path in (tmp_path / 'out/videos').iterdir()) == ['clip.mp4']


@pytest.mark.parametrize('name, codec', [('clip.mp4', 'mp4v'), ('clip.avi', 'MJPG')])
def test_a_video_never_replaces_the_one_that_it_is_made_of(predictor, tmp_path, name, codec):
    (tmp_path / 'videos').mkdir()
    before = write_video(tmp_path / 'videos' / name, codec=codec).read_bytes()
    with pytest.raises(UserError, match='would replace'):
        predict(predictor, tmp_path, tmp_path / 'videos' / name)
    assert (tmp_path / 'videos' / name).read_bytes() == before


def test_every_fifth_frame_keeps_the_duration(predictor, tmp_path):
    predict(predictor, tmp_path / 'out', write_video(tmp_path / 'clip.avi', codec='MJPG'), every=5)
    assert list(found_in(tmp_path / 'out')) == ['clip/000000.jpg', 'clip/000005.jpg', 'clip/000010.jpg']
    frames, rate = frames_of(tmp_path / 'out/videos/clip.mp4')
    assert len(frames) == 3 and rate == pytest.approx(2)


def test_a_truncated_video_gives_what_it_has_and_is_named(predictor, tmp_path):
    whole = write_video(tmp_path / 'whole.avi', frames=30, codec='MJPG').read_bytes()
    (tmp_path / 'cut.avi').write_bytes(whole[: len(whole) // 2])
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    folder = predict(predictor, tmp_path / 'out', tmp_path / 'cut.avi', tmp_path / 'broken.mp4')
    assert folder.failures == [str(tmp_path / 'cut.avi'), str(tmp_path / 'broken.mp4')]
    assert 8 <= len(found_in(tmp_path / 'out')) <= 20
    assert len(frames_of(tmp_path / 'out/videos/cut.mp4')[0]) == len(found_in(tmp_path / 'out'))


def test_an_interrupted_video_is_kept_as_far_as_it_came(predictor, tmp_path, monkeypatch):
    load, loaded = predictor.load, []

    def interrupted(image):
        loaded.append(image)
        if len(loaded) == 6:
            raise KeyboardInterrupt
        return load(image)

    monkeypatch.setattr(predictor, 'load', interrupted)
    with pytest.raises(KeyboardInterrupt):
        predict(predictor, tmp_path / 'out', write_video(tmp_path / 'clip.mp4'))
    assert len(frames_of(tmp_path / 'out/videos/clip.mp4')[0]) == len(found_in(tmp_path / 'out')) == 5


def test_motion_jpeg_replaces_a_codec_that_is_missing(tmp_path, monkeypatch):
    fourcc = cv2.VideoWriter_fourcc
    monkeypatch.setattr(cv2, 'VideoWriter_fourcc', lambda *code: -1 if code == tuple('mp4v') else fourcc(*code))
    monkeypatch.setattr(
        cv2,
        'VideoWriter',
        lambda path, code, *more, real=cv2.VideoWriter: real() if code == -1 else real(path, code, *more),
    )
    writer = VideoWriter(tmp_path / 'a', 10, (64, 48))
    for _ in range(3):
        writer.add(np.zeros((48, 64, 3), np.uint8))
    assert writer.close() == tmp_path / 'a.avi' and len(frames_of(tmp_path / 'a.avi')[0]) == 3


def test_a_live_source_has_no_length(tmp_path):
    video = find_inputs([f'file://{write_video(tmp_path / "clip.mp4", frames=4)}']).videos[0]
    source = Video(video)
    assert source.live and source.count is None and len(list(source.frames())) == 4 and source.missing() is None


# Classifiers.


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
    from mmengine.config import Config
    from mmengine.registry import MODELS, DefaultScope

    from mmattn.engine import launch

    folder = tmp_path_factory.mktemp('digits')
    cfg = Config.fromfile(ROOT / 'configs/demo/imagenet_style_signs.py')
    cfg.dump(folder / 'config.py')
    (folder / 'other.py').write_text('broken')  # newer, but config.py is the one
    launch.register_modules(cfg)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(dict(cfg.model, data_preprocessor=cfg.data_preprocessor))
    names = [f'Ziffer {digit}' for digit in range(10)]
    torch.save(
        dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=names))),
        folder / 'best_accuracy_top1_epoch_3.pth',
    )
    return folder


def test_a_classifier_says_the_five_likeliest_classes_of_each_image(classifier, tmp_path):
    predictor = Predictor(classifier, batch=3)
    predict(predictor, tmp_path, ROOT / 'demo/sign_digits_mini/val/3')
    content = json.loads((tmp_path / 'predictions.json').read_text())
    first = [one for one in content['annotations'] if one['image_id'] == 1]
    assert [one['rank'] for one in first] == [1, 2, 3, 4, 5]
    assert sorted((one['score'] for one in first), reverse=True) == [one['score'] for one in first]
    assert first[0]['category'] == content['categories'][first[0]['category_id'] - 1]['name']
    rows = (tmp_path / 'predictions.csv').read_text().splitlines()
    assert rows[0] == 'image,rank,class,score' and len(rows) == 1 + 5 * len(content['images'])
    assert len(list((tmp_path / 'pictures').glob('*.jpg'))) == len(content['images']) > 5


def test_classes_confine_what_a_classifier_chooses_from_and_tiles_are_not_for_it(classifier):
    from mmattn.analysis.predict import Tiles

    [found] = Predictor(classifier, classes=['Ziffer 7', 'Ziffer 2'])([np.zeros((64, 64, 3), np.uint8)])
    assert sorted(found.names) == ['Ziffer 2', 'Ziffer 7']
    with pytest.raises(UserError, match='no detector'):
        Predictor(classifier, tiles=Tiles(32))
