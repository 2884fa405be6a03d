"""Puts attention into a trained network, with and without identity start, fine-tunes both, and draws the curves.

A small plain ResNet learns the 500 photographs of demo/sign_digits_mini from random weights. Then attention is put into
it, and the whole is trained on: as is, with identity start, and with identity start and a higher learning rate for the
gates. The plain network, trained on likewise, is drawn beside them. Each fine-tuning is repeated with several random
seeds. Some minutes on one CPU core.
"""

import argparse
import time
from pathlib import Path

import torch
from mmengine.logging import MMLogger
from torch import Tensor, nn
from torch.nn import functional as F

import mmattn.models  # noqa: F401
from mmattn.engine.arguments import ArgumentParser, positive, positive_float
from mmattn.files import atomic_path, write_json
from mmattn.models.gate import named_gates
from mmattn.registry import MODELS

DATA = Path(__file__).resolve().parent.parent / 'demo' / 'sign_digits_mini'
TRUNK = dict(
    type='mmattn.AttnResNet', depth=None, stage_blocks=(2, 2, 2), base_channels=16, stem_pool=False, out_indices=(2,)
)
SIZE = 32  # pixels, height and width of the images
# slot and type of what is put into the trunk
ADDED = {
    'SE': ('attn', 'mmattn.SE'),
    'CBAM': ('attn', 'mmattn.CBAM'),
    'EMA': ('attn', 'mmattn.EMA'),
    'SPEM': ('attn', 'mmattn.SPEM'),
    'SDA': ('depth_attn', 'mmattn.SDA'),
}
BATCH = 25
# how attention starts -> identity_init, and the gates' learning rate over that of all else
STARTS = {'as is': (False, 1), 'identity start': (True, 1), 'identity start, gates x 30': (True, 30)}
# colour, width and dashes with which lines that fall together can all be seen
LINES = {
    'plain': ('silver', 6, '-'),
    'as is': ('tab:red', 2, '-'),
    'identity start': ('tab:blue', 3, '-'),
    'identity start, gates x 30': ('black', 1.2, '--'),
}


class Classifier(nn.Module):
    """A trunk, global average pooling, a linear layer."""

    def __init__(self, **slots) -> None:
        super().__init__()
        self.backbone = MODELS.build(TRUNK | slots)
        self.fc = nn.Linear(self.backbone.out_channels[-1], 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.backbone(x)[-1].mean((2, 3)))


def read_images(split: str) -> tuple[Tensor, Tensor]:
    """Images (N, 3, SIZE, SIZE) of about unit variance, and their digits (N,)."""
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import functional

    pairs = [
        (functional.to_tensor(functional.resize(image, [SIZE, SIZE])), digit)
        for image, digit in ImageFolder(str(DATA / split))
    ]
    images, digits = zip(*pairs)
    return (torch.stack(images) - 0.45) / 0.225, torch.tensor(digits)


def augmented(images: Tensor) -> Tensor:
    """Each image shifted by up to 3 pixels, half of them mirrored, brightness changed."""
    padded = F.pad(images, (3, 3, 3, 3), mode='replicate')
    shifts = torch.randint(0, 7, (len(images), 2)).tolist()
    images = torch.stack([image[:, y : y + SIZE, x : x + SIZE] for image, (y, x) in zip(padded, shifts)])
    mirrored = torch.rand(len(images)) < 0.5
    images[mirrored] = images[mirrored].flip(3)
    return images * (1 + 0.3 * (2 * torch.rand(len(images), 1, 1, 1) - 1))


def train(model: nn.Module, data: dict, epochs: int, lr: float, seed: int, gate_mult: float = 1) -> list[float]:
    """Trains with AdamW and a cosine schedule; accuracy on the held-out images before, and after each epoch, in %."""
    torch.manual_seed(seed)
    images, digits = data['train']
    steps = epochs * (len(images) // BATCH)
    gates = [gate for _, gate in named_gates(model)]
    others = [p for p in model.parameters() if not any(p is gate for gate in gates)]
    groups = [dict(params=others, weight_decay=0.05), dict(params=gates, weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [lr, gate_mult * lr], total_steps=steps, pct_start=0.1)
    curve = [accuracy(model, *data['val'])]
    for _ in range(epochs):
        model.train()
        for chosen in torch.randperm(len(images))[: steps // epochs * BATCH].split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(model(augmented(images[chosen])), digits[chosen], label_smoothing=0.1).backward()
            optimizer.step()
            schedule.step()
        curve.append(accuracy(model, *data['val']))
    return curve


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, digits: Tensor) -> float:
    model.eval()
    return 100 * (model(images).argmax(1) == digits).float().mean().item()


def run(options: argparse.Namespace) -> dict:
    """Curves by name, one for each seed; gates by name."""
    data = {split: read_images(split) for split in ('train', 'val')}
    torch.manual_seed(0)
    plain = Classifier()
    plain.backbone.init_weights()
    begun = time.perf_counter()
    pretraining = train(plain, data, options.epochs, 3e-3, seed=0)
    say(f'plain network: {pretraining[-1]:.1f} % after {options.epochs} epochs', begun)
    curves, gates = {}, {}
    variants = [('plain', {}, 1)] + [
        (f'{name}, {start}', {slot: dict(type=cls, identity_init=identity)}, gate_mult)
        for name, (slot, cls) in ADDED.items()
        for start, (identity, gate_mult) in STARTS.items()
    ]
    for name, slots, gate_mult in variants:
        for seed in range(1, options.seeds + 1):
            torch.manual_seed(seed)
            model = Classifier(**slots)
            model.load_state_dict(plain.state_dict(), strict=False)
            curves.setdefault(name, []).append(train(model, data, options.finetune, options.lr, seed, gate_mult))
            gates.setdefault(name, []).extend(gate.item() for _, gate in named_gates(model))
        say(f'{name}: {mean(curves[name], 0):.1f} % at the start, {mean(curves[name], -1):.1f} % at the end', begun)
    return dict(pretraining=pretraining, curves=curves, gates={k: v for k, v in gates.items() if v})


def say(text: str, begun: float) -> None:
    print(f'[{time.perf_counter() - begun:4.0f} s] {text}', flush=True)


def mean(curves: list[list[float]], epoch: int) -> float:
    return sum(curve[epoch] for curve in curves) / len(curves)


def draw(result: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(ADDED), figsize=(2.6 * len(ADDED), 3.2), sharey=True)
    for axis, name in zip(axes, ADDED):
        for label, (colour, width, dashes) in LINES.items():
            curves = torch.tensor(result['curves']['plain' if label == 'plain' else f'{name}, {label}'])
            epochs = range(curves.shape[1])
            axis.plot(epochs, curves.mean(0), dashes, color=colour, linewidth=width, label=label)
            axis.fill_between(epochs, curves.amin(0), curves.amax(0), color=colour, alpha=0.2, linewidth=0)
        axis.set(title=name, xlabel='epochs of fine-tuning')
        axis.grid(alpha=0.3)
    axes[0].set_ylabel('top-1 on held-out images, %')
    figure.legend(*axes[0].get_legend_handles_labels(), loc='lower center', ncols=len(LINES), frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument('--epochs', type=positive, default=30, help='of the plain network from random weights')
    parser.add_argument('--finetune', type=positive, default=4, help='epochs after attention was put in')
    parser.add_argument('--lr', type=positive_float, default=3e-4, help='highest learning rate of the fine-tuning')
    parser.add_argument('--seeds', type=positive, default=3, help='repetitions of each fine-tuning')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/identity_start'),
        metavar='DIR',
        help='for identity_start.png and identity_start.json',
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    MMLogger.get_current_instance().setLevel('WARNING')  # init_weights logs several lines a parameter
    result = run(options)
    write_json(dict(vars(options), out=str(options.out), **result), options.out / 'identity_start.json')
    draw(result, options.out / 'identity_start.png')
    print(f'wrote {options.out / "identity_start.png"} and .json')


if __name__ == '__main__':
    main()
