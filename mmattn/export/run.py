"""From a trained model to a file that runs elsewhere, which is kept only if it gives the same answers."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config

from mmattn.analysis.counted import counted
from mmattn.analysis.image_files import images_in
from mmattn.commands import command
from mmattn.engine.trained import load_trained
from mmattn.errors import RunError, UserError, one_line
from mmattn.export.opening import BACKENDS, INSTALL, opened
from mmattn.export.parts import Parts, parts_of
from mmattn.export.runner import read
from mmattn.export.verify import TOLERANCES, Verification, verify
from mmattn.export.verify.pictures import spread
from mmattn.files import atomic_path, write_json

# The first PyTorch whose exporter does all that the graphs need.
TORCH = (2, 9)
# Most images that the ranges of feature maps are taken from.
CALIBRATION = 100


@dataclass(frozen=True)
class Options:
    """What is exported how.

    Args:
        out: Path of the file: NAME.onnx or NAME.pt2.
        precision: 'float32', 'float16' (weights alone) or 'int8'.
        calibration: Folder of images for 'int8'.
        resized: Whether the test pipeline is in the file.
        verified: Whether the file is compared with the model.
        images: Largest number of validation images that are compared; None: all.
        backends: What runs the file when it is compared.
        scores: Whether the file of a segmentor has the probability of each pixel's class, too.
    """

    out: Path
    precision: str = 'float32'
    calibration: Path = Path()
    resized: bool = True
    verified: bool = True
    images: int | None = None
    backends: tuple[str, ...] = BACKENDS[:1]
    scores: bool = False


def export(cfg: Config, checkpoint: str | Path, options: Options) -> dict[str, Verification]:
    """Writes the file and, beside it, what was compared, and says both.

    Args:
        cfg: Config of the model.
        checkpoint: Path or address of its weights.
        options: What is exported how.

    Returns:
        What was compared, by what ran the file.

    Raises:
        UserError: The model cannot be exported.
        RunError: The file gives other answers than the model; it is not written.
    """
    _check_packages(options)
    trained = load_trained(cfg, checkpoint)
    parts = parts_of(cfg, trained, checkpoint, options.resized, options.scores)
    print(
        f'exporting {parts.info["model"]} of {parts.info["config"]} with {checkpoint} (some half a minute)', flush=True
    )
    with atomic_path(options.out) as path:
        _write(parts, options, path)
        files = {backend: opened(path, backend, 'cpu') for backend in options.backends}
        verifications = {}
        for backend, file in files.items() if options.verified else ():
            found = verify(cfg, trained.model, file, TOLERANCES[options.precision], options.images)
            runs = 'torch.export' if _is_torch(path) else backend
            verifications[runs] = found
            _print(found, runs)
            if not found.passed:
                raise RunError(f'{options.out} is not written, as it gives other answers than the model (see above)')
        size = path.stat().st_size / 2**20
    record = dict(
        files[options.backends[0]].info, verification={name: found.record() for name, found in verifications.items()}
    )
    beside = options.out.with_name(f'{options.out.name}.json')
    write_json(record, beside)
    print(f'{options.out} ({size:.1f} MiB), {beside}' + ('' if verifications else '; not compared with the model'))
    if options.resized:
        print(f'predict with: {command("predict")} {shlex.quote(str(options.out))} IMAGES')
    return verifications


def _check_packages(options: Options) -> None:
    found = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if found < TORCH:
        raise UserError(f'export needs PyTorch {TORCH[0]}.{TORCH[1]} or newer, not {torch.__version__}')
    needed = [] if _is_torch(options.out) else ['onnx', 'onnxscript', *options.backends]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f'export needs {", ".join(missing)}; run: {INSTALL}')


def _is_torch(path: Path) -> bool:
    return path.suffix.lower() == '.pt2'


def _write(parts: Parts, options: Options, path: Path) -> None:
    if _is_torch(path):
        from mmattn.export.torch_file import save_torch

        save_torch(parts, path)
        return
    import onnx

    from mmattn.export.onnx_file import onnx_model
    from mmattn.export.reduced import with_half_weights, with_int8_layers

    model = onnx_model(parts)
    if options.precision == 'float16':
        model = with_half_weights(model)
    elif options.precision == 'int8':
        model = with_int8_layers(model, _calibration(options.calibration))
    onnx.save(model, path)


def _calibration(folder: Path) -> list[Path]:
    """The images of a folder, at most `CALIBRATION`, without those that cannot be read, which are named."""
    found, images = images_in(folder), []
    for index in spread(len(found), CALIBRATION):
        try:
            read(found[index])
        except (OSError, ValueError) as error:
            print(f'{found[index]} is left out: {one_line(error)}', file=sys.stderr)
            continue
        images.append(found[index])
    if not images:
        raise UserError(f"no image in '{folder}' can be read; name another folder with --calibration")
    print(f'measuring the ranges of the feature maps on {counted(len(images), "image")}')
    return images


def _print(found: Verification, backend: str) -> None:
    print(f'compared on {counted(found.images, "image")} ({found.source}), run by {backend}:')
    for check in found.checks:
        print(f'  {check.line()}')
    for note in found.notes:
        print(f'  {note}')
