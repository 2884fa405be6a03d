"""Reports how well a detector, segmentor or classifier predicts, and what it gets wrong."""

from pathlib import Path

from _imports import needed

with needed():
    import torch

    from mmattn.analysis.report import write_report
    from mmattn.analysis.runs.model import find_model
    from mmattn.engine import launch
    from mmattn.engine.arguments import ArgumentParser, check_device, config, count
    from mmattn.errors import explained

DESCRIPTION = """\
Reports how well a detector of mmdet, segmentor of mmseg or classifier of mmpretrain predicts, and what
it gets wrong.

Writes report.html with its pictures, metrics.json and CSV files. For a detector with COCO annotations:
AP and AR by class, AP by size of the objects, kinds of errors and what they cost (TIDE), confusion
matrix, precision and recall, calibration of the scores, the best threshold of each class, the worst
images with the mistakes drawn in, and suspected label errors. For a segmentor: mIoU, IoU by class,
confusion matrix, errors near borders, calibration, worst images beside the truth, and suspected label
errors. For a classifier: accuracy, precision, recall and F1 by class, confusion matrix, calibration,
worst images and suspected label errors.

The predictions are kept beside the checkpoint (predictions.*.json, of a segmentor also .zip) and used
again as long as checkpoint, config and annotations are the same."""
EXAMPLES = """\
Examples:
  # a training's work folder: its config and its best checkpoint, the report in work_dirs/sda/report
  python tools/report.py work_dirs/sda

  # any config with any checkpoint of it
  python tools/report.py configs/mask_rcnn_sda.py mask_rcnn_sda.pth --out mask_rcnn_report

  # the test images of the config, more of the worst, on the second GPU
  python tools/report.py work_dirs/sda --split test --images 100 --device cuda:1
"""


def parse_args():
    parser = ArgumentParser(description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument(
        'model',
        type=config,
        metavar='MODEL',
        help='work folder of a training, a checkpoint in one, or a config before its checkpoint',
    )
    parser.add_argument(
        'checkpoint',
        type=Path,
        nargs='?',
        metavar='CHECKPOINT',
        help='weights of the model (default: the best checkpoint of the work folder, else its last)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='FOLDER',
        help='where the report goes (default: a folder report beside the checkpoint)',
    )
    parser.add_argument(
        '--split',
        choices=('val', 'test'),
        default='val',
        help='images to report on: those of val_dataloader or test_dataloader (default: val)',
    )
    parser.add_argument(
        '--images',
        type=count,
        default=24,
        metavar='N',
        help='number of the worst images and of suspected label errors to show (default: 24)',
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='where to predict (default: a GPU if there is one)',
    )
    launch.add_cfg_options(parser, ': val_dataloader.batch_size=4')
    return parser.parse_args()


def main():
    args = parse_args()
    check_device(args.device)
    cfg, checkpoint, _ = find_model(args.model, args.checkpoint, overrides=args.cfg_options)
    with explained('the report cannot be made'):
        result = write_report(
            cfg, checkpoint, args.out or Path(checkpoint).parent / 'report', args.device, args.images, args.split
        )
    print(*result.lines, sep='\n')
    print(f'written: {result.page}, {result.metrics.name}, {", ".join(path.name for path in result.tables)}')


if __name__ == '__main__':
    launch.run(main)
