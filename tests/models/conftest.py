"""Shared by the tests of the networks."""

import pytest
import torch
from networks import NETWORKS, kinds
from torch import nn

pytest.register_assert_rewrite('tiny')  # its assertions say what differs


@pytest.fixture(scope='module', params=kinds())
def small(request):
    """A network of each kind with few blocks, in eval mode, and the image size it gets here."""
    torch.manual_seed(0)
    network = NETWORKS[request.param]
    net = network.build_small().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics near those of the data, not 0 and 1
            module.momentum = None
    size = 64 if network.input_size == 224 else 16
    with torch.no_grad():
        net.train()(torch.randn(4, 3, size, size))
    return net.eval(), size
