"""Converts the weights of a network's authors to an mm checkpoint, or back."""
from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path

try:
    import mmattn  # before mmdet and mmpretrain
except ModuleNotFoundError as missing:
    print(f'error: {missing}; run: bash tools/setup_env.sh && source .venv/bin/activate '
          '(or, in an environment of your own: pip install -e .)', file=sys.stderr)
    sys.exit(2)

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

from mmattn.description import Description, describe
from mmattn.engine.launch import load_network_config
from mmattn.engine.preflight import check_output
from mmattn.engine.quiet import quiet
from mmattn.errors import UserError
from mmattn.weights import CheckpointError, read_state, write_checkpoint
from mmattn.weights.conversion import ConversionError, Layout, convert, recognise, recognise_ours, revert
from mmattn.weights.matching import Mismatch, compare, grouped, slot_prefixes, with_batch_counts

EXAMPLES = """examples:
  the authors' SDA-ResNet-86 for our classifier, and for a detector
    python tools/convert.py configs/sda/sda-resnet86_4xb64_in1k.py sdanet86.pth sda_resnet86.pth
    python tools/convert.py configs/sda/mask-rcnn_sda-resnet86_fpn_1x_coco.py sdanet86.pth checkpoints/sda_resnet86.pth
  torchvision's or timm's ResNet into the trunk of a network of ours
    python tools/convert.py configs/ema/ema-resnet50_4xb64_in1k.py resnet50.pth ema_resnet50_start.pth
  back to the authors' layout, to check ours with their script
    python tools/convert.py CONFIG work_dirs/run/epoch_100.pth theirs.pth --reverse

Use DST as init_cfg=dict(type='Pretrained', checkpoint=DST, prefix='backbone.') in a backbone, or as load_from of a
classifier. Nothing in SRC is executed. Exit status: 0 done; 2 SRC does not fit, and DST is not written.
"""
CONFIGS = Path(__file__).resolve().parent.parent / 'configs'
MODEL_PARTS = ('backbone', 'neck', 'head')
PLAIN_RESNETS = ('resnet', 'resnet-d', 'mm')
# arguments that change keys or shapes of a backbone
STRUCTURE = ('depth', 'block', 'stage_blocks', 'expansion', 'stem', 'stem_channels', 'base_channels', 'deep_stem',
             'size', 'spatial', 'attn', 'depth_attn', 'plugins', 'avg_down', 'max_down')


class Refused(Exception):
    """The weights are not what the config needs; the text is for the user.

    Args:
        text: the reason.
        found: the network that the weights are of, where another config may fit it.
    """

    def __init__(self, text: str, found: Description | None = None) -> None:
        super().__init__(text)
        self.found = found


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', type=Path, metavar='CONFIG',
                        help='config of a classifier, or of a detector, for which only the backbone is converted')
    parser.add_argument('src', type=Path, metavar='SRC',
                        help='file of torch.save (state_dict, checkpoint, or a whole module) or .safetensors')
    parser.add_argument('dst', type=Path, metavar='DST', help='file to write')
    parser.add_argument('--reverse', action='store_true',
                        help="from an mm checkpoint of CONFIG's model to a bare state_dict as its authors have it")
    parser.add_argument('--layout', help="layout of the authors' weights, as in 'sda+cbam'; recognised if not given")
    parser.add_argument('--backbone-only', action='store_true',
                        help='leave the classifier out, as where the number of classes differs')
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        cfg = load_network_config(args.config)
        check_destination(args)
        print((run_reverse if args.reverse else run_forward)(args, cfg))
    except (Refused, UserError, CheckpointError, ConversionError, OSError) as e:
        print(f'convert.py: {e}\n{args.dst} was not written.', file=sys.stderr)
        # what fits takes seconds to find, and is looked for when the refusal can be read
        configs = matching_configs(e.found) if isinstance(e, Refused) and e.found else []
        if configs:
            print(f'try {" or ".join(configs[:3])}', file=sys.stderr)
        return 2
    return 0


def check_destination(args: argparse.Namespace) -> None:
    """Raises UserError or Refused where DST cannot or must not be written."""
    check_output(args.dst)
    if args.src.exists() and args.dst.exists() and args.dst.samefile(args.src):
        raise Refused('DST is the file SRC, which would be lost: name another file to write')


def run_forward(args: argparse.Namespace, cfg: Config) -> str:
    source = read_state(args.src)
    layout = Layout.of(args.layout) if args.layout else recognise(source)
    state = convert(source, layout)
    model = build(cfg, args.backbone_only)
    parts = {name for name, _ in model.named_children()}
    dropped = [k for k in state if k.split('.')[0] not in parts]
    state = {k: v for k, v in state.items() if k.split('.')[0] in parts}
    state = with_batch_counts(state, model.state_dict())
    mismatch = compare(state, model.state_dict())
    notes = []
    if mismatch.keys:
        if not fits_trunk(mismatch, model, layout):
            raise refusal(args, mismatch, state, model, layout)
        notes = report_partial(mismatch)
        unused = (*mismatch.unexpected, *mismatch.reshaped)
        state = initial(model) | {k: v for k, v in state.items() if k not in unused}
    if dropped:
        notes.append(f'left out, as {args.config} has no place for them: ' + ', '.join(grouped(tuple(dropped))))
    model.load_state_dict(state)
    meta = dict(mmattn_version=mmattn.__version__, converted_from=args.src.name, layout=layout.name)
    write_checkpoint(dict(meta=meta, state_dict=model.state_dict()), args.dst)
    return '\n'.join([*notes, f'{args.src}: {len(source)} tensors, {layout.source} (layout {layout.name!r})',
                      f'{args.dst}: {len(state)} tensors, all that {args.config} needs '
                      f"({', '.join(sorted(parts))})"])


def run_reverse(args: argparse.Namespace, cfg: Config) -> str:
    state = read_state(args.src)
    if recognise(state).network.name != 'mm':
        raise Refused(f'{args.src} is not an mm checkpoint: --reverse takes what this tool or training wrote')
    model = build(cfg, args.backbone_only or not any(k.startswith('head.fc.') for k in state))
    parts = {name for name, _ in model.named_children()}
    state = {k: v for k, v in state.items() if k.split('.')[0] in parts}
    mismatch = compare(state, model.state_dict())
    if mismatch.keys:
        raise refusal(args, mismatch, state, model)
    layout = Layout.of(args.layout) if args.layout else recognise_ours(state)
    theirs = revert(state, layout)
    write_checkpoint(theirs, args.dst)
    return (f'{args.src}: {len(state)} tensors ({", ".join(sorted(parts))})\n'
            f'{args.dst}: {len(theirs)} tensors as a bare state_dict, {layout.source} (layout {layout.name!r})')


def build(cfg: Config, backbone_only: bool) -> nn.Module:
    """What is converted of the config's model: backbone, and of a classifier the neck and the head too."""
    parts = nn.Module()
    try:
        with quiet():
            names = MODEL_PARTS if 'head' in cfg.model and not backbone_only else MODEL_PARTS[:1]
            with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmpretrain')):
                for name in names:
                    if cfg.model.get(name) is not None:
                        parts.add_module(name, MODELS.build(_untrained(cfg.model[name])))
    except Exception as e:  # noqa: BLE001  a config is Python and may raise anything
        raise Refused(f'the model of {cfg.filename} cannot be built: {type(e).__name__}: {e}') from e
    return parts


def _untrained(cfg: dict) -> dict:
    """`cfg` without the checkpoint it starts from, which may be the file to be written."""
    pretrained = (cfg.get('init_cfg') or {}).get('type') == 'Pretrained'
    return {k: v for k, v in cfg.items() if not (pretrained and k == 'init_cfg')}


def initial(model: nn.Module) -> dict[str, Tensor]:
    """The model's state_dict as training would start with it, the same in every run."""
    torch.manual_seed(0)
    with quiet():
        for part in model.children():
            if hasattr(part, 'init_weights'):
                part.init_weights()
    return dict(model.state_dict())


def fits_trunk(mismatch: Mismatch, model: nn.Module, layout: Layout) -> bool:
    """Whether a plain ResNet's weights fit everything in the model that a plain ResNet has too."""
    slots = slot_prefixes(model.backbone)
    if layout.slots or layout.network.name not in PLAIN_RESNETS or not slots:
        return False
    convs = tuple(prefix for prefix in slots if prefix.endswith('.conv2.'))
    return (all(k.startswith((*slots, 'neck.')) for k in mismatch.missing)
            and all(k.startswith(convs) for k in (*mismatch.unexpected, *mismatch.reshaped)))


def report_partial(mismatch: Mismatch) -> list[str]:
    kept = grouped((*mismatch.missing, *mismatch.reshaped))
    unused = grouped((*mismatch.unexpected, *mismatch.reshaped))
    lines = ["The weights fill the trunk. At their initial values stay:", *(f'  {line}' for line in kept)]
    if unused:
        lines += ['Not used of the weights:', *(f'  {line}' for line in unused)]
    return lines


def refusal(args: argparse.Namespace, mismatch: Mismatch, state: Mapping[str, Tensor], model: nn.Module,
            layout: Layout | None = None) -> Refused:
    """One message: what does not fit first, and what network the weights are of."""
    expected = model.state_dict()
    body = Mismatch(*([k for k in keys if not k.startswith('head.')]
                      for keys in (mismatch.missing, mismatch.unexpected, mismatch.reshaped)))
    if not body.keys or layout is not None and fits_trunk(body, model, layout):
        if not any(k.startswith('head.') for k in state):
            return Refused(f'{args.src} has no classifier, {args.config} has one: leave it out with --backbone-only')
        theirs, ours = (s['head.fc.weight'].shape[0] for s in (state, expected))
        return Refused(f'{args.src} has a classifier of {theirs} classes, {args.config} one of {ours}: set model.head.'
                       f'num_classes={theirs} in the config, or leave the classifier out with --backbone-only')
    lines = [f'{args.src} does not fit {args.config}']
    for text, keys in (('the weights lack', mismatch.missing), ('the model lacks', mismatch.unexpected)):
        if keys:
            lines.append(f'  {text} {", ".join(keys[:2])}{f", … ({len(keys)} in all)" if len(keys) > 2 else ""}')
    for key in mismatch.reshaped[:2]:
        lines.append(f'  {key} is {tuple(state[key].shape)} in the weights, {tuple(expected[key].shape)} in the model')
    if len(mismatch.reshaped) > 2:
        lines.append(f'  … ({len(mismatch.reshaped)} shapes differ in all)')
    found = describe(state)
    if found is not None:
        lines.append(f'The weights are of a network with {found}')
    return Refused('\n'.join(lines), found)


def matching_configs(found: Description) -> list[str]:
    """The configs that come with mmattn on a shared backbone (_base_/backbones) of the described structure."""
    wanted = structure(found.backbone)
    # A shared backbone loads in milliseconds; a whole config, with its bases in mmdet or mmpretrain, in half a second.
    backbones = [path.name for path in (CONFIGS / '_base_' / 'backbones').glob('*.py')
                 if structure(Config.fromfile(path).backbone) == wanted]
    names = []
    for path in CONFIGS.rglob('*.py'):
        if '_base_' in path.parts or not any(f'/backbones/{name}' in _text(path) for name in backbones):
            continue
        try:
            with quiet():
                model = Config.fromfile(path).model
        except Exception:  # noqa: BLE001, S112  a config that cannot be read is no suggestion
            continue
        classes = model.get('head', {}).get('num_classes')
        if structure(model.backbone) == wanted and classes in (None, found.classes):
            names.append((classes is None, len(path.parts), path.relative_to(CONFIGS.parent).as_posix()))
    return [name for *_, name in sorted(names)]


def _text(path: Path) -> str:
    """The text of a config and of the files of ours that it builds on."""
    text = path.read_text('utf-8')
    bases = (path.parent / base for base in re.findall(r"'([^']+\.py)'", text))
    return ''.join([text, *map(_text, filter(Path.is_file, bases))])


def structure(backbone: Mapping) -> dict | None:
    """The arguments of a backbone that show in its keys and shapes, defaults filled in; None if not one of ours."""
    if not str(backbone.get('type', '')).startswith('mmattn.'):
        return None
    parameters = inspect.signature(MODELS.get(backbone['type'])).parameters
    defaults = {k: v.default for k, v in parameters.items() if v.default is not inspect.Parameter.empty}
    options = defaults | dict(backbone)
    return {'type': backbone['type'], **{k: _plain(options.get(k)) for k in STRUCTURE}}


def _plain(value):
    """`value` with tuples for lists and no distinction between an absent option and a false one."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    return value or None


if __name__ == '__main__':
    sys.exit(main())
