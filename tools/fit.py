"""Trains a detector, segmentor or classifier on a folder of annotated images, and reports what it gets wrong."""

from pathlib import Path

from _imports import needed

with needed():
    from mmattn.data.formats.source import FORMATS
    from mmattn.engine import launch
    from mmattn.engine.arguments import ArgumentParser, count, positive, positive_float, score
    from mmattn.errors import UserError
    from mmattn.fit import backbones
    from mmattn.fit.plan import TASKS
    from mmattn.fit.run import default_name, fit
    from mmattn.fit.settings import Options

DESCRIPTION = """\
Trains a detector, segmentor or classifier on a folder of annotated images, and reports what it gets wrong.

DATA is a folder (or a file) with COCO JSON, YOLO, Pascal VOC or LabelMe annotations, a CSV of boxes,
images/ and label pictures (labels/ or masks/: numbers of classes, colours, or grey masks), or a
folder of images for each class. Boxes give Faster R-CNN, polygons and masks Mask R-CNN (DeepLabV3+
with --task semantic), label pictures DeepLabV3+, folders a classifier. Nothing is written into it.
The same command goes on after an interruption.

work_dirs/NAME gets: config.py (short, to be read and changed; train.py, test.py and all other tools
take it), split.json, data/ (the annotations in COCO's form, or label pictures), checkpoints, and
report/report.html."""
EXAMPLES = """\
Examples:
  # 15 minutes on a CPU, split, sizes and length chosen by the data
  python tools/fit.py path/to/folder

  # longer, another backbone, a name for the work folder
  python tools/fit.py cells --backbone ema-resnet50 --minutes 60 --name cells-ema

  # boxes of a data set with polygons; objects have no upper side, as seen by a microscope or from the air
  python tools/fit.py nuclei --task boxes --flips all

  # a class for each pixel: label pictures beside the images, or the polygons of a data set of objects
  python tools/fit.py data/street
  python tools/fit.py nuclei --task semantic

  # four GPUs
  python tools/fit.py data/street --gpus 4 --epochs 36

  # only the config, to be changed before: python tools/train.py work_dirs/cells/config.py
  python tools/fit.py cells --only-config
"""


def parse_args():
    parser = ArgumentParser(description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument('data', metavar='DATA', type=Path, help='the data set, which is only read')
    parser.add_argument('--name', help="name of the work folder in work_dirs/ (default: the data set's)")
    parser.add_argument('--format', choices=tuple(FORMATS), help='format of the data set (default: recognised)')
    parser.add_argument('--task', choices=tuple(TASKS), help='what to train (default: what the annotations permit)')
    parser.add_argument(
        '--backbone',
        default=backbones.DEFAULT,
        metavar='NAME',
        help=f'{", ".join(backbones.names())} (default: {backbones.DEFAULT})',
    )
    parser.add_argument(
        '--weights',
        default='auto',
        metavar='FILE',
        help="weights to begin with: a file; 'none' for random ones; default: torchvision's, with "
        'attention that starts as the identity, where they fit and can be had',
    )
    parser.add_argument(
        '--size',
        choices=('thin', 'full'),
        help='width of the network (default: thin, a quarter, on a CPU, full with a GPU)',
    )
    parser.add_argument(
        '--minutes',
        type=positive_float,
        metavar='M',
        help='time for all, report included (default: 15 on a CPU, 60 with a GPU)',
    )
    parser.add_argument('--epochs', type=positive, metavar='N', help='length of the training, whatever it takes')
    parser.add_argument(
        '--image-size',
        type=positive,
        metavar='PIXELS',
        help='longer side of the training images (default: by the size of the objects)',
    )
    parser.add_argument(
        '--batch', type=positive, metavar='N', help='images of a batch, for each GPU (default: by the memory)'
    )
    parser.add_argument('--lr', type=positive_float, metavar='RATE', help='learning rate (default: by the linear rule)')
    parser.add_argument(
        '--flips',
        choices=('horizontal', 'all', 'none'),
        default='horizontal',
        help='how training images are turned over at random (default: horizontal)',
    )
    parser.add_argument(
        '--val-share',
        type=score,
        default=0.2,
        metavar='SHARE',
        help='share of the images for validation, where the data set has no such part (default: 0.2)',
    )
    parser.add_argument(
        '--split',
        type=Path,
        metavar='FILE',
        help='split of another training, its split.json (default: made, or read where it is there)',
    )
    parser.add_argument('--seed', type=count, default=0, help='seed of split and training (default: 0)')
    parser.add_argument(
        '--gpus',
        type=positive,
        default=1,
        metavar='N',
        help='number of GPUs or, without any, of CPU processes (default: 1)',
    )
    parser.add_argument('--only-config', action='store_true', help='write the config and stop')
    parser.add_argument('--force', action='store_true', help='start afresh: empties the work folder')
    return parser.parse_args()


def main():
    args = parse_args()
    if args.minutes and args.epochs:
        raise UserError('--minutes and --epochs both set the length; give one')
    if not 0 < args.val_share < 1:
        raise UserError(f'--val-share {args.val_share:g} leaves nothing to train or to validate; give 0.2, say')
    name = args.name or default_name(args.data)
    if Path(name).name != name or name == '..':
        raise UserError(f"--name '{name}' is no name of a folder in work_dirs/; leave slashes out")
    options = Options(
        data=args.data,
        work_dir=Path('work_dirs', name),
        format=args.format,
        task=args.task,
        backbone=args.backbone,
        weights=args.weights,
        size=args.size,
        minutes=args.minutes,
        epochs=args.epochs,
        image_size=args.image_size,
        batch=args.batch,
        rate=args.lr,
        flips=args.flips,
        val_share=args.val_share,
        split=args.split,
        seed=args.seed,
        gpus=args.gpus,
    )
    fit(options, force=args.force, only_config=args.only_config)


if __name__ == '__main__':
    launch.run(main, 'interrupted; to go on, give the same command again')
