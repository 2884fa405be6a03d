"""Measures throughput, latency and peak memory of networks and modules, alone or against other code."""
import argparse
import os
import shlex
import sys
from pathlib import Path

try:
    import mmattn  # noqa: F401  isort: skip  before mmdet and mmpretrain
    import torch

    from mmattn.analysis import benchmark
    from mmattn.engine.arguments import check_device, count, positive
    from mmattn.engine.preflight import check_output
    from mmattn.errors import UserError
    from mmattn.files import write_json
except ModuleNotFoundError as missing:
    print(f'error: {missing}; run: bash tools/setup_env.sh && source .venv/bin/activate '
          '(or, in an environment of your own: pip install -e .)', file=sys.stderr)
    sys.exit(2)

ROOT = Path(__file__).resolve().parent.parent

EPILOG = """Examples:
  python tools/benchmark.py SDAResNet 'AttnResNet(depth=50, attn="mmattn.SE")' type=EPSANet,depth=50
  python tools/benchmark.py configs/imagenet_sda.py --mode infer --channels-last --fuse
  python tools/benchmark.py 'EMA(in_channels=512)' --batch 8 --size 28
  python tools/benchmark.py 'AttnResNet(depth=50)' --against torchvision.models:resnet50 --json resnet50.json
  python tools/benchmark.py SDAResNet --overhead --mode infer
  python tools/benchmark.py SDAResNet --scaling --batch 4 --plot scaling.png
  python tools/benchmark.py --results benchmarks

A backbone is measured with pooling and a linear layer behind it; a config as a whole, of a detector backbone and neck.
Training is forward and backward. Weights are random. Each network runs in a process of its own; those that are compared
take turns. Peak memory is of memory in use, where freed memory is handed back at once; what a process keeps resident is
more, and on a CPU stands beside it.
Exit status: 0; 2 if something cannot be measured; 130 after an interrupt from the keyboard."""


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('net', nargs='*', metavar='NET|CONFIG',
                        help="a network or module, as NAME, 'NAME(key=value, …)' or type=NAME,key=value, or a config")
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--against', metavar='MODULE:CALLABLE',
                      help='what returns the other model; arguments may follow in parentheses')
    what.add_argument('--overhead', action='store_true',
                      help='against the same trunk with one slot empty: what stands in the slot costs that much')
    what.add_argument('--scaling', action='store_true', help='how time and memory grow with depth, size and batch')
    what.add_argument('--results', metavar='DIR', type=Path,
                      help='measure nothing: make RESULTS.md and pictures of the JSON files in DIR')
    parser.add_argument('--against-path', metavar='DIR', help='folder to import the other model from')
    parser.add_argument('--against-name', metavar='TEXT', help='what the results call the other model')
    parser.add_argument('--mode', choices=['infer', 'train', 'both'], default='both', help='default: both')
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1 (default: cpu)')
    parser.add_argument('--batch', type=positive, default=8, help='images a pass (default: 8)')
    parser.add_argument('--size', type=positive, nargs='+', metavar='N',
                        help="height and width, or both in one, of the images (default: 224, 32 for networks for small "
                        "images, the config's) or of a module's map (default: 28)")
    parser.add_argument('--classes', type=count, default=1000,
                        help='of the linear layer behind a backbone; 0: none (default: 1000)')
    parser.add_argument('--amp', nargs='?', const='bfloat16', choices=list(benchmark.AMP_TYPES),
                        help='autocast (default: off; without a type: bfloat16)')
    parser.add_argument('--channels-last', action='store_true', help='store weights and images channels last')
    parser.add_argument('--compile', action='store_true', help='torch.compile')
    parser.add_argument('--fuse', action='store_true', help='fold BatchNorm into convolutions, in inference')
    parser.add_argument('--repeats', type=positive, default=10, help='rounds that count (default: 10)')
    parser.add_argument('--warmup', type=positive, default=2, help='passes before them (default: 2)')
    parser.add_argument('--threads', type=positive, default=benchmark.physical_cores(),
                        help='of PyTorch (default: the physical cores, here %(default)s)')
    parser.add_argument('--no-memory', action='store_true', help='leave out memory, which takes a process a figure')
    parser.add_argument('--json', metavar='FILE', type=Path, help='write the report there')
    parser.add_argument('--plot', metavar='FILE', type=Path, help='draw bars there (.png)')
    args = parser.parse_args(argv)
    if bool(args.net) == bool(args.results):
        parser.error('give what to measure, or --results DIR')
    if args.against and len(args.net) > 1:
        parser.error('--against compares with one network or module')
    if (args.against_path or args.against_name) and not args.against:
        parser.error('--against-path and --against-name go with --against')
    if args.size and len(args.size) > 2:
        parser.error('--size takes one number, or height and width')
    if args.fuse and args.mode == 'train':
        parser.error('--fuse is for inference')
    if args.plot and args.plot.suffix != '.png':
        parser.error('--plot writes .png files')
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.results:
            print(*(f'wrote {path}' for path in benchmark.write_results(args.results, ROOT)), sep='\n')
        else:
            run(args)
    except UserError as error:
        if os.environ.get('MMATTN_DEBUG') == '1':
            raise
        print(f'\nerror: {error}' if sys.stderr.isatty() else f'error: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\ninterrupted' if sys.stderr.isatty() else 'interrupted', file=sys.stderr)
        return 130
    return 0


def run(args: argparse.Namespace) -> None:
    check_device(args.device)
    for path in filter(None, (args.json, args.plot)):
        check_output(path)
    torch.set_num_threads(args.threads)
    settings = benchmark.Settings(
        modes=('infer', 'train') if args.mode == 'both' else (args.mode,), batch=args.batch,
        size=args.size and (args.size[0], args.size[-1]), repeats=args.repeats, warmup=args.warmup,
        threads=args.threads, memory=not args.no_memory, progress=progress,
        treatment=benchmark.Treatment(args.device, args.amp, args.channels_last, args.fuse, args.compile))
    report = dict(
        schema=benchmark.SCHEMA, command=command(args),
        machine=benchmark.describe_machine(args.device), versions=benchmark.describe_versions(),
        threads=args.threads, device=args.device, results=[])
    subjects = [benchmark.Ours(text, args.classes) for text in args.net]
    for subject in subjects:
        subject.build()  # what cannot be built is known before anything long begins
    other = benchmark.Other(args.against, args.against_path, args.against_name)
    try:
        for subject in subjects:
            if args.against:
                part = benchmark.measure_against(subject, other, settings)
            elif args.overhead:
                part = benchmark.measure_overhead(subject, settings)
            elif args.scaling:
                part = benchmark.measure_scaling(subject, settings)
            else:
                part = benchmark.measure(subject, settings)
            for key, rows in part.items():
                report.setdefault(key, []).extend(rows)
            if args.json:
                write_json(report, args.json)  # after each, so that a run that is ended leaves what it has
    finally:
        progress('')
        if report['results']:  # of those before one that failed, too
            show(report, args.plot)


def show(report: dict, plot: Path | None) -> None:
    print(benchmark.as_text(report))
    if plot:
        from mmattn.analysis.benchmark.pictures import draw_bars  # matplotlib takes a second to import

        draw_bars(report['results'], plot)


def command(args: argparse.Namespace) -> str:
    """The command that measures this again: without places of files, which are this machine's own."""
    parts = ['python', 'tools/benchmark.py', *args.net]
    for name, value in vars(args).items():
        given = value is not None and value is not False  # 0 is
        if given and name not in ('net', 'json', 'plot', 'against_path'):
            parts.append(f"--{name.replace('_', '-')}")
            if value is not True:
                parts += map(str, value if isinstance(value, list) else [value])
    return shlex.join(parts)


def progress(line: str) -> None:
    """Shows what is being done: in place on a terminal, elsewhere in lines."""
    if sys.stderr.isatty():
        print(f'\r{line[:99]:99}', end='' if line else '\r', file=sys.stderr, flush=True)
    elif line:
        print(line, file=sys.stderr, flush=True)


if __name__ == '__main__':
    sys.exit(main())
