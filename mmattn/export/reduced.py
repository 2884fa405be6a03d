"""Files of ONNX with weights of 16 bits, or with convolutions and linear layers of 8 bits."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from mmattn.errors import UserError
from mmattn.export.onnx_file import describe, stated
from mmattn.export.runner import Exported, read

# Number of values from which on a constant is a weight that takes space.
WEIGHT = 256
# Layers of 8 bits; all others compute in float32.
LAYERS = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph whose weights are kept with 16 bits, half the space, and computed with in 32.

    Args:
        model: Graph, which is changed.

    Raises:
        UserError: A weight is too large for 16 bits.
    """
    graph, casts = model.graph, []
    for tensor in list(graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < WEIGHT:
            continue
        with np.errstate(over='ignore'):
            half = values.astype(np.float16)
        if np.isinf(half).any() and np.isfinite(values).all():
            raise UserError(f'the weights {tensor.name} are too large for 16 bits (above 65504); leave --half out')
        name = f'{tensor.name}/half'
        casts.append(onnx.helper.make_node('Cast', [name], [tensor.name], to=onnx.TensorProto.FLOAT))
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(half, name))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    describe(model, dict(stated(model), precision='float16'))
    return model


def with_int8_layers(model: onnx.ModelProto, images: Sequence[Path]) -> onnx.ModelProto:
    """A graph whose convolutions and linear layers compute with 8 bits, by onnxruntime's static quantisation.

    Args:
        model: Graph in float32.
        images: Images from which the ranges of the feature maps are taken.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        plain, quantised = Path(folder, 'plain.onnx'), Path(folder, 'int8.onnx')
        onnx.save(model, plain)
        level = logging.root.level
        try:
            logging.root.setLevel(logging.ERROR)  # it recommends another shape inference
            quantize_static(
                str(plain),
                str(quantised),
                _reader(Exported(plain), images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(LAYERS),
                nodes_to_exclude=_products(model),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options=dict(CalibMovingAverage=False),
            )
        finally:
            logging.root.setLevel(level)
        found = onnx.load(quantised)
    info = dict(stated(model), precision='int8', calibration=len(images))
    del found.metadata_props[:]
    describe(found, info)
    return found


def _products(model: onnx.ModelProto) -> list[str]:
    """Names of the products of two feature maps, which are no layers: attention, the enlarging of masks."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [node.name for node in model.graph.node if node.op_type == 'MatMul' and weights.isdisjoint(node.input)]


def _reader(exported: Exported, images: Sequence[Path]):
    from onnxruntime.quantization import CalibrationDataReader

    class Images(CalibrationDataReader):
        """The images one by one, as the file takes them."""

        def __init__(self) -> None:
            self._left: Iterator[Path] = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            path = next(self._left, None)
            return None if path is None else {'images': exported.prepared(read(path))[None]}

    return Images()
