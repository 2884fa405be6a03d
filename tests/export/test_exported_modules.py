"""Each registered module at full width as ONNX: equal to PyTorch at any size and number of images."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / 'models'))

from dataclasses import replace  # noqa: E402

from networks import images  # noqa: E402
from tiny import ENOUGH, MODULES, SPATIAL, TINY, scrambled  # noqa: E402

from mmattn.export.onnx_graph import to_onnx  # noqa: E402
from mmattn.export.parts import Module  # noqa: E402
from mmattn.inference import prepare  # noqa: E402
from mmattn.registry import MODELS as REGISTRY  # noqa: E402

pytestmark = pytest.mark.slow
# Number of images, height and width: feature maps of one pixel, of one row or column, images below the stride.
SHAPES = ((1, 64, 64), (3, 8, 8), (1, 1, 1), (2, 1, 1), (3, 5, 70), (1, 70, 3), (2, 33, 47), (1, 9, 200))


def full_width(name):
    """A classifier of one stage as wide as a ResNet-50's first, or two for spatial modules, for their stride."""
    network = TINY[name]
    stages = 2 if re.search('|'.join(SPATIAL) + '|EPSANet|MSPANet', repr(network.backbone)) else 1
    backbone = {key: value[:stages] if isinstance(value, tuple) else value for key, value in network.backbone.items()}
    backbone = dict(depth=50) | backbone | dict(num_stages=stages)
    backbone['stage_blocks'] = (2, 1)[:stages] if 'depth_attn' in backbone else (1, 1)[:stages]
    torch.manual_seed(0)
    return scrambled(replace(network, backbone=backbone, classes=7).build()).eval()


@pytest.mark.parametrize('name', ENOUGH)
def test_network_with_module_as_onnx_equals_pytorch_at_any_size_and_batch(name):
    net = full_width(name)
    dim = torch.export.Dim
    sizes = {0: dim('N', min=1, max=64), 2: dim('H', min=160, max=2**15), 3: dim('W', min=160, max=2**15)}
    prepared = prepare(net, memory_format=False, chunks=False).eval()
    model = to_onnx(Module(prepared, dict(x=torch.rand(2, 3, 320, 416)), ('logits',), dict(x=sizes)))
    assert {operator.domain for operator in model.opset_import} <= {''}
    assert {node.domain for node in model.graph.node} == {''}
    assert not model.functions
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    for count, height, width in SHAPES:
        x = images(count, 3, height, width)
        with torch.no_grad():
            wanted = net(x).numpy()
        (found,) = session.run(None, dict(x=x.numpy()))
        assert found.shape == wanted.shape and np.isfinite(wanted).all()
        error = np.abs(found - wanted).max() / np.abs(wanted).max()
        assert error <= 1e-4, f'{count} images of {height} x {width}: {error}'


def test_networks_have_every_registered_module():
    """A module that is registered is in one of the networks that are exported."""
    used = {type(module) for name in ENOUGH for module in full_width(name).modules()}
    named = repr([TINY[name].backbone for name in ENOUGH])  # GroupedConv builds a layer of PyTorch
    missing = {name for name in MODULES if REGISTRY.get(f'mmattn.{name}') not in used and f'mmattn.{name}' not in named}
    assert missing == set()
