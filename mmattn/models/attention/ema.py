"""Efficient Multi-scale Attention (EMA), Ouyang et al., ICASSP 2023, arXiv:2305.13563.

Authors' repository: YOLOonMe/EMA-attention-module. The function is theirs; the way to it is not.
In each group of c channels, with the map ``g``, they make two maps of c channels and a descriptor
of each, and combine each map with the other's::

    x1 = norm(z),  z = g * sigmoid(rows) * sigmoid(columns)
    x2 = conv3x3(g)
    y  = g * sigmoid(q1 . x2 + q2 . x1),   q1 = softmax(mean(x1)),  q2 = softmax(mean(x2))

where ``norm`` runs over the positions of each channel, with scale gamma and shift beta, and the
convolution has the kernel W and the bias b. Here neither x1 nor x2 is ever made:

* A normalised map's mean is its shift: ``q1 = softmax(beta)``, for whatever input.
* Convolution is linear, so ``q1 . x2`` is a convolution with one output channel, its kernel
  ``q1 . W``, its bias ``q1 . b``.
* So is the mean: ``mean(x2) = b + sum over taps of W[tap] mean(g that the tap sees)``, and what a
  tap sees of the zero-padded map is all but a row and a column at the edge.
* ``q2 . x1`` is one weighted sum over channels, with the scale in the weights, see :class:`Gate`.
"""
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mmattn.registry import MODELS

from .base import Attention, check_positive

TAPS = tuple((i, j) for i in range(3) for j in range(3))


def conv_to_one(g: Tensor, kernel: Tensor) -> Tensor:
    """A 3x3 convolution with padding 1 and one output channel.

    One product for each tap, then the sum of the shifted products: on a CPU many times faster than
    a convolution, which computes 8 or 16 output channels at once.

    Shapes: g (B, c, H, W), kernel (c, 3, 3), result (B, 1, H, W).
    """
    height, width = g.shape[2:]
    taps = torch.bmm(kernel.flatten(1).t().expand(g.shape[0], -1, -1), g.flatten(2))
    taps = taps.unflatten(2, (height, width)).unbind(1)  # 9 of (B, H, W)
    out = g.new_zeros(g.shape[0], height + 2, width + 2)
    for (i, j), tap in zip(TAPS, taps, strict=True):  # from p to p - (i - 1, j - 1)
        out[:, 2 - i:2 - i + height, 2 - j:2 - j + width] += tap
    return out[:, None, 1:-1, 1:-1]


def shift_and_stack(grad: Tensor) -> Tensor:
    """What each tap of :func:`conv_to_one` served: (B, 1, H, W) -> (B, 9, H, W)."""
    height, width = grad.shape[2:]
    padded = F.pad(grad[:, 0], (1, 1, 1, 1))
    return torch.stack(
        [padded[:, 2 - i:2 - i + height, 2 - j:2 - j + width] for i, j in TAPS], 1)


def no_autocast(x: Tensor) -> AbstractContextManager:
    """Keeps products in the dtype of their operands, so that they may go on in place."""
    if x.device.type in ('cpu', 'cuda'):
        return torch.autocast(x.device.type, enabled=False)
    return nullcontext()


def ends(x: Tensor, dim: int) -> Tensor:
    """The last and the first entry along `dim`."""
    return torch.stack((x.select(dim, -1), x.select(dim, 0)), dim)


class Pool(torch.autograd.Function):
    """Means of a map's rows and columns, and its corners; one map for the gradient of all three.

    Shapes: g (B, c, H, W), rows (B, c, H), columns (B, c, W), corners (B, c, 2, 2), in either
    direction the last and the first.
    """

    @staticmethod
    def pool(g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return g.mean(3), g.mean(2), ends(ends(g, 2), 3)

    @staticmethod
    def forward(ctx, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        ctx.shape = g.shape
        return Pool.pool(g)

    @staticmethod
    def backward(ctx, rows: Tensor, columns: Tensor, corners: Tensor) -> Tensor:
        height, width = ctx.shape[2:]
        dg = (rows / width)[:, :, :, None] + (columns / height)[:, :, None, :]
        for i, row in enumerate((-1, 0)):
            for j, column in enumerate((-1, 0)):
                dg[:, :, row, column] += corners[:, :, i, j]
        return dg


class Gate(torch.autograd.Function):
    """``y = g * sigmoid(v . zhat + kernel * g + shift)``: all that touches the whole map.

    ``zhat = (z - mean(z)) / std(z)`` over the n positions, ``z = g * h * w``, ``h`` and ``w`` the
    sigmoids of `lines`, and the kernel's product is a convolution. Nothing of a map's size is kept
    for the backward but the input; it makes ``z - mean(z)`` anew. With s for the gradient of what
    the sigmoid takes, and d(h) / d(lines) = h (1 - h)::

        dv[k] = sum(s * zhat[k])
        dz[k] = v[k] / std[k] * (s - mean(s) - zhat[k] * dv[k] / n)
        dlines = (1 - h) * sum over columns of z * dz,  (1 - w) * sum over rows of z * dz

    Shapes: x and y (N, C, H, W), contiguous, of which g is the view (B, c, H, W); lines
    (B, c, H + W), v (B, c), kernel (c, 3, 3), shift (B,), all of one dtype.
    """

    @staticmethod
    def factors(lines: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """h (B, c, H, 1) and w (B, c, 1, W)."""
        h, w = lines.sigmoid().split(g.shape[2:], 2)
        return h[:, :, :, None], w[:, :, None]

    @staticmethod
    def center(g: Tensor, h: Tensor, w: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        """z - mean(z), (B, c, H, W), and 1 / std, (B, c)."""
        z = (g * h).mul_(w)
        z.sub_(z.mean((2, 3), keepdim=True))
        # with the mean gone the norm is as exact as var_mean, which is many times slower on a CPU
        std = torch.linalg.vector_norm(z, dim=(2, 3)) / (z.shape[2] * z.shape[3])**0.5
        return z, torch.rsqrt(std.square() + eps)

    @staticmethod
    def weigh(g: Tensor, lines: Tensor, v: Tensor, kernel: Tensor, shift: Tensor,
              eps: float) -> Tensor:
        """The sigmoid, (B, 1, H, W); call it without autocast."""
        a = conv_to_one(g, kernel) + shift[:, None, None, None]
        z, scale = Gate.center(g, *Gate.factors(lines, g), eps)
        return (a + torch.bmm((v * scale)[:, None], z.flatten(2)).view_as(a)).sigmoid()

    @staticmethod
    def forward(ctx, x: Tensor, lines: Tensor, v: Tensor, kernel: Tensor, shift: Tensor,
                eps: float) -> Tensor:
        g = x.view(*v.shape, *x.shape[2:])
        with no_autocast(g):
            weight = Gate.weigh(g, lines, v, kernel, shift, eps)
            ctx.save_for_backward(x, lines, v, kernel, weight)
            ctx.eps = eps
            y = torch.empty_like(x)  # no view, so that a network may add to it in place
            torch.mul(g, weight, out=y.view_as(g))
            return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor):
        x, lines, v, kernel, weight = ctx.saved_tensors
        g = x.view(*v.shape, *x.shape[2:])
        dy = dy.reshape(g.shape)
        n = g.shape[2] * g.shape[3]
        with no_autocast(g):
            s = (dy * g).sum(1, keepdim=True).mul_(weight).mul_(1 - weight)
            served = shift_and_stack(s).flatten(2)  # (B, 9, HW)
            s = s.flatten(2)  # (B, 1, HW)
            dkernel = torch.bmm(g.flatten(2), served.transpose(1, 2)).sum(0).view_as(kernel)

            h, w = Gate.factors(lines, g)
            z, scale = Gate.center(g, h, w, ctx.eps)
            z, scale = z.flatten(2), scale[:, :, None]
            dv = torch.bmm(z, s.transpose(1, 2)).mul_(scale)  # (B, c, 1)
            v = v[:, :, None] * scale
            dz = z.mul_(v * (dv / -n * scale)).baddbmm_(v, s - s.mean(2, keepdim=True)).view_as(g)

            dz.mul_(h).mul_(w)
            zdz = dz * g  # with h and w in dz: z * dz
            dlines = torch.cat(
                (zdz.sum(3).mul_(1 - h[:, :, :, 0]), zdz.sum(2).mul_(1 - w[:, :, 0])), 2)
            dg = torch.mul(dy, weight, out=zdz).add_(dz).flatten(2)
            dg.baddbmm_(kernel.flatten(1).expand(g.shape[0], -1, -1), served)
        return dg.view_as(x), dlines, dv[:, :, 0], dkernel, s.sum((1, 2)), None


def mean_of_conv(conv: nn.Conv2d, rows: Tensor, columns: Tensor, corners: Tensor) -> Tensor:
    """The means (B, c) of what a 3x3 convolution with padding 1 makes of a map, without making it.

    The padding hides the map's last row from the taps of the kernel's first row and the first row
    from those of its last; so with columns. A tap sees all, less a row and a column, plus their
    corner, which was taken off twice.

    Args:
        conv: c to c channels.
        rows, columns, corners: what :class:`Pool` makes of the convolution's input.
    """
    height, width = rows.shape[2], columns.shape[2]
    seen = torch.cat((
        rows.mean(2, keepdim=True), ends(rows, 2) / height, ends(columns, 2) / width,
        corners.flatten(2) / (height * width)), 2)  # (B, c, 9)
    taps = conv.weight  # (c, c, 3, 3)
    weight = torch.cat((
        taps.sum((2, 3))[:, :, None], -taps.sum(3)[:, :, ::2], -taps.sum(2)[:, :, ::2],
        taps[:, :, ::2, ::2].flatten(2)), 2)  # (c, c, 9)
    return F.linear(seen.flatten(1), weight.flatten(1), conv.bias)


@MODELS.register_module()
class EMA(Attention):
    """Spatial attention within groups, from pooled rows and columns and a 3x3 convolution.

    The same weights serve all groups, of c = C / factor channels each: 10 c**2 + 4 c parameters.

    Args:
        in_channels: channels C of the map, divisible by `factor`.
        factor: number of groups.
        eps: added to the variance in the normalisation.
        identity_init: start as the identity, see :class:`Attention`.

    Raises:
        ValueError: if `factor` does not divide the channels.
    """

    def __init__(self, in_channels: int, factor: int = 32, eps: float = 1e-5,
                 identity_init: bool = False):
        super().__init__(in_channels, identity_init)
        if in_channels % check_positive('factor', factor):
            raise ValueError(
                f'EMA needs channels divisible by factor: {in_channels} is not by {factor}')
        channels = in_channels // factor
        self.factor = factor
        self.norm = nn.GroupNorm(channels, channels, eps)
        self.conv1 = nn.Conv2d(channels, channels, 1)
        self.conv3 = nn.Conv2d(channels, channels, 3, padding=1)

    @torch.no_grad()
    def attention_map(self, x: Tensor) -> Tensor:
        """The weights of the positions in each group, (N, factor, H, W)."""
        g = self.grouped(x.contiguous())
        with no_autocast(g):
            weight = Gate.weigh(g, *(t.to(g.dtype) for t in self.summary(g)), self.norm.eps)
        return weight.view(x.shape[0], self.factor, *x.shape[2:])

    def attend(self, x: Tensor) -> Tensor:
        x = x.contiguous()
        g = self.grouped(x)
        inputs = [t.to(x.dtype) for t in self.summary(g)]
        if torch.jit.is_tracing():  # a trace cannot be saved with functions of our own in it
            with no_autocast(g):
                return (g * Gate.weigh(g, *inputs, self.norm.eps)).view_as(x)
        return Gate.apply(x, *inputs, self.norm.eps)

    def grouped(self, x: Tensor) -> Tensor:
        """(N, C, H, W), contiguous -> (B, c, H, W) with B = N * factor."""
        return x.view(x.shape[0] * self.factor, self.norm.num_channels, *x.shape[2:])

    def summary(self, g: Tensor) -> tuple[Tensor, ...]:
        """lines, v, kernel and shift of :class:`Gate`: all that follows from the pooled map."""
        rows, columns, corners = Pool.pool(g) if torch.jit.is_tracing() else Pool.apply(g)
        # conv1 as a product: on so few positions a convolution takes longer to set up than to run
        lines = torch.baddbmm(
            self.conv1.bias[:, None], self.conv1.weight.flatten(1).expand(g.shape[0], -1, -1),
            torch.cat((rows, columns), 2))  # (B, c, H + W)

        q1 = self.norm.bias.softmax(0)  # (c,)
        q2 = mean_of_conv(self.conv3, rows, columns, corners).softmax(1)  # (B, c)
        kernel = torch.einsum('k,kcij->cij', q1, self.conv3.weight)
        shift = q2 @ self.norm.bias + q1 @ self.conv3.bias
        return lines, q2 * self.norm.weight, kernel, shift
