# SPDX-License-Identifier: Apache-2.0
"""Runs ONNX models for all their activations, in float32 and quantised to 8 bits."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from opencdma.sim.activations.networks.network import activation_names


@dataclass(frozen=True)
class QuantisedModel:
    """A model that computes in 8 bits, and where it keeps the activations of the original.

    Attributes
    ----------
    model : onnx.ModelProto
        The model.
    tensors : dict of str to str
        Name of the uint8 tensor for every activation of the original.
    scales : dict of str to float
        Value of one step of that tensor. Zero points are zero.
    """

    model: onnx.ModelProto
    tensors: dict[str, str]
    scales: dict[str, float]


def run(model: onnx.ModelProto, image: np.ndarray, names: Iterable[str]) -> list[np.ndarray]:
    """Return the named tensors inside a model, for one input."""
    names = list(names)
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {output.name for output in exposed.graph.output}
    exposed.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in known
    )
    options = onnxruntime.SessionOptions()
    # The number of threads must not decide the order of sums.
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        exposed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(names, {session.get_inputs()[0].name: image})


def quantise(model: onnx.ModelProto, images: Iterable[np.ndarray]) -> QuantisedModel:
    """Quantise a float32 model to uint8 activations and int8 weights, calibrated on `images`.

    Activations range from the least to the greatest value that calibration saw; weights are
    scaled per output channel.

    Raises
    ------
    ValueError
        If an activation is not kept in 8 bits, or not with zero point 0.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared, result = Path(folder, "prepared.onnx"), Path(folder, "result.onnx")
        quant_pre_process(model, prepared, skip_optimization=True, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            result,
            _Images(model.graph.input[0].name, images),
            quant_format=QuantFormat.QOperator,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # 7-bit weights: some CPUs saturate sums of pairs of full 8-bit products.
            reduce_range=True,
        )
        quantised = onnx.load(result)
    return _find_activations(model, quantised)


class _Images(CalibrationDataReader):
    """Hands the images to the calibration one by one."""

    def __init__(self, name: str, images: Iterable[np.ndarray]):
        self._name = name
        self._images: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next input of the model, or None behind the last."""
        image = next(self._images, None)
        return None if image is None else {self._name: image}


def _find_activations(model: onnx.ModelProto, quantised: onnx.ModelProto) -> QuantisedModel:
    # A ReLU becomes part of the layer before it, whose output then takes its place. A max-pool
    # keeps the scale of its input.
    first_input = {node.output[0]: node.input[0] for node in model.graph.node}
    computed = {name for node in quantised.graph.node for name in node.output}
    constants = {
        constant.name: numpy_helper.to_array(constant) for constant in quantised.graph.initializer
    }
    tensors, scales = {}, {}
    for name in activation_names(model):
        before = first_input[name]
        kept = next((n for n in (name, before) if f"{n}_quantized" in computed), None)
        if kept is None:
            raise ValueError(f"Activation {name} is not kept in 8 bits")
        while f"{before}_scale" not in constants:
            before = first_input[before]
        scaled = name if f"{name}_scale" in constants else before
        zero_point = int(constants[f"{scaled}_zero_point"])
        if zero_point:
            raise ValueError(f"Zero point of activation {name} must be 0, not {zero_point}")
        tensors[name] = f"{kept}_quantized"
        scales[name] = float(constants[f"{scaled}_scale"])
    return QuantisedModel(quantised, tensors, scales)
