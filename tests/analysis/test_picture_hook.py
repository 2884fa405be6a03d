"""The pictures of tools/test.py --show-dir, and names and colours for the visualizers of the libraries."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData
from PIL import Image

pytest.importorskip('matplotlib')

from mmattn.analysis.runs.picture_hook import PictureHook  # noqa: E402
from mmattn.engine.hooks.drawn_names import DrawnNamesHook, drawable_meta  # noqa: E402

NAMES = (r'$\frac{$', '行人', 'plain')


class Images:
    """A data set of image files."""

    def __init__(self, paths, loading, classes=NAMES, instances=()):
        from mmcv.transforms import LoadImageFromFile

        self.paths = list(map(str, paths))
        self.metainfo = dict(classes=classes)
        self.instances = list(instances)
        self.pipeline = SimpleNamespace(transforms=[LoadImageFromFile(**loading)])

    def __len__(self):
        return len(self.paths)

    def get_data_info(self, index):
        return dict(img_path=self.paths[index], instances=self.instances)


def detections(path):
    found = InstanceData(
        bboxes=torch.tensor([[2.0, 2, 30, 30], [40, 5, 60, 25], [0, 0, 9, 9]]),
        labels=torch.tensor([0, 1, 2]),
        scores=torch.tensor([0.9, 0.5, 0.1]),
    )
    sample = BaseDataElement(metainfo=dict(img_path=str(path)))
    sample.pred_instances = found
    # as the pipeline resized them
    sample.gt_instances = InstanceData(bboxes=10 * found.bboxes[:1], labels=found.labels[:1])
    return sample


def draw(folder, dataset, samples, inputs=()):
    """What a runner does in a test, in batches of one image."""
    hook = PictureHook(folder)
    runner = SimpleNamespace(test_dataloader=SimpleNamespace(dataset=dataset, batch_size=1))
    hook.before_test_epoch(runner)
    for i, sample in enumerate(samples):
        hook.after_test_iter(runner, i, dict(inputs=inputs[i : i + 1]), [sample])
    return {path.name: Image.open(path).convert('RGB') for path in folder.iterdir()}


def middle(picture, x, y, panel=640, left=8, head=40):
    """The colour at a share of the only panel's width and height."""
    height = picture.height - head - 30 - 8
    return picture.getpixel((left + round(x * panel), head + round(y * height)))


@pytest.mark.parametrize(
    'truth', [[], [dict(bbox=[2, 2, 30, 30], bbox_label=0)]], ids=['predictions alone', 'annotations too']
)
def test_two_images_of_one_name_and_classes_of_any_name_give_two_pictures(tmp_path, truth):
    paths = [tmp_path / place / 'a.png' for place in ('one', 'two')]
    for path, color in zip(paths, ('red', 'blue')):
        path.parent.mkdir()
        Image.new('RGB', (64, 48), color).save(path)
    found = draw(tmp_path / 'out', Images(paths, {}, instances=truth), list(map(detections, paths)))
    assert sorted(found) == ['a-2.png', 'a.png']
    assert middle(found['a.png'], 0.5, 0.9) == (255, 0, 0) and middle(found['a-2.png'], 0.5, 0.9) == (0, 0, 255)
    if truth:  # the edge of the annotated box is 20 of 640 pixels from the left
        assert found['a.png'].width > 1000
        assert {found['a.png'].getpixel((8 + x, 200)) for x in range(17, 24)} != {(255, 0, 0)}
        assert {found['a.png'].getpixel((8 + x, 200)) for x in range(197, 204)} == {(255, 0, 0)}
    else:
        assert found['a.png'].width < 700


@pytest.mark.parametrize('color_type, upright', [('color', True), ('color_ignore_orientation', False)])
def test_images_are_turned_as_the_config_has_them_turned(tmp_path, color_type, upright):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[20:, :40] = (255, 0, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / 'a.jpg', exif=exif, quality=100, subsampling=0)
    [picture] = draw(
        tmp_path / 'out', Images([tmp_path / 'a.jpg'], dict(color_type=color_type)), [detections(tmp_path / 'a.jpg')]
    ).values()
    if upright:  # the corner at the upper left, in a panel of 320 x 640
        assert picture.height > picture.width and picture.getpixel((300, 500))[0] < 50
        assert picture.getpixel((150, 300))[0] > 200
    else:
        assert picture.width > picture.height and middle(picture, 0.2, 0.9)[0] > 200


@pytest.mark.parametrize(
    'loading, pixels',
    [
        (dict(), lambda ramp: (ramp * 65_000).astype(np.uint16)),
        (dict(color_type='unchanged'), lambda ramp: (ramp * 4_000).astype(np.uint16)),
        (dict(color_type='unchanged', imdecode_backend='tifffile'), lambda ramp: ramp.astype(np.float32) * 1e6 - 5e5),
        (
            dict(color_type='unchanged', imdecode_backend='tifffile'),
            lambda ramp: np.repeat((ramp * 250).astype(np.uint8)[..., None], 5, 2),
        ),
    ],
    ids=['16 bits as 8', '16 bits', 'float', 'five channels'],
)
def test_images_of_any_depth_are_shown_without_saturation(tmp_path, loading, pixels):
    ramp = np.tile(np.linspace(0, 1, 64), (48, 1))
    path = tmp_path / 'a.tif'
    if 'imdecode_backend' in loading:
        pytest.importorskip('tifffile').imwrite(path, pixels(ramp))
    else:
        path = tmp_path / 'a.png'
        Image.fromarray(pixels(ramp)).save(path)
    [picture] = draw(tmp_path / 'out', Images([path], loading), [detections(path)]).values()
    shown = [middle(picture, x, 0.95)[0] for x in (0.1, 0.5, 0.9)]
    assert shown == pytest.approx([25, 127, 230], abs=16)


def test_answers_of_a_classifier(tmp_path):
    paths = [tmp_path / 'one' / 'a.png', tmp_path / 'two' / 'a.png']
    samples = [
        BaseDataElement(
            metainfo=dict(img_path=str(path)),
            pred_label=torch.tensor([1]),
            gt_label=torch.tensor([0]),
            pred_score=torch.tensor([0.2, 0.7, 0.1]),
        )
        for path in paths
    ]
    inputs = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    inputs[0, 0], inputs[1, 2] = 255, 255  # mm's images are BGR
    found = draw(tmp_path / 'out', Images(paths, {}), samples, inputs)
    assert {name: picture.getpixel((160, 200)) for name, picture in found.items()} == {
        'a.png': (0, 0, 255),
        'a-2.png': (255, 0, 0),
    }


def test_a_visualizer_of_mmdet_draws_any_class(tmp_path, capsys):
    """Of which there are more than its palette has colours."""
    pytest.importorskip('mmdet')
    from mmdet.visualization import DetLocalVisualizer

    visualizer = DetLocalVisualizer(save_dir=str(tmp_path))
    visualizer.dataset_meta = dict(classes=NAMES, palette=[(255, 0, 0)])
    runner = SimpleNamespace(visualizer=visualizer)
    hook = DrawnNamesHook()
    hook.before_train(runner)
    hook.before_val(runner)
    visualizer.add_datasample(
        'a', np.zeros((48, 64, 3), np.uint8), detections('a.png'), pred_score_thr=0, out_file=str(tmp_path / 'a.png')
    )
    assert (tmp_path / 'a.png').is_file()
    assert visualizer.dataset_meta['classes'] == (r'\$\frac{\$', 'XingRen', 'plain')
    assert len({*visualizer.dataset_meta['palette']}) == 3


@pytest.mark.parametrize('meta', [dict(), dict(classes='coco'), dict(classes=('a', 1), palette='random')])
def test_other_meta_information_stays(meta):
    assert drawable_meta(meta) == {**meta, **({'classes': ('a', '1')} if 'palette' in meta else {})}
