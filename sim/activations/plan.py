# SPDX-License-Identifier: Apache-2.0
"""Which tensors the corpus is made of."""

#: Most elements of a tensor that are stored.
MAX_ELEMENTS = 100 * 1024

#: Photographs that calibrate the quantised networks; their 8-bit tensors come from others.
CALIBRATION = ("coffee", "rocket", "hubble_deep_field", "retina")

#: Layers by network, dtype and photograph: from all depths, sparse ones and dense ones.
LAYERS = {
    ("open_nsfw", "float32"): {
        "astronaut": ("Relu", "Relu_9", "Relu_24", "Relu_41"),
        "coffee": ("Relu_1", "Relu_13", "Relu_21", "Relu_46"),
        "chelsea": ("max_pooling2d", "Relu_4", "Relu_19", "Relu_31", "Relu_43"),
        "rocket": ("Relu_5", "Relu_17", "Relu_39", "Relu_48"),
    },
    ("open_nsfw", "uint8"): {
        "astronaut": ("Relu", "Relu_9", "Relu_20", "Relu_34"),
        "chelsea": ("Relu_4", "Relu_15", "Relu_31", "Relu_46"),
    },
    ("hed", "float32"): {
        "astronaut": ("conv1_1", "conv3_1", "conv4_3", "conv5_2"),
        "coffee": ("pool1", "conv2_2", "conv4_2", "conv5_1"),
        "chelsea": ("conv1_2", "pool2", "conv3_3", "conv5_3"),
        "rocket": ("conv2_1", "pool3", "pool4"),
    },
    ("hed", "uint8"): {
        "astronaut": ("conv1_2", "conv3_3", "conv5_1"),
        "chelsea": ("conv2_2", "conv4_1", "conv5_3"),
    },
    ("mobilenet_v2", "float32"): {
        "astronaut": ("Conv1_relu", "block_3_expand_relu", "block_9_expand_relu", "out_relu"),
        "coffee": (
            "block_1_expand_relu",
            "block_4_depthwise_relu",
            "block_7_expand_relu",
            "block_16_expand_relu",
        ),
        "chelsea": (
            "expanded_conv_depthwise_relu",
            "block_6_depthwise_relu",
            "block_12_depthwise_relu",
            "out_relu",
        ),
        "rocket": ("block_2_expand_relu", "block_8_depthwise_relu", "block_14_depthwise_relu"),
    },
    # Not out_relu: rounding errors have piled up there, see docs/activations.md.
    ("mobilenet_v2", "uint8"): {
        "astronaut": (
            "block_1_expand_relu",
            "block_5_depthwise_relu",
            "block_11_expand_relu",
            "block_16_depthwise_relu",
        ),
        "chelsea": (
            "Conv1_relu",
            "block_7_expand_relu",
            "block_13_expand_relu",
            "block_15_depthwise_relu",
        ),
    },
}
