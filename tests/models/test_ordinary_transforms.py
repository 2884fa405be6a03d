"""Function transforms, forward-mode and second-order derivatives, and hooks on saved tensors, for every network.

One test for each promise; the networks are tiny (see `tiny`), derivatives in double precision.
"""

from functools import partial

import pytest
import torch
from tiny import (
    MODULES,
    TINY,
    as_double,
    as_function,
    assert_all_close,
    gradients,
    module,
    relative_error,
    run_module,
    tiny,
    tiny_images,
)

from mmattn import ops

every_network = pytest.mark.parametrize('name', TINY)
every_module = pytest.mark.parametrize('name', MODULES)
both_modes = pytest.mark.parametrize('mode', ['eval', 'train'])


def doubled(name, device, mode='eval', batch=2):
    return as_double(tiny(name, device).train(mode == 'train'), tiny_images(name, device, batch))


# --- torch.func ---------------------------------------------------------------------------------


@every_network
@both_modes
def test_func_grad_equals_backward(name, mode, device):
    net, x = doubled(name, device, mode)
    f, parameters = as_function(net)
    expected = gradients(net, x)
    of_parameters, of_images = torch.func.grad(lambda p, x: f(p, x).square().sum(), argnums=(0, 1))(parameters, x)
    assert_all_close(of_parameters | {'images': of_images}, expected, 1e-8)


@every_network
def test_func_jvp_and_vjp_are_transposes(name, device):
    net, x = doubled(name, device)
    direction, weight = torch.randn_like(x), torch.randn_like(net(x))
    out, derivative = torch.func.jvp(net, (x,), (direction,))
    torch.testing.assert_close(out, net(x))
    out, pull = torch.func.vjp(net, x)
    torch.testing.assert_close(out, net(x))
    (gradient,) = pull(weight)
    leaf = x.clone().requires_grad_()
    assert relative_error(gradient, torch.autograd.grad((net(leaf) * weight).sum(), leaf)[0]) < 1e-8
    torch.testing.assert_close((derivative * weight).sum(), (gradient * direction).sum())


@every_network
def test_forward_mode_equals_finite_differences(name, device):
    net, x = doubled(name, device)
    direction, step = torch.randn_like(x), 1e-6
    with torch.autograd.forward_ad.dual_level():
        dual = net(torch.autograd.forward_ad.make_dual(x, direction))
        derivative = torch.autograd.forward_ad.unpack_dual(dual).tangent
    with torch.no_grad():
        difference = (net(x + step * direction) - net(x - step * direction)) / (2 * step)
    assert relative_error(derivative, difference) < 1e-4  # a maximum may change its place


@every_network
def test_jacrev_equals_row_by_row(name, device):
    net, x = doubled(name, device, batch=1)
    jacobian = torch.func.jacrev(net)(x)[0]  # (classes, 1, 3, H, W)
    leaf = x.clone().requires_grad_()
    for row, logit in zip(jacobian, net(leaf)[0], strict=True):
        (gradient,) = torch.autograd.grad(logit, leaf, retain_graph=True)
        assert relative_error(row, gradient) < 1e-8


@every_network
def test_vmap_over_images_equals_the_batch(name, device):
    net, x = doubled(name, device, batch=3)
    with torch.no_grad():
        out = torch.func.vmap(lambda image: net(image[None])[0])(x)
        assert relative_error(out, net(x)) < 1e-8


@every_network
def test_gradients_image_by_image_equal_backward(name, device):
    net, x = doubled(name, device)
    f, parameters = as_function(net)
    per_image = torch.func.vmap(torch.func.grad(lambda p, image: f(p, image[None]).square().sum()), (None, 0))(
        parameters, x
    )
    expected = gradients(net, x)
    del expected['images']
    assert_all_close({key: value.sum(0) for key, value in per_image.items()}, expected, 1e-8)


# --- second order -------------------------------------------------------------------------------


def with_leaves(name, mode='eval'):
    built, maps = module(name)
    return built.train(mode == 'train'), [x.requires_grad_() for x in maps]


@pytest.mark.slow
@every_module
@both_modes
def test_second_derivatives_equal_finite_differences(name, mode):
    built, maps = with_leaves(name, mode)
    call, parameters = as_function(built)

    def f(*tensors):
        given = dict(zip(parameters, tensors[len(maps) :], strict=True))
        return run_module(name, partial(call, given), list(tensors[: len(maps)]))

    values = [value.requires_grad_() for value in parameters.values()]
    inputs = (*maps, *values)
    assert torch.autograd.gradcheck(f, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(f, inputs, fast_mode=True, atol=1e-4)


def penalty(run, leaves):
    """The sum of squares of a gradient with respect to each of `leaves`, of which some may have none."""
    first = torch.autograd.grad(run().square().sum(), leaves, create_graph=True, allow_unused=True)
    return sum(gradient.square().sum() for gradient in first if gradient is not None)


def penalty_gradients(run, first, second):
    return torch.autograd.grad(penalty(run, first), second, allow_unused=True)


def assert_gradients_close(values, expected, tolerance=1e-8):
    assert [value is None for value in values] == [value is None for value in expected]
    found, wanted = ({i: value for i, value in enumerate(some) if value is not None} for some in (values, expected))
    assert_all_close(found, wanted, tolerance)


@every_module
@both_modes
def test_gradient_penalty_of_any_leaves_equals_the_reference(name, mode):
    built, maps = with_leaves(name, mode)
    leaves = [*maps, *built.parameters()]

    def run():
        return run_module(name, built, maps)

    with ops.use_faster(False):
        expected = penalty_gradients(run, leaves, leaves)
        expected_of_maps = penalty_gradients(run, maps, leaves)
    assert_gradients_close(penalty_gradients(run, leaves, leaves), expected)
    assert_gradients_close(penalty_gradients(run, maps, leaves), expected_of_maps)
    # passes that reach one leaf only
    assert_gradients_close([penalty_gradients(run, leaves, [leaf])[0] for leaf in leaves], expected)
    assert_gradients_close([penalty_gradients(run, maps, [leaf])[0] for leaf in leaves], expected_of_maps)


@pytest.mark.slow
@every_network
@both_modes
def test_gradient_penalty_of_a_network_equals_the_reference(name, mode, device):
    net, x = doubled(name, device, mode)
    x.requires_grad_()
    leaves = list(net.parameters())
    with ops.use_faster(False):
        expected = penalty_gradients(lambda: net(x), [x], leaves)
    assert_gradients_close(penalty_gradients(lambda: net(x), [x], leaves), expected)
    assert_gradients_close(penalty_gradients(lambda: net(x), [x], leaves[:3]), expected[:3])


@pytest.mark.slow
@every_network
def test_hessian_vector_products_of_both_kinds_agree(name, device):
    net, x = doubled(name, device)
    f, parameters = as_function(net)
    directions = {key: torch.randn_like(value) for key, value in parameters.items()}

    def loss(parameters):
        return f(parameters, x).square().sum()

    _, forward = torch.func.jvp(torch.func.grad(loss), (parameters,), (directions,))
    leaves = {key: value.clone().requires_grad_() for key, value in parameters.items()}
    first = torch.autograd.grad(loss(leaves), leaves.values(), create_graph=True)
    product = torch.autograd.grad(
        sum((g * directions[key]).sum() for key, g in zip(leaves, first, strict=True)),
        leaves.values(),
        materialize_grads=True,
    )
    assert_all_close(dict(zip(leaves, product, strict=True)), forward, 1e-8)


# --- saved tensors ------------------------------------------------------------------------------


@every_network
@both_modes
def test_save_on_cpu_changes_no_gradient(name, mode, device):
    net, x = doubled(name, device, mode)
    expected = gradients(net, x)
    with torch.autograd.graph.save_on_cpu():
        assert_all_close(gradients(net, x), expected, 1e-10)


@every_network
@both_modes
def test_hooks_on_saved_tensors_see_all_of_them(name, mode, device):
    net, x = doubled(name, device, mode)
    expected, packed, unpacked = gradients(net, x), [], []
    own = {p.data_ptr() for p in net.parameters()}
    inputs = []
    for conv in net.modules():
        if isinstance(conv, torch.nn.Conv2d):
            conv.register_forward_pre_hook(lambda conv, args: inputs.append(args[0]))

    def pack(tensor):
        packed.append(tensor)
        return len(packed) - 1, tensor.clone()

    def unpack(pair):
        unpacked.append(pair[0])
        return pair[1]

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        result = gradients(net, x)
    assert_all_close(result, expected, 1e-10)
    seen = {tensor.data_ptr() for tensor in packed}
    assert seen >= own & {p.data_ptr() for p in net.parameters() if p.dim() == 4 and p.shape[2:].numel() > 1}
    assert seen >= {tensor.data_ptr() for tensor in inputs}
    assert unpacked
