"""Shows what a trained network looks at: Grad-CAM and the weights of its attention modules."""

from pathlib import Path

from _imports import needed

with needed():
    import torch

    from mmattn.analysis.counted import counted
    from mmattn.analysis.extras import require
    from mmattn.analysis.runs.model import find_model
    from mmattn.analysis.visualize.attention import KINDS, inventory, pooling_shares
    from mmattn.analysis.visualize.cam import METHODS, TARGETS, Choice, Explainer
    from mmattn.analysis.visualize.network import Network
    from mmattn.analysis.visualize.output import PictureFolder
    from mmattn.analysis.visualize.show import choose_kinds, find_images, show_images
    from mmattn.analysis.visualize.sizes import compare_sizes, survey
    from mmattn.engine import launch, preflight
    from mmattn.engine.arguments import ArgumentParser, check_device, config, positive, score
    from mmattn.errors import UserError, explained

DESCRIPTION = """\
Shows what a classifier of mmpretrain, a detector of mmdet or a segmentor of mmseg looks at.

Writes PNG pictures, the numbers behind them (JSON, CSV) and a page, index.html, that shows them side by side:
  Grad-CAM    of a classifier's classes, a detector's detections, or the pixels of a segmentor's classes; any model
  depth       SDA's weights of a stage's blocks; with --dataset also by object size over the validation set
  branches    PSA's and MSPA's weights of their branches
  maps        EMA's and CBAM's weights of the positions
  pooling     SPEM's shares of maximum and minimum, by depth
Of the attention it shows what the model has."""
EXAMPLES = """\
Examples:
  # all there is to see on two images
  python tools/visualize.py CONFIG CHECKPOINT one.jpg two.jpg --out pictures

  # the quick start's network: four images, and depth attention by object size over the validation set
  python tools/visualize.py configs/demo/mask_rcnn_sda_nuclei.py work_dirs/quickstart/epoch_9.pth \\
      demo/nuclei_mini/images --max-images 4 --dataset --out work_dirs/quickstart/pictures

  # what makes the boxes of the five best persons as large as they are, seen in the backbone
  python tools/visualize.py CONFIG CHECKPOINT street.jpg --out out --target box --classes person --top 5 \\
      --layer backbone

  # with the best checkpoint of a training, or else the newest
  python tools/visualize.py work_dirs/quickstart demo/nuclei_mini/images --max-images 4 --out pictures

  # depth attention by object size alone, of 500 validation images
  python tools/visualize.py CONFIG CHECKPOINT --dataset 500 --only depth --out out
"""


def parse_args():
    parser = ArgumentParser(
        description=DESCRIPTION, epilog=EXAMPLES, usage='%(prog)s MODEL [IMAGE|DIR …] --out DIR [options]'
    )
    parser.add_argument(
        'model',
        type=config,
        metavar='MODEL',
        help='work folder of a training, a checkpoint in one, or a config of mmdet, mmseg or mmpretrain, with the path '
        'of a checkpoint behind it',
    )
    parser.add_argument('images', nargs='*', metavar='IMAGE|DIR', help='images, or folders of images')
    parser.add_argument('--out', type=Path, required=True, metavar='DIR', help='where to write; index.html is the page')
    parser.add_argument(
        '--only',
        nargs='+',
        choices=['gradcam', *KINDS],
        metavar='KIND',
        help='of gradcam, depth, branches, maps, pooling (default: all that the model has)',
    )
    parser.add_argument(
        '--dataset',
        nargs='?',
        type=positive,
        const=0,
        metavar='N',
        help="SDA by object size over N images of the config's validation set (without N: all)",
    )
    parser.add_argument('--max-images', type=positive, metavar='N', help='at most N images of each folder')
    cam = parser.add_argument_group('Grad-CAM')
    cam.add_argument(
        '--method',
        nargs='+',
        choices=list(METHODS),
        metavar='METHOD',
        help='one or more of gradcam, gradcam++, hirescam, layercam (default: the first two; for '
        'detectors also hirescam, as those two do not tell one object from others like it)',
    )
    cam.add_argument(
        '--target',
        choices=TARGETS,
        default='score',
        help="of a detector: each detection's class score, each detection's box (width + height), or the "
        'scores of all detections of a class (default: score)',
    )
    cam.add_argument('--top', type=positive, default=3, metavar='N', help='how many outputs an image (default: 3)')
    cam.add_argument('--classes', nargs='+', metavar='NAME', help='only these')
    cam.add_argument(
        '--score-thr',
        type=score,
        default=0.3,
        metavar='SCORE',
        help='least score of a detection (default: 0.3); where none reaches it, the best is shown',
    )
    cam.add_argument(
        '--layer',
        metavar='MODULE',
        help="name of the module whose maps are taken (default: a detector's or segmentor's neck, else the backbone)",
    )
    parser.add_argument(
        '--device',
        default='cuda' if torch.cuda.is_available() else 'cpu',
        help='where to compute (default: a GPU if there is one)',
    )
    launch.add_cfg_options(parser)
    # Options may be between the model and the images, as everywhere.
    return parser.parse_intermixed_args()


def make_explainer(network, args):
    """Grad-CAM and the outputs that it explains, unless --only leaves it out."""
    if args.only is not None and 'gradcam' not in args.only:
        return None, Choice()
    methods = args.method or ['gradcam', 'gradcam++'] + ['hirescam'] * (network.kind == 'detector')
    classes = [network.classes.label(name) for name in args.classes] if args.classes else None
    return Explainer(network, methods, args.layer), Choice(args.target, args.top, args.score_thr, classes)


def main():
    args = parse_args()
    with explained(f'no pictures can be made of {args.model}'):
        make_pictures(args)


def make_pictures(args):
    preflight.check_output(args.out, folder=True)
    check_device(args.device)
    cfg, checkpoint, named = find_model(args.model, None, args.images, args.cfg_options)
    if not named and args.dataset is None and args.only != ['pooling']:
        raise UserError('give images, or --dataset')
    preflight.check_packages(cfg)
    images = find_images(map(Path, named), args.max_images)
    require('matplotlib')
    if images and (args.only is None or 'gradcam' in args.only):
        require('pytorch_grad_cam')
    if args.dataset is not None:
        preflight.check_data(cfg, ('val',))
    launch.register_modules(cfg)
    network = Network(cfg, checkpoint, args.device)
    kinds = choose_kinds(network, args.only, args.dataset is not None)
    output = PictureFolder(
        args.out,
        f'What {Path(cfg.filename).stem} looks at',
        [f'Config {cfg.filename}, checkpoint {checkpoint}.', f'Attention: {inventory(network.model)}.'],
    )

    if args.dataset is not None:
        print('depth attention over the validation set')
        found = survey(network, args.dataset or None)
        output.add_sizes(found, compare_sizes(found))
    if 'pooling' in kinds:
        output.add_pooling(pooling_shares(network.model))
    unreadable = []
    if images:
        print(f'pictures of {counted(len(images), "image")}')
        unreadable = show_images(network, output, images, kinds, *make_explainer(network, args))
    if output.sections:
        print(f'written to {args.out}; open {output.write_page()}')
    if unreadable:
        more = f' (and {len(unreadable) - 1} more images)' if len(unreadable) > 1 else ''
        raise UserError(unreadable[0] + more)


if __name__ == '__main__':
    launch.run(main)
