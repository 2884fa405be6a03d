"""Counting parameters and multiply-adds, and the tables of what the papers print beside them."""

import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from networks import NETWORKS
from torch import nn
from torch.nn import functional as F

from mmattn.analysis.complexity import MultiplyAdds, make_tables, measure, read_metafiles
from mmattn.analysis.complexity.module_table import module_table
from mmattn.analysis.complexity.networks import input_shape
from mmattn.analysis.complexity.overview import families, family_of
from mmattn.analysis.complexity.tables import counted_parameters
from mmattn.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'complexity.py'

# MACs in G of the authors' code, measured with hooks on convolutions and linear layers, and EMA's matrix products
MULTIPLY_ADDS = {
    'resnet50': '4.0892',
    'resnet86': '6.7096',
    'senet50': '4.0917',
    'senet86': '6.7140',
    'pyconv50': '3.8204',
    'pyconv86': '6.2189',
    'res2net50': '4.2552',
    'res2net86': '6.9459',
    'sda_resnet50': '2.4724',
    'sda_resnet86': '3.8800',
    'sda_resnet101': '4.4661',
    'sda_senet86': '6.7168',
    'sda_pyconv86': '6.2216',
    'sda_res2net86': '6.9486',
    'sda_epsanet86': '5.8526',
    'epsanet50': '3.5979',
    'mspanet50_s': '3.8518',
    'mspanet50_b': '4.1740',
    'mspanet50_s_cifar100': '1.2207',
    'mspanet50_b_cifar100': '1.3259',
    'preact_mspanet164_6w_cifar100': '0.1884',
    'preact_mspanet164_8w_cifar100': '0.2732',
    'spem164_cifar100': '0.2477',
    'resnet50_cifar100': '1.2980',
    'ema_resnet50_cifar100': '1.6113',
    'ema_resnet101_cifar100': '3.1555',
}

CLASSIFIER = """
default_scope = 'mmpretrain'
model = dict(type='ImageClassifier', backbone=dict({backbone}), neck=dict(type='GlobalAveragePooling'),
             head=dict(type='LinearClsHead', num_classes=10, in_channels={channels}))
test_dataloader = dict(dataset=dict({dataset}))
"""
SMALL = dict(
    backbone="type='mmattn.AttnResNet', depth=18, base_channels=16, attn='mmattn.SE'",
    channels=128,
    dataset="type='ImageNet', pipeline=[dict(type='Resize', scale=80), dict(type='CenterCrop', crop_size=64),"
    " dict(type='PackInputs')]",
)

DETECTOR = "_base_ = 'mmdet::{}_r50_fpn_1x_coco.py'\n"

METAFILE = """
Models:
  - Name: small
    Config: configs/some/small.py
    Published: {{Parameters: '{parameters}', FLOPs: {flops}, Source: a paper, Note: {note}}}
    Results:
      - {{Task: Image Classification, Dataset: CIFAR-100, Metrics: {{Top 1 Accuracy: '81.47 ± 0.09'}}}}
  - Name: unpublished
    Config: configs/some/small.py
Not Offered:
  - Name: other
    Published: {{Parameters: '1.00', FLOPs: n/f, Source: a paper, Note: no residual trunk}}
"""


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('complexity_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def classifier(tmp_path):
    pytest.importorskip('mmpretrain')

    def write(**changes):
        path = tmp_path / 'small.py'
        path.write_text(CLASSIFIER.format(**SMALL | changes))
        return path

    return write


@pytest.fixture
def project(tmp_path, tool, monkeypatch):
    """A root with one folder of configs, in place of the repository."""
    pytest.importorskip('mmpretrain')
    folder = tmp_path / 'configs' / 'some'
    folder.mkdir(parents=True)
    (folder / 'small.py').write_text(CLASSIFIER.format(**SMALL))
    (tmp_path / 'docs').mkdir()
    for page in (folder / 'README.md', tmp_path / 'docs' / 'networks.md'):
        page.write_text('# Some\n\n<!-- complexity:begin -->\n<!-- complexity:end -->\nend\n')
    markers = [f'<!-- {name}:{place} -->\n' for name in ('networks', 'modules') for place in ('begin', 'end')]
    (tmp_path / 'README.md').write_text(''.join(markers))
    monkeypatch.setattr(tool, 'ROOT', tmp_path)

    def write(parameters='0.71', flops="'0.0111'", note="''", text=METAFILE):
        (folder / 'metafile.yml').write_text(text.format(parameters=parameters, flops=flops, note=note))
        return folder

    return write


def meta(*shape):
    return torch.empty(*shape, device='meta')


@pytest.mark.parametrize(
    'run, expected',
    [
        (lambda: nn.Conv2d(6, 8, 3, padding=1, groups=2, device='meta')(meta(1, 6, 10, 12)), 10 * 12 * 8 * 3 * 9),
        (lambda: nn.Conv2d(4, 4, 3, padding=2, dilation=2, stride=2, device='meta')(meta(1, 4, 9, 9)), 25 * 4 * 4 * 9),
        (lambda: nn.Conv2d(16, 16, 5, groups=16, device='meta')(meta(3, 16, 8, 8)), 3 * 16 * 16 * 25),
        (lambda: nn.Conv1d(1, 1, 3, padding=1, device='meta')(meta(1, 1, 64)), 64 * 3),
        # each element of the input meets the whole kernel, whatever the stride
        (
            lambda: nn.ConvTranspose2d(6, 8, 2, stride=2, groups=2, device='meta')(meta(2, 6, 14, 14)),
            2 * 14 * 14 * 6 * 4 * 4,
        ),
        (lambda: nn.Linear(8, 5, device='meta')(meta(2, 8)), 2 * 8 * 5),
        (lambda: nn.Linear(8, 5, bias=False, device='meta')(meta(2, 3, 4, 8)), 2 * 3 * 4 * 8 * 5),
        (lambda: torch.bmm(meta(7, 2, 3), meta(7, 3, 5)), 7 * 2 * 3 * 5),
        (lambda: torch.baddbmm(meta(5), meta(7, 2, 3), meta(7, 3, 5)), 7 * 2 * 3 * 5),
        (lambda: meta(2, 4, 3, 8) @ meta(2, 4, 8, 5), 2 * 4 * 3 * 8 * 5),
        (lambda: torch.einsum('bchw,bkhw->bck', meta(2, 3, 4, 5), meta(2, 6, 4, 5)), 2 * 3 * 6 * 20),
        (lambda: meta(3, 4) @ meta(4), 12),
        (lambda: meta(4) @ meta(4), 4),
        (
            lambda: F.scaled_dot_product_attention(meta(2, 4, 10, 8), meta(2, 4, 20, 8), meta(2, 4, 20, 8)),
            2 * 2 * 4 * 10 * 20 * 8,
        ),
        (lambda: F.relu(nn.BatchNorm2d(4, device='meta').eval()(F.avg_pool2d(meta(1, 4, 8, 8), 2))) * 2, 0),
    ],
    ids=[
        'grouped',
        'dilated',
        'depthwise',
        'conv1d',
        'transposed',
        'linear',
        'linear on maps',
        'bmm',
        'baddbmm',
        'matmul',
        'einsum',
        'matrix times vector',
        'dot',
        'attention',
        'none',
    ],
)
def test_layers_by_hand(run, expected):
    with MultiplyAdds() as count:
        run()
    assert count.total == expected


def test_counts_the_same_on_the_cpu_and_makes_no_graph():
    conv = nn.Conv2d(4, 6, 3)
    with MultiplyAdds() as count:
        y = conv(torch.rand(2, 4, 5, 5))
    assert count.total == 2 * 9 * 6 * 4 * 9
    assert not y.requires_grad


def test_share_of_modules():
    inner, outer = nn.Linear(3, 4, device='meta'), nn.Linear(4, 3, device='meta')
    both, unused = nn.Sequential(inner, outer), nn.Linear(9, 9, device='meta')
    with MultiplyAdds(dict(inner=inner, both=both, unused=unused)) as count:
        both(both(meta(1, 3)))
    assert count.modules == dict(inner=24, both=48, unused=0)
    assert count.total == 48
    both(meta(1, 3))
    assert count.modules['inner'] == 24, 'nothing is counted after the end'


@pytest.mark.slow
@pytest.mark.parametrize('name', MULTIPLY_ADDS)
def test_networks_of_the_papers(name):
    network = NETWORKS[name]
    with torch.device('meta'):
        model = network.build().eval()
    with MultiplyAdds() as count:
        model(meta(1, 3, network.input_size, network.input_size))
    assert f'{count.total / 1e9:.4f}' == MULTIPLY_ADDS[name]


def test_classifier(classifier):
    size = measure(classifier())
    assert (size.kind, size.network, size.shape) == ('classifier', 'ImageClassifier', (64, 64))
    assert [part.name for part in size.parts] == ['backbone', 'neck', 'head']
    head = size.parts[-1]
    assert (head.parameters, head.multiply_adds) == (128 * 10 + 10, 128 * 10)
    for field in ('parameters', 'multiply_adds'):
        assert sum(getattr(part, field) for part in size.parts) == getattr(size, field)
        assert sum(getattr(stage, field) for stage in size.stages) == getattr(size.parts[0], field)
    # two SE modules in each stage, of C -> C / 16 -> C with biases
    channels = [16, 32, 64, 128]
    assert [slot.slot for slot in size.slots] == ['attn']
    assert size.slots[0].modules == 'SE'
    assert size.slots[0].multiply_adds == sum(2 * 2 * c * (c // 16) for c in channels)
    assert size.slots[0].parameters == sum(2 * (2 * c * (c // 16) + c + c // 16) for c in channels)


def test_slot_without_parameters_and_several_slots(classifier):
    size = measure(
        classifier(backbone="type='mmattn.SDAResNet', depth=50, base_channels=16, attn='mmattn.SimAM'", channels=512)
    )
    slots = {slot.slot: slot for slot in size.slots}
    assert set(slots) == {'spatial', 'attn', 'depth_attn'}
    assert (slots['attn'].modules, slots['attn'].parameters) == ('SimAM', 0)
    assert slots['spatial'].parameters < 0, 'eight groups in place of a plain convolution'
    assert slots['depth_attn'].parameters > 0


def test_size_of_small_images_and_given_size(classifier):
    path = classifier(dataset="type='CIFAR100', pipeline=[dict(type='PackInputs')]")
    assert measure(path, slots=False).shape == (32, 32)
    whole, half = (measure(path, (64, width), slots=False).parts[0] for width in (64, 32))
    se = sum(2 * 2 * c * (c // 16) for c in (16, 32, 64, 128))
    assert whole.multiply_adds - se == 2 * (half.multiply_adds - se)


@pytest.fixture(scope='module')
def detectors(tmp_path_factory):
    pytest.importorskip('mmdet')
    folder = tmp_path_factory.mktemp('detectors')

    def write(name, base):
        path = folder / f'{name}.py'
        path.write_text(DETECTOR.format(base))
        return measure(path)

    return {
        name: write(name, f'{name}_rcnn/{name}-rcnn' if name != 'retina' else 'retinanet/retinanet')
        for name in ('faster', 'mask', 'retina')
    }


def test_two_stage_detectors(detectors):
    """ResNet-50's rows: 41.53 and 44.17 M trainable, MACs within 1 %, and the rule by hand."""
    faster, mask = detectors['faster'], detectors['mask']
    assert faster.kind == 'detector'
    assert faster.shape == (800, 1280)
    assert (f'{faster.trainable / 1e6:.2f}', f'{mask.trainable / 1e6:.2f}') == ('41.53', '44.17')
    assert faster.parameters - faster.trainable == 225_344, 'stem and first stage'
    assert faster.multiply_adds / 1e9 == pytest.approx(207.07, rel=0.01)
    assert mask.multiply_adds / 1e9 == pytest.approx(261.81, rel=0.01)
    parts = {part.name: part.multiply_adds for part in mask.parts}
    positions = [200 * 320, 100 * 160, 50 * 80, 25 * 40]
    pyramid = sum(n * 256 * (c + 9 * 256) for n, c in zip(positions, (256, 512, 1024, 2048), strict=True))
    assert parts['neck'] == pyramid
    assert parts['rpn_head'] == sum([*positions, 13 * 20]) * 256 * (9 * 256 + 3 + 12)
    assert parts['roi_head.bbox_head'] == 1000 * (256 * 49 * 1024 + 1024 * 1024 + 1024 * (81 + 320))
    mask_head = 100 * (4 * 196 * 9 * 256**2 + 196 * 4 * 256**2 + 784 * 256 * 80)
    assert parts['roi_head.mask_head'] == mask_head == mask.multiply_adds - faster.multiply_adds


def test_dense_detector_counts_all_levels(detectors):
    parts = {part.name: part.multiply_adds for part in detectors['retina'].parts}
    positions = 100 * 160 + 50 * 80 + 25 * 40 + 13 * 20 + 7 * 10
    assert parts['bbox_head'] == positions * 9 * 256 * (8 * 256 + 9 * 80 + 9 * 4)
    assert detectors['retina'].slots == ()


def test_segmentor_without_its_auxiliary_head():
    """ResNet-50's PSPNet at 2048 x 1024 as mmsegmentation's documentation has it: 48.98 M and 1429.68 G."""
    pytest.importorskip('mmseg')
    config = ROOT / 'configs' / 'seg' / 'pspnet_resnet50-v1c_4xb2-80k_cityscapes-512x1024.py'
    size = measure(config, (1024, 2048), slots=False)
    assert (size.kind, size.network) == ('segmentor', 'EncoderDecoder')
    assert f'{size.parameters / 1e6:.2f}' == '48.98'
    assert size.multiply_adds / 1e9 == pytest.approx(1429.68, rel=0.01)
    parts = {part.name: part for part in size.parts}
    assert list(parts) == ['backbone', 'decode_head', 'auxiliary_head']
    auxiliary = parts['auxiliary_head']
    assert [part.name for part in size.uncounted] == ['auxiliary_head'] and auxiliary.multiply_adds == 0
    assert size.used == size.parameters - auxiliary.parameters
    assert counted_parameters(size, None) == size.used
    positions = 128 * 256
    pyramid = 50 * 2048 * 512 + positions * (9 * (2048 + 4 * 512) * 512 + 512 * 19)  # 1, 4, 9 and 36 cells
    assert parts['decode_head'].multiply_adds == pyramid


@pytest.mark.parametrize(
    'size, pipeline, expected',
    [
        ((512, 1024), [dict(type='Resize', scale=(2048, 512))], (512, 1024)),
        (None, [dict(type='Resize', scale=(2048, 512)), dict(type='PackSegInputs')], (512, 2048)),
    ],
)
def test_segmentors_are_counted_on_the_crop_of_their_training(size, pipeline, expected):
    cfg = Config(
        dict(model=dict(data_preprocessor=dict(size=size)), test_dataloader=dict(dataset=dict(pipeline=pipeline)))
    )
    assert input_shape(cfg, 'segmentor') == expected


HEADS = """
_base_ = 'mmdet::{base}'
# A small ResNet: the heads are what is tested.
model = dict(backbone=dict(depth=18, init_cfg=None), neck=dict(in_channels={channels}){changes})
"""
PYRAMID = [64, 128, 256, 512]


@pytest.mark.parametrize(
    'base, changes, parts',
    [
        (
            'htc/htc_r50_fpn_1x_coco.py',
            '',
            {
                'roi_head.bbox_head.2': 1000 * (256 * 49 * 1024 + 1024 * 1024 + 1024 * (81 + 4)),
                # the second mask head also takes the features of the first, by a 1x1 convolution
                'roi_head.mask_head.1': 100 * (4 * 196 * 9 * 256**2 + 196 * 256**2 + 196 * 4 * 256**2 + 784 * 256 * 80),
                'roi_head.semantic_head': 44_789_760_000,
            },
        ),
        (
            'ms_rcnn/ms-rcnn_r50-caffe_fpn_1x_coco.py',
            '',
            {
                'roi_head.mask_head': 100 * (4 * 196 * 9 * 256**2 + 196 * 4 * 256**2 + 784 * 256 * 80),
                'roi_head.mask_iou_head': 100
                * (196 * 9 * (257 + 256 + 256) * 256 + 49 * 9 * 256**2 + (49 * 256 + 1024) * 1024 + 1024 * 80),
            },
        ),
        ('detr/detr_r50_8xb2-150e_coco.py', '', {'bbox_head': 6 * 100 * 256 * (81 + 2 * 256 + 4)}),
        ('sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py', '', {'roi_head.bbox_head.5': 1_485_107_200, 'rpn_head': 0}),
    ],
    ids=['HTC', 'Mask Scoring R-CNN', 'DETR', 'Sparse R-CNN'],
)
def test_every_head_of_a_detector_is_in_the_total(tmp_path, base, changes, parts):
    pytest.importorskip('mmdet')
    path = tmp_path / 'detector.py'
    path.write_text(HEADS.format(base=base, channels=PYRAMID if 'detr' not in base else PYRAMID[3:], changes=changes))
    size = measure(path, (160, 256) if 'sparse' in base else None, slots=False)
    counted = {part.name: part.multiply_adds for part in size.parts}
    assert {name: counted[name] for name in parts} == parts
    assert size.uncounted == ()
    for field in ('parameters', 'trainable', 'multiply_adds'):
        assert sum(getattr(part, field) for part in size.parts) == getattr(size, field)


def test_what_no_forward_pass_uses_is_named(tool, tmp_path, capsys):
    """PointRend refines masks at points that depend on the image, CondInst predicts masks of what it detected."""
    pytest.importorskip('mmdet')
    path = tmp_path / 'detector.py'
    path.write_text(
        HEADS.format(base='condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py', channels=PYRAMID, changes='')
    )
    size = measure(path, (160, 256))
    assert 'mask_head' in [part.name for part in size.uncounted] and size.parts[-1].multiply_adds == 0
    assert tool.main([str(path), '--shape', '160', '256']) == 0
    assert 'Not in the MACs, as a forward pass for this computes nothing with it' in capsys.readouterr().out


def test_json(tool, classifier, capsys):
    assert tool.main([str(classifier()), '--json', '--shape', '32', '48']) == 0
    content = json.loads(capsys.readouterr().out)
    assert set(content) == {
        'config',
        'network',
        'kind',
        'shape',
        'parameters',
        'trainable',
        'multiply_adds',
        'parts',
        'stages',
        'slots',
        'uncounted',
        'rule',
    }
    assert content['shape'] == [32, 48]
    for part in content['parts'] + content['stages']:
        assert set(part) == {'name', 'parameters', 'trainable', 'multiply_adds'}
    assert set(content['slots'][0]) == {'slot', 'modules', 'parameters', 'multiply_adds'}
    assert content['multiply_adds'] == sum(part['multiply_adds'] for part in content['parts'])


def test_text(tool, classifier, capsys):
    path = str(classifier())
    assert tool.main([path, '--stages']) == 0
    text = capsys.readouterr().out
    assert 'layer4' in text
    assert 'biases, norms, activations' in text, 'the counting rule'
    assert f'{measure(path).multiply_adds:,}' in text
    tool.main([path])
    assert 'layer4' not in capsys.readouterr().out


@pytest.mark.parametrize(
    'content, message',
    [
        (None, 'no config'),
        ('x = 1', 'no model'),
        ('x = ', 'cannot be read: SyntaxError'),
        (CLASSIFIER.format(**SMALL | dict(backbone="type='mmattn.AttnResNet', depth=7")), 'cannot be built'),
        (CLASSIFIER.format(**SMALL | dict(dataset="type='CustomDataset'")), 'give --shape H W'),
        (CLASSIFIER.format(**SMALL | dict(channels=64)), 'head of'),
    ],
)
def test_bad_config_is_one_line(tool, tmp_path, capsys, content, message):
    pytest.importorskip('mmpretrain')
    path = tmp_path / 'bad.py'
    if content is not None:
        path.write_text(content)
    assert tool.main([str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ''
    assert captured.err.startswith('error: ')
    assert captured.err.count('\n') == 1
    assert message in captured.err


@pytest.mark.parametrize(
    'argv',
    [
        [],
        ['c.py', '--tables'],
        ['c.py', '--write'],
        ['--tables', '--json'],
        ['--tables', '--write', '--check'],
        ['c.py', '--shape', '0', '4'],
    ],
)
def test_options_that_do_not_go_together(tool, argv):
    with pytest.raises(SystemExit) as stop:
        tool.main(argv)
    assert stop.value.code == 2


@pytest.mark.slow
def test_tables(tool, project, capsys):
    folder = project()
    assert tool.main(['--tables', '--check']) == 1, 'not written yet'
    assert tool.main(['--tables', '--write']) == 0
    readme = (folder / 'README.md').read_text()
    assert readme.startswith('# Some\n\n<!-- complexity:begin -->\n')
    assert readme.endswith('<!-- complexity:end -->\nend\n')
    assert '[small](small.py) | a paper | 0.71 | 0.71 | 0.0111 | 0.0111 | -0.31 % |' in readme
    assert 'CIFAR-100: top-1 81.47 ± 0.09' in readme
    assert '| other | a paper | 1.00 |  | n/f |  |  |  | no residual trunk |' in readme
    assert tool.main(['--tables', '--check']) == 0
    (folder / 'README.md').write_text(readme.replace('0.71', '0.72'))
    capsys.readouterr()
    assert tool.main(['--tables', '--check']) == 1
    assert 'is not what the code gives' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    'parameters, flops, note, problems',
    [
        ('0.71', "'0.0111'", "''", 0),
        ('0.71', 'n/f', "''", 0),
        ('0.72', "'0.0111'", "''", 1),
        ('0.71', "'0.0113'", "''", 1),
        ('0.72', "'0.0113'", 'a reason', 0),
    ],
)
def test_difference_needs_a_note(tool, project, capsys, parameters, flops, note, problems):
    project(parameters, flops, note)
    assert tool.main(['--tables', '--write']) == 0
    assert tool.main(['--tables', '--check']) == problems
    assert ('small differs from what is published' in capsys.readouterr().err) == bool(problems)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(flops='3.60'), 'in quotes'),
        (dict(text=METAFILE.replace('Source', 'Sauce')), 'Source'),
        (dict(text=METAFILE.replace('unpublished', 'small')), "two models named 'small'"),
        (dict(text=METAFILE.replace('small.py', 'large.py')), 'there is no config'),
        (dict(text='Models: [{{Name: x}}]'), 'has no Config'),
        (dict(text='Models: ['), 'no YAML'),
    ],
)
def test_damaged_metafile_is_one_line(tool, project, capsys, changes, message):
    project(**changes)
    assert tool.main(['--tables']) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1


def test_readme_without_markers(tool, project, capsys):
    folder = project()
    (folder / 'README.md').write_text('nothing\n')
    assert tool.main(['--tables', '--write']) == 2
    assert 'lacks the lines' in capsys.readouterr().err
    assert (folder / 'README.md').read_text() == 'nothing\n'


def test_two_sources_for_one_network(project):
    figures = "{{{{Parameters: '0.71', FLOPs: '0.04', Source: {}}}}}"
    folder = project(
        text='Models: [{{Name: small, Config: configs/some/small.py, Published: ['
        f'{figures.format("one")}, {figures.format("two")}]}}}}]'
    )
    rows = read_metafiles(folder.parents[1])
    assert [row.figures.source for row in rows] == ['one', 'two']
    assert len({row.config for row in rows}) == 1


def test_pages_of_the_repository_list_networks_and_modules(tool, project):
    root = project().parents[1]
    assert tool.main(['--tables', '--write']) == 0
    size = measure(root / 'configs' / 'some' / 'small.py')
    table = (root / 'docs' / 'networks.md').read_text()
    assert f'| `configs/some/small.py` | 64 × 64 | {size.parameters:,} | 0.0111 G |' in table
    readme = (root / 'README.md').read_text()
    assert '| to compare with | small | 64 × 64 | 0.71 | 0.01 |  |  |' in readme
    in_slots = re.compile(r'mmattn\.models\.(attention|spatial|depth)\.')
    names = [name for name, module in MODELS.module_dict.items() if in_slots.match(module.__module__)]
    missing = [name for name in names if f'| `mmattn.{name}`' not in readme]
    assert len(names) > 15
    assert not missing


@pytest.mark.parametrize(
    'network, family',
    [
        ('sda-resnet86', 'SDA-xNet'),
        ('resnet50-sda', 'SDA-xNet'),
        ('epsanet50-large', 'EPSANet'),
        ('preact-mspanet164-6w', 'MSPANet'),
        ('mspanext29-8c', 'MSPANet'),
        ('spem-resnet164', 'SPEM'),
        ('ema', 'EMA'),
        ('preact-resnet164', 'to compare with'),
    ],
)
def test_family_of_a_network_by_its_name(network, family):
    assert family_of(network) == family


def test_families_name_the_detectors_and_segmentors_that_are_built_on_them():
    def size(kind, side=224):
        return SimpleNamespace(kind=kind, shape=(side, side), parameters=25e6, multiply_adds=4e9)

    sizes = {
        Path('ema-resnet50_4xb64_in1k.py'): size('classifier'),
        Path('ema-resnet50_1xb128_cifar100.py'): size('classifier', 32),
        Path('mask-rcnn_ema-resnet50_fpn_1x_coco.py'): size('detector'),
        Path('upernet_ema-resnet50_4xb4-80k_ade20k-512x512.py'): size('segmentor'),
        Path('pspnet_ema-resnet50_4xb4-80k_ade20k-512x512.py'): size('segmentor'),
        Path('deeplabv3plus_sda-resnet50_4xb4-80k_ade20k-512x512.py'): size('segmentor'),
    }
    rows = families(sizes).splitlines()[2:]
    assert [row.split(' | ')[-2:] for row in rows] == [['Mask R-CNN', 'PSPNet, UPerNet |'], ['', ' |']]


def test_module_table_says_paper_parameters_scales_identity_start_and_export():
    rows = {row.split('`')[1]: row for row in module_table().splitlines()[2:]}
    se = '[arXiv:1709.01507](https://arxiv.org/abs/1709.01507)'
    # SENet-50's parameters and ResNet-50's, as published
    assert rows['mmattn.SE'] == f'| `mmattn.SE` | `attn` | Hu et al., {se} | 28.09 (+2.53) |  | yes | yes |'
    assert '| 25.56 (+0.00) |' in rows['mmattn.SimAM']
    assert rows['mmattn.PSA'].endswith('| 3×3 to 9×9 |  | yes |')
    assert all(re.search(r'(et al\.|and \w+), \S', row) for row in rows.values())


@pytest.mark.slow
def test_committed_tables():
    """Each README holds what the code counts, and says why where that is not the paper's."""
    for library in ('mmdet', 'mmpretrain', 'mmseg'):
        pytest.importorskip(library)
    for table in make_tables(read_metafiles(ROOT)):
        assert table.unexplained == ()
        assert table.is_current(), f'{table.page}: run python tools/complexity.py --tables --write'
