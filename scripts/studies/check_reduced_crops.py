"""What a crop loses that is cut from a picture which was decoded at a reduced size.

    python -m scripts.studies.check_reduced_crops [--model NAME ...] [--data DIR] [--json FILE]

Photos of 700 pixels and more (CCtwelve, CelebA in the wild, selfies of pad), each in several smaller sizes, become JPEG
files and are decoded whole and at 1/2, 1/4 and 1/8. The face is the one that the detector finds in the largest size.
The figure is the cosine distance of the embeddings of the two crops, by how many pixels of the reduced picture the crop
has for each of its own; `align.REDUCED_PIXELS` is the least that faceid accepts. For comparison: the distance that half
a pixel makes by which all landmarks are moved.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image as PilImage
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.config import Settings
from faceid.imaging import decode, from_array, read
from faceid.recognition import align as aligning
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.types import Encoded, Face, Image
from scripts import command
from scripts.datasets import lfw

SIZES = (1.0, 0.8, 0.6, 0.45, 0.33)
LEAST_SIDE = 700
BOUNDS = (0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 3.0, 6.0)


def main() -> None:
    parser = command.parser(__doc__, data=True, report="bench/reduced_crops.json")
    command.add_networks(parser)
    arguments = parser.parse_args()
    networks = {
        name: factories.make_embedder(name, "cpu", Settings.load())
        for name in arguments.model or command.NETWORKS
    }
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for file, face in photos(lfw.data_directory(arguments.data)):
        whole = decoded(file, 1)
        moved = Face(face.box, face.landmarks + np.float32(0.5), face.score)
        for name, network in networks.items():
            aligner = network.model.aligner
            crop = aligning.align(whole, face, aligner)
            ratios = {factor: 1 / (crop.scale * factor) for factor in (2, 4, 8)}
            factors = [factor for factor, ratio in ratios.items() if BOUNDS[0] <= ratio < BOUNDS[-1]]
            with patch.object(aligning, "REDUCED_PIXELS", 1e-6):
                crops = [aligning.align(decoded(file, factor), face, aligner) for factor in factors]
            own, shifted, *others = network.embed([crop, aligning.align(whole, moved, aligner), *crops])
            found[name] += [
                (ratios[factor], 1 - float(own @ other), 1 - float(own @ shifted))
                for factor, other in zip(factors, others, strict=True)
            ]

    report = []
    for name, rows in found.items():
        table = Table("pixels for one", "crops", "median", "95 %", "most", "half a pixel, median", title=name)
        ratio, distance, shift = np.array(rows).T
        for low, high in pairwise(BOUNDS):
            inside = (low <= ratio) & (ratio < high)
            if inside.sum() < 5:
                continue
            figures = {
                "median": float(np.median(distance[inside])),
                "q95": float(np.quantile(distance[inside], 0.95)),
                "most": float(distance[inside].max()),
                "half_a_pixel": float(np.median(shift[inside])),
            }
            count = int(inside.sum())
            table.add_row(f"{low} to {high}", str(count), *(f"{value:.5f}" for value in figures.values()))
            report.append({"network": name, "from": low, "below": high, "crops": count, **figures})
        Console(width=100).print(table)
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}")


def photos(data: Path) -> Iterator[tuple[bytes, Face]]:
    """JPEG files of each photo in each size, and the face in it."""
    detector = MtcnnDetector()
    folders = ("cctwelve", "celeba_wild", "pad/live")
    for path in sorted(path for folder in folders for path in (data / folder).rglob("*.jpg")):
        with PilImage.open(path) as file:
            if max(file.size) < LEAST_SIDE:
                continue
        image = read(str(path))
        faces = detector.detect([image])[0]
        if not faces:
            continue
        face = max(faces, key=lambda face: face.size)
        picture = PilImage.fromarray(image.pixels)
        for size in SIZES:
            smaller = picture.resize(
                (round(picture.width * size), round(picture.height * size)), PilImage.Resampling.LANCZOS
            )
            buffer = io.BytesIO()
            smaller.save(buffer, "JPEG", quality=90, subsampling="4:2:0")
            # A box counts from the edge of the first pixel, a landmark from its centre.
            x1, y1, x2, y2 = (edge * size for edge in face.box)
            marks = ((face.landmarks + 0.5) * size - 0.5).astype(np.float32)
            yield buffer.getvalue(), Face((x1, y1, x2, y2), marks, face.score)


def decoded(file: bytes, factor: int) -> Image:
    """The picture reduced by `factor`, whatever its size."""
    if factor == 1:
        with PilImage.open(io.BytesIO(file)) as picture:
            return from_array(np.array(picture.convert("RGB")))
    with patch("faceid.imaging.decoder.reducing", lambda width, height, orientation: factor):
        image = decode(Encoded.of(file), "photo")
        image.reduced(factor)
        return image


if __name__ == "__main__":
    main()
