"""Image files are looked at as a run reads and decodes them, and none can make the check wait."""

from __future__ import annotations

import os
import socket
import time

import cv2
import numpy as np
import pytest
from coco_data import save_image, settings, sound, write
from PIL import Image

from mmattn.data.check import check_of
from mmattn.data.decode import decode_images
from mmattn.data.images import ImageLoader
from mmattn.data.pipeline import image_loader
from mmattn.data.report import Report


def problems(folder, content=None, seconds=None, **loader):
    write(folder, content or sound())
    dataset = settings(folder)
    dataset['pipeline'][0].update(loader)
    return check_of(dataset).run(workers=1, seconds=seconds).problems


def socket_file(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize(
    ('make', 'kind', 'said'),
    [
        (os.mkdir, 'images that cannot be read', 'a folder'),
        (os.mkfifo, 'images that cannot be read', 'a pipe'),
        (socket_file, 'images that cannot be read', 'a pipe, socket'),
        (lambda path: path.symlink_to('/dev/zero'), 'images that cannot be read', 'device'),
        (lambda path: path.symlink_to(path), 'images that cannot be read', 'symbolic links'),
        (lambda path: path.symlink_to('absent'), 'images missing', ''),
        (lambda path: path.touch(), 'images that cannot be read', 'empty'),
        (lambda path: path.write_bytes(b'no image'), 'images that do not decode', 'cv2'),
    ],
)
def test_what_is_no_image_is_found_and_never_waited_for(tmp_path, make, kind, said, monkeypatch):
    write(tmp_path, sound())
    path = tmp_path / 'images' / 'a.png'
    path.unlink()
    monkeypatch.chdir(path.parent)  # names of sockets are short
    make(type(path)('a.png') if make is socket_file else path)
    ((name, details),) = problems(tmp_path).kinds().items()
    assert name == kind and said in details[0] and str(path) in details[0]


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_image_without_permission(tmp_path):
    write(tmp_path, sound())
    (tmp_path / 'images' / 'a.png').chmod(0)
    assert 'no permission' in problems(tmp_path).kinds()['images that cannot be read'][0]


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'bmp', 'tif', 'webp'])
def test_truncated_images_do_not_decode(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    Image.effect_noise((64, 64), 80).save(path)
    assert ImageLoader().shape(path) == (64, 64, 3)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(OSError, match='decode|truncated'):
        ImageLoader().shape(path)


def test_truncation_that_opencv_hides_is_found_by_pillow(tmp_path, monkeypatch):
    path = tmp_path / 'a.jpg'
    Image.effect_noise((64, 64), 80).save(path)
    path.write_bytes(path.read_bytes()[:-900])
    monkeypatch.setattr('mmattn.data.images.imfrombytes', lambda *args, **options: np.zeros((64, 64, 3)))
    with pytest.raises(OSError, match='truncated'):
        ImageLoader().shape(path)


def float_tiff(path):
    cv2.imwrite(str(path), np.random.default_rng(0).random((30, 40, 3), np.float32))


@pytest.mark.parametrize(
    ('name', 'make', 'loader', 'shape'),
    [
        ('a.png', lambda path: cv2.imwrite(str(path), np.full((30, 40), 999, np.uint16)), {}, (30, 40, 3)),
        (
            'a.png',
            lambda path: cv2.imwrite(str(path), np.full((30, 40), 999, np.uint16)),
            dict(color_type='unchanged'),
            (30, 40),
        ),
        ('a.tif', float_tiff, dict(color_type='unchanged'), (30, 40, 3)),
        ('a.png', lambda path: Image.new('RGBA', (40, 30)).save(path), dict(color_type='unchanged'), (30, 40, 4)),
        ('a.png', lambda path: Image.new('P', (40, 30)).save(path), dict(color_type='grayscale'), (30, 40)),
        ('a.dds', lambda path: Image.new('RGB', (40, 30)).save(path), dict(imdecode_backend='pillow'), (30, 40, 3)),
        ('a.dds', lambda path: Image.new('RGB', (40, 30)).save(path), {}, None),
        ('a.png', save_image, dict(imdecode_backend='nonsense'), None),
        ('a.png', save_image, dict(color_type='nonsense'), None),
    ],
)
def test_images_decode_as_the_pipeline_says(tmp_path, name, make, loader, shape):
    make(tmp_path / name)
    decoder = image_loader(dict(pipeline=[dict(type='mmcv.LoadImageFromFile', **loader)]))
    if shape is None:
        with pytest.raises(OSError):
            decoder.shape(tmp_path / name)
    else:
        assert decoder.shape(tmp_path / name) == shape


def test_images_of_other_loaders_are_only_looked_for(tmp_path):
    write(tmp_path, sound())
    (tmp_path / 'images' / 'a.png').write_bytes(b'a format of its own')
    (tmp_path / 'images' / 'b.png').unlink()
    dataset = settings(tmp_path)
    dataset['pipeline'][0] = dict(type='LoadMyFormat')
    report = check_of(dataset).run(workers=1)
    assert list(report.problems.kinds()) == ['images missing']
    assert any('LoadImageFromFile' in note for note in report.notes)


def test_images_of_another_file_backend_are_not_looked_for(tmp_path):
    dataset = settings(tmp_path)
    dataset['pipeline'][0]['backend_args'] = dict(backend='petrel')
    assert check_of(dataset) is None


def test_images_with_other_numbers_of_channels_do_not_make_a_batch(tmp_path):
    content = sound()
    write(tmp_path, content)
    Image.new('RGBA', (40, 30)).save(tmp_path / 'images' / 'a.png')
    assert not problems(tmp_path).total()
    assert 'images with another number of channels than most' in problems(tmp_path, color_type='unchanged').kinds()


def test_training_that_ignores_empty_images_leaves_them_out(tmp_path):
    write(tmp_path, sound())
    (tmp_path / 'images' / 'a.png').write_bytes(b'no image')
    assert list(problems(tmp_path, ignore_empty=True).kinds(left_out=True)) == ['images that do not decode']


def test_limited_time_decodes_some_at_random_and_looks_for_all(tmp_path, monkeypatch):
    paths = [tmp_path / f'{number}.png' for number in range(40)]
    for path in paths[1:]:
        save_image(path)
    decoded = []

    def slow(self, path):
        decoded.append(path)
        time.sleep(0.02)
        return 30, 40, 3

    monkeypatch.setattr(ImageLoader, 'shape', slow)
    report = Report('x')
    sizes = decode_images(report, paths, 1, seconds=0.1)
    assert 0 < len(sizes) < 39 and report.problems.kinds() == {'images missing': [str(paths[0])]}
    assert report.notes[0].startswith(f'images decoded: {len(sizes)} of 39 in 0.1 s, at random; all with: python ')
    assert decoded != sorted(decoded)
    first = list(decoded)
    decoded.clear()
    decode_images(Report('x'), paths, 1, seconds=0.1)
    assert decoded[:3] == first[:3]


def test_name_that_is_not_utf_8_is_read_and_printed(tmp_path):
    content = sound()
    name = os.fsdecode(b'\xff.png')
    content['images'][0]['file_name'] = name
    save_image(tmp_path / 'images' / 'a.png')
    os.rename(tmp_path / 'images' / 'a.png', tmp_path / 'images' / name)
    assert not problems(tmp_path, content).total()
    (tmp_path / 'images' / name).write_bytes(b'')
    report = problems(tmp_path, content)
    assert all(line.isprintable() and line.encode() for line in report.lines())
