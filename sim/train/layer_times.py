# SPDX-License-Identifier: Apache-2.0
"""Records how long each layer takes on a GPU: ``python -m opencdma.sim.train.layer_times``.

Needs PyTorch and torchvision. Every layer is timed by itself on the input that it has in a step of
training, forward and backward, and the whole step as well. What is between the layers, such as sums
and concatenations, is the difference.
"""

import argparse
import json
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from rich.progress import Progress
from torch import nn

from opencdma.sim.train.networks import NETWORKS, Attention, Network, SquaredReLU

__all__ = ["document", "main", "provenance", "record"]

#: Runs of each layer: those to warm up, and those that count.
WARM_UP, RUNS = 3, 15

# These are layers although they have parts or are not from PyTorch.
_WHOLE = (Attention, SquaredReLU)


def record(
    network: Network, device: torch.device, *, batch: int | None = None, runs: int = RUNS,
) -> dict:
    """Return the times of a network's layers, in milliseconds.

    Parameters
    ----------
    network : :class:`Network`
        What is timed.
    device : :class:`torch.device`
        Where.
    batch : :class:`int`, optional
        Samples, if not as many as the network says.
    runs : :class:`int`
        Runs that count; times are their medians.

    Returns
    -------
    :class:`dict`
        ``batch``, ``dtype``, ``source``; ``forward_ms`` and ``backward_ms`` of a whole step; and
        ``layers`` in the order of the step, each with ``name``, ``kind``, shapes of ``input`` and
        ``output``, ``weights`` in number, ``forward_ms`` and ``backward_ms``.
    """
    batch = batch or network.batch
    model = network.make().to(device, network.dtype).train()
    layers = []
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False # an input that is overwritten cannot be used again

    def measure(name):
        def hook(module, inputs, output):
            # Nobody asks for the gradient of the samples.
            wanted = inputs[0].requires_grad
            given = inputs[0].detach().requires_grad_(wanted)
            # Not by calling the module, which would come here again.
            forward, backward = _time(
                lambda: module.forward(given), [given] * wanted + list(module.parameters()),
                device, runs)
            layers.append({
                "name": name, "kind": type(module).__name__, "input": list(given.shape),
                "output": list(output.shape),
                "weights": sum(weights.numel() for weights in module.parameters()),
                "forward_ms": forward, "backward_ms": backward})
        return hook

    hooks = [
        module.register_forward_hook(measure(name))
        for name, module in model.named_modules() if _is_layer(module)]
    sample = torch.randn(batch, *network.shape, device=device, dtype=network.dtype)
    model(sample)
    for hook in hooks:
        hook.remove()
    forward, backward = _time(lambda: model(sample), list(model.parameters()), device, runs)
    return {
        "batch": batch, "dtype": str(network.dtype).removeprefix("torch."),
        "source": network.source, "forward_ms": forward, "backward_ms": backward,
        "layers": layers}


def _is_layer(module: nn.Module) -> bool:
    return isinstance(module, _WHOLE) or not list(module.children())


def _time(
    forward: Callable[[], torch.Tensor], inputs: list[torch.Tensor], device: torch.device,
    runs: int,
) -> tuple[float, float]:
    """Return medians of the time forward, and back to gradients of the inputs."""
    points = []
    for _ in range(WARM_UP + runs):
        before = _now(device)
        output = forward()
        between = _now(device)
        gradient = torch.empty_like(output).normal_()
        start = _now(device)
        torch.autograd.grad(output, inputs, gradient)
        points.append((before, between, start, _now(device)))
    # Nobody waits before, so that the GPU has always something to do.
    times = [(_span(*run[:2]), _span(*run[2:])) for run in points[WARM_UP:]]
    return tuple(round(median(column), 4) for column in zip(*times, strict=True))


def _now(device: torch.device):
    """Return a point in the work of the device."""
    if device.type != "cuda":
        return perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _span(start, end) -> float:
    """Return milliseconds between two points."""
    if isinstance(start, float):
        return 1000 * (end - start)
    end.synchronize()
    return start.elapsed_time(end)


def provenance(device: torch.device) -> dict[str, str]:
    """Return what the times were taken with."""
    cuda = device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else platform.processor() or "CPU",
        "torch": torch.__version__,
        "cuda": torch.version.cuda if cuda else "",
        "cudnn": str(torch.backends.cudnn.version()) if cuda else "",
        "method": f"each layer by itself, median of {RUNS} runs, fp32 without TF32",
    }


def document(times: dict) -> str:
    """Return times as JSON, with a layer on each line."""
    text = json.dumps(times, indent=1)
    for network in times["networks"].values():
        for layer in network["layers"]:
            line = json.dumps(layer)
            long = json.dumps(layer, indent=1).replace("\n", "\n    ")
            text = text.replace(long, line, 1)
    return text + "\n"


def main(arguments: Iterable[str] | None = None):
    """Record all networks, or some, into a file of JSON."""
    parser = argparse.ArgumentParser(
        description="Record how long the layers of networks take on a GPU.")
    parser.add_argument("output", type=Path, help="file for the times, in JSON")
    parser.add_argument("--network", action="append", choices=list(NETWORKS), metavar="NAME",
                        help=f"one of {', '.join(NETWORKS)}; may be repeated (default: all)")
    parser.add_argument("--device", default="cuda", help="device of PyTorch (default: cuda)")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU here; name another device with --device, such as cpu")
    # Convolutions are as exact as their type says, and each finds its fastest kernel.
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    names = options.network or list(NETWORKS)
    found = {}
    with Progress() as progress:
        task = progress.add_task("layers", total=len(names))
        for name in names:
            progress.update(task, description=name)
            found[name] = record(NETWORKS[name], device)
            progress.advance(task)
    options.output.write_text(document({**provenance(device), "networks": found}))


if __name__ == "__main__":
    main()
