"""Evaluates a checkpoint of an mmdet, mmpretrain or mmseg config."""

import shlex
import sys
from contextlib import suppress
from pathlib import Path

from _imports import needed

with needed():
    from mmattn.analysis.evaluation import Outputs
    from mmattn.analysis.runs.model import find_model
    from mmattn.analysis.runs.picture_hook import PictureHook
    from mmattn.checks.run import build, check_built, check_run
    from mmattn.checks.trained import load_tested
    from mmattn.checks.trial import try_run
    from mmattn.commands import command
    from mmattn.engine import launch, preflight, settings
    from mmattn.engine.hooks import PrepareHook
    from mmattn.engine.loading import one_reader
    from mmattn.errors import UserError

EXAMPLES = """\
  # the metrics of the config's test set, printed and written to a file
  python tools/test.py configs/mask_rcnn_sda.py work_dirs/mask_rcnn_sda/epoch_12.pth \\
      --out metrics.json

  # predictions as well: for mmdet's analysis tools, and for pycocotools or COCO's server
  python tools/test.py configs/mask_rcnn_sda.py CHECKPOINT --out metrics.json --out predictions.pkl \\
      --out predictions.bbox.json --out predictions.segm.json

  # semantic segmentation: mIoU, accuracy and IoU by class, and the label picture of each image, as servers take them
  python tools/test.py configs/deeplabv3plus_sda.py CHECKPOINT --out metrics.json --out labels/

  # pictures of the predictions as well
  python tools/test.py configs/demo/mask_rcnn_sda_nuclei.py CHECKPOINT --show-dir pictures

  # four GPUs (or, without any, four CPU processes)
  python tools/test.py configs/mask_rcnn_sda.py CHECKPOINT --gpus 4
"""


def parse_args():
    parser = launch.ArgumentParser('Evaluate a checkpoint of an mmdet, mmpretrain or mmseg config.', EXAMPLES)
    parser.add_argument('checkpoint', help='path or address of a checkpoint')
    parser.add_argument(
        '--out',
        action='append',
        default=[],
        metavar='FILE',
        help='write the metrics to FILE.json, the predictions to FILE.pkl (for the analysis tools of mmdet and '
        "mmpretrain), COCO's result lists to FILE.bbox.json and FILE.segm.json, or the label pictures of a segmentor "
        'into a folder FILE/; may be given several times',
    )
    parser.add_argument('--show-dir', metavar='DIR', help='draw the predictions into this folder')
    parser.add_argument(
        '--no-prepare',
        action='store_true',
        help='test the model as it is on a CPU too, where a copy with folded norms is faster',
    )
    parser.add_shared_options()
    return parser.parse_args()


def check_no_folder(arguments):
    """Raises UserError where a work folder is given first, and names what to give instead of it."""
    if not arguments or not Path(arguments[0]).is_dir():
        return
    named = 'CONFIG CHECKPOINT'
    with suppress(UserError):
        cfg, checkpoint, _ = find_model(arguments[0])
        named = shlex.join((cfg.filename, str(checkpoint)))
    raise UserError(f"'{arguments[0]}' is a folder; give a config and a checkpoint: {command('test')} {named}")


def main():
    check_no_folder(sys.argv[1:])
    args = parse_args()
    outputs = Outputs(args.out)
    if args.show_dir is not None:
        preflight.check_output(args.show_dir, folder=True)
    cfg = launch.load_config(args.config, args.cfg_options)
    preflight.check_parts(cfg, ('model', 'test_dataloader', 'test_cfg'))
    settings.set_work_dir(cfg, args.config, args.work_dir)
    cfg.load_from = args.checkpoint
    cfg.resume = False

    check_run(cfg, ('test',), training=False, launcher=args.launcher)
    if args.check:
        try_run(cfg, ('test',), args.checkpoint)
        print('the config, its data and the checkpoint are in place')
        return
    runner = build(cfg, args.launcher, ('test',))
    line = load_tested(runner, args.checkpoint)
    if line and runner.rank == 0:
        print(line)
    check_built(runner, ('test',))
    if not args.no_prepare:
        runner.register_hook(PrepareHook())
    outputs.attach(runner)
    if args.show_dir is not None:
        runner.register_hook(PictureHook(args.show_dir))
    with one_reader():  # which mmengine loads again
        metrics = runner.test()
    if runner.rank == 0:
        outputs.write(metrics)


if __name__ == '__main__':
    launch.run(main)
