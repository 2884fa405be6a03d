"""Networks and what prepares their images as one ONNX graph."""

from __future__ import annotations

import warnings

import onnx
import torch
from onnx import compose

from mmattn.engine.quiet import quiet
from mmattn.export.parts import Module

OPSET = 18


def to_onnx(part: Module) -> onnx.ModelProto:
    """A module as ONNX by PyTorch's present exporter, for any size along its free dimensions.

    Args:
        part: Module to export.
    """
    with torch.no_grad(), warnings.catch_warnings(), quiet():
        warnings.simplefilter('ignore')
        exported = torch.onnx.export(
            part.program(),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            verbose=False,
        )
    assert exported is not None  # as with dynamo
    return exported.model_proto


def joined(pixels: onnx.ModelProto, network: onnx.ModelProto) -> onnx.ModelProto:
    """The network behind what prepares its images, as one graph with the inputs of the first.

    Args:
        pixels: Graph with the outputs 'x', 'size', 'scale' and 'given', the images themselves.
        network: Graph with all or some of these as inputs.
    """
    pixels, network = compose.add_prefix(pixels, 'pixels/'), compose.add_prefix(network, 'network/')
    for part in (pixels, network):  # whose names of sizes, alike in both, would be taken for equal sizes
        del part.graph.value_info[:]
    wanted = [value.name.removeprefix('network/') for value in network.graph.input]
    model = compose.merge_models(
        pixels,
        network,
        io_map=[(f'pixels/{name}', f'network/{name}') for name in wanted],
        outputs=[value.name for value in network.graph.output],
    )
    del model.opset_import[:]  # which has one entry for each of the two
    model.opset_import.append(onnx.helper.make_opsetid('', OPSET))
    return _renamed(model)


def _renamed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The inputs and outputs by their own names, without the prefix that kept the parts apart."""
    names = {value.name: value.name.split('/', 1)[1] for value in (*model.graph.input, *model.graph.output)}
    for value in (*model.graph.input, *model.graph.output):
        value.name = names[value.name]
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(name, name) for name in values]
    return model
