# SPDX-License-Identifier: Apache-2.0
"""The networks whose layers are timed: those of the papers, and what is trained today.

Needs PyTorch and torchvision. Weights are random; layer times do not depend on them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchvision
from torch import nn

__all__ = ["NETWORKS", "Network"]


@dataclass(frozen=True)
class Network:
    """A network, and how it is trained.

    Parameters
    ----------
    make : callable
        Returns the model.
    batch : :class:`int`
        Samples per step.
    shape : tuple of :class:`int`
        Of one sample.
    dtype : :class:`torch.dtype`
        Of activations and weights.
    source : :class:`str`
        Where the architecture is from.
    """

    make: Callable[[], nn.Module]
    batch: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    source: str


def _stack(channels: int, *layers: tuple | nn.Module) -> list[nn.Module]:
    """Return convolutions with ReLU, ``(out, kernel, stride, padding)``, and poolings."""
    made = []
    for layer in layers:
        if isinstance(layer, nn.Module):
            made.append(layer)
            continue
        out, kernel, stride, padding = layer
        made += [nn.Conv2d(channels, out, kernel, stride, padding), nn.ReLU()]
        channels = out
    return made


def overfeat() -> nn.Module:
    """Return OverFeat, the fast model (Sermanet et al., arXiv 1312.6229, table 1)."""
    features = _stack(
        3, (96, 11, 4, 0), nn.MaxPool2d(2), (256, 5, 1, 0), nn.MaxPool2d(2),
        (512, 3, 1, 1), (1024, 3, 1, 1), (1024, 3, 1, 1), nn.MaxPool2d(2))
    return nn.Sequential(
        *features, nn.Flatten(), nn.Linear(1024 * 6 * 6, 3072), nn.ReLU(), nn.Dropout(),
        nn.Linear(3072, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 1000))


def network_in_network() -> nn.Module:
    """Return NiN for ImageNet (Lin et al., arXiv 1312.4400; widths of its Caffe model)."""
    return nn.Sequential(*_stack(
        3, (96, 11, 4, 0), (96, 1, 1, 0), (96, 1, 1, 0), nn.MaxPool2d(3, 2),
        (256, 5, 1, 2), (256, 1, 1, 0), (256, 1, 1, 0), nn.MaxPool2d(3, 2),
        (384, 3, 1, 1), (384, 1, 1, 0), (384, 1, 1, 0), nn.MaxPool2d(3, 2), nn.Dropout(),
        (1024, 3, 1, 1), (1024, 1, 1, 0), (1000, 1, 1, 0), nn.AdaptiveAvgPool2d(1)), nn.Flatten())


class SquaredReLU(nn.Module):
    """The square of ReLU (So et al., Primer, arXiv 2109.08668)."""

    def forward(self, x):
        """Return an activation of the shape of ``x``."""
        return torch.relu(x).square()


class Attention(nn.Module):
    """Causal attention of some heads, in one kernel."""

    def __init__(self, heads: int):
        super().__init__()
        self._heads = heads

    def forward(self, projected):
        """Return ``(batch, length, width)`` of queries, keys and values side by side."""
        batch, length, width = projected.shape
        parts = projected.view(batch, length, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
        return mixed.transpose(1, 2).reshape(batch, length, width // 3)


class Block(nn.Module):
    """A block of a decoder, with normalisation in front."""

    def __init__(self, width: int, heads: int, activation: nn.Module):
        super().__init__()
        self.attention = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 3 * width), Attention(heads),
            nn.Linear(width, width))
        self.mixer = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), activation,
            nn.Linear(4 * width, width))

    def forward(self, x):
        """Return ``(batch, length, width)``."""
        x = x + self.attention(x)
        return x + self.mixer(x)


def transformer(activation: type[nn.Module]) -> nn.Module:
    """Return the 24 blocks of a decoder as wide as GPT-2 medium."""
    return nn.Sequential(*(Block(1024, 16, activation()) for _ in range(24)))


def _torchvision(name: str, **options) -> Callable[[], nn.Module]:
    return lambda: getattr(torchvision.models, name)(weights=None, **options)


_CDMA = "batch of Rhu et al., arXiv 1705.01626, table I"
_IMAGE = (3, 224, 224)

#: All networks by name. Images are of the size that each network takes.
NETWORKS = {
    "AlexNet": Network(
        _torchvision("alexnet"), 256, _IMAGE, torch.float32, f"torchvision alexnet; {_CDMA}"),
    "OverFeat": Network(
        overfeat, 256, (3, 231, 231), torch.float32, f"arXiv 1312.6229, table 1; {_CDMA}"),
    "NiN": Network(
        network_in_network, 128, _IMAGE, torch.float32, f"arXiv 1312.4400; {_CDMA}"),
    "VGG-16": Network(
        _torchvision("vgg16"), 128, _IMAGE, torch.float32, f"torchvision vgg16; {_CDMA}"),
    "SqueezeNet": Network(
        _torchvision("squeezenet1_0"), 512, _IMAGE, torch.float32,
        f"torchvision squeezenet1_0; {_CDMA}"),
    "GoogLeNet": Network(
        _torchvision("googlenet", aux_logits=False, init_weights=False), 256, _IMAGE,
        torch.float32, f"torchvision googlenet, which normalises batches; {_CDMA}"),
    "ResNet-50": Network(
        _torchvision("resnet50"), 256, _IMAGE, torch.bfloat16, "torchvision resnet50"),
    "GELU transformer": Network(
        lambda: transformer(nn.GELU), 8, (2048, 1024), torch.bfloat16,
        "24 blocks of 1,024, 16 heads, 2,048 tokens"),
    "squared-ReLU transformer": Network(
        lambda: transformer(SquaredReLU), 8, (2048, 1024), torch.bfloat16,
        "24 blocks of 1,024, 16 heads, 2,048 tokens; arXiv 2109.08668"),
}
