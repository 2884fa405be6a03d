"""Evaluates a checkpoint of an mmdet or mmpretrain config."""
import sys

try:
    from mmattn.checks.run import build, check_built, check_run
    from mmattn.checks.trained import load_tested
    from mmattn.checks.trial import try_run
    from mmattn.engine import launch, preflight, settings
    from mmattn.engine.hooks import PrepareHook
    from mmattn.errors import UserError
    from mmattn.files import write_json
except ModuleNotFoundError as missing:
    print(f'error: {missing}; run: bash tools/setup_env.sh && source .venv/bin/activate '
          '(or, in an environment of your own: pip install -e .)', file=sys.stderr)
    sys.exit(2)

EXAMPLES = """\
  # the metrics of the config's test set, printed and written to a file
  python tools/test.py configs/mask_rcnn_sda.py work_dirs/mask_rcnn_sda/epoch_12.pth \\
      --out metrics.json

  # pictures of the predictions as well
  python tools/test.py configs/demo/mask_rcnn_sda_nuclei.py CHECKPOINT --show-dir pictures

  # four GPUs (or, without any, four CPU processes)
  bash tools/dist_test.sh configs/mask_rcnn_sda.py CHECKPOINT 4
"""


def parse_args():
    parser = launch.ArgumentParser(
        'Evaluate a checkpoint of an mmdet or mmpretrain config.', EXAMPLES)
    parser.add_argument('checkpoint', help='path or address of a checkpoint')
    parser.add_argument('--out', metavar='FILE.json', help='write the metrics to this file')
    parser.add_argument('--show-dir', metavar='DIR', help='draw the predictions into this folder')
    parser.add_argument(
        '--no-prepare', action='store_true',
        help='test the model as it is on a CPU too, where a copy with folded norms is faster')
    parser.add_shared_options()
    return parser.parse_args()


def main():
    args = parse_args()
    if args.out is not None:
        if not args.out.endswith('.json'):
            raise UserError(f"--out writes the metrics as JSON; name a file ending in .json, not '{args.out}'")
        preflight.check_output(args.out)
    if args.show_dir is not None:
        preflight.check_output(args.show_dir, folder=True)
    cfg = launch.load_config(args.config, args.cfg_options)
    preflight.check_parts(cfg, ('model', 'test_dataloader', 'test_cfg'))
    settings.set_work_dir(cfg, args.config, args.work_dir)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.show_dir is not None:
        settings.set_show_dir(cfg, args.show_dir)

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
    metrics = runner.test()
    if args.out is not None and runner.rank == 0:
        write_json({name: float(value) for name, value in metrics.items()}, args.out)
        print(f'metrics written to {args.out}')


if __name__ == '__main__':
    launch.run(main)
