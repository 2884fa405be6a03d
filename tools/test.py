"""Evaluates a checkpoint of an mmdet or mmpretrain config."""
import json
import math
import os
import pickle
import sys
from pathlib import Path

try:
    from mmengine.runner import CheckpointLoader

    from mmattn import launch, preflight
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
    parser.add_shared_options()
    return parser.parse_args()


def set_show_dir(cfg, show_dir):
    """The hooks of the two libraries draw alike, but name their options differently."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise preflight.UserError('--show-dir needs the visualization hook of mmdet or mmpretrain '
                                  'in the default_hooks of the config; add it there')
    show_dir = os.path.abspath(show_dir)
    if cfg.get('default_scope') == 'mmpretrain':
        hook.update(enable=True, out_dir=show_dir, interval=1)
    else:
        hook.update(draw=True, test_out_dir=show_dir, interval=1)


def check_fits(model, checkpoint):
    """Raises UserError if not one weight of the checkpoint belongs to the model.

    mmengine only logs that, and then evaluates the random weights.
    """
    try:
        content = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    except (EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise preflight.UserError(f"'{checkpoint}' is no checkpoint of torch (or a broken one: "
                                  f'{str(error).splitlines()[0][:80]}); name another') from error
    theirs = {name.removeprefix('module.') for name in content.get('state_dict', content)}
    ours = {name.removeprefix('module.') for name in model.state_dict()}
    if ours.isdisjoint(theirs):
        raise preflight.UserError(f"no weight in '{checkpoint}' belongs to the model of the "
                                  'config; name a checkpoint that was trained with this config')


def write_metrics(metrics, path):
    """Writes metrics as JSON, in one step; what is not a finite number becomes null."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {name: float(value) for name, value in metrics.items()}
    values = {name: value if math.isfinite(value) else None for name, value in values.items()}
    partial = path.with_name(path.name + '.tmp')
    partial.write_text(json.dumps(values, indent=2) + '\n')
    os.replace(partial, path)


def main():
    args = parse_args()
    if args.out is not None and not args.out.endswith('.json'):
        raise preflight.UserError(f"--out writes the metrics as JSON; name a file ending in .json, "
                                  f"not '{args.out}'")
    cfg = launch.load_config(args.config, args.cfg_options)
    launch.set_work_dir(cfg, args.config, args.work_dir)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.show_dir is not None:
        set_show_dir(cfg, args.show_dir)

    preflight.check_packages(cfg)
    preflight.check_gpus()
    preflight.check_weights(cfg, training=False)
    preflight.check_data(cfg, ('test',))
    if args.check:
        print('the config, its data and the checkpoint are in place')
        return
    runner = launch.build_runner(cfg, args.launcher)
    check_fits(runner.model, args.checkpoint)
    metrics = runner.test()
    if args.out is not None and runner.rank == 0:
        write_metrics(metrics, args.out)
        print(f'metrics written to {args.out}')


if __name__ == '__main__':
    launch.run(main)
