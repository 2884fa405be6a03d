"""Opening of an exported file by what its name ends with."""

from __future__ import annotations

from pathlib import Path

from mmattn.errors import UserError, first_line, one_line
from mmattn.export.runner import Exported

SUFFIXES = ('.onnx', '.pt2')
# What installs what exported files need, from a clone.
INSTALL = "pip install '.[export]'"
BACKENDS = ('onnxruntime', 'openvino')


def opened(path: Path, backend: str = BACKENDS[0], device: str | None = None) -> Exported:
    """An exported file, ready to run.

    Args:
        path: Path of the file, NAME.onnx or NAME.pt2.
        backend: What runs a file of ONNX, 'onnxruntime' or 'openvino'.
        device: 'cpu' or a CUDA device for onnxruntime; None: a GPU where onnxruntime has one.

    Raises:
        UserError: The file is missing, or none that mmattn exported, or what runs it is not installed.
    """
    if not path.is_file():
        raise UserError(f"no file at '{path}'; name another")
    try:
        if path.suffix.lower() == '.pt2':
            if backend != BACKENDS[0]:
                raise UserError(f'{backend} runs files of ONNX, not {path}; leave it out')
            from mmattn.export.torch_file import ExportedTorch

            return ExportedTorch(path)
        if backend == 'openvino':
            from mmattn.export.openvino_file import ExportedOpenVINO

            return ExportedOpenVINO(path)
        return Exported(path, providers=('CPUExecutionProvider',) if device == 'cpu' else None)
    except ValueError as error:
        raise UserError(first_line(error, 300)) from error
    except ImportError as error:
        raise UserError(f'{one_line(error)}; run: {INSTALL}') from error
