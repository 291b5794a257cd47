"""What each quality level refuses, and what it gains.

    python -m scripts.studies.check_quality_levels [--model NAME ...] [--data DIR] [--photos 312]

Refused is the share of photos below each level: of LFW View 1 and CelebA in the wild; of photos of LFW made dark (a
seventh), overexposed (2.2 times), reduced until the face is 27 pixels high, or blurred by a Gaussian of 2 and of 3
pixels; of three-quarter views (CCtwelve). Gained is measured over the pairs of accepted photos: FNMR and FMR at the
network's threshold for FMR 1e-4, and FNMR at FMR 1e-3 of these pairs themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.decision.decide import VERIFY_FMR
from faceid.decision.thresholds import threshold_at_fmr
from faceid.evaluation.statistics.metrics import fmr, fnmr, tmr_at_fmr
from faceid.evaluation.statistics.scores import distances
from faceid.networks import registry
from faceid.types import Image
from scripts import command
from scripts.datasets import lfw, photo_faces
from scripts.studies.calibrate_card import blocks

Pixels = NDArray[np.uint8]
LEVELS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)
SIZE = 93.0
"""The side of a face in LFW, pixels (median)."""


def scaled_by(factor: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.clip(pixels * factor, 0, 255).astype(np.uint8)


def blurred(sigma: float) -> Callable[[Pixels], Pixels]:
    return lambda pixels: np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), dtype=np.uint8)


def reduced(pixels: Pixels) -> Pixels:
    """So that a face of SIZE is 27 pixels high, on a canvas that leaves the detector its usual pyramid."""
    small = cv2.resize(pixels, (0, 0), fx=27 / SIZE, fy=27 / SIZE, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "dark": scaled_by(1 / 7),
    "overexposed": scaled_by(2.2),
    "27 pixels": reduced,
    "blurred by 2 px": blurred(2.0),
    "blurred by 3 px": blurred(3.0),
}


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True, report="bench/quality_levels.json")
    command.add_networks(parser)
    parser.add_argument("--photos", type=int, default=312)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    collections = {"LFW View 1": photo_faces.lfw_paths(data), "celeba_wild": photo_faces.wild_paths(data)}
    few = collections["LFW View 1"]
    few = few[:: max(1, len(few) // arguments.photos)]
    turned = [
        path
        for path in sorted((data / "cctwelve").glob("*/*.jpg"))
        if path.stem.endswith(("_left", "_right"))
    ]
    results: list[dict[str, Any]] = []
    for name in arguments.model or command.NETWORKS:
        sets = {
            label: photo_faces.faces(paths, name, arguments.cache)
            for label, paths in collections.items()
            if paths
        }
        worse = {
            label: photo_faces.faces(few, name, arguments.cache, change=changed(change), named=label)
            for label, change in CHANGES.items()
        }
        if turned:
            worse["three-quarter views"] = photo_faces.faces(turned, name, arguments.cache)
        refusals = {label: refused(faces) for label, faces in (sets | worse).items()}
        calibration = registry.card(name).calibration
        assert calibration is not None
        threshold = threshold_at_fmr(calibration, VERIFY_FMR)
        gains = {label: gained(faces, registry.card(name).metric, threshold) for label, faces in sets.items()}
        results.append({"model": name, "refused": refusals, "gained": gains})
    show(results)
    command.write_report(arguments.json, results)
    print(f"written to {arguments.json}")


def changed(change: Callable[[Pixels], Pixels]) -> Callable[[Image], Image]:
    return lambda image: replace(image, pixels=np.ascontiguousarray(change(image.pixels)))


def central(faces: photo_faces.Faces) -> NDArray[np.int64]:
    """The row of each photo's face in the middle; -1 where there is none."""
    return np.array([faces.central(photo) for photo in range(len(faces.paths))])


def refused(faces: photo_faces.Faces) -> dict[str, Any]:
    """Of photos with a face, the share below each of LEVELS."""
    rows = central(faces)
    quality = faces.quality[rows[rows >= 0]]
    return {
        "photos": len(rows),
        "without_face": int((rows < 0).sum()),
        "below": [float(np.mean(quality < level)) if quality.size else None for level in LEVELS],
    }


def gained(faces: photo_faces.Faces, metric: Any, threshold: float) -> list[dict[str, Any]]:
    """At each of LEVELS the error rates over all pairs of the photos that are left."""
    rows = central(faces)
    found = rows >= 0
    _, identity = np.unique(np.array(faces.names), return_inverse=True)
    result = []
    for level in LEVELS:
        kept = found & (faces.quality[rows] >= level)
        parts = list(blocks(faces.vectors[rows[kept]], identity.reshape(-1)[kept]))
        same = np.concatenate([distances(part[mated], metric) for part, mated in parts])
        other = np.concatenate([distances(part[~mated], metric) for part, mated in parts])
        if same.size < 100:
            continue
        result.append(
            {
                "level": level,
                "photos": int(kept.sum()),
                "mated": int(same.size),
                "fnmr": fnmr(same, threshold),
                "fmr": fmr(other, threshold),
                "fnmr_at_1e-3": 1.0 - tmr_at_fmr(same, other, 1e-3),
            }
        )
    return result


def show(results: list[dict[str, Any]]) -> None:
    shares = Table("network", "photos", "count", "no face", *(f"< {level:g}" for level in LEVELS[1:]))
    gains = Table("network", "collection", "level", "photos", "mated", "FNMR", "FMR", "FNMR at FMR 1e-3")
    for result in results:
        for label, row in result["refused"].items():
            below = ("-" if share is None else f"{share:.1%}" for share in row["below"][1:])
            shares.add_row(result["model"], label, str(row["photos"]), str(row["without_face"]), *below)
        for label, rows in result["gained"].items():
            for row in rows:
                gains.add_row(
                    result["model"],
                    label,
                    f"{row['level']:g}",
                    f"{row['photos']:,}",
                    f"{row['mated']:,}",
                    f"{row['fnmr']:.2%}",
                    f"{row['fmr']:.1e}",
                    f"{row['fnmr_at_1e-3']:.2%}",
                )
    for table in (shares, gains):
        Console(width=150).print(table)


if __name__ == "__main__":
    main()
