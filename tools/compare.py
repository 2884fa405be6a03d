"""Compares trainings of mmdet, mmseg and mmpretrain configs from their work folders, on one page."""

from pathlib import Path

from _imports import needed

with needed():
    import torch

    from mmattn.analysis.compare.comparison import compare
    from mmattn.analysis.compare.report import check_outputs, write
    from mmattn.analysis.compare.runs import find_run, read_runs
    from mmattn.engine import launch
    from mmattn.engine.arguments import ArgumentParser, check_device, count, seconds
    from mmattn.errors import UserError, explained
    from mmattn.shipped import ROOT

DESCRIPTION = """\
Compares trainings of mmdet, mmseg and mmpretrain configs from their work folders.

AP (box and mask), mIoU or top-1 and top-5, parameters, MACs, time, memory, learning curves and the papers'
figures come from logs and config. With --predict also precision and recall, and intervals of the
differences to a baseline; with --latency also the time for one image. An unfinished or damaged run
is in the report as such."""
EXAMPLES = """\
Examples:
  # a page from what is in the work folders, in seconds
  python tools/compare.py work_dirs/plain work_dirs/sda --out report.html

  # with predictions, intervals and latency; three formats; names of your own
  python tools/compare.py ResNet=work_dirs/plain SDA=work_dirs/sda --baseline ResNet --predict --latency 5 \\
      --out report.html --out report.md --out report.csv
"""


def parse_args():
    parser = ArgumentParser(description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument(
        'runs', nargs='+', metavar='RUN_DIR', help='the --work-dir of a training, or NAME=RUN_DIR to call it so'
    )
    parser.add_argument(
        '--out',
        action='append',
        type=Path,
        required=True,
        metavar='FILE',
        help='write a .html page, .md or .csv; may be given several times',
    )
    parser.add_argument('--baseline', metavar='RUN', help='name or folder of the run that the others are compared with')
    parser.add_argument(
        '--predict',
        action='store_true',
        help='predict on the validation images with the last checkpoints, and keep that in the work '
        'folders (predictions.*.json); what is kept there is used without this option, too',
    )
    parser.add_argument(
        '--resamples',
        type=count,
        default=1000,
        metavar='N',
        help='of the images, for the intervals (default: 1000; 0: no intervals)',
    )
    parser.add_argument(
        '--latency',
        type=seconds,
        default=0,
        metavar='SECONDS',
        help='measure the time for one image for so long with each network, on this machine, which '
        'should have nothing else to do (default: do not)',
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='where to predict and to measure (default: a GPU if there is one)',
    )
    return parser.parse_args()


def main():
    args = parse_args()
    with explained('the runs cannot be compared'):
        write_reports(args)


def write_reports(args):
    check_outputs(args.out)
    if args.predict or args.latency:
        check_device(args.device)
    runs = read_runs(args.runs)
    baseline = None if args.baseline is None else find_run(runs, args.baseline)
    comparison = compare(runs, baseline, ROOT, args.device, args.predict, args.latency, args.resamples)
    for path in args.out:
        write(comparison, path)
        print(f'written: {path}')
    refused = next((run.refused for run in runs if run.refused), None)
    if refused:  # the report is of the others, and says so; but what was asked for was not done
        raise UserError(refused)


if __name__ == '__main__':
    launch.run(main)
