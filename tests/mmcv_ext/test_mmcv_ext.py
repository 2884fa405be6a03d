"""The stand-in for `mmcv._ext`: how it is found, and each operator against a written-out one.

The operators are called through mmcv's own wrappers, with the stand-in put in place of whatever
extension this mmcv has. So the tests say the same where mmcv is compiled.
"""

import math
import subprocess
import sys
from itertools import product

import pytest
import torch
from mmengine.utils import digit_version

from mmattn.mmcv_ext import extension
from mmattn.mmcv_ext.errors import OperatorNotAvailableError

mmcv_ops = pytest.importorskip('mmcv.ops')

WRAPPERS = ('nms', 'roi_align', 'roi_pool', 'deform_conv', 'modulated_deform_conv', 'focal_loss')
DEVICES = ['cpu'] + ['cuda'] * torch.cuda.is_available()
DOUBLE = torch.float64


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    for name in WRAPPERS:
        monkeypatch.setattr(sys.modules[f'mmcv.ops.{name}'], 'ext_module', extension)


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def run_python(code, *path):
    """Run code in a fresh interpreter, with `path` in front of sys.path."""
    prefix = f'import sys; sys.path[:0] = {[str(entry) for entry in path]!r}\n'
    return subprocess.run([sys.executable, '-c', prefix + code], capture_output=True, text=True)


# How it is found


def test_import_is_light():
    done = run_python("""
import mmattn
heavy = {'torch', 'torchvision', 'mmcv', 'mmdet', 'mmpretrain', 'mmengine'} & set(sys.modules)
assert not heavy, heavy
""")
    assert done.returncode == 0, done.stderr


def test_install_twice_adds_one_finder_at_the_end():
    done = run_python("""
import mmattn.mmcv_ext
before = list(sys.meta_path)
mmattn.mmcv_ext.install()
assert sys.meta_path == before
assert type(before[-1]).__module__ == 'mmattn.mmcv_ext'
assert sum(type(f).__module__ == 'mmattn.mmcv_ext' for f in before) == 1
""")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def bare_mmcv(tmp_path):
    """A folder with a package mmcv that has no compiled extension."""
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text('')
    (tmp_path / 'mmcv' / 'ops.py').write_text('from mmcv import _ext\n')
    return tmp_path


def test_extension_that_is_there_is_used(bare_mmcv):
    (bare_mmcv / 'mmcv' / '_ext.py').write_text('compiled = True\n')
    done = run_python(
        """
import mmattn, mmcv.ops
assert vars(mmcv.ops._ext)['compiled']
assert 'mmattn.mmcv_ext.extension' not in sys.modules and 'torch' not in sys.modules
""",
        bare_mmcv,
    )
    assert done.returncode == 0, done.stderr


def test_extension_that_does_not_load_keeps_its_error(bare_mmcv):
    (bare_mmcv / 'mmcv' / '_ext.py').write_text('raise ImportError("undefined symbol: _ZN2at")\n')
    done = run_python('import mmattn, mmcv.ops', bare_mmcv)
    assert 'undefined symbol: _ZN2at' in done.stderr


@pytest.mark.slow
def test_works_after_a_failed_import(bare_mmcv):
    done = run_python(
        """
try:
    import mmcv.ops
except ImportError:
    pass
else:
    sys.exit('the bare mmcv has an extension')
import mmattn
import mmcv.ops
spec = mmcv.ops._ext.__spec__
assert spec.name == 'mmcv._ext' and 'mmcv_ext' in spec.origin, spec
""",
        bare_mmcv,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize('environment, lines', [('', 1), ("import os; os.environ['LOCAL_RANK'] = '1'", 0)])
def test_the_stand_in_says_once_that_it_replaces_the_operators(bare_mmcv, environment, lines):
    done = run_python(f'{environment}\nimport mmattn, mmcv.ops, mmcv._ext, mmcv.ops', bare_mmcv)
    assert done.returncode == 0 and done.stderr.count('mmcv has no compiled operators') == lines, done.stderr


def test_other_missing_modules_stay_missing():
    with pytest.raises(ModuleNotFoundError):
        __import__('mmcv._no_such_extension')


@pytest.mark.slow
@pytest.mark.parametrize('library', ['mmdet', 'mmpretrain'])
def test_libraries_import(library):
    pytest.importorskip(library)
    done = run_python(f'import mmattn, {library}.models, {library}.apis, mmcv._ext')
    assert done.returncode == 0, done.stderr


def test_environment_report_names_the_stand_in():
    assert 'mmattn' in extension.get_compiler_version()
    assert 'torchvision' in extension.get_compiling_cuda_version()


def test_unknown_operator_is_named_when_called():
    operator = extension.ms_deform_attn_forward  # mmcv.ops asks for it on import
    with pytest.raises(OperatorNotAvailableError, match='ms_deform_attn_forward') as error:
        operator(torch.zeros(1), step=1)
    assert '\n' not in str(error.value)
    assert 'MMATTN_COMPILE_OPS=1' in str(error.value)


@pytest.mark.parametrize('name', ['__wrapped__', '__path__', '_private'])
def test_underscored_names_are_absent(name):
    assert not hasattr(extension, name)


# Non-maximum suppression


def iou_reference(a, b, offset):
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    inter = max(width, 0) * max(height, 0)
    union = sum((box[2] - box[0] + offset) * (box[3] - box[1] + offset) for box in (a, b)) - inter
    return inter / union if union else 0


def nms_reference(boxes, scores, threshold, offset):
    keep = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou_reference(boxes[i], boxes[j], offset) <= threshold for j in keep):
            keep.append(i)
    return keep


def soft_nms_reference(boxes, scores, threshold, sigma, min_score, method, offset):
    """Lists of kept indices and scores; a dropped box's place goes to the last one of the list."""
    live, keep = [[i, score] for i, score in enumerate(scores)], []
    while live:
        top = max(range(len(live)), key=lambda k: live[k][1])
        live[0], live[top] = live[top], live[0]
        best = live.pop(0)
        keep.append(best)
        k = 0
        while k < len(live):
            iou = iou_reference(boxes[best[0]], boxes[live[k][0]], offset)
            if method == 'gaussian':
                live[k][1] *= math.exp(-iou * iou / sigma)
            elif iou >= threshold:
                live[k][1] *= 1 - iou if method == 'linear' else 0
            if live[k][1] < min_score:
                live[k] = live[-1]
                live.pop()
            else:
                k += 1
    return [i for i, _ in keep], [score for _, score in keep]


def crowded_boxes(rng, count=60):
    """Whole-numbered boxes that overlap a lot, and scores with many ties."""
    corners = torch.randint(0, 24, (count, 2), generator=rng)
    boxes = torch.cat([corners, corners + torch.randint(0, 20, (count, 2), generator=rng)], dim=1)
    return boxes.double(), torch.randint(1, 20, (count,), generator=rng) / 20.0


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.2, 0.51])
def test_nms(rng, threshold, offset, device):
    boxes, scores = crowded_boxes(rng)
    expected = nms_reference(boxes.tolist(), scores.tolist(), threshold, offset)
    dets, keep = mmcv_ops.nms(boxes.float().to(device), scores.to(device), threshold, offset)
    assert keep.tolist() == expected
    assert 1 < len(expected) < len(boxes)
    torch.testing.assert_close(dets.cpu(), torch.cat([boxes.float()[keep.cpu()], scores[keep.cpu(), None]], 1))


def test_nms_offset_matters():
    boxes = torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 2]])
    scores = torch.tensor([0.9, 0.8])
    assert mmcv_ops.nms(boxes, scores, 0.6, offset=0)[1].tolist() == [0, 1]  # 1 / 2
    assert mmcv_ops.nms(boxes, scores, 0.6, offset=1)[1].tolist() == [0]  # 4 / 6


def test_nms_score_threshold_and_max_num(rng):
    boxes, scores = crowded_boxes(rng)
    confident = (scores > 0.5).nonzero()[:, 0]
    expected = confident[nms_reference(boxes[confident].tolist(), scores[confident].tolist(), 0.3, 0)]
    _, keep = mmcv_ops.nms(boxes.float(), scores, 0.3, score_threshold=0.5, max_num=4)
    assert len(expected) > 4
    assert keep.tolist() == expected[:4].tolist()


@pytest.mark.parametrize('device', DEVICES)
def test_nms_of_16_bits(rng, device):
    boxes, scores = crowded_boxes(rng)
    scores = scores.half()
    expected = nms_reference(boxes.tolist(), scores.tolist(), 0.3, 0)
    _, keep = mmcv_ops.nms(boxes.half().to(device), scores.to(device), 0.3)
    assert keep.tolist() == expected


@pytest.mark.parametrize('nms_type', ['nms', 'soft_nms'])
def test_batched_nms_keeps_classes_apart(nms_type):
    boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 9]])
    scores, labels = torch.tensor([0.7, 0.9, 0.8]), torch.tensor([0, 1, 0])
    cfg = dict(type=nms_type, iou_threshold=0.5)
    dets, keep = mmcv_ops.batched_nms(boxes, scores, labels, cfg)
    assert keep.tolist() == [1, 2]
    torch.testing.assert_close(dets[:, 4], scores[keep])


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
@pytest.mark.parametrize('min_score', [1e-3, 0.3])
def test_soft_nms(rng, method, offset, min_score):
    boxes, scores = crowded_boxes(rng)
    scores = scores.double()
    expected, lowered = soft_nms_reference(boxes.tolist(), scores.tolist(), 0.3, 0.5, min_score, method, offset)
    dets, keep = mmcv_ops.soft_nms(boxes, scores, 0.3, 0.5, min_score, method, offset)
    assert keep.tolist() == expected
    torch.testing.assert_close(dets[:, :4], boxes[keep])
    torch.testing.assert_close(dets[:, 4], torch.tensor(lowered, dtype=DOUBLE))


def test_soft_nms_of_unknown_method():
    with pytest.raises(ValueError, match='method must be 0'):
        extension.softnms(torch.zeros(1, 4), torch.ones(1), torch.zeros(1, 5), 0.3, 0.5, 0.0, 3, 0)


def test_suppression_of_no_boxes():
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    for suppress in (mmcv_ops.nms, mmcv_ops.soft_nms):
        dets, keep = suppress(boxes, scores, 0.5)
        assert dets.shape == (0, 5)
        assert keep.shape == (0,) and keep.dtype == torch.int64


# Regions of interest


def bilinear(image, y, x):
    """(C,) of (C, H, W) at a point, differentiable in all three; 0 outside of the image."""
    height, width = image.shape[1:]
    y0, x0 = (math.floor(torch.as_tensor(place).detach()) for place in (y, x))
    total = image.new_zeros(image.shape[0])
    for row, column in product((y0, y0 + 1), (x0, x0 + 1)):
        if 0 <= row < height and 0 <= column < width:
            total = total + image[:, row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def roi_align_sample(image, y, x):
    """`bilinear`, but up to a pixel outside of the image its border continues."""
    height, width = image.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return image.new_zeros(image.shape[0])
    return bilinear(image, min(max(y, 0), height - 1), min(max(x, 0), width - 1))


def roi_align_reference(input, rois, size, scale, ratio, aligned):
    output = []
    for index, *box in rois.tolist():
        x1, y1, x2, y2 = (value * scale - 0.5 * aligned for value in box)
        height, width = y2 - y1, x2 - x1
        if not aligned:
            height, width = max(height, 1), max(width, 1)
        bin_h, bin_w = height / size[0], width / size[1]
        rows, columns = ratio or math.ceil(bin_h), ratio or math.ceil(bin_w)
        for ph, pw in product(range(size[0]), range(size[1])):
            samples = [
                roi_align_sample(
                    input[int(index)], y1 + (ph + (i + 0.5) / rows) * bin_h, x1 + (pw + (j + 0.5) / columns) * bin_w
                )
                for i, j in product(range(rows), range(columns))
            ]
            output.append(sum(samples) / max(len(samples), 1))
    return torch.stack(output).view(len(rois), *size, -1).permute(0, 3, 1, 2)


# In the image; past its edges; thinner than a pixel.
ROIS = torch.tensor([[0, 1.3, 2.1, 9.7, 8.2], [1, -6, -7, 16, 13.5], [1, 4.2, 3.3, 4.9, 9.1]], dtype=DOUBLE)


def compare_with_gradients(actual, expected, *leaves):
    """Both results, and the gradients of a weighted sum of each by the leaves."""
    torch.testing.assert_close(actual, expected)
    above = torch.arange(actual.numel(), dtype=actual.dtype, device=actual.device).view_as(actual)
    got = torch.autograd.grad(actual, leaves, above.cos())
    wanted = torch.autograd.grad(expected, leaves, above.cos())
    for leaf_got, leaf_wanted in zip(got, wanted, strict=True):
        assert leaf_wanted.abs().sum() > 0
        torch.testing.assert_close(leaf_got, leaf_wanted)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
def test_roi_align(rng, ratio, aligned, device):
    x = torch.rand(2, 3, 6, 7, generator=rng, dtype=DOUBLE).to(device).requires_grad_()
    actual = mmcv_ops.roi_align(x, ROIS.to(device), (2, 3), 0.5, ratio, 'avg', aligned)
    compare_with_gradients(actual, roi_align_reference(x, ROIS, (2, 3), 0.5, ratio, aligned), x)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_roi_align_of_16_bits(rng, dtype, device):
    x = torch.rand(2, 3, 6, 7, generator=rng).to(device, dtype).requires_grad_()
    rois = ROIS.round().to(device)
    output = mmcv_ops.RoIAlign((2, 3), 0.5)(x, rois.to(dtype))
    expected = roi_align_reference(x.double(), rois, (2, 3), 0.5, 0, True)
    assert output.dtype == dtype
    torch.testing.assert_close(output.double(), expected, rtol=1e-2, atol=1e-2)
    output.sum().backward()
    assert x.grad.dtype == dtype and x.grad.abs().sum() > 0


def test_roi_align_refuses_max():
    with pytest.raises(OperatorNotAvailableError, match="roi_align with pool_mode='max'"):
        mmcv_ops.roi_align(torch.rand(1, 1, 4, 4), ROIS[:1].float(), (2, 2), 1.0, 0, 'max', True)


def roi_pool_reference(input, rois, size, scale):
    limit_h, limit_w = input.shape[2:]
    output = []
    for index, x1, y1, x2, y2 in rois.tolist():
        height, width = (y2 + 1 - y1) * scale, (x2 + 1 - x1) * scale
        for ph, pw in product(range(size[0]), range(size[1])):
            top = max(math.floor(y1 * scale + ph * height / size[0]), 0)
            left = max(math.floor(x1 * scale + pw * width / size[1]), 0)
            bottom = min(math.ceil(y1 * scale + (ph + 1) * height / size[0]), limit_h)
            right = min(math.ceil(x1 * scale + (pw + 1) * width / size[1]), limit_w)
            if height <= 0 or width <= 0 or top >= bottom or left >= right:
                output.append(input.new_zeros(input.shape[1]))
            else:
                output.append(input[int(index), :, top:bottom, left:right].amax((1, 2)))
    return torch.stack(output).view(len(rois), *size, -1).permute(0, 3, 1, 2)


@pytest.mark.parametrize('device', DEVICES)
def test_roi_pool(rng, device):
    # Distinct values: where two are equal the gradient is a matter of taste. Negative ones tell
    # an empty bin's 0 from a maximum.
    x = (torch.randperm(2 * 3 * 6 * 7, generator=rng) - 126).view(2, 3, 6, 7)
    x = x.double().to(device).requires_grad_()
    outside = torch.tensor([[0, 20, 20, 30, 30], [1, 8, 8, 2, 2]], dtype=DOUBLE)
    rois = torch.cat([ROIS, outside])
    actual = mmcv_ops.roi_pool(x, rois.to(device), (2, 3), 0.5)
    compare_with_gradients(actual, roi_pool_reference(x, rois, (2, 3), 0.5), x)


def test_roi_pool_gives_a_tie_to_the_first_in_the_row():
    x = torch.zeros(1, 1, 3, 3, requires_grad=True)
    with torch.no_grad():
        x[0, 0, 0, 2] = x[0, 0, 1, 0] = 1
    mmcv_ops.roi_pool(x, torch.tensor([[0.0, 0, 0, 2, 2]]), 1).sum().backward()
    assert x.grad.nonzero().tolist() == [[0, 0, 0, 2]]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('pool', [mmcv_ops.roi_align, mmcv_ops.roi_pool])
def test_no_regions(pool, device):
    x = torch.rand(1, 2, 4, 4, device=device, requires_grad=True)
    output = pool(x, torch.zeros(0, 5, device=device), (3, 3))
    assert output.shape == (0, 2, 3, 3)
    output.sum().backward()
    assert not x.grad.any()


# Deformable convolution

# Height and width differ in everything, so that no exchange of the two goes unnoticed.
GEOMETRY = dict(stride=(2, 1), padding=(1, 2), dilation=(1, 2))


def deform_conv_reference(x, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups):
    """mask and bias may be None; offset's channels are deform group, kernel position, (y, x)."""
    out_channels, per_group, kernel_h, kernel_w = weight.shape
    size = offset.shape[2:]
    per_deform = x.shape[1] // deform_groups
    per_out = out_channels // groups
    output = []
    for n, oy, ox in product(range(len(x)), *map(range, size)):
        samples = x.new_zeros(kernel_h * kernel_w, 0)
        for g in range(deform_groups):
            points = []
            for k, (ky, kx) in enumerate(product(range(kernel_h), range(kernel_w))):
                channel = g * kernel_h * kernel_w + k
                y = oy * stride[0] - padding[0] + ky * dilation[0] + offset[n, 2 * channel, oy, ox]
                x_ = ox * stride[1] - padding[1] + kx * dilation[1] + offset[n, 2 * channel + 1, oy, ox]
                point = bilinear(x[n, g * per_deform : (g + 1) * per_deform], y, x_)
                points.append(point if mask is None else point * mask[n, channel, oy, ox])
            samples = torch.cat([samples, torch.stack(points)], dim=1)  # kernel, channels
        for o in range(out_channels):
            first = o // per_out * per_group
            output.append((samples[:, first : first + per_group].T * weight[o].flatten(1)).sum())
    output = torch.stack(output).view(len(x), *size, out_channels).permute(0, 3, 1, 2)
    return output if bias is None else output + bias[:, None, None]


def deform_leaves(rng, device, groups, deform_groups):
    """Input, offset, mask, weight, bias for a 3x2 kernel on 5x4 maps."""
    shapes = [(2, 4, 5, 4), (2, deform_groups * 12, 3, 6), (2, deform_groups * 6, 3, 6), (6, 4 // groups, 3, 2), (6,)]
    leaves = [torch.rand(shape, generator=rng, dtype=DOUBLE) for shape in shapes]
    leaves[1] = leaves[1] * 4 - 2
    return [leaf.to(device).requires_grad_() for leaf in leaves]


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('groups, deform_groups', [(1, 1), (2, 1), (1, 2), (2, 2), (2, 4)])
def test_deform_conv(rng, groups, deform_groups, device):
    x, offset, _, weight, _ = deform_leaves(rng, device, groups, deform_groups)
    actual = mmcv_ops.deform_conv2d(x, offset, weight, *GEOMETRY.values(), groups, deform_groups)
    expected = deform_conv_reference(x, offset, None, weight, None, *GEOMETRY.values(), groups, deform_groups)
    compare_with_gradients(actual, expected, x, offset, weight)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('with_bias', [True, False])
@pytest.mark.parametrize('groups, deform_groups', [(1, 1), (2, 1), (1, 2)])
def test_modulated_deform_conv(rng, groups, deform_groups, with_bias, device):
    x, offset, mask, weight, bias = deform_leaves(rng, device, groups, deform_groups)
    bias = bias if with_bias else None
    actual = mmcv_ops.modulated_deform_conv2d(x, offset, mask, weight, bias, *GEOMETRY.values(), groups, deform_groups)
    expected = deform_conv_reference(x, offset, mask, weight, bias, *GEOMETRY.values(), groups, deform_groups)
    leaves = [x, offset, mask, weight] + [bias] * with_bias
    compare_with_gradients(actual, expected, *leaves)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('conv', [mmcv_ops.DeformConv2dPack, mmcv_ops.ModulatedDeformConv2dPack])
def test_packed_deform_conv_of_16_bits(rng, conv, device):
    """With its initial offsets of zero it is an ordinary convolution (mask 1/2 if modulated)."""
    if device == 'cpu' and digit_version(torch.__version__) < digit_version('2.4'):
        pytest.skip('torch before 2.4 has no convolution of 16 bits on a CPU')
    module = conv(4, 6, 3, padding=1, bias=False).to(device).half()
    x = torch.rand(2, 4, 5, 6, generator=rng).to(device).half().requires_grad_()
    output = module(x)
    modulated = conv is mmcv_ops.ModulatedDeformConv2dPack
    expected = torch.nn.functional.conv2d(x.float(), module.weight.float(), padding=1)
    assert output.dtype == torch.float16
    torch.testing.assert_close(output.float(), expected / (1 + modulated), rtol=1e-2, atol=1e-2)
    output.sum().backward()
    assert module.weight.grad.any() and x.grad.any()


def test_scale_of_the_weight_gradient(rng):
    x, offset, _, weight, _ = (leaf.detach() for leaf in deform_leaves(rng, 'cpu', 1, 1))
    geometry = dict(
        kW=2, kH=3, dW=1, dH=2, padW=2, padH=1, dilationW=2, dilationH=1, group=1, deformable_group=1, im2col_step=2
    )
    grads = [torch.ones_like(weight) for _ in range(2)]
    for grad, scale in zip(grads, (1, 3), strict=True):
        extension.deform_conv_backward_parameters(
            x,
            offset,
            torch.ones(2, 6, 3, 6, dtype=DOUBLE),
            grad,
            x.new_empty(0),
            x.new_empty(0),
            scale=scale,
            **geometry,
        )
    torch.testing.assert_close(grads[1] - 1, 3 * (grads[0] - 1))


# Focal loss


def sigmoid_focal_reference(logits, target, weight, gamma, alpha):
    rows = []
    for row, label in zip(logits, target.tolist(), strict=True):
        share = 1 if weight is None or label == logits.shape[1] else weight[label]
        p = [1 / (1 + torch.exp(-x)) for x in row]
        rows.append(
            torch.stack(
                [
                    -share
                    * (alpha * (1 - q) ** gamma * q.log() if c == label else (1 - alpha) * q**gamma * (1 - q).log())
                    for c, q in enumerate(p)
                ]
            )
        )
    return torch.stack(rows)


def softmax_focal_reference(logits, target, weight, gamma, alpha):
    losses = []
    for row, label in zip(logits, target.tolist(), strict=True):
        p = row[label].exp() / row.exp().sum()
        share = 1 if weight is None else weight[label]
        losses.append(-alpha * share * (1 - p) ** gamma * p.log() * (label >= 0))
    return torch.stack(losses)


FOCAL = {
    'sigmoid': (mmcv_ops.sigmoid_focal_loss, sigmoid_focal_reference, [0, 2, 3, 1]),
    'softmax': (mmcv_ops.softmax_focal_loss, softmax_focal_reference, [0, 2, -1, 1]),
}


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('form', FOCAL)
@pytest.mark.parametrize('gamma', [2.0, 0.5])
@pytest.mark.parametrize('weighted', [True, False])
def test_focal_loss(rng, form, weighted, gamma, device):
    loss, reference, labels = FOCAL[form]
    logits = torch.randn(4, 3, generator=rng, dtype=DOUBLE).to(device).requires_grad_()
    target = torch.tensor(labels, device=device)
    weight = torch.tensor([0.5, 1, 2], dtype=DOUBLE, device=device) if weighted else None
    torch.testing.assert_close(
        loss(logits, target, gamma, 0.25, weight, 'none'), reference(logits, target, weight, gamma, 0.25)
    )
    actual = loss(logits, target, gamma, 0.25, weight, 'mean')
    expected = reference(logits, target, weight, gamma, 0.25).sum() / 4
    compare_with_gradients(actual, expected, logits)


def test_sigmoid_focal_loss_is_that_of_torchvision(rng):
    from torchvision.ops import sigmoid_focal_loss

    logits = torch.randn(5, 3, generator=rng, dtype=DOUBLE)
    target = torch.tensor([0, 1, 2, 3, 1])
    one_hot = torch.nn.functional.one_hot(target, 4)[:, :3].double()
    torch.testing.assert_close(
        mmcv_ops.sigmoid_focal_loss(logits, target, 2.0, 0.25, None, 'none'),
        sigmoid_focal_loss(logits, one_hot, 0.25, 2.0),
    )


@pytest.mark.parametrize('form', FOCAL)
def test_focal_loss_of_extreme_logits_is_finite(form):
    loss, _, _ = FOCAL[form]
    logits = torch.tensor([[200.0, -200], [-200, 200]], requires_grad=True)
    for gamma in (0.0, 2.0):
        value = loss(logits, torch.tensor([0, 0]), gamma)
        (grad,) = torch.autograd.grad(value, logits)
        assert value.isfinite() and grad.isfinite().all()


def test_focal_loss_of_no_samples():
    logits = torch.zeros(0, 3, requires_grad=True)
    loss = mmcv_ops.sigmoid_focal_loss(logits, torch.zeros(0, dtype=torch.long), 2.0, 0.25, None, 'sum')
    loss.backward()
    assert loss == 0 and logits.grad.shape == (0, 3)


def test_nothing_is_recorded_for_autograd():
    """As with a compiled operator, only mmcv's wrappers decide what has a gradient."""
    x = torch.rand(1, 1, 4, 4, requires_grad=True)
    output = torch.zeros(1, 1, 2, 2)
    extension.roi_align_forward(x, ROIS[:1].float(), output, output, output, 2, 2, 1.0, 0, 1, True)
    assert not output.requires_grad and output.any()
