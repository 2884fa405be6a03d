"""Every network in two processes: DistributedDataParallel with a static graph, and FSDP by block.

The processes start once, over gloo on the CPU, run all networks and leave what they found; the tests read that.
"""

import copy
import pickle
import traceback
import warnings

import pytest
import torch
from tiny import TINY, as_double, assert_all_close, channels_last, gradients, relative_error, tiny, tiny_images
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

try:
    from torch.distributed.fsdp import fully_shard
except ImportError:
    fully_shard = None

PROCESSES = 2
every_network = pytest.mark.parametrize('name', TINY)


def data_parallel(name):
    """Gradients and warnings of two steps in channels_last, with half of the batch in each process."""
    net, images = as_double(tiny(name), tiny_images(name, batch=2 * PROCESSES))
    channels_last(net)
    expected = gradients(copy.deepcopy(net), images)
    expected = {key: value / PROCESSES for key, value in expected.items() if key != 'images'}
    wrapped = DistributedDataParallel(net, static_graph=True)
    part = images.chunk(PROCESSES)[distributed.get_rank()]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for _ in range(2):  # the first pass records the graph
            net.zero_grad()
            wrapped(part).square().sum().backward()
    assert_all_close({key: p.grad for key, p in net.named_parameters()}, expected, 1e-8)
    # for a 1x1 kernel both formats are the same bytes, whatever the strides say
    assert [text for text in (str(w.message) for w in caught) if 'strides' in text and ', 1, 1]' not in text] == []


def sharded(name):
    """Outputs and gradients with each block's weights gathered for its own passes only."""
    net, images = as_double(tiny(name), tiny_images(name))
    expected, expected_gradients = net(images), gradients(copy.deepcopy(net), images)
    mesh = distributed.init_device_mesh('cpu', (PROCESSES,))
    for stage in (net.backbone.layer1, net.backbone.layer2):
        for block in stage:
            fully_shard(block, mesh=mesh)
    fully_shard(net, mesh=mesh)
    assert relative_error(net(images), expected) < 1e-8
    result = gradients(net, images)
    assert_all_close(
        {key: value.full_tensor() if hasattr(value, 'full_tensor') else value for key, value in result.items()},
        expected_gradients,
        1e-8,
    )


CHECKS = {'ddp': data_parallel, 'fsdp': sharded}


def work(rank, folder):
    """Runs every check of every network in this process of the group, and leaves what failed."""
    torch.set_num_threads(1)
    torch.set_warn_always(True)  # also what is said once a process, for each network
    distributed.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=PROCESSES)
    found = {}
    for name in TINY:
        for check in CHECKS if fully_shard else ['ddp']:
            try:
                CHECKS[check](name)
            except Exception:
                found[name, check] = traceback.format_exc()
            distributed.barrier()
    (folder / f'{rank}.pickle').write_bytes(pickle.dumps(found))
    distributed.destroy_process_group()


@pytest.fixture(scope='module')
def failures(tmp_path_factory, request):
    """What failed in a process, by network and check."""
    if torch.device(request.config.getoption('--device')).type != 'cpu':
        pytest.skip('runs on a CPU only')
    folder = tmp_path_factory.mktemp('group')
    multiprocessing.spawn(work, (folder,), PROCESSES)
    return {
        key: text
        for rank in range(PROCESSES)
        for key, text in pickle.loads((folder / f'{rank}.pickle').read_bytes()).items()
    }


def fail_with(text):
    if text:
        pytest.fail(text, pytrace=False)


@pytest.mark.slow
@every_network
def test_data_parallel_with_a_static_graph_equals_plain_without_a_warning(name, failures):
    fail_with(failures.get((name, 'ddp')))


@pytest.mark.slow
@pytest.mark.skipif(not fully_shard, reason='torch before 2.6 has no torch.distributed.fsdp.fully_shard')
@every_network
def test_blocks_sharded_one_by_one_equal_plain(name, failures):
    fail_with(failures.get((name, 'fsdp')))
