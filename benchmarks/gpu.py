"""Checks and measures the networks on one CUDA GPU, with one command and nothing from a network.

First that they are right there: outputs equal to the CPU's, channels last, autocast with a gradient scaler, compiled.
Then time and peak memory in bfloat16 autocast and channels last: eager and compiled, in inference, in training, and in
fine-tuning with norms in eval mode. Needs torch, mmengine and mmcv (or mmcv-lite), no operators, no pytest.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shlex
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from gpu_checks import CHECKS, float32_throughout, loss_of
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmattn.analysis.benchmark import Other, Ours, describe_machine, describe_versions
from mmattn.engine.fold_norms import fold_norms_in_training
from mmattn.errors import UserError
from mmattn.files import atomic_path, write_json
from mmattn.models.backbones.presets import PYCONV_STAGES

ROOT = Path(__file__).resolve().parent.parent
MODES = ('infer', 'train', 'finetune')
MODE_NAMES = {'infer': 'inference', 'train': 'training', 'finetune': 'fine-tuning, norms in eval mode'}
MIB = 2**20
# A compiled row is begun only if the slowest one so far, or at first this many seconds, is left of the budget.
COMPILE_SECONDS = 60

EPILOG = """Examples:
  python benchmarks/gpu.py
  python benchmarks/gpu.py --authors ~/checkouts --minutes 20
  python benchmarks/gpu.py --small --device cpu

FOLDER of --authors holds adapters.py with a function for each network of other repositories, named as in NETWORKS below
(sda_resnet86, epsanet50, ...), which returns the network with its authors' code; what it lacks is left out.
Exit status: 0; 1 if a check failed; 2 if there is no such device."""


@dataclass(frozen=True)
class Network:
    """A classifier that is measured: ours, or somebody else's.

    Args:
        title: its name in the tables.
        ours: name and arguments of our backbone; None: it is not ours.
        changes: more arguments of the backbone.
        other: ``MODULE:CALLABLE`` of code that is not ours; of one of ours, what the authors' is called in adapters.py.
        size: height and width of its images.
    """

    title: str
    ours: str | None = None
    changes: tuple[tuple[str, object], ...] = ()
    other: str | None = None
    size: int = 224

    def build(self, authors: str | None, small: bool) -> nn.Module:
        if self.ours is None:
            return Other(self.other, authors).build()
        changes = dict(self.changes)
        if small:
            changes |= dict(num_stages=2, stage_blocks=(2, 1))
            changes |= {key: value[:2] for key, value in changes.items() if isinstance(value, tuple)}
        return Ours(self.ours, 1000 if self.size == 224 else 100).changed(**changes).build()


PYCONV = (('spatial', PYCONV_STAGES), ('strides', (2, 2, 2, 2)), ('stem_pool', False), ('max_down', True))
NETWORKS = (
    Network('ResNet-50', 'AttnResNet(depth=50)'),
    Network('torchvision ResNet-50', other='torchvision.models:resnet50'),
    Network('SDA-ResNet-50', 'SDAResNet(depth=50)'),
    Network('SDA-ResNet-86', 'SDAResNet(depth=86)', other='sda_resnet86'),
    Network('EPSANet-50', 'EPSANet(depth=50)', other='epsanet50'),
    Network('EMA-ResNet-50', 'EMAResNet(depth=50)'),
    Network('MSPANet-B-50', 'MSPANet(depth=50, size="B")', other='mspanet50_b'),
    Network('SPEM-ResNet-164', 'SPEMResNet(depth=164)', other='spem164', size=32),
    Network('SDA-SENet-86', 'AttnResNet(depth=86, attn="mmattn.SE", depth_attn="mmattn.SDA")', other='sda_senet86'),
    Network(
        'SDA-Res2Net-86',
        'AttnResNet(depth=86, spatial="mmattn.Res2NetConv", depth_attn="mmattn.SDA")',
        other='sda_res2net86',
    ),
    Network('SDA-PyConv-86', 'AttnResNet(depth=86, depth_attn="mmattn.SDA")', PYCONV, other='sda_pyconv86'),
)


@dataclass(frozen=True)
class Setting:
    """What all rows of a run share."""

    device: torch.device
    batch: int
    authors: str | None
    small: bool
    deadline: float

    @property
    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()

    @property
    def compiler(self) -> str:
        return 'eager' if self.small else 'inductor'

    def images(self, network: Network, batch: int | None = None) -> Tensor:
        size = min(network.size, 64) if self.small else network.size
        return torch.randn(batch or self.batch, 3, size, size, generator=torch.Generator().manual_seed(0))


# --- checks -------------------------------------------------------------------------------------


def checked(network: Network, setting: Setting) -> Iterator[dict]:
    """One outcome for each check: a small form of the network, so that compiling takes seconds."""
    for name, check in CHECKS.items():
        found = dict(network=network.title, check=name, passed=True, text='')
        try:
            net, x = network.build(setting.authors, small=True), setting.images(network, batch=4)
            with float32_throughout():
                check(net, x, setting.device, setting.compiler)
        except Exception as error:  # noqa: BLE001  one failure is a line of the report, not the end of the run
            found |= dict(passed=False, text=one_line(error))
        yield found


# --- time and memory ----------------------------------------------------------------------------


def measured(network: Network, mode: str, compile_it: bool, setting: Setting) -> dict:
    """One row: images a second and peak memory of a mode, or why there is none."""
    row = dict(network=network.title, mode=mode, compiled=compile_it, batch=setting.batch)
    begin = time.monotonic()
    try:
        net = treated(network.build(setting.authors, setting.small), mode, ours=network.ours is not None).to(
            setting.device, memory_format=torch.channels_last
        )
        if compile_it:
            torch._dynamo.reset()
            net = torch.compile(net, backend=setting.compiler)
        x = setting.images(network).to(setting.device, memory_format=torch.channels_last)
        row |= dict(size=x.shape[-1], **figures(net, x, mode, setting))
    except Exception as error:  # noqa: BLE001  one failure is a line of the report, not the end of the run
        row['error'] = one_line(error)
    if setting.device.type == 'cuda':
        torch.cuda.empty_cache()
    return row | dict(seconds=time.monotonic() - begin)


def treated(net: nn.Module, mode: str, ours: bool) -> nn.Module:
    """The network as a mode runs it; norms in eval mode are folded where the network is ours."""
    net.train(mode != 'infer')
    if mode == 'finetune':
        for module in net.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        if ours:
            fold_norms_in_training(net)
    return net


def figures(net: nn.Module, x: Tensor, mode: str, setting: Setting) -> dict:
    def run() -> None:
        with torch.set_grad_enabled(mode != 'infer'), torch.autocast(setting.device.type, torch.bfloat16):
            out = net(x)
            loss = None if mode == 'infer' else loss_of(out)
        if loss is not None:
            loss.backward()
            net.zero_grad(set_to_none=True)

    cuda = setting.device.type == 'cuda'
    for _ in range(1 if setting.small else 5):
        run()
    memory = {}
    if cuda:
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        memory = dict(peak_bytes=torch.cuda.max_memory_allocated(), loaded_bytes=before)
    seconds = [
        (_cuda_seconds if cuda else _cpu_seconds)(run, 1 if setting.small else 5)
        for _ in range(3 if setting.small else 10)
    ]
    speeds = sorted(len(x) / s for s in seconds)
    return memory | dict(images_per_second=statistics.median(speeds), slowest=speeds[0], fastest=speeds[-1])


def _cuda_seconds(run: Callable[[], None], passes: int) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(passes):
        run()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000 / passes


def _cpu_seconds(run: Callable[[], None], passes: int) -> float:
    start = time.perf_counter()
    for _ in range(passes):
        run()
    return (time.perf_counter() - start) / passes


def one_line(error: Exception) -> str:
    if os.environ.get('MMATTN_DEBUG') == '1':
        traceback.print_exc()
    return f'{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ""}'[:200]


# --- report -------------------------------------------------------------------------------------


def describe(device: torch.device) -> dict:
    """Everything that the figures depend on."""
    return dict(
        schema=1,
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds'),
        command=shlex.join(['python', *sys.argv]),
        commit=_output('git', '-C', str(ROOT), 'describe', '--always', '--dirty'),
        machine=describe_machine(str(device)),
        driver=_output('nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader'),
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version(),
        versions=describe_versions(),
    )


def _output(*command: str) -> str | None:
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip().splitlines()[0] if found.returncode == 0 and found.stdout.strip() else None


def as_markdown(report: dict) -> str:
    """The report as tables: the checks, then a table for each mode, beside the plain ResNet-50."""
    machine, versions = report['machine'], report['versions']
    lines = [
        f'{machine["gpu"] or machine["cpu"]}, driver {report["driver"]}, CUDA {report["cuda"]}; '
        + ', '.join(f'{key} {value}' for key, value in versions.items()),
        f'commit {report["commit"]}, {report["date"]}: `{report["command"]}`',
        '',
    ]
    failed = [check for check in report['checks'] if not check['passed']]
    lines += [f'{len(report["checks"]) - len(failed)} of {len(report["checks"])} checks passed.', '']
    lines += [f'- FAILED: {check["network"]}, {check["check"]}: {check["text"]}' for check in failed]
    for mode in MODES:
        rows = [row for row in report['rows'] if row['mode'] == mode]
        if rows:
            lines += [
                '',
                f'**{MODE_NAMES[mode]}**',
                '',
                '| network | | size | images/s | of ResNet-50 | peak MiB | of which activations |',
                '| --- | --- | ---: | ---: | ---: | ---: | ---: |',
            ]
            lines += [_line(row, rows) for row in rows]
    lines += ['', *(f'Left out, as the time was up: {what}.' for what in report['left_out'])]
    return '\n'.join(lines).strip() + '\n'


def _line(row: dict, rows: list[dict]) -> str:
    head = f'| {row["network"]} | {"compiled" if row["compiled"] else "eager"} |'
    if 'error' in row:
        return f'{head} | {row["error"].replace("|", "/")} | | | |'
    plain = [
        r
        for r in rows
        if r['network'] == 'ResNet-50' and r['compiled'] == row['compiled'] and r.get('size') == row['size']
    ]
    ratio = f'{row["images_per_second"] / plain[0]["images_per_second"]:.2f}' if plain else ''
    peak, activations = '', ''
    if 'peak_bytes' in row:
        peak, activations = (
            f'{size / MIB:.0f}' for size in (row['peak_bytes'], row['peak_bytes'] - row['loaded_bytes'])
        )
    return f'{head} {row["size"]} | {row["images_per_second"]:.0f} | {ratio} | {peak} | {activations} |'


def write(report: dict, path: Path) -> None:
    """After each row, so that a run that is ended leaves what it has."""
    write_json(report, path)
    with atomic_path(path.with_suffix('.md')) as temporary:
        temporary.write_text(as_markdown(report), 'utf-8')


# --- command ------------------------------------------------------------------------------------


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--device', default='cuda', help='cuda, cuda:1, or cpu with --small (default: cuda)')
    parser.add_argument('--minutes', type=float, default=8, help='what is not begun by then is left out (default: 8)')
    parser.add_argument('--batch', type=int, default=64, help='images a pass (default: 64)')
    parser.add_argument('--only', nargs='+', metavar='NAME', help='networks whose names contain one of these')
    parser.add_argument('--authors', metavar='FOLDER', help="folder with adapters.py, for the authors' code")
    parser.add_argument('--small', action='store_true', help='two stages, two images of 64 pixels: tries this tool')
    parser.add_argument(
        '--json',
        type=Path,
        default=Path('work_dirs/gpu.json'),
        metavar='FILE',
        help='report; a table is written beside it as .md (default: %(default)s)',
    )
    args = parser.parse_args(argv)
    if torch.device(args.device).type == 'cpu' and not args.small:
        parser.error('on a CPU there is only the small form: --small --device cpu')
    if torch.device(args.device).type == 'cuda' and not torch.cuda.is_available():
        parser.error('PyTorch sees no CUDA GPU; --small --device cpu tries this tool without one')
    return args


def networks(args: argparse.Namespace) -> list[Network]:
    """Those of the table, and behind each its authors' code if there is a folder with it."""
    chosen = []
    for network in NETWORKS:
        if args.only and not any(name.lower() in network.title.lower() for name in args.only):
            continue
        chosen.append(network)
        if network.ours and network.other and args.authors:
            chosen.append(
                Network(f"{network.title}, authors' code", other=f'adapters:{network.other}', size=network.size)
            )
    return chosen


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    chosen = networks(args)
    setting = Setting(
        torch.device(args.device),
        2 if args.small else args.batch,
        args.authors,
        args.small,
        time.monotonic() + 60 * args.minutes,
    )
    report = describe(setting.device) | dict(checks=[], rows=[], left_out=[])
    for network in chosen:
        if network.ours:
            for check in checked(network, setting):
                report['checks'].append(check)
                print(
                    f'{"ok    " if check["passed"] else "FAILED"} {network.title}: {check["check"]} {check["text"]}',
                    flush=True,
                )
            write(report, args.json)
    slowest = 0.0 if args.small else COMPILE_SECONDS
    for compile_it in (False, True):
        for mode in MODES:
            for network in chosen:
                if setting.seconds_left < (slowest if compile_it else 0):
                    report['left_out'].append(
                        f'{network.title}, {MODE_NAMES[mode]}, {"compiled" if compile_it else "eager"}'
                    )
                    continue
                report['rows'].append(row := measured(network, mode, compile_it, setting))
                print(
                    f'{network.title}, {mode}, {"compiled" if compile_it else "eager"}: '
                    + (row.get('error') or f'{row["images_per_second"]:.0f} images/s'),
                    flush=True,
                )
                slowest = max(slowest, row['seconds']) if compile_it else slowest
                write(report, args.json)
    write(report, args.json)
    print(as_markdown(report), f'wrote {args.json} and {args.json.with_suffix(".md")}', sep='\n')
    return int(not all(check['passed'] for check in report['checks']))


if __name__ == '__main__':
    try:
        sys.exit(main())
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
