"""Measures throughput, latency and peak memory of networks and modules, alone or against other code."""

import argparse
import os
import shlex
import sys
import time
from pathlib import Path

from _imports import needed

with needed():
    import mmattn  # noqa: F401  isort: skip  before mmdet and mmpretrain
    import torch

    from mmattn.analysis import benchmark
    from mmattn.engine.arguments import ArgumentParser, check_device, config, count, positive
    from mmattn.engine.preflight import check_output
    from mmattn.engine.progress import is_terminal, status
    from mmattn.errors import UserError, explained
    from mmattn.files import write_json
    from mmattn.shipped import ROOT

EPILOG = """Examples:
  python tools/benchmark.py SDAResNet 'AttnResNet(depth=50, attn="mmattn.SE")' type=EPSANet,depth=50
  python tools/benchmark.py configs/imagenet_sda.py --mode infer --prepare --keep-memory
  python tools/benchmark.py 'EMA(in_channels=512)' --batch 8 --size 28
  python tools/benchmark.py 'AttnResNet(depth=50)' --against torchvision.models:resnet50 --json resnet50.json
  python tools/benchmark.py 'AttnResNet(depth=50)' --classes 0 --against 'mmdet.models:ResNet(depth=50)' --mode finetune
  python tools/benchmark.py SDAResNet --overhead --mode infer
  python tools/benchmark.py SDAResNet --ablation --prepare --keep-memory
  python tools/benchmark.py SDAResNet --scaling --batch 4 --plot scaling.png
  python tools/benchmark.py --suite benchmarks/suite.yml --against-path FOLDER --json benchmarks
  python tools/benchmark.py --results benchmarks

A backbone is measured with pooling and a linear layer behind it; a config as a whole, of a detector backbone and neck,
of a segmentor without auxiliary heads.
train is forward and backward, finetune the same with BatchNorm in eval mode. Weights are random. Everything runs with
default settings unless an option says otherwise. Each network runs in a process of its own; those that are compared
take turns. Peak memory is of memory in use, where freed memory is handed back at once; what a process keeps resident
is more.
Exit status: 0; 1 if --suite misses a target; 2 if something cannot be measured; 130 after an interrupt from the
keyboard."""


def parse_args(argv: list[str]) -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__, epilog=EPILOG)
    parser.add_argument(
        'net',
        nargs='*',
        type=config,
        metavar='NET|CONFIG',
        help="a network or module, as NAME, 'NAME(key=value, …)' or type=NAME,key=value, or a config",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        '--against', metavar='MODULE:CALLABLE', help='what returns the other model; arguments may follow in parentheses'
    )
    what.add_argument(
        '--overhead',
        action='store_true',
        help='against the same trunk with one slot empty: what is in the slot costs that much',
    )
    what.add_argument(
        '--ablation',
        nargs='*',
        metavar='PART',
        help='against itself without one thing that makes it faster, for each of them or of the named: '
        'the arguments of mmattn.prepare, keep_memory, the faster ways of mmattn.ops',
    )
    what.add_argument('--scaling', action='store_true', help='how time and memory grow with depth, size and batch')
    what.add_argument(
        '--results',
        metavar='DIR',
        type=Path,
        help='measure nothing: make RESULTS.md and pictures of the JSON files in DIR',
    )
    what.add_argument(
        '--suite',
        metavar='FILE',
        type=Path,
        help='run the commands of a suite file, with the options given here behind each; prints its '
        'targets beside what was measured; --json names a folder',
    )
    parser.add_argument('--only', metavar='NAME', nargs='+', help='those entries of --suite alone')
    parser.add_argument('--against-path', metavar='DIR', help='folder to import the other model from')
    parser.add_argument('--against-name', metavar='TEXT', help='what the results call the other model')
    parser.add_argument(
        '--mode', choices=benchmark.MODES, nargs='+', default=['infer', 'train'], help='default: infer train'
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1 (default: cpu)')
    parser.add_argument('--batch', type=positive, default=8, help='images a pass (default: 8)')
    parser.add_argument(
        '--size',
        type=positive,
        nargs='+',
        metavar='N',
        help='height and width, or both in one, of the images (default: 224, 32 for networks for small '
        "images, the config's) or of a module's feature map (default: 28)",
    )
    parser.add_argument(
        '--classes', type=count, default=1000, help='of the linear layer behind a backbone; 0: none (default: 1000)'
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='bfloat16',
        choices=list(benchmark.AMP_TYPES),
        help='autocast (default: off; without a type: bfloat16)',
    )
    parser.add_argument(
        '--channels-last',
        action='store_true',
        help='store weights and images channels last; --prepare chooses itself, in inference',
    )
    parser.add_argument('--prepare', action='store_true', help='inference on a copy made by mmattn.prepare')
    parser.add_argument(
        '--fold-norms',
        action='store_true',
        help='fold norms in eval mode in the forward pass of finetune (efficient_conv_bn_eval)',
    )
    parser.add_argument(
        '--keep-memory',
        action='store_true',
        help='keep freed memory in the process, as the other command-line tools do',
    )
    parser.add_argument('--compile', action='store_true', help='torch.compile')
    parser.add_argument('--repeats', type=positive, default=10, help='rounds that count (default: 10)')
    parser.add_argument('--warmup', type=positive, default=2, help='passes before them (default: 2)')
    parser.add_argument(
        '--threads',
        type=positive,
        default=benchmark.physical_cores(),
        help='of PyTorch (default: the physical cores, here %(default)s)',
    )
    parser.add_argument(
        '--memory',
        choices=(*benchmark.MODES, 'none'),
        nargs='+',
        metavar='MODE',
        help='modes in which memory is measured, which takes a process a figure; none: in none '
        '(default: in all that run)',
    )
    parser.add_argument('--resident', action='store_true', help='on a CPU, what a process keeps resident, too')
    parser.add_argument('--json', metavar='FILE', type=Path, help='write the report there')
    parser.add_argument('--plot', metavar='FILE', type=Path, help='draw bars there (.png)')
    args = parser.parse_args(argv)
    if bool(args.net) == bool(args.results or args.suite):
        parser.error('give what to measure, or --suite FILE, or --results DIR')
    if args.only and not args.suite:
        parser.error('--only goes with --suite')
    if args.against and len(args.net) > 1:
        parser.error('--against compares with one network or module')
    if (args.against_path or args.against_name) and not (args.against or args.suite):
        parser.error('--against-path and --against-name go with --against')
    if args.size and len(args.size) > 2:
        parser.error('--size takes one number, or height and width')
    if args.prepare and 'infer' not in args.mode:
        parser.error('--prepare is for --mode infer')
    if args.fold_norms and 'finetune' not in args.mode:
        parser.error('--fold-norms is for --mode finetune')
    if args.plot and args.plot.suffix != '.png':
        parser.error('--plot writes .png files')
    return args


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    args = parse_args(argv)
    try:
        if args.results:
            with explained(f'no results can be made of {args.results}'):
                print(*(f'wrote {path}' for path in benchmark.write_results(args.results, ROOT)), sep='\n')
        elif args.suite:
            return run_suite(args, argv)
        else:
            with explained('nothing can be measured'):
                run(args)
    except UserError as error:
        if os.environ.get('MMATTN_DEBUG') == '1':
            raise
        print(error_line(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print('\ninterrupted' if is_terminal(sys.stderr) else 'interrupted', file=sys.stderr)
        return 130
    return 0


def error_line(error: UserError) -> str:
    return f'\nerror: {error}' if is_terminal(sys.stderr) else f'error: {error}'


def run_suite(args: argparse.Namespace, argv: list[str]) -> int:
    """Runs the commands of a suite one after the other; what one cannot measure does not stop the next."""
    entries = benchmark.read_suite(args.suite)
    if args.only:
        unknown = set(args.only) - {entry.name for entry in entries}
        if unknown:
            raise UserError(
                f'{args.suite} has no {", ".join(sorted(unknown))}; it has {", ".join(entry.name for entry in entries)}'
            )
        entries = [entry for entry in entries if entry.name in args.only]
    own = ArgumentParser(add_help=False, allow_abbrev=False)
    own.add_argument('--suite')
    own.add_argument('--only', nargs='+')
    own.add_argument('--json')
    own.add_argument('--against-path')
    _, further = own.parse_known_args(argv)
    commands = [parse_args([*entry.argv, *further]) for entry in entries]
    reports, failed = {}, False
    for entry, command_args in zip(entries, commands):
        command_args.json = args.json and args.json / f'{entry.name}.json'
        command_args.against_path = args.against_path
        start = time.perf_counter()
        print(f'\n{entry.title}: {command(command_args)}', flush=True)
        try:
            with explained('it cannot be measured'):
                reports[entry.name] = run(command_args)
        except UserError as error:
            failed = True
            print(error_line(error), file=sys.stderr)
        print(f'{time.perf_counter() - start:.0f} s', flush=True)
    print('', *benchmark.suite_tables(entries, reports), sep='\n\n')
    missed = benchmark.missed_targets(entries, reports)
    if missed:
        print(f'\nmissed: {"; ".join(missed)}')
    return 2 if failed else 1 if missed else 0


def run(args: argparse.Namespace) -> dict:
    """Measures what one command asks for, prints and writes it, and returns it."""
    check_device(args.device)
    for path in filter(None, (args.json, args.plot)):
        check_output(path)
    torch.set_num_threads(args.threads)
    settings = benchmark.Settings(
        modes=tuple(args.mode),
        batch=args.batch,
        size=args.size and (args.size[0], args.size[-1]),
        repeats=args.repeats,
        warmup=args.warmup,
        threads=args.threads,
        memory=tuple(args.memory or args.mode),
        resident=args.resident,
        progress=status,
        treatment=benchmark.Treatment(
            args.device, args.amp, args.channels_last, args.prepare, args.fold_norms, args.keep_memory, args.compile
        ),
    )
    report = dict(
        schema=benchmark.SCHEMA,
        command=command(args),
        machine=benchmark.describe_machine(args.device),
        versions=benchmark.describe_versions(),
        threads=args.threads,
        device=args.device,
        results=[],
    )
    subjects = [benchmark.Ours(text, args.classes) for text in args.net]
    for subject in subjects:
        subject.build()  # what cannot be built is known before anything long begins
    other = benchmark.Other(args.against, args.against_path, args.against_name)
    try:
        for subject in subjects:
            if args.against:
                part = benchmark.benchmark_against(subject, other, settings)
            elif args.overhead:
                part = benchmark.benchmark_overhead(subject, settings)
            elif args.ablation is not None:
                part = benchmark.benchmark_ablation(subject, settings, args.ablation)
            elif args.scaling:
                part = benchmark.benchmark_scaling(subject, settings)
            else:
                part = benchmark.benchmark_alone(subject, settings)
            for key, rows in part.items():
                report.setdefault(key, []).extend(rows)
            if args.json:
                write_json(report, args.json)  # after each, so that a run that is ended leaves what it has
    finally:
        status('')
        if report['results']:  # of those before one that failed, too
            show(report, args.plot)
    return report


def show(report: dict, plot: Path | None) -> None:
    print(benchmark.as_text(report))
    if plot:
        from mmattn.analysis.benchmark.pictures import draw_bars  # matplotlib takes a second to import

        draw_bars(report['results'], plot)


def command(args: argparse.Namespace) -> str:
    """The command that measures this again: without paths, which are this machine's own."""
    parts = ['python', 'tools/benchmark.py', *args.net]
    for name, value in vars(args).items():
        given = value is not None and value is not False  # 0 is
        if given and name not in ('net', 'json', 'plot', 'against_path'):
            parts.append(f'--{name.replace("_", "-")}')
            if value is not True:
                parts += map(str, value if isinstance(value, list) else [value])
    return shlex.join(parts)


if __name__ == '__main__':
    sys.exit(main())
