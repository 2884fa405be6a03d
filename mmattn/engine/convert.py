"""Conversion of the authors' weights to a checkpoint for the model of a config, or back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn

import mmattn
from mmattn.errors import CheckpointError, UserError, kind_and_text
from mmattn.weights import read_state, write_checkpoint
from mmattn.weights.conversion import ConversionError, Layout, convert, recognise, recognise_ours, revert
from mmattn.weights.matching import (
    Mismatch,
    compare,
    first,
    grouped,
    outline,
    prefixes,
    with_batch_counts,
    without_prefix,
)
from mmattn.weights.pretrained import is_pretrained
from mmattn.weights.values import check_values

from .launch import load_network_config
from .preflight import check_output
from .quiet import quiet

MODEL_PARTS = ('backbone', 'neck', 'head')
PLAIN_RESNETS = ('resnet', 'resnet-d', 'mm')


def convert_file(
    config: str | Path,
    src: str | Path,
    dst: str | Path,
    *,
    reverse: bool = False,
    layout: str | None = None,
    backbone_only: bool = False,
    prefix: str | None = None,
) -> str:
    """Converts a file of weights; the result appears whole or not at all.

    Forward, the result is an mm checkpoint with backbone, neck and head of a classifier, or the backbone of a
    detector. A plain ResNet's weights fill the trunk of a network with attention, which keeps its initial values.

    Args:
        config: Path of the config whose model the weights are for, or come from.
        src: Path of the weights: a file of ``torch.save`` or safetensors, of which nothing is run.
        dst: Path of the file to write.
        reverse: Whether to convert an mm checkpoint to a bare state dict as the authors have it.
        layout: Name of the authors' key layout, as in 'sda+cbam'; None: it is recognised by the keys.
        backbone_only: Whether to leave out neck and head, as where the number of classes differs.
        prefix: Prefix of the keys to convert, which is cut off: 'encoder_q.' of MoCo's; others are left out.

    Returns:
        Lines that say what was read, written and left out.

    Raises:
        UserError: The config or the weights cannot be read, the weights do not fit the model, or the result cannot be
            written. Nothing is written then.
    """
    src, dst = Path(src), Path(dst)
    try:
        cfg = load_network_config(config)
        check_output(dst)
        if src.exists() and dst.exists() and dst.samefile(src):
            raise UserError('the file to write is the file to read, which would be lost: name another')
        run = _to_authors if reverse else _from_authors
        state = read_state(src)
        source = _under(prefix, state, src)
        text = run(cfg, source, src, dst, Layout.of(layout) if layout else None, backbone_only)
        left_out = len(state) - len(source)
        return f"left out: {left_out} tensors that are not under '{prefix}'\n{text}" if left_out else text
    except (UserError, CheckpointError, ConversionError, OSError) as error:
        raise UserError(f'{error}\n{dst} was not written') from error


def _from_authors(
    cfg: Config, source: Mapping[str, Tensor], src: Path, dst: Path, layout: Layout | None, backbone_only: bool
) -> str:
    model = _build(cfg, backbone_only)
    try:
        layout = layout or recognise(source)
        state = convert(source, layout)
    except ConversionError as error:
        raise UserError(f'{src}: {error}{_advice(source, model)}') from error
    parts = {name for name, _ in model.named_children()}
    dropped = tuple(k for k in state if k.split('.')[0] not in parts)
    state = with_batch_counts({k: v for k, v in state.items() if k not in dropped}, model.state_dict())
    mismatch = compare(state, model.state_dict())
    notes = []
    if mismatch.keys:
        if not _fits_trunk(mismatch, model, layout):
            raise UserError(
                _misfit(f'{src} does not fit {cfg.filename}', mismatch, state, model, layout)
                + _advice(source, model, sum(key not in mismatch.keys for key in state))
            )
        notes = _kept_and_unused(mismatch)
        unused = (*mismatch.unexpected, *mismatch.reshaped)
        state = _initial(model) | {k: v for k, v in state.items() if k not in unused}
    if dropped:
        notes.append(f'left out, as {cfg.filename} has no place for them: ' + ', '.join(grouped(dropped)))
    check_values(model, state, src)
    model.load_state_dict(state)
    meta = dict(mmattn_version=mmattn.__version__, converted_from=src.name, layout=layout.name)
    write_checkpoint(dict(meta=meta, state_dict=model.state_dict()), dst)
    return '\n'.join(
        [
            *notes,
            f'{src}: {len(source)} tensors, {layout.source} (key layout {layout.name!r})',
            f'{dst}: {len(state)} tensors, all that {cfg.filename} needs ({", ".join(sorted(parts))})',
        ]
    )


def _to_authors(
    cfg: Config, source: Mapping[str, Tensor], src: Path, dst: Path, layout: Layout | None, backbone_only: bool
) -> str:
    state = source
    if not any(key.startswith('backbone.layer') for key in state):
        raise UserError(
            f'{src} is not an mm checkpoint: --reverse takes what this tool or training wrote'
            f'{_advice(source, _build(cfg, backbone_only), reverse=True)}'
        )
    model = _build(cfg, backbone_only or not any(k.startswith('head.fc.') for k in state))
    parts = {name for name, _ in model.named_children()}
    state = {k: v for k, v in state.items() if k.split('.')[0] in parts}
    mismatch = compare(state, model.state_dict())
    if mismatch.keys:
        raise UserError(_misfit(f'{src} does not fit {cfg.filename}', mismatch, state, model))
    check_values(model, state, src)
    layout = layout or recognise_ours(state)
    theirs = revert(state, layout)
    write_checkpoint(theirs, dst)
    return (
        f'{src}: {len(state)} tensors ({", ".join(sorted(parts))})\n'
        f'{dst}: {len(theirs)} tensors as a bare state_dict, {layout.source} (key layout {layout.name!r})'
    )


def _under(prefix: str | None, state: Mapping[str, Tensor], src: Path) -> Mapping[str, Tensor]:
    """What of the weights lies under the prefix, with the prefix cut off.

    Raises:
        UserError: Nothing does.
    """
    chosen = without_prefix(state, prefix)
    if not chosen:
        found = tuple(dict.fromkeys(key.partition('.')[0] + '.' for key in state))
        raise UserError(f"no key in {src} begins with '{prefix}'; they begin with {first(found)}")
    return chosen


def _advice(source: Mapping[str, Tensor], model: nn.Module, fitting: int = 0, reverse: bool = False) -> str:
    """The prefix with which more of the weights would fit than without, as half a line; '' if there is none."""
    expected, best = model.state_dict(), ''
    for prefix in dict.fromkeys(prefix for key in source for prefix in prefixes(key) if prefix):
        part = without_prefix(source, prefix)
        try:
            state = part if reverse else convert(part, recognise(part))
        except ConversionError:
            continue
        count = sum(key in expected and value.shape == expected[key].shape for key, value in state.items())
        if count > fitting:
            best, fitting = prefix, count
    return f'; give --prefix {best}, with which {fitting} tensors fit' if best else ''


def _build(cfg: Config, backbone_only: bool) -> nn.Module:
    """Builds what is converted of the config's model: backbone, and of a classifier neck and head too."""
    parts = nn.Module()
    names = MODEL_PARTS if 'head' in cfg.model and not backbone_only else MODEL_PARTS[:1]
    try:
        with quiet(), DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmpretrain')):
            for name in names:
                if cfg.model.get(name) is not None:
                    parts.add_module(name, MODELS.build(_untrained(cfg.model[name])))
    except Exception as error:  # noqa: BLE001  a constructor may raise anything
        raise UserError(f'the model of {cfg.filename} cannot be built: {kind_and_text(error)}') from error
    return parts


def _untrained(cfg: dict) -> dict:
    """`cfg` without the checkpoints it starts from, of which one may be the file to be written."""
    init_cfg = cfg.get('init_cfg')
    if not is_pretrained(init_cfg):
        return cfg
    kept = [] if isinstance(init_cfg, dict) else [each for each in init_cfg or () if not is_pretrained(each)]
    return {**{k: v for k, v in cfg.items() if k != 'init_cfg'}, **(dict(init_cfg=kept) if kept else {})}


def _initial(model: nn.Module) -> dict[str, Tensor]:
    """The model's state dict as training would start with it, the same in every run."""
    torch.manual_seed(0)
    with quiet():
        part: Any
        for part in model.children():
            if hasattr(part, 'init_weights'):
                part.init_weights()
    return dict(model.state_dict())


def _slot_prefixes(backbone: nn.Module) -> tuple[str, ...]:
    """Prefixes of the keys of everything in a backbone of ours that a plain ResNet lacks, or has in another form.

    These are attention, depth attention, plugins, and what replaces the 3x3 convolution; empty for backbones of other
    libraries.
    """
    prefixes = []
    for stage_name in getattr(backbone, 'stage_names', ()):
        stage = getattr(backbone, stage_name)
        prefixes.append(f'backbone.{stage_name}.depth_attn.')
        for i, block in enumerate(stage):
            names = ['attn', *(name for group in block.plugin_names.values() for name in group)]
            if block.has_spatial:
                names.append('conv2')
            prefixes += [f'backbone.{stage_name}.{i}.{name}.' for name in names]
    return tuple(prefixes)


def _fits_trunk(mismatch: Mismatch, model: nn.Module, layout: Layout) -> bool:
    """Whether a plain ResNet's weights fit everything in the model that a plain ResNet has too."""
    slots = _slot_prefixes(model.get_submodule('backbone'))
    if layout.slots or layout.network.name not in PLAIN_RESNETS or not slots:
        return False
    convs = tuple(prefix for prefix in slots if prefix.endswith('.conv2.'))
    return all(k.startswith((*slots, 'neck.')) for k in mismatch.missing) and all(
        k.startswith(convs) for k in (*mismatch.unexpected, *mismatch.reshaped)
    )


def _kept_and_unused(mismatch: Mismatch) -> list[str]:
    lines = [
        'The weights fill the trunk. At their initial values stay:',
        *(f'  {line}' for line in grouped((*mismatch.missing, *mismatch.reshaped))),
    ]
    unused = grouped((*mismatch.unexpected, *mismatch.reshaped))
    return lines + (['Not used of the weights:', *(f'  {line}' for line in unused)] if unused else [])


def _misfit(
    title: str, mismatch: Mismatch, state: Mapping[str, Tensor], model: nn.Module, layout: Layout | None = None
) -> str:
    """One message: the classifier if it alone differs, or else the first keys that do, and what the weights are of."""
    expected = model.state_dict()
    body = Mismatch(
        *(
            tuple(k for k in keys if not k.startswith('head.'))
            for keys in (mismatch.missing, mismatch.unexpected, mismatch.reshaped)
        )
    )
    if not body.keys or layout is not None and _fits_trunk(body, model, layout):
        if not any(k.startswith('head.') for k in state):
            return f'{title}: the weights have no classifier, the model has one: leave it out with --backbone-only'
        if not all('head.fc.weight' in s for s in (state, expected)):
            return f'{title}: the classifier in the weights is of another form: leave it out with --backbone-only'
        theirs, ours = (s['head.fc.weight'].shape[0] for s in (state, expected))
        return (
            f'{title}: the weights have a classifier of {theirs} classes, the model one of {ours}: set model.head.'
            f'num_classes={theirs} in the config, or leave the classifier out with --backbone-only'
        )
    lines = [title]
    for text, keys in (('the weights lack', mismatch.missing), ('the model lacks', mismatch.unexpected)):
        if keys:
            lines.append(f'  {text} {", ".join(keys[:2])}{f", … ({len(keys)} in all)" if len(keys) > 2 else ""}')
    for key in mismatch.reshaped[:2]:
        lines.append(f'  {key} is {tuple(state[key].shape)} in the weights, {tuple(expected[key].shape)} in the model')
    if len(mismatch.reshaped) > 2:
        lines.append(f'  … ({len(mismatch.reshaped)} shapes differ in all)')
    return '\n'.join([*lines, f'  the weights have {outline(state)}', f'  the model has {outline(expected)}'])
