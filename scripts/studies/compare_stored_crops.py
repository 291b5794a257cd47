"""Is a template from a stored crop as good as one from the photo? Cosines of the two, and the size of a crop.

    python -m scripts.studies.compare_stored_crops [--model NAME ...] [--data DIR] [--photos N]

It takes N photos of each available collection and the three largest faces of each. Landmarks are rounded as a gallery
rounds them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.config import Settings
from faceid.imaging import read
from faceid.recognition.align import align
from faceid.recognition.stored_crop import make_stored_crop, open_stored_crop
from scripts import command
from scripts.datasets import lfw

COLLECTIONS = ("lfw/images", "celeba_wild/dev", "detection/wider11", "cctwelve")
SUFFIXES = (".jpg", ".png")


def main() -> None:
    parser = command.parser(__doc__, data=True)
    parser.add_argument("--model", nargs="+", default=["dlib-resnet", "mobilefacenet"])
    parser.add_argument("--photos", type=int, default=40)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    detector = factories.make_detector(arguments.model[0], "cpu")
    embedders = [factories.make_embedder(name, "cpu", Settings.load()) for name in arguments.model]

    table = Table(
        "collection",
        "faces",
        "median face, px",
        "median kB",
        "largest kB",
        "network",
        "least cosine",
        "median",
    )
    everything: list[float] = []
    for collection in COLLECTIONS:
        paths = sorted(path for path in (data / collection).rglob("*") if path.suffix.lower() in SUFFIXES)
        chosen = paths[:: max(1, len(paths) // arguments.photos)][: arguments.photos]
        images = [read(str(path)) for path in chosen]
        seen = [
            (image, face)
            for image in images
            for face in sorted(detector.detect([image])[0], key=lambda face: -face.size)[:3]
        ]
        if not seen:
            continue
        kept = [make_stored_crop(image, face) for image, face in seen]
        stored = [
            replace(crop, box=tuple(np.round(crop.box, 2)), landmarks=crop.landmarks.round(2))
            for crop in kept
        ]
        opened = [open_stored_crop(crop) for crop in stored]
        sizes = [len(crop.picture) / 1000 for crop in kept]
        for embedder in embedders:
            aligner = embedder.model.aligner
            first = embedder.embed([align(image, face, aligner) for image, face in seen])
            second = embedder.embed([align(image, face, aligner) for image, face in opened])
            cosines = (first * second).sum(axis=1)
            everything += cosines.tolist()
            table.add_row(
                collection,
                str(len(seen)),
                f"{np.median([face.size for _, face in seen]):.0f}",
                f"{np.median(sizes):.0f}",
                f"{max(sizes):.0f}",
                embedder.model.name,
                f"{cosines.min():.4f}",
                f"{np.median(cosines):.4f}",
            )
    console = Console(width=120)
    console.print(table)
    console.print(
        f"in all: {len(everything)} cosines, least {min(everything):.4f}, median {np.median(everything):.4f}"
    )


if __name__ == "__main__":
    main()
