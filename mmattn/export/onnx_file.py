"""A model as a file of ONNX, which says about itself what its outputs are."""

from __future__ import annotations

import json

import onnx

from mmattn.export.onnx_graph import OPSET, joined, to_onnx
from mmattn.export.parts import Parts
from mmattn.export.runner import KEY


def onnx_model(parts: Parts) -> onnx.ModelProto:
    """The parts of a model as one graph from images to what is found in them.

    Args:
        parts: Model to export.
    """
    model = joined(to_onnx(parts.pixels), to_onnx(parts.network))
    names = {0: 'images', 1: 'height', 2: 'width'}
    of_pixels = model.graph.output if parts.info['task'] == 'labels' else ()
    for value in (model.graph.input[0], *of_pixels):
        for axis, size in enumerate(value.type.tensor_type.shape.dim):
            if size.dim_param:
                size.dim_param = names[axis]
    model = _slim(model)
    describe(model, dict(parts.info, opset=OPSET))
    model.producer_name = 'mmattn'
    model.producer_version = parts.info['versions']['mmattn']
    onnx.checker.check_model(model)
    return model


def describe(model: onnx.ModelProto, info: dict) -> None:
    """Writes into a file's metadata what it says about itself.

    Args:
        model: Graph, which is changed.
        info: What it says, in the form of JSON.
    """
    onnx.helper.set_model_props(model, {KEY: json.dumps(info)})


def stated(model: onnx.ModelProto) -> dict:
    """What a graph says about itself."""
    return json.loads({entry.key: entry.value for entry in model.metadata_props}[KEY])


def _slim(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph after onnxslim, where it is installed and leaves a valid graph that is smaller."""
    try:
        import onnxslim
    except ImportError:
        return model
    slim = onnxslim.slim(model)
    return slim if len(slim.graph.node) < len(model.graph.node) else model
