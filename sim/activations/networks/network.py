# SPDX-License-Identifier: Apache-2.0
"""What the corpus needs to know about a network, and a builder of ONNX models."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from opencdma.sim.activations.sources import Source

#: ONNX operator set of all models; per-channel quantisation needs 13.
OPSET = 13

#: File format of all models; the newest that onnx writes may be newer than onnxruntime reads.
_IR_VERSION = 8

#: Mean of the ImageNet photographs in blue, green and red, as Caffe's models subtract it.
_CAFFE_MEAN = np.array([104, 117, 123], np.float32)


@dataclass(frozen=True)
class Network:
    """A pretrained network.

    Attributes
    ----------
    name : str
        Name in the corpus.
    source : Source
        File of the weights.
    side : int
        Height and width of the input, in pixels.
    prepare : callable
        Turns a photograph, uint8 of shape (side, side, 3), into the input of the model.
    build : callable
        Turns the file of the weights into an ONNX model whose one input is `prepare`'s result.
    """

    name: str
    source: Source
    side: int
    prepare: Callable[[np.ndarray], np.ndarray]
    build: Callable[[bytes], onnx.ModelProto]


def caffe_input(photo: np.ndarray) -> np.ndarray:
    """Return blue, green and red less their means, float32 of shape (1, side, side, 3)."""
    return photo[np.newaxis, :, :, ::-1].astype(np.float32) - _CAFFE_MEAN


def activation_names(model: onnx.ModelProto) -> list[str]:
    """Return the names of the outputs of ReLU and max-pool layers, from input to output."""
    kinds = ("Relu", "Clip", "MaxPool")
    return [node.output[0] for node in model.graph.node if node.op_type in kinds]


class ModelBuilder:
    """Builds a model with one image as its input, node by node.

    Tensors inside are NCHW and are named by the caller; the input is NHWC.

    Parameters
    ----------
    side : int
        Height and width of the input, in pixels.
    """

    def __init__(self, side: int):
        self._input = helper.make_tensor_value_info("photo", TensorProto.FLOAT, [1, side, side, 3])
        self._nodes = []
        self._constants = []
        self.image = self.node("Transpose", ["photo"], "image", perm=[0, 3, 1, 2])

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant and return its name."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes) -> str:
        """Add a node and return the name of its output, which is also the name of the node."""
        self._nodes.append(helper.make_node(operator, inputs, [output], output, **attributes))
        return output

    def conv(
        self,
        x: str,
        output: str,
        kernel: np.ndarray,
        bias: np.ndarray,
        *,
        stride: int = 1,
        groups: int = 1,
    ) -> str:
        """Add a convolution with Keras's "same" padding.

        Parameters
        ----------
        x, output : str
            Names of the input and the output.
        kernel : ndarray, shape (height, width, input channels per group, output channels)
            Weights in Keras's order.
        bias : ndarray, shape (output channels,)
            Added to every output channel.
        """
        weights = self.constant(f"{output}/kernel", kernel.transpose(3, 2, 0, 1))
        inputs = [x, weights, self.constant(f"{output}/bias", bias)]
        return self.node(
            "Conv",
            inputs,
            output,
            kernel_shape=kernel.shape[:2],
            strides=[stride, stride],
            group=groups,
            auto_pad="SAME_UPPER",
        )

    def model(self, name: str, output: str) -> onnx.ModelProto:
        """Return the model that computes `output`."""
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, None, None, None])
        graph = helper.make_graph(self._nodes, name, [self._input], [result], self._constants)
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
        onnx.checker.check_model(model)
        return model
