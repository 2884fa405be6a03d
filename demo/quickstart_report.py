"""Reports a finished training of an mmdet or mmseg config: AP or mIoU, time, memory, curves, pictures."""

from pathlib import Path

import torch
from mmengine.registry import DATASETS

from mmattn.analysis.predict import Predictor
from mmattn.analysis.predict.examples import annotated_examples, labelled_examples
from mmattn.analysis.runs.curves import draw_curves
from mmattn.analysis.runs.history import duration, read_history
from mmattn.analysis.runs.label_pictures import draw_label_example, draw_label_sheet
from mmattn.analysis.runs.metrics import average_precisions, format_table, pixel_means
from mmattn.analysis.runs.pictures import draw_example, draw_sheet, save_picture
from mmattn.analysis.runs.work_dir import find_checkpoint, find_config, planned_end
from mmattn.commands import command
from mmattn.engine import launch, preflight
from mmattn.engine.arguments import ArgumentParser, count, score
from mmattn.engine.quiet import quiet
from mmattn.errors import UserError
from mmattn.files import write_json

DESCRIPTION = """\
Reports a training of an mmdet or mmseg config from its work folder.

Prints COCO AP, or mIoU, of the last validation, with the time and memory of the training, and
writes into the work folder:
  metrics.json       what is printed, and the AP or mIoU of every validation
  curves.png         loss and AP, or mIoU, over time
  predictions/       a picture for each validation image: ground truth beside prediction
  predictions.png    a few of them on one sheet"""
EXAMPLES = """\
Examples:
  # the training that tools/quickstart.sh makes
  python demo/quickstart_report.py work_dirs/quickstart

  # all predictions down to a low score, of the best checkpoint rather than the last
  python demo/quickstart_report.py work_dirs/quickstart --score-thr 0.1 \\
      --checkpoint work_dirs/quickstart/epoch_9.pth

  # table and curves alone, in a second
  python demo/quickstart_report.py work_dirs/quickstart --max-images 0
"""
SHEET_IMAGES = 4
SHEET_BYTES = 400_000


def parse_args():
    parser = ArgumentParser(description=DESCRIPTION, epilog=EXAMPLES)
    parser.add_argument('work_dir', type=Path, help='the --work-dir of the training')
    parser.add_argument(
        '--checkpoint',
        type=Path,
        metavar='FILE',
        help='weights for the pictures (default: the last checkpoint, as the AP is)',
    )
    parser.add_argument(
        '--score-thr',
        type=score,
        default=0.5,
        metavar='SCORE',
        help='least score of the predictions that are drawn (default: 0.5)',
    )
    parser.add_argument(
        '--max-images',
        type=count,
        default=16,
        metavar='N',
        help='number of pictures, spread over the validation images (default: 16)',
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='where to predict (default: a GPU if there is one)',
    )
    return parser.parse_args()


def describe_resources(history):
    if history.wall_time is None:
        return (
            "time and memory were not recorded; put dict(type='mmattn.ResourceHook') into "
            'the custom_hooks of the config'
        )
    device = 'process on CPU' if history.device == 'cpu' else history.device
    bound = 'at least ' if history.at_least else ''
    return (
        f'training + evaluation: {bound}{duration(history.wall_time)}, '
        f'peak memory: {bound}{history.peak_memory / 2**30:.2f} GiB ({device})'
        + ('; a part that was killed recorded neither' if bound else '')
    )


def values_of(validation):
    """AP by row and column, or mIoU, mAcc and aAcc, from 0 to 1; empty where a validation has none."""
    return average_precisions(validation.metrics) or pixel_means(validation.metrics)


def text_of(validation):
    """What `values_of` returns as text."""
    table = average_precisions(validation.metrics)
    if table:
        return format_table(table)
    return ', '.join(f'{name} {value:.3f}' for name, value in pixel_means(validation.metrics).items())


def spread(count, total):
    """`count` indices, or all, evenly spread over `total` of them."""
    if count >= total:
        return list(range(total))
    return [round(step * (total - 1) / max(count - 1, 1)) for step in range(count)]


def draw_pictures(cfg, checkpoint, args):
    predictor = Predictor(cfg, checkpoint, args.device, threshold=args.score_thr)
    with quiet():
        dataset = DATASETS.build(cfg.val_dataloader.dataset)
    indices = spread(args.max_images, len(dataset))
    on_sheet = set(spread(SHEET_IMAGES, len(indices)))
    names, examples = [], []
    print(f'drawing predictions of {checkpoint.name} on {len(indices)} of {len(dataset)} validation images')
    pixels = predictor.kind == 'segmentor'
    if pixels:
        found = labelled_examples(predictor, dataset, indices)
    else:
        found = ((example.name, example) for example in annotated_examples(predictor, dataset, indices))
    for number, (name, example) in enumerate(found):
        picture = draw_label_example(example) if pixels else draw_example(example, args.score_thr)
        save_picture(picture, args.work_dir / 'predictions' / f'{name}.png')
        if number in on_sheet:
            names.append(name)
            examples.append(example)
    for panel in (320, 256, 192, 128):  # until it is small enough for a README
        sheet = draw_label_sheet(examples, names, panel) if pixels else draw_sheet(examples, args.score_thr, panel)
        if save_picture(sheet, args.work_dir / 'predictions.png', colors=256) < SHEET_BYTES:
            break


def main():
    args = parse_args()
    history = read_history(args.work_dir)
    cfg, config_path = find_config(args.work_dir)
    checkpoint = args.checkpoint or find_checkpoint(args.work_dir)
    if not checkpoint.is_file():
        raise UserError(f"no checkpoint at '{checkpoint}'; name another")
    last = history.validations[-1]
    values, text = values_of(last), text_of(last)
    if not values:
        raise UserError(
            f"the last validation in '{args.work_dir}' gave no box or mask AP and no mIoU: nothing "
            'was detected, or the config has another evaluator than CocoMetric or IoUMetric; train '
            'longer, or correct val_evaluator'
        )
    stopped_at = planned_end(cfg, history)
    if args.max_images:
        preflight.check_packages(cfg)
        preflight.check_data(cfg, ('val',))
        draw_pictures(cfg, checkpoint, args)
    draw_curves(history, args.work_dir / 'curves.png')
    write_json(
        dict(
            config=config_path.name,
            finished=stopped_at is None,
            epoch=last.epoch,
            **values,
            pictures_checkpoint=checkpoint.name if args.max_images else None,
            wall_time_s=history.wall_time,
            peak_memory_bytes=history.peak_memory,
            device=history.device,
            resources_at_least=history.at_least,
            validations=[
                dict(epoch=validation.epoch, iteration=validation.iteration, **values_of(validation))
                for validation in history.validations
            ],
        ),
        args.work_dir / 'metrics.json',
    )

    print(f'\n{text}\n{describe_resources(history)}')
    if stopped_at:
        print(
            f'note: the training stopped at {stopped_at}; go on with: {command("train")} '
            f'CONFIG --work-dir {args.work_dir} --resume'
        )
    wrote = ['metrics.json', 'curves.png']
    if args.max_images:
        wrote += ['predictions.png', 'predictions/']
    print(f'written to {args.work_dir}: {", ".join(wrote)}')


if __name__ == '__main__':
    launch.run(main)
