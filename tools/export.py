"""Writes a trained model as one file that runs without mmdet, and checks that it gives the same answers."""

from pathlib import Path

from _imports import needed

with needed():
    from mmattn.analysis.runs.model import find_model
    from mmattn.engine import launch, preflight
    from mmattn.engine.arguments import ArgumentParser, config, positive
    from mmattn.errors import UserError
    from mmattn.export.opening import BACKENDS, SUFFIXES
    from mmattn.export.run import Options, export

DESCRIPTION = """\
Writes a trained model as one file of ONNX, which runs without PyTorch, or of torch.export (NAME.pt2),
and checks that it gives the same answers.

MODEL is a work folder (its best checkpoint is taken), or CONFIG and CHECKPOINT. The file takes images
(N, H, W, 3), RGB, 8 bits, of any size; resizing, normalisation and padding are in it, and so are the
non-maximum suppression and the masks in the size of the image. A segmentor's file gives the label of each
pixel of the image.

The file is compared with the model on the validation images of the config; if it gives other answers it
is not written. What was compared is printed, and kept in FILE.json."""
EXAMPLES = """\
Examples:
  # from the quick start's training to a file of ONNX
  python tools/export.py work_dirs/quickstart --out nuclei.onnx

  # what it finds in images
  python tools/predict.py nuclei.onnx images/ --out predictions

  # about a third of the size; refused if AP changes by more than 0.02
  python tools/export.py work_dirs/quickstart --out nuclei-int8.onnx --int8 --calibration demo/nuclei_mini/images

  # a segmentor that gives the score of each pixel's class, too
  python tools/export.py work_dirs/deeplabv3plus_sda_nuclei --out nuclei.onnx --scores

  # a config and its checkpoint; compared on 100 images
  python tools/export.py configs/mask_rcnn_sda.py work_dirs/mask_rcnn_sda/epoch_12.pth --out sda.onnx --images 100
"""


def parse_args():
    parser = ArgumentParser(description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument('model', type=config, metavar='MODEL', help='work folder, or config')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?', help='checkpoint, where MODEL is a config')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='file to write: NAME.onnx or NAME.pt2')
    parser.add_argument(
        '--images', type=positive, default=200, metavar='N', help='validation images to compare on (default: 200)'
    )
    parser.add_argument('--half', action='store_true', help='keep the weights with 16 bits: about half the size')
    parser.add_argument(
        '--int8', action='store_true', help='compute convolutions and linear layers with 8 bits; needs --calibration'
    )
    parser.add_argument(
        '--calibration', type=Path, metavar='DIR', help='folder of images like those to come, of which 100 are taken'
    )
    parser.add_argument('--openvino', action='store_true', help='compare the file as OpenVINO runs it, too')
    parser.add_argument('--no-verify', action='store_true', help='write the file without comparing it')
    parser.add_argument(
        '--no-resize', action='store_true', help='leave the resizing out: whoever runs the file resizes'
    )
    parser.add_argument(
        '--scores', action='store_true', help="of a segmentor: have the file give the score of each pixel's class, too"
    )
    launch.add_cfg_options(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    preflight.check_output(args.out)
    if args.out.suffix.lower() not in SUFFIXES:
        raise UserError(f"--out '{args.out}' has to end with {' or '.join(SUFFIXES)}")
    if args.half and args.int8:
        raise UserError('--half and --int8 both set the precision; give one')
    if args.int8 and args.calibration is None:
        raise UserError('--int8 needs images that the ranges of the feature maps are taken from; add --calibration DIR')
    if args.calibration is not None and not args.int8:
        raise UserError('--calibration is for --int8; add that, or leave it out')
    if args.int8 and not args.calibration.is_dir():
        raise UserError(f"no folder '{args.calibration}' for --calibration; name another")
    if args.no_verify and args.openvino:
        raise UserError('--openvino compares the file, and --no-verify does not; leave one out')
    if args.out.suffix.lower() == '.pt2' and (args.half or args.int8 or args.openvino):
        raise UserError("--half, --int8 and --openvino are for files of ONNX; have --out end with '.onnx'")
    cfg, checkpoint, _ = find_model(args.model, args.checkpoint, overrides=args.cfg_options)
    options = Options(
        args.out,
        precision='float16' if args.half else 'int8' if args.int8 else 'float32',
        calibration=args.calibration or Path(),
        resized=not args.no_resize,
        verified=not args.no_verify,
        images=args.images,
        backends=BACKENDS if args.openvino else BACKENDS[:1],
        scores=args.scores,
    )
    export(cfg, checkpoint, options)


if __name__ == '__main__':
    launch.run(main)
