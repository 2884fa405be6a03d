"""From the pixels of images to what a network takes: resized, normalised and padded, within the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmattn.export.resize import number
from mmattn.export.steps import PadToSquare


class Pixels(nn.Module):
    """Does what the test pipeline and the data preprocessor of a config do to images.

    Args:
        steps: What is done to the whole numbers of the images, see `mmattn.export.steps`.
        mean: Mean of each channel, in the network's order.
        std: Standard deviation of each channel.
        blue_first: Whether the network takes blue, green, red.
        divisor: Number that height and width are padded to a multiple of.
        pad_value: Value of this padding, after normalisation.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        steps: Sequence[Callable[[Tensor], Tensor]],
        mean: Sequence[float],
        std: Sequence[float],
        blue_first: bool = False,
        divisor: int = 1,
        pad_value: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.steps, self.blue_first, self.divisor, self.pad_value = tuple(steps), blue_first, divisor, pad_value

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Prepares images.

        Args:
            images: Images, (N, h, w, 3), RGB, uint8.

        Returns:
            The network's input, (N, 3, H, W); height and width before any padding, (2,); width and height before it
            over those of the images given, (2,).
        """
        given = size = self._size(images)
        x = images.int() if self.steps else images
        for step in self.steps:
            x = step(x)
            if not isinstance(step, PadToSquare):
                size = self._size(x)
        # Contiguous, as PyTorch's GroupNorm of channels that are last rounds coarsely on a CPU, by 4e-4 of its output.
        x = x.permute(0, 3, 1, 2).float().contiguous()
        if self.blue_first:
            x = x.flip(1)
        x = (x - self.mean) / self.std
        if self.divisor > 1:
            below, right = (-side % self.divisor for side in x.shape[2:])
            x = F.pad(x, (0, right, 0, below), value=self.pad_value)
        return x, size, (size.double() / given).flip(0).float()

    @staticmethod
    def _size(images: Tensor) -> Tensor:
        return torch.stack([number(side) for side in images.shape[1:3]]).float()
