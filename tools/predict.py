"""Predicts on images, folders, videos and cameras with a trained detector, segmentor or classifier."""

import sys
from pathlib import Path

from _imports import needed

with needed():
    import torch

    from mmattn.analysis.counted import counted
    from mmattn.analysis.predict import Predictor, Tiles
    from mmattn.analysis.predict.inputs import find_inputs
    from mmattn.analysis.predict.run import LABELS, PICTURES, VIDEOS, PredictionFolder
    from mmattn.analysis.runs.model import find_model
    from mmattn.data.text import few
    from mmattn.engine import launch, preflight
    from mmattn.engine.arguments import ArgumentParser, check_device, config, positive, score
    from mmattn.errors import RunError, UserError
    from mmattn.export.opening import BACKENDS, SUFFIXES
    from mmattn.export.predictor import ExportedPredictor

DESCRIPTION = """\
Predicts on images, folders, videos and cameras with a trained detector of mmdet, segmentor of mmseg or
classifier of mmpretrain.

Writes into the folder --out:
  predictions.json   a COCO data set of the results: images with sizes, class names, boxes, scores, masks (RLE)
  predictions.csv    a row for each object; of a segmentor for each class in an image, with its area and share;
                     of a classifier for each of an image's five likeliest classes
  pictures/          the images with boxes, masks, class names and scores, or pixels in the colours of their
                     classes; of a video videos/, as MPEG-4
  labels/            of a segmentor: label pictures, PNG files whose values are the labels (255: none of --classes)
Files of these names are replaced, no others are touched. Ctrl-C keeps what was done. What is damaged is named and
passed over, and the exit status is 1 then."""
EXAMPLES = """\
Examples:
  # with the best checkpoint of a training, or else the newest
  python tools/predict.py work_dirs/quickstart demo/nuclei_mini/images --out predictions

  # with a config and a checkpoint; only two of the classes, from a score of 0.5 on
  python tools/predict.py CONFIG CHECKPOINT 'photos/**/*.jpg' --classes car van --threshold 0.5 --out predictions

  # small objects in large images: tiles of 640 px and the whole image, merged
  python tools/predict.py work_dirs/aerial images --tiles 640 --overlap 0.2 --out predictions

  # with a file that was exported
  python tools/predict.py nuclei.onnx images --out predictions

  # every fifth frame of a video; the first camera, until Ctrl-C
  python tools/predict.py work_dirs/street street.mp4 --every 5 --out predictions
  python tools/predict.py work_dirs/street 0 --out predictions
"""
# Classes of pixels in the line at the end.
SHOWN = 10
# Least score of an object, unless --threshold names another.
THRESHOLD = 0.3


def parse_args():
    parser = ArgumentParser(
        description=DESCRIPTION,
        epilog=f'{EXAMPLES}\n{launch.ENVIRONMENT}',
        usage='%(prog)s MODEL INPUT [INPUT …] [options]',
    )
    parser.add_argument(
        'model',
        type=config,
        metavar='MODEL',
        help='work folder of a training; a config, with the path of a checkpoint behind it; or an exported file',
    )
    parser.add_argument(
        'inputs',
        nargs='*',
        metavar='INPUT',
        help='images, folders (with all below them), patterns '
        "such as 'a/**/*.jpg', videos, /dev/video0 or the number of a camera, addresses of streams",
    )
    parser.add_argument('--checkpoint', metavar='FILE', help='weights (default: the best of the work folder)')
    parser.add_argument(
        '--out', type=Path, default=Path('predictions'), metavar='DIR', help='where to write (default: predictions)'
    )
    parser.add_argument(
        '--threshold', type=score, metavar='SCORE', help=f'least score of an object (default: {THRESHOLD})'
    )
    parser.add_argument('--classes', nargs='+', metavar='NAME', help='only these classes')
    parser.add_argument(
        '--batch',
        type=positive,
        metavar='N',
        help='images or tiles predicted at a time (default: 1 on a CPU, 8 on a GPU)',
    )
    parser.add_argument(
        '--tiles', type=positive, metavar='PIXELS', help='predict tiles of this size besides the whole image, and merge'
    )
    parser.add_argument(
        '--overlap',
        type=score,
        default=0.2,
        metavar='SHARE',
        help='overlap of neighbouring tiles (default: 0.2); the largest small object should fit in',
    )
    parser.add_argument(
        '--every',
        type=positive,
        default=1,
        metavar='N',
        help='of a video or camera only each N-th frame (default: all)',
    )
    parser.add_argument(
        '--backend', choices=BACKENDS, default=BACKENDS[0], help=f'what runs a file of ONNX (default: {BACKENDS[0]})'
    )
    parser.add_argument(
        '--no-pictures', action='store_true', help='write no pictures and videos: numbers and label pictures alone'
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='where to compute (default: a GPU if there is one)',
    )
    launch.add_cfg_options(parser)
    return parser.parse_args()


def shares_of(areas, pixels):
    """The classes with most pixels of all images, with their shares of these images in percent."""
    shares = [f'{name} {100 * area / pixels:.1f} %' for name, area in areas.most_common(SHOWN)]
    return ', '.join(shares + [f'and {len(areas) - SHOWN} more'] * (len(areas) > SHOWN))


def main():
    args = parse_args()
    preflight.check_output(args.out, folder=True)
    check_device(args.device)
    exported = Path(args.model).suffix.lower() in SUFFIXES
    if exported:
        if args.checkpoint or args.cfg_options:
            raise UserError(
                f'--checkpoint and --cfg-options are for configs; {args.model} holds its weights and settings'
            )
        named, info = args.inputs, dict(model=args.model)
    else:
        cfg, checkpoint, named = find_model(args.model, args.checkpoint, args.inputs, args.cfg_options)
        info = dict(config=cfg.filename, checkpoint=str(checkpoint))
    if not named:
        raise UserError('nothing to predict on; name images, folders or a video behind the model')
    inputs = find_inputs(named, without=[args.out / name for name in (PICTURES, LABELS, VIDEOS)])
    options = dict(
        threshold=THRESHOLD if args.threshold is None else args.threshold,
        classes=args.classes,
        tiles=Tiles(args.tiles, args.overlap) if args.tiles else None,
        batch=args.batch or (8 if args.device.startswith('cuda') else 1),
    )
    if exported:
        predictor = ExportedPredictor(args.model, backend=args.backend, device=args.device, **options)
        if not predictor.resized:
            print(
                f'note: {args.model} was exported with --no-resize, and takes images in their own size', file=sys.stderr
            )
    else:
        preflight.check_packages(cfg)
        predictor = Predictor(cfg, checkpoint, args.device, **options)
    if predictor.kind == 'segmentor' and args.threshold is not None:
        raise UserError('a segmentor gives each pixel its likeliest class, whatever its score; leave --threshold out')
    print(f'predicting with {args.model if exported else checkpoint}')
    info = dict(
        info,
        description='predictions of mmattn predict',
        **({} if predictor.kind == 'segmentor' else dict(threshold=options['threshold'])),
        tiles=args.tiles,
        overlap=args.overlap if args.tiles else None,
    )
    output = PredictionFolder(args.out, predictor, not args.no_pictures, info)
    try:
        results = output.predict(inputs, args.every)
    except KeyboardInterrupt:
        print(f'interrupted; what was done is in {args.out}: {", ".join(output.written)}', file=sys.stderr)
        raise
    if output.written:
        what = f'{counted(results.annotations, "object")} in ' if predictor.kind == 'detector' else ''
        if results.areas:
            print(f'pixels by class: {shares_of(results.areas, results.pixels)}')
        print(f'{what}{counted(results.images, "image")}; written to {args.out}: {", ".join(output.written)}')
    if output.failures:
        count = len(inputs.images) + len(inputs.videos)
        raise RunError(
            f'{len(output.failures)} of {count} inputs could not be read, or not to the end: {few(output.failures)}'
        )


if __name__ == '__main__':
    launch.run(main)
