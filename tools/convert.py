"""Converts the weights of a network's authors to an mm checkpoint, or back."""

from pathlib import Path

from _imports import needed

with needed():
    from mmattn.engine import launch
    from mmattn.engine.arguments import ArgumentParser, config
    from mmattn.engine.convert import convert_file

EXAMPLES = """examples:
  the authors' SDA-ResNet-86 for our classifier, and for a detector
    python tools/convert.py configs/sda/sda-resnet86_4xb64_in1k.py sdanet86.pth sda_resnet86.pth
    python tools/convert.py configs/sda/mask-rcnn_sda-resnet86_fpn_1x_coco.py sdanet86.pth checkpoints/sda_resnet86.pth
  torchvision's or timm's ResNet into the trunk of a network of ours
    python tools/convert.py configs/ema/ema-resnet50_4xb64_in1k.py resnet50.pth ema_resnet50_start.pth
  the encoder of MoCo, SimCLR and the like, whose checkpoint holds more than it
    python tools/convert.py CONFIG moco.pth start.pth --prefix encoder_q. --backbone-only
  back to the authors' key layout, to check ours with their script
    python tools/convert.py CONFIG work_dirs/run/epoch_100.pth theirs.pth --reverse

Use DST as init_cfg=dict(type='Pretrained', checkpoint=DST, prefix='backbone.') in a backbone, or as load_from of a
classifier. Nothing in SRC is executed. Exit status: 0 done; 2 SRC does not fit, and DST is not written.
"""


def parse_args():
    parser = ArgumentParser(description=__doc__, epilog=EXAMPLES)
    parser.add_argument(
        'config',
        type=config,
        metavar='CONFIG',
        help='config of a classifier, or of a detector, for which only the backbone is converted',
    )
    parser.add_argument(
        'src',
        type=Path,
        metavar='SRC',
        help='file of torch.save (state_dict, checkpoint, or a whole module) or .safetensors',
    )
    parser.add_argument('dst', type=Path, metavar='DST', help='file to write')
    parser.add_argument(
        '--reverse',
        action='store_true',
        help="from an mm checkpoint of CONFIG's model to a bare state_dict as its authors have it",
    )
    parser.add_argument('--layout', help="the authors' key layout, as in 'sda+cbam'; recognised if not given")
    parser.add_argument(
        '--backbone-only', action='store_true', help='leave the classifier out, as where the number of classes differs'
    )
    parser.add_argument(
        '--prefix', help="prefix of the keys to convert, which is cut off ('encoder_q.'); others are left out"
    )
    return parser.parse_args()


def main():
    args = parse_args()
    print(
        convert_file(
            args.config,
            args.src,
            args.dst,
            reverse=args.reverse,
            layout=args.layout,
            backbone_only=args.backbone_only,
            prefix=args.prefix,
        )
    )


if __name__ == '__main__':
    launch.run(main)
