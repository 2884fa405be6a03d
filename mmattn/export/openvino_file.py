"""A file of ONNX run by OpenVINO, with the inputs and outputs that onnxruntime has."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmattn.export.runner import KEY, Exported


class ExportedOpenVINO(Exported):
    """A network that was exported to ONNX, run by OpenVINO on a CPU in float32.

    OpenVINO's own default is bfloat16 where the processor has it, which gives other answers.

    Args:
        path: Path of the file.

    Raises:
        ValueError: The file is none that mmattn exported.
    """

    def __init__(self, path: str | Path) -> None:
        import onnx
        import openvino

        core = openvino.Core()
        try:
            model = onnx.load(path, load_external_data=False)
            self._describe(path, {entry.key: entry.value for entry in model.metadata_props}.get(KEY))
            self._compiled = core.compile_model(core.read_model(str(path)), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
        except ValueError:
            raise
        except Exception as error:  # of protobuf or OpenVINO
            raise ValueError(f'{path} is no ONNX file that OpenVINO can run: {error}') from error

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.check(images)
        try:
            found = self._compiled(np.ascontiguousarray(images))
        except RuntimeError as error:
            raise ValueError(self.refusal(images, error)) from error
        return {name: found[self._compiled.output(name)] for name in self.info['outputs']}
