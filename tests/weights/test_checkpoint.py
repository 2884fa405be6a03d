"""Checkpoints of every form are read, and nothing in them is executed."""

import argparse
import os
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from mmattn.errors import UserError
from mmattn.weights import CheckpointError, inert, loading, read_state, write_checkpoint
from mmattn.weights.loading import load_weights
from mmattn.weights.reader import read_content

ZIP, LEGACY = True, False


def example() -> dict:
    return OrderedDict(
        [
            ('conv.weight', torch.randn(4, 3, 1, 1)),
            ('bn.weight', torch.randn(4)),
            ('bn.num_batches_tracked', torch.tensor(7)),
            ('half', torch.randn(5).half()),
        ]
    )


def same(a, b) -> bool:
    return list(a) == list(b) and all(torch.equal(a[k], b[k]) and a[k].dtype == b[k].dtype for k in a)


@pytest.fixture(params=[ZIP, LEGACY], ids=['zip', 'legacy'])
def save(request, tmp_path):
    """Saves an object in one of the formats of torch.save; returns the file."""

    def function(content, name='file.pth'):
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=request.param)
        return tmp_path / name

    return function


@pytest.mark.parametrize(
    'wrap',
    [
        lambda s: s,
        dict,
        lambda s: {'state_dict': s, 'epoch': 3, 'optimizer': {'state': {}}},
        lambda s: {'model': s},
        lambda s: {'net': s, 'acc': 0.5},
        lambda s: {'model': {'state_dict': s}},
        lambda s: {f'module.{k}': v for k, v in s.items()},
        lambda s: {'state_dict': {f'_orig_mod.module.{k}': v for k, v in s.items()}},
        lambda s: {f'module.{k.replace(".", "._orig_mod.")}': v for k, v in s.items()},
        lambda s: {f'_fsdp_wrapped_module._checkpoint_wrapped_module.{k}': v for k, v in s.items()},
        lambda s: {f'module.module.{k}': v for k, v in s.items()},
        lambda s: {'model_state_dict': s, 'epoch': 3},
        lambda s: {'weights': s, 'loss': torch.tensor(0.5), 'optimizer': {'state': {0: {'step': torch.tensor(1)}}}},
        lambda s: {'state_dict': None, 'model': s},
        lambda s: {k: nn.Parameter(v, requires_grad=v.is_floating_point()) for k, v in s.items()},
        lambda s: {**s, 'epoch': 3},
    ],
)
def test_state_dicts_however_wrapped(save, wrap):
    state = example()
    read = read_state(save(wrap(state)))
    assert same(read, state)
    assert not any(v.requires_grad for v in read.values())


def test_several_sets_of_weights_are_named(save):
    with pytest.raises(CheckpointError, match="holds several sets of weights \\('student', 'teacher'\\): save one"):
        read_state(save({'student': example(), 'teacher': example(), 'epoch': 1}))


def test_names_that_only_look_like_those_of_wrappers_are_kept(save):
    state = {'module.weight': torch.ones(1), 'weight': torch.zeros(1)}
    assert same(read_state(save(state)), state)
    state = {'my_orig_mod.weight': torch.ones(1)}
    assert same(read_state(save(state)), state)


def test_versions_of_modules_are_kept(save):
    """By them modules know that keys of an older version have to be converted."""
    state = nn.DataParallel(nn.Sequential(nn.BatchNorm1d(2))).state_dict()
    assert read_state(save({'model': state}))._metadata['0'] == {'version': 2}


def test_plain_data_beside_the_weights_is_read(save):
    content = read_content(save({'net': example(), 'meta': {'dataset_meta': {'classes': ('a', 'b')}, 'epoch': 2}}))
    assert content['meta'] == {'dataset_meta': {'classes': ('a', 'b')}, 'epoch': 2}
    assert content['state_dict'].keys() == example().keys()


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_file_without_permission_to_read(save):
    path = save(example())
    path.chmod(0)
    with pytest.raises(CheckpointError, match='cannot be read'):
        read_state(path)


def test_a_pipe_is_no_checkpoint(tmp_path):
    os.mkfifo(tmp_path / 'x.pth')
    with pytest.raises(CheckpointError, match='not a file'):
        read_state(tmp_path / 'x.pth')


@pytest.fixture()
def vanished():
    """Makes a network of classes in a module which is gone when the file is read."""
    module = types.ModuleType('vanished_code')
    source = """
import functools
from torch import nn
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.bn = nn.BatchNorm2d(4)
        self.register_buffer('kept', self.conv.bias.detach() * 2)
        self.register_buffer('dropped', self.conv.bias.detach() * 3, persistent=False)
        self.register_parameter('nothing', None)
        self.norm = functools.partial(nn.BatchNorm2d, momentum=0.1)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(Block(), Block())
        self.fcs = nn.ModuleList([nn.Linear(4, 2)])
        self.tied = self.layers[1]
        self.sizes = {(1, 2): [Block, {3}]}
"""
    exec(source, module.__dict__)
    sys.modules['vanished_code'] = module
    yield module
    sys.modules.pop('vanished_code', None)


@pytest.mark.parametrize('wrap', [lambda net: net, lambda net: {'net': net, 'epoch': 1}])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_whole_modules_whose_classes_no_longer_exist(save, vanished, wrap):
    net = vanished.Net()
    path = save(wrap(nn.DataParallel(net)))
    del sys.modules['vanished_code']
    assert same(read_state(path), net.state_dict())
    assert 'vanished_code' not in sys.modules


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def attacks(marker) -> dict:
    content = f'open({str(marker)!r}, "w").write("x")'
    return {
        'os.system': Calls(os.system, f'touch {marker}'),
        'eval': Calls(eval, content),
        'exec': Calls(exec, content),
        'open': Calls(open, str(marker), 'w'),
        'nested': Calls(list, Calls(map, Calls(getattr, Calls(__import__, 'builtins'), 'eval'), [content])),
        'import': Calls(getattr, Calls(__import__, 'os'), 'system'),
        'torch.save': Calls(torch.save, {'a': 1}, str(marker)),
        'torch.load': Calls(torch.load, str(marker), None, None),
        'torch.hub': Calls(torch.hub.download_url_to_file, f'file://{__file__}', str(marker)),
        'from_file': Calls(torch.from_file, str(marker), True, 4),
        'jit': Calls(torch.jit.load, str(marker)),
        'pickle': Calls(pickle.loads, pickle.dumps(Calls(eval, content))),
        'mkdir': Calls(os.makedirs, str(marker)),
    }


@pytest.mark.parametrize('attack', attacks('marker'))
def test_nothing_in_a_file_is_executed(save, tmp_path, attack):
    marker = tmp_path / 'marker'
    evil = attacks(marker)[attack]
    for content in {'state_dict': example(), 'hook': evil}, [evil], evil:
        path = save(content)
        marker.unlink(missing_ok=True)
        with pytest.raises(CheckpointError, match=r'is refused: it would run .*, which no checkpoint of weights has'):
            read_state(path)
        assert not marker.exists()


@pytest.mark.parametrize('attack', ['os.system', 'eval', 'exec', 'open', 'nested', 'torch.save', 'pickle', 'mkdir'])
def test_these_files_do_harm_where_they_are_trusted(save, tmp_path, attack):
    path = save([attacks(tmp_path / 'marker')[attack]])
    torch.load(path, weights_only=False)
    assert (tmp_path / 'marker').exists()


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_a_module_with_code_inside_is_refused(save, tmp_path):
    net = nn.Sequential(nn.Linear(2, 2))
    net[0].hidden = Calls(os.system, f'touch {tmp_path / "marker"}')
    with pytest.raises(CheckpointError, match='is refused: it would run posix.system'):
        read_state(save(net))
    assert not (tmp_path / 'marker').exists()


def archive_of(path, data: bytes, **options):
    with zipfile.ZipFile(path, 'w', **options) as archive:
        archive.writestr('archive/data.pkl', data)
        archive.writestr('archive/version', '3')
    return path


@pytest.mark.parametrize(
    'data',
    [
        # BUILD on an allowed function, with attributes, and with slots
        b'\x80\x02ccollections\nOrderedDict\n}U\x01xK\x01sb.',
        b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}U\x09_functionNs\x86b.',
        b'\x80\x02ctorch._utils\n_rebuild_parameter\n}U\x08__code__Nsb.',
        # a dotted name, an extension code, a tensor of a storage that is none, a view past its storage
        b'\x80\x04\x8c\x05torch\x8c\x11storage.os.system\x93\x8c\x04true\x85R.',
        b'\x80\x02\x82\x01.',
        b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00)))NNtR.',
        b'\x80\x02K\x01Q.',
    ],
)
def test_pickles_that_tamper_with_the_reader(tmp_path, data):
    before = dict(inert.ALLOWED)
    with pytest.raises(CheckpointError):
        read_state(archive_of(tmp_path / 'x.pth', data))
    assert before == inert.ALLOWED
    assert inert.Inert.state is None and not hasattr(OrderedDict, 'x')
    state = example()
    torch.save({'a': Calls(dict), 'state_dict': state}, tmp_path / 'good.pth')
    assert same(read_state(tmp_path / 'good.pth'), state)


def test_views_of_a_storage_stay_inside_it(tmp_path):
    torch.save({'a': Calls(dict), 'state_dict': {'w': torch.arange(4.0)}}, tmp_path / 'x.pth')
    with zipfile.ZipFile(tmp_path / 'x.pth') as archive:
        records = {n: archive.read(n) for n in archive.namelist()}
    data = records['x/data.pkl']
    assert data.count(b'K\x04\x85') == 1  # the size (4,)
    with zipfile.ZipFile(tmp_path / 'y.pth', 'w') as archive:
        for name, record in records.items():
            archive.writestr(name, record.replace(b'K\x04\x85', b'K\x40\x85') if name == 'x/data.pkl' else record)
    with pytest.raises(CheckpointError):
        read_state(tmp_path / 'y.pth')


def test_tensors_share_and_stride_as_they_were(save):
    base = torch.randn(6, 4)
    state = {
        'rows': base[1:3],
        'transposed': base.t(),
        'empty': torch.zeros(0, 3),
        'bf16': base.bfloat16(),
        'flags': base > 0,
        'complex': torch.randn(2, dtype=torch.complex64),
    }
    content = {'state_dict': state, 'history': Calls(dict)}  # so that the reader of ours is needed
    assert same(read_state(save(content)), state)


def test_files_of_big_endian_machines(tmp_path):
    values = torch.randn(5)
    torch.save({'state_dict': {'w': values}, 'a': Calls(dict)}, tmp_path / 'x.pth')
    with zipfile.ZipFile(tmp_path / 'x.pth') as archive:
        records = {n: archive.read(n) for n in archive.namelist()}
    records['x/byteorder'] = b'big'
    records['x/data/0'] = values.numpy().astype('>f4').tobytes()
    with zipfile.ZipFile(tmp_path / 'y.pth', 'w') as archive:
        for name, record in records.items():
            archive.writestr(name, record)
    assert torch.equal(read_state(tmp_path / 'y.pth')['w'], values)


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize('whole_module', [False, True])
def test_truncated_files(save, tmp_path, whole_module):
    path = save(nn.Linear(40, 30) if whole_module else {'state_dict': nn.Linear(40, 30).state_dict()})
    data = path.read_bytes()
    cut = tmp_path / 'cut.pth'
    for length in [0, 1, 3, 10, 100, *range(200, len(data), 397), len(data) - 40]:
        cut.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            read_state(cut)


def test_damaged_archive(tmp_path):
    torch.save({'state_dict': {'w': torch.ones(1000)}, 'a': Calls(dict)}, tmp_path / 'x.pth')
    data = bytearray((tmp_path / 'x.pth').read_bytes())
    place = data.index(struct.pack('<4f', 1, 1, 1, 1))
    data[place + 100] ^= 0xFF
    (tmp_path / 'x.pth').write_bytes(data)
    with pytest.raises(CheckpointError, match='damaged'):
        read_state(tmp_path / 'x.pth')


def test_what_is_no_checkpoint(tmp_path):
    path = tmp_path / 'file'
    for data in (
        b'',
        b'<html>not found</html>',
        os.urandom(500),
        b'\x80\x02}q\x00.',
        pickle.dumps(example()),
        b'PK\x03\x04 but no more',
    ):
        path.write_bytes(data)
        with pytest.raises(CheckpointError):
            read_state(path)
    for missing in (tmp_path / 'nothing', tmp_path):
        with pytest.raises(CheckpointError, match='not a file'):
            read_state(missing)
    archive_of(path, pickle.dumps({'a': 1}, 2))
    with pytest.raises(CheckpointError, match=r"only the entries \['a'\]"):
        read_state(path)
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('photo.txt', 'x')
    with pytest.raises(CheckpointError, match='not one of torch.save'):
        read_state(path)
    archive_of(path, pickle.dumps(Calls(dict), 2), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match='compressed'):
        read_state(path)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / 'x.pt')
    with pytest.raises(CheckpointError, match='TorchScript'):
        read_state(tmp_path / 'x.pt')


def test_safetensors(tmp_path):
    path, state = tmp_path / 'x.safetensors', {k: v.clone().contiguous() for k, v in example().items()}
    safetensors.torch.save_file({f'module.{k}': v for k, v in state.items()}, path)
    read = read_state(path)
    assert read.keys() == state.keys() and same({k: read[k] for k in state}, state)
    data = path.read_bytes()
    other = tmp_path / 'weights.bin'
    other.write_bytes(data)
    assert read_state(other).keys() == state.keys()


@pytest.mark.parametrize(
    'spoil',
    [
        lambda data: b'',
        lambda data: data[:9],
        lambda data: data[:100],
        lambda data: data[:-1],
        lambda data: b'\xff' * 8 + data[8:],
        lambda data: data.replace(b'"dtype":"F32"', b'"dtype":"F3x"'),
        lambda data: b'<html>404 not found</html>',
    ],
)
def test_a_damaged_safetensors_file_is_refused_in_one_line(tmp_path, spoil):
    path = tmp_path / 'x.safetensors'
    safetensors.torch.save_file({'w': torch.ones(100)}, path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(CheckpointError, match='x.safetensors is no safetensors file, or truncated') as error:
        read_state(path)
    assert '\n' not in str(error.value)


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / 'new' / 'x.pth'
    state = example()
    write_checkpoint(dict(state_dict=state), path)
    assert same(read_state(path), state)

    def fail(content, file):
        Path(file).write_bytes(b'half')
        raise OSError('the disk is full')

    monkeypatch.setattr(torch, 'save', fail)
    with pytest.raises(OSError, match='full'):
        write_checkpoint({}, path)
    assert same(read_state(path), state)
    assert os.listdir(path.parent) == ['x.pth']


def test_mmengines_checkpoints(tmp_path):
    history = pytest.importorskip('mmengine.logging').HistoryBuffer([0.5], [1])
    state = example()
    torch.save(dict(meta=dict(epoch=1), state_dict=state, message_hub=dict(loss=history)), tmp_path / 'epoch_1.pth')
    assert same(read_state(tmp_path / 'epoch_1.pth'), state)


def test_dictionaries_of_mmengines_configs_are_read_without_mmengine(save, monkeypatch):
    config = pytest.importorskip('mmengine.config')
    meta = config.ConfigDict(classes=('a', 'b'), nested=dict(b=[1, dict(c=2)]))
    path = save(dict(meta=dict(dataset_meta=meta), state_dict=example(), hub=Calls(dict)))
    monkeypatch.setitem(sys.modules, 'mmengine.config.config', None)
    read = read_content(path)['meta']['dataset_meta']
    assert read == dict(classes=('a', 'b'), nested=dict(b=[1, dict(c=2)])) and type(read) is not config.ConfigDict


def test_reads_without_torch_load(tmp_path, monkeypatch):
    """The unpickler of ours alone reads what torch.load would."""
    state = example()
    torch.save(state, tmp_path / 'x.pth')

    def refuse(*args, **kwargs):
        assert kwargs['weights_only'] is True
        raise pickle.UnpicklingError

    monkeypatch.setattr(torch, 'load', refuse)
    assert same(read_state(tmp_path / 'x.pth'), state)


def network(classes: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, classes))


@pytest.mark.parametrize(
    'wrap',
    [
        lambda state: state,
        lambda state: {'state_dict': state, 'meta': {'epoch': 1}},
        lambda state: {'model': state},
        lambda state: {'net': {f'_orig_mod.{k}': v for k, v in state.items()}},
    ],
)
def test_a_trained_network_is_loaded(save, wrap):
    trained, model = network(), network()
    state = trained.state_dict()
    path = save(wrap({f'module.{k}': v for k, v in state.items() if 'num_batches' not in k} | {'other': torch.ones(1)}))
    content = load_weights(model, path)
    assert same(model.state_dict(), state)
    assert content.get('meta', {'epoch': 1}) == {'epoch': 1}


@pytest.mark.parametrize(
    'state, said',
    [
        ({'0.weight': torch.ones(4, 2)}, 'it lacks 7 of 9 tensors, the first: 0.bias'),
        (network(5).state_dict(), '2 tensors have another shape, the first: size mismatch for 2.weight'),
        ({'other': torch.ones(1)}, 'it lacks 8 of 9 tensors'),
        ({'state_dict': None}, 'holds no weights'),
        ([1, 2], 'holds no weights'),
        (
            {f'model.{k}': v for k, v in network().state_dict().items()},
            "the first: 0.weight, 0.bias, 1.weight, …; 9 of its 9 would fit without the prefix 'model.' of their names",
        ),
    ],
)
def test_a_network_is_loaded_whole_or_refused(save, state, said):
    with pytest.raises(UserError, match=said) as error:
        load_weights(network(), save(state))
    assert '\n' not in str(error.value) and 'file.pth' in str(error.value)


@pytest.mark.parametrize('keep', [0, 4, 400])
def test_a_damaged_file_is_named(save, keep):
    path = save(network().state_dict())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match='cannot read the checkpoint: .*file.pth'):
        load_weights(network(), path)


def test_what_a_checkpoint_has_besides_is_said_in_a_line(save, monkeypatch):
    said = []
    monkeypatch.setattr(loading, 'print_log', lambda line, *_: said.append(line))
    load_weights(network(), save({**network().state_dict(), 'attn.weight': torch.ones(1), 'attn.bias': torch.ones(1)}))
    (line,) = said
    assert '2 of its 11 tensors are not used, as the model has no place for them: attn.weight, attn.bias' in line


def test_a_wrapped_network_is_loaded(save, monkeypatch):
    monkeypatch.setattr(loading, 'is_model_wrapper', lambda model: isinstance(model, nn.DataParallel))
    trained, model = network(), network()
    load_weights(nn.DataParallel(model), save(trained.state_dict()))
    assert same(model.state_dict(), trained.state_dict())


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_objects_of_classes_are_refused_where_a_network_is_loaded(save, tmp_path):
    for more in Calls(os.system, f'touch {tmp_path / "marker"}'), network():
        with pytest.raises(UserError, match='file.pth is refused: it (would run|holds torch.nn.modules)'):
            load_weights(network(), save({'state_dict': network().state_dict(), 'hook': more}))
    assert not (tmp_path / 'marker').exists()
    options = argparse.Namespace(lr=0.1)  # as many training scripts save them
    load_weights(network(), save({'state_dict': network().state_dict(), 'args': options}))


def test_a_safetensors_file_of_the_web_is_downloaded_once(tmp_path, monkeypatch):
    state = network().state_dict()
    addresses = []

    def download(address, path, progress):
        addresses.append(address)
        safetensors.torch.save_file(state, path)

    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
    for name in ('a', 'b', 'a'):
        model = network()
        load_weights(model, f'https://example.org/{name}/model.safetensors?download=true')
        assert same(model.state_dict(), state)
    assert [address.split('/')[3] for address in addresses] == ['a', 'b']
