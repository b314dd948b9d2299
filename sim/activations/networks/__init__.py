# SPDX-License-Identifier: Apache-2.0
"""The pretrained networks of the corpus, one module each, as ONNX models."""

from opencdma.sim.activations.networks import hed, mobilenet_v2, open_nsfw

#: Networks in the order of the manifest.
NETWORKS = (open_nsfw.NETWORK, hed.NETWORK, mobilenet_v2.NETWORK)
