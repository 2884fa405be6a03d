"""Trains an mmdet, mmpretrain or mmseg config."""

from _imports import needed

with needed():
    from mmattn.checks.rank import is_first
    from mmattn.checks.run import check_run, train_checked
    from mmattn.checks.trial import try_run
    from mmattn.engine import launch, preflight, settings
    from mmattn.engine.processes import is_restarted

EXAMPLES = """\
  # the demo: nuclei, a few minutes on two CPU cores
  python tools/train.py configs/demo/mask_rcnn_sda_nuclei.py

  # one GPU of the four that the schedule is made for: scale the learning rate
  python tools/train.py configs/mask_rcnn_sda.py --auto-scale-lr --amp

  # go on after an interruption, from the last checkpoint in the work folder
  python tools/train.py configs/mask_rcnn_sda.py --resume

  # another data folder, and shorter
  python tools/train.py configs/mask_rcnn_sda.py --work-dir work_dirs/short \\
      --cfg-options train_dataloader.dataset.data_root=/data/coco train_cfg.max_epochs=1

  # four GPUs (or, without any, four CPU processes)
  python tools/train.py configs/mask_rcnn_sda.py --gpus 4
"""


def parse_args():
    parser = launch.ArgumentParser('Train an mmdet, mmpretrain or mmseg config.', EXAMPLES)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='PATH',
        help='go on from a checkpoint (default: the newest whole one in the work folder; if there is none yet, start)',
    )
    parser.add_argument('--force', action='store_true', help='go on from a checkpoint of another model too')
    parser.add_argument('--amp', action='store_true', help='train in mixed precision (GPU)')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate by the batch size over that of the config'
    )
    parser.add_argument(
        '--no-channels-last',
        action='store_true',
        help="keep torch's default memory format on a CPU, where channels last is mostly faster (or channels_last="
        'False in the config)',
    )
    parser.add_shared_options()
    return parser.parse_args()


def main():
    args = parse_args()
    cfg = launch.load_config(args.config, args.cfg_options)
    preflight.check_parts(cfg, ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'))
    settings.set_work_dir(cfg, args.config, args.work_dir)
    cfg.resume_forced = args.force
    if args.resume is not None or cfg.get('resume') and cfg.get('load_from') is None or is_restarted():
        lines = settings.set_resume(cfg, args.resume or 'auto')
        if is_first(args.launcher):
            print(*lines, sep='\n')
    if args.amp:
        settings.set_amp(cfg)
    if args.auto_scale_lr:
        settings.set_auto_scale_lr(cfg)
    if args.no_channels_last:
        cfg.channels_last = False

    if args.check:
        splits = ('train', 'val')
        check_run(cfg, splits, training=True, launcher=args.launcher)
        try_run(cfg, splits)
        print('the config, its data and its weights are in place')
        return
    train_checked(cfg, args.launcher)


if __name__ == '__main__':
    launch.run(main, 'interrupted; to go on from the last checkpoint, give the same command with --resume')
