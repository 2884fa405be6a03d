"""tools/convert.py: authors' weights to an mm checkpoint and back, or one clear message and no file."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from mmattn.engine import launch
from mmattn.registry import MODELS
from mmattn.weights.conversion import Layout, recognise_ours, revert

pytest.importorskip('mmpretrain')
pytest.importorskip('mmdet')
ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'convert.py'

CLASSIFIER = """
default_scope = 'mmpretrain'
model = dict(
    type='ImageClassifier',
    backbone=dict({backbone}, out_indices=(3, ), init_cfg=dict(type='Pretrained', checkpoint='none.pth')),
    neck=dict({neck}),
    head=dict(type='LinearClsHead', num_classes={classes}, in_channels={channels}))
"""
SDA = dict(
    backbone="type='mmattn.SDAResNet', depth=50, base_channels=16",
    neck="type='mmattn.GlobalAveragePoolingBN', in_channels=512",
    classes=10,
    channels=512,
)
PLAIN = dict(neck="type='GlobalAveragePooling'", classes=1000, channels=512)
EMA18 = dict(PLAIN, backbone="type='mmattn.EMAResNet', depth=18")
GROUPED = dict(
    PLAIN,
    channels=2048,
    backbone="type='mmattn.SDAResNet', depth=50, plugins=[dict(cfg=dict(type='mmattn.SE'), position='after_conv1')]",
)
DETECTOR = """
default_scope = 'mmdet'
model = dict(type='FasterRCNN', backbone=dict(type='mmattn.SDAResNet', depth=50, base_channels=16),
             neck=dict(type='FPN', in_channels=[64, 128, 256, 512], out_channels=8, num_outs=5), roi_head=dict())
"""


@pytest.fixture
def tool(monkeypatch):
    """Runs the tool in this process: arguments -> exit status."""
    spec = importlib.util.spec_from_file_location('convert_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def run(arguments):
        monkeypatch.setattr(sys, 'argv', ['convert.py', *map(str, arguments)])
        try:
            launch.run(module.main)
        except SystemExit as end:
            return end.code
        return 0

    return run


@pytest.fixture
def convert(tool, tmp_path, capsys):
    """Runs the tool: (config as text, weights or a file, options) -> (status, what it printed, DST)."""

    def run(config, weights, *options):
        path, src, dst = tmp_path / 'config.py', tmp_path / 'src.pth', tmp_path / 'out' / 'dst.pth'
        path.write_text(config)
        if isinstance(weights, Path):
            src = weights
        else:
            torch.save(weights, src)
        status = tool([path, src, dst, *options])
        out = capsys.readouterr()
        return status, out.out + out.err, dst

    return run


def sda_weights(classes=10) -> dict:
    """Of a small SDA-ResNet-50, in its authors' key layout."""
    torch.manual_seed(1)
    net = nn.Module()
    net.backbone = MODELS.build(dict(type='mmattn.SDAResNet', depth=50, base_channels=16))
    net.neck = MODELS.build(dict(type='mmattn.GlobalAveragePoolingBN', in_channels=512))
    net.head = nn.ModuleDict({'fc': nn.Linear(512, classes)})
    for buffer in net.buffers():
        if buffer.is_floating_point():
            nn.init.uniform_(buffer, 0.5, 1.5)
    return revert(net.state_dict(), Layout.of('sda'))


def load(path) -> dict:
    return torch.load(path, weights_only=True)['state_dict']


def equal(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_classifier_there_and_back(convert, tmp_path):
    theirs = sda_weights()
    status, text, dst = convert(CLASSIFIER.format(**SDA), {'state_dict': {f'module.{k}': v for k, v in theirs.items()}})
    assert status == 0 and "layout 'sda'" in text and f'{len(theirs)} tensors' in text
    assert len(text.splitlines()) == 2

    from mmengine.config import Config
    from mmengine.registry import MODELS as MM
    from mmengine.registry import DefaultScope

    cfg = Config.fromfile(tmp_path / 'config.py')
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MM.build(cfg.model)
    model.load_state_dict(load(dst))
    ours = model.state_dict()
    assert equal(revert(ours, recognise_ours(ours)), theirs)

    mm_file = tmp_path / 'mm.pth'
    os.replace(dst, mm_file)
    status, text, dst = convert(CLASSIFIER.format(**SDA), mm_file, '--reverse')
    assert status == 0
    assert equal(torch.load(dst, weights_only=True), theirs)


def test_detector_takes_the_backbone_and_mm_libraries_read_it(convert, monkeypatch):
    theirs = sda_weights()
    status, text, dst = convert(DETECTOR, theirs)
    assert status == 0 and 'left out' in text and 'head.fc' in text
    state = load(dst)
    assert {k.split('.')[0] for k in state} == {'backbone'}

    import logging

    monkeypatch.setattr(logging.root.manager, 'disable', logging.WARNING)
    backbone = MODELS.build(
        dict(
            type='mmattn.SDAResNet',
            depth=50,
            base_channels=16,
            init_cfg=dict(type='Pretrained', checkpoint=str(dst), prefix='backbone.'),
        )
    )
    backbone.init_weights()
    assert equal({f'backbone.{k}': v for k, v in backbone.state_dict().items()}, state)


def test_torchvisions_weights_fill_the_trunk(convert):
    theirs = torchvision.models.resnet18().state_dict()
    old = {k: v for k, v in theirs.items() if not k.endswith('num_batches_tracked')}
    status, text, dst = convert(CLASSIFIER.format(**EMA18), old)
    assert status == 0, text
    assert 'backbone.layer*.*.attn.*' in text and 'Not used' not in text and len(text.splitlines()) < 8
    state = load(dst)
    assert all(torch.equal(state[f'backbone.{k}'], v) for k, v in old.items() if not k.startswith('fc.'))
    assert torch.equal(state['head.fc.weight'], old['fc.weight'])


def test_what_is_not_of_the_trunk_stays_initial(convert):
    theirs = torchvision.models.resnet50().state_dict()
    status, text, dst = convert(CLASSIFIER.format(**GROUPED), theirs)
    assert status == 0, text
    kept, unused = text.split('Not used of the weights:')
    for name in ('depth_attn', 'conv2'):
        assert f'backbone.layer*.{"*." if name == "conv2" else ""}{name}' in kept
    assert 'conv2' in unused and 'conv1' not in unused
    state = load(dst)
    assert torch.equal(state['backbone.layer3.2.conv3.weight'], theirs['layer3.2.conv3.weight'])
    assert state['backbone.layer3.2.conv2.weight'].shape == (256, 32, 3, 3)


def refuse(result) -> str:
    status, text, dst = result
    assert status == 2 and not dst.exists() and not list(dst.parent.glob('*') if dst.parent.exists() else [])
    assert 'was not written' in text and 'Traceback' not in text and len(text.splitlines()) <= 9, text
    return text


def test_another_architecture_is_refused_and_named(convert):
    wrong = CLASSIFIER.format(**dict(SDA, backbone="type='mmattn.SDAResNet', depth=101, base_channels=16"))
    text = refuse(convert(wrong, sda_weights()))
    assert 'the weights lack backbone.layer3.6.conv1.weight' in text
    assert 'the weights have 4 stages of 3, 4, 6, 3 blocks with depth_attn; 10 classes' in text
    assert 'the model has 4 stages of 3, 4, 23, 3 blocks with depth_attn; 10 classes' in text
    text = refuse(convert(CLASSIFIER.format(**dict(SDA, backbone="type='mmattn.SDAResNet', depth=50")), sda_weights()))
    assert 'backbone.conv1.weight is (16, 3, 7, 7) in the weights, (64, 3, 7, 7) in the model' in text
    text = refuse(convert(CLASSIFIER.format(**EMA18), torchvision.models.resnet34().state_dict()))
    assert '3, 4, 6, 3 blocks; 1000 classes' in text and '2, 2, 2, 2 blocks with attn; 1000 classes' in text


def test_another_number_of_classes_is_said(convert):
    config = CLASSIFIER.format(**dict(SDA, classes=7))
    text = refuse(convert(config, sda_weights()))
    assert '10 classes' in text and 'num_classes=10' in text and '--backbone-only' in text
    status, text, dst = convert(config, sda_weights(), '--backbone-only')
    assert status == 0 and not any(k.startswith('head.') for k in load(dst))
    dst.unlink()
    text = refuse(convert(CLASSIFIER.format(**dict(EMA18, classes=7)), torchvision.models.resnet18().state_dict()))
    assert 'num_classes=1000' in text


def test_weights_without_a_classifier(convert):
    theirs = {k: v for k, v in torchvision.models.resnet18().state_dict().items() if not k.startswith('fc.')}
    assert '--backbone-only' in refuse(convert(CLASSIFIER.format(**EMA18), theirs))


def test_files_that_are_no_weights_for_it(convert, tmp_path):
    config, src = CLASSIFIER.format(**SDA), tmp_path / 'x.pth'
    src.write_bytes(b'<html>404</html>')
    assert 'not a checkpoint' in refuse(convert(config, src))
    torch.save(sda_weights(), src)
    src.write_bytes(src.read_bytes()[:-1000])
    assert 'truncated' in refuse(convert(config, src))
    assert 'is not a file' in refuse(convert(config, tmp_path / 'nothing.pth'))
    assert 'no network known here' in refuse(convert(config, {'blocks.0.qkv.weight': torch.ones(1)}))
    assert 'bn9.weight' in refuse(convert(config, sda_weights() | {'bn9.weight': torch.ones(1)}))
    assert 'no key layout' in refuse(convert(config, sda_weights(), '--layout', 'x'))
    assert 'cannot be built' in refuse(convert(config.replace('depth=50', 'depth=77'), sda_weights()))
    assert 'cannot be read: ZeroDivisionError' in refuse(convert('model = 1 / 0', sda_weights()))
    assert 'not an mm checkpoint' in refuse(convert(config, sda_weights(), '--reverse'))


def test_a_good_file_stays_when_the_next_is_refused(convert):
    _, _, dst = convert(DETECTOR, sda_weights())
    before = dst.read_bytes()
    status, _, _ = convert(DETECTOR.replace('depth=50', 'depth=101'), sda_weights())
    assert status == 2 and dst.read_bytes() == before
    os.remove(dst)
    os.mkdir(dst)
    status, text, _ = convert(DETECTOR, sda_weights())
    assert status == 2 and 'which is a folder; name a file in it' in text and os.listdir(dst.parent) == ['dst.pth']


@pytest.mark.parametrize('dst', ['weights.pth', 'link.pth', './sub/../weights.pth'])
def test_the_source_is_never_overwritten(tool, tmp_path, capsys, dst):
    (tmp_path / 'config.py').write_text(DETECTOR)
    (tmp_path / 'sub').mkdir()
    src = tmp_path / 'weights.pth'
    torch.save(sda_weights(), src)
    (tmp_path / 'link.pth').symlink_to(src)
    before = src.read_bytes()
    assert tool([tmp_path / 'config.py', src, tmp_path / dst]) == 2
    assert 'the file to write is the file to read' in capsys.readouterr().err and src.read_bytes() == before


@pytest.mark.parametrize(
    'config, message',
    [
        ('nope.py', "no config at 'nope.py'"),
        (str(ROOT / 'configs/_base_/backbones/sda_resnet86.py'), 'sda_resnet86.py describes no model with a backbone'),
    ],
)
def test_a_config_without_a_network(tool, tmp_path, capsys, config, message):
    assert tool([config, tmp_path / 'src.pth', tmp_path / 'dst.pth']) == 2
    text = capsys.readouterr().err
    assert message in text and 'Error' not in text


def test_help_gives_examples(tool, capsys):
    assert tool(['--help']) == 0
    text = capsys.readouterr().out
    assert '--reverse' in text and 'examples:' in text


@pytest.mark.slow
def test_command_line(tmp_path, commands):
    (tmp_path / 'config.py').write_text(DETECTOR)
    torch.save(sda_weights(), tmp_path / 'src.pth')
    good = commands(TOOL, 'config.py', 'src.pth', 'dst.pth', folder=tmp_path)
    # some releases of torch warn of what mmengine imports
    assert good.returncode == 0 and 'error' not in good.stderr.lower(), good
    assert 'dst.pth: ' in good.stdout.splitlines()[-1]
    bad = commands(TOOL, 'config.py', 'config.py', 'other.pth', folder=tmp_path)
    assert bad.returncode == 2 and bad.stdout == '' and 'config.py is not a checkpoint' in bad.stderr
    assert not (tmp_path / 'other.pth').exists()


# ----- prefixes


def moco_weights() -> dict:
    """Of a MoCo checkpoint of version 2 in distributed training: two encoders, a projection of two layers, a queue."""
    trunk = {k: v for k, v in torchvision.models.resnet18().state_dict().items() if not k.startswith('fc.')}
    projection = {'fc.0.weight': torch.rand(512, 512), 'fc.2.weight': torch.rand(128, 512)}
    return {
        'module.queue': torch.rand(128, 8),
        **{f'module.encoder_{i}.{k}': v for i in 'qk' for k, v in {**trunk, **projection}.items()},
    }


DETECTOR18 = DETECTOR.replace('SDAResNet', 'EMAResNet').replace('depth=50, base_channels=16', 'depth=18')


def test_the_prefix_that_would_fit_is_named_and_can_be_given(convert):
    weights = {'state_dict': moco_weights(), 'epoch': 200}
    text = refuse(convert(DETECTOR18, weights))
    assert 'no network known here' in text and 'give --prefix encoder_q., with which 120 tensors fit' in text
    status, text, dst = convert(DETECTOR18, weights, '--prefix', 'encoder_q.')
    assert status == 0, text
    assert "left out: 123 tensors that are not under 'encoder_q.'" in text
    state = load(dst)
    assert torch.equal(
        state['backbone.layer2.0.conv1.weight'], weights['state_dict']['module.encoder_q.layer2.0.conv1.weight']
    )


@pytest.mark.parametrize('prefix', ['model.', 'backbone.body.', 'encoder.0.'])
def test_any_prefix_is_found(convert, prefix):
    theirs = {k: v for k, v in torchvision.models.resnet18().state_dict().items() if not k.startswith('fc.')}
    text = refuse(convert(DETECTOR18, {f'{prefix}{k}': v for k, v in theirs.items()} | {'other.x': torch.ones(1)}))
    assert f'give --prefix {prefix}, with which 120 tensors fit' in text


@pytest.mark.parametrize('config, options', [(DETECTOR, ()), (CLASSIFIER.format(**SDA), ())])
def test_the_prefix_of_weights_of_the_authors_is_found(convert, config, options):
    text = refuse(convert(config, {f'net.{k}': v for k, v in sda_weights().items()}, *options))
    assert 'give --prefix net., with which' in text


def test_a_prefix_of_nothing_is_refused(convert):
    text = refuse(convert(DETECTOR, sda_weights(), '--prefix', 'encoder.'))
    assert 'no key in' in text and "begins with 'encoder.'; they begin with conv1., bn1., stage1., …" in text


def test_the_prefix_is_named_on_the_way_back_too(convert):
    _, _, dst = convert(DETECTOR, sda_weights())
    state = {f'model.{k}': v for k, v in load(dst).items()}
    dst.unlink()
    text = refuse(convert(DETECTOR, state, '--reverse'))
    assert 'is not an mm checkpoint' in text and 'give --prefix model.' in text
    assert convert(DETECTOR, state, '--reverse', '--prefix', 'model.')[0] == 0


def test_a_projection_in_place_of_the_classifier_is_named(convert):
    weights = {k.removeprefix('module.encoder_q.'): v for k, v in moco_weights().items() if 'encoder_q' in k}
    text = refuse(convert(CLASSIFIER.format(**EMA18), weights))
    assert 'the classifier in the weights is of another form: leave it out with --backbone-only' in text
    assert convert(CLASSIFIER.format(**EMA18), weights, '--backbone-only')[0] == 0


@pytest.mark.parametrize(
    'init_cfg',
    [
        "[dict(type='Pretrained', checkpoint='none.pth'), dict(type='Kaiming', layer='Conv2d')]",
        "dict(type=__import__('mmengine').model.PretrainedInit, checkpoint='none.pth')",
    ],
    ids=['list', 'class'],
)
def test_the_checkpoint_in_the_config_is_not_needed(convert, init_cfg):
    config = DETECTOR.replace('base_channels=16', f'base_channels=16, init_cfg={init_cfg}')
    assert convert(config, sda_weights())[0] == 0
