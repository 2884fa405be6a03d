"""Converts and checks data before training."""

import sys
from pathlib import Path

from _imports import needed

with needed():
    from mmattn.data import check, convert_labels, visdrone
    from mmattn.data.formats import source
    from mmattn.engine import launch
    from mmattn.engine.arguments import ArgumentParser, config, positive

# Problems of each kind that are listed without --all.
LISTED = 10

VISDRONE = """\
Converts VisDrone-DET annotations to COCO JSON: DST/instances_SPLIT.json for each split.

Ignored regions become crowds of all ten classes, so that no detection in them counts as an error;
objects with score 0, and objects of which half or more lies in ignored regions, become crowds of
their class; the category others is left out. Truncation and occlusion are kept. Damaged lines are
left out and reported with file and line, boxes that stick out are clipped to the image and
reported.

Exit status: 0 if the splits were written (whatever lines were reported), 1 if they were written
but images or whole annotation files had to be left out, 2 if nothing could be done."""

CHECK = """\
Looks through a dataset before a long run: files missing, empty or unreadable, images that do not
decode (each one is decoded, as the config does), image sizes that differ from the files; boxes,
areas, crowds and masks (polygons, run-length encodings) with values that mmdet or pycocotools fail
on, leave out or take for something else; ids and names that are doubled, unknown or of mixed types;
classes of the config in another order than the file's categories; then class balance and object
sizes.

Of semantic segmentation: label pictures missing, of another size than their image, or of colours;
labels beyond the classes, masks of 0 and 255, classes that never occur, the share of ignored pixels.

DATASET is a config of mmdet, mmpretrain or mmsegmentation (its datasets are found inside wrappers), a
COCO-style .json file with --images, or the folder of a data set: COCO JSON, YOLO, Pascal VOC, LabelMe,
a CSV of boxes, images and label pictures, or one folder of images for each class. The format is
recognised and said; --format names it. Of a config masks are looked at where the pipeline or the
evaluator reads them; of a .json file where it has any.
tools/train.py and tools/test.py make the same checks and do not start with data that would raise,
train on nothing or give wrong results; there images are decoded for some seconds only.

Exit status: 0 if nothing is wrong, 1 if something is, 2 if the check could not be made."""

LABELS = """\
Makes label pictures for semantic segmentation: OUT/labels/NAME.png for each image, whose pixels are
the numbers of classes (an indexed PNG, so that any viewer shows them in colours), OUT/classes.txt, and
a list of the images of each part, as mmsegmentation's BaseSegDataset reads them. NAME has the folders
that the image has in the data set: OUT/labels/images/a.png of images/a.jpg.

ANNOTATIONS is a COCO-style .json file with polygons or masks, or the folder of a data set: COCO JSON,
LabelMe, YOLO, each with polygons, or images and label pictures that are colour-coded, grey or masks of
0 and 255. Of objects the background is the first class, smaller objects are drawn above larger ones,
and the pixels of crowds are ignored (255).

Exit status: 0 if the label pictures were written, 1 if they were but images or objects had to be left
out, 2 if nothing could be done."""

VISDRONE_EXAMPLES = """\
examples:
  # data/VisDrone holds VisDrone2019-DET-train, VisDrone2019-DET-val, ...
  python tools/prepare_data.py visdrone data/VisDrone data/VisDrone/annotations

  # one split
  python tools/prepare_data.py visdrone data/VisDrone/VisDrone2019-DET-val annotations
"""

CHECK_EXAMPLES = """\
examples:
  # everything that a config reads in training and validation
  python tools/prepare_data.py check configs/demo/mask_rcnn_sda_nuclei.py --split train val

  # the same config over other data
  python tools/prepare_data.py check configs/mask_rcnn_sda.py --split train \\
      --cfg-options train_dataloader.dataset.data_root=/data/coco

  # files, without a config
  python tools/prepare_data.py check annotations/instances_train.json --images train/images
  python tools/prepare_data.py check data/imagenet/val --all

  # a data set in the format of YOLO, Pascal VOC, LabelMe, ...
  python tools/prepare_data.py check data/blood_cells
  python tools/prepare_data.py check data/blood_cells --format voc
"""


LABELS_EXAMPLES = """\
examples:
  # of polygons in COCO's form
  python tools/prepare_data.py labels demo/nuclei_mini/instances_train.json data/nuclei

  # of colour-coded pictures in data/street/masks, beside data/street/images
  python tools/prepare_data.py labels data/street data/street_labels
"""


def parse_args(argv=None):
    parser = ArgumentParser(
        description=__doc__,
        epilog='\n'.join(
            [VISDRONE_EXAMPLES, *(each.removeprefix('examples:\n') for each in (LABELS_EXAMPLES, CHECK_EXAMPLES))]
        ),
    )
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    converter = commands.add_parser(
        'visdrone', help='convert VisDrone-DET annotations to COCO JSON', description=VISDRONE, epilog=VISDRONE_EXAMPLES
    )
    converter.add_argument(
        'source', metavar='SRC', type=Path, help='a split folder (images/ and annotations/), or a folder of them'
    )
    converter.add_argument('destination', metavar='DST', type=Path, help='folder for the JSON files')
    painter = commands.add_parser(
        'labels',
        help='make label pictures of polygons, masks or colour-coded pictures',
        description=LABELS,
        epilog=LABELS_EXAMPLES,
    )
    painter.add_argument(
        'source', metavar='ANNOTATIONS', type=Path, help='a .json file with polygons, or the folder of a data set'
    )
    painter.add_argument('destination', metavar='OUT', type=Path, help='folder for the label pictures')
    painter.add_argument('--format', choices=source.FORMATS, help='format of the data set (default: it is recognised)')
    checker = commands.add_parser(
        'check', help='look through a dataset before a long run', description=CHECK, epilog=CHECK_EXAMPLES
    )
    checker.add_argument(
        'dataset',
        metavar='DATASET',
        type=lambda text: Path(config(text)),
        help='a config, a COCO-style .json file, or the folder of a data set',
    )
    checker.add_argument('--format', choices=source.FORMATS, help='format of the data set (default: it is recognised)')
    checker.add_argument(
        '--images', metavar='DIR', type=Path, help="images of a .json file (default: the file's folder)"
    )
    checker.add_argument(
        '--split',
        nargs='+',
        choices=check.SPLITS,
        default=check.SPLITS,
        help='which datasets of a config (default: all)',
    )
    launch.add_cfg_options(checker)
    for command in (converter, painter, checker):
        command.add_argument('--all', action='store_true', help=f'list all problems, not the first {LISTED} of a kind')
        command.add_argument(
            '--workers', type=positive, metavar='N', help='threads that read images (default: one for each CPU)'
        )
    return parser.parse_args(argv)


def convert_visdrone(args) -> int:
    incomplete = False
    for folder in visdrone.without_annotations(args.source) if args.source.is_dir() else []:
        print(f"skipped: '{folder}' has images/ but no annotations/", file=sys.stderr)
    for name, folder in visdrone.find_splits(args.source).items():
        split = visdrone.convert_split(name, folder, args.workers)
        path = visdrone.write(split, args.destination)
        print(*split.lines(path, None if args.all else LISTED), sep='\n')
        incomplete |= split.incomplete()
    return int(incomplete)


def make_labels(args) -> int:
    result = convert_labels.make_labels(args.source, args.destination, args.format, args.workers)
    print(*result.lines(None if args.all else LISTED), sep='\n')
    return int(result.incomplete)


def check_dataset(args) -> int:
    problems = 0
    for report in check.check_dataset(
        args.dataset,
        images=args.images,
        splits=tuple(args.split),
        overrides=args.cfg_options,
        workers=args.workers,
        format=args.format,
    ):
        print(*report.lines(None if args.all else LISTED), sep='\n', flush=True)
        problems += report.problems.total()
    if problems:
        print(f'{problems} problem{"s" if problems > 1 else ""} found')
    return int(problems > 0)


def main(argv=None):
    args = parse_args(argv)
    sys.exit(dict(visdrone=convert_visdrone, labels=make_labels, check=check_dataset)[args.command](args))


if __name__ == '__main__':
    launch.run(main)
