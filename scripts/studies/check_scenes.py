"""How near are near-duplicates? This finds the distance below which two photos count as one scene.

    python -m scripts.studies.check_scenes [--model NAME ...] [--data DIR] [--photos 200]

Near-duplicates are a photo of LFW View 1 and the same photo shifted and resized, recompressed, brightened or mirrored,
and frames of the sign-language clips (videos/asl_ccby, one person each), a third of a second and one second apart. The
others are all pairs of different photos of one person in LFW View 1 and in CelebA in the wild. Distances are multiples
of the distance at the FMR of the enrolment checks (`faceid.enrolment.checks.group.BOUNDS`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from faceid.app import factories
from faceid.config import Settings
from faceid.decision.thresholds import threshold_at_fmr
from faceid.enrolment.checks.group import BOUNDS
from faceid.evaluation.statistics.scores import distances
from faceid.networks import registry
from faceid.recognition.align import align
from faceid.types import Image
from scripts import command
from scripts.datasets import lfw, photo_faces

Pixels = NDArray[np.uint8]
SHARES = (0.05, 0.5, 0.95)
FRAMES = (10, 30)


def shifted(pixels: Pixels) -> Pixels:
    """As if framed anew: enlarged by 4 % and moved by some pixels, which alignment has to take back."""
    height, width = pixels.shape[:2]
    return cv2.warpAffine(pixels, np.float32([[1.04, 0, 3.3], [0, 1.04, -5.7]]), (width, height))


def recompressed(pixels: Pixels) -> Pixels:
    done, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 50])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]


def brightened(pixels: Pixels) -> Pixels:
    return np.clip(pixels * 1.25 + 8, 0, 255).astype(np.uint8)


def mirrored(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[:, ::-1])


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    change.__name__: change for change in (shifted, recompressed, brightened, mirrored)
}


def main() -> None:
    parser = command.parser(__doc__, data=True, cache=True)
    command.add_networks(parser)
    parser.add_argument("--photos", type=int, default=200)
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    chosen = photo_faces.lfw_paths(data)
    chosen = chosen[:: max(1, len(chosen) // arguments.photos)]
    table = Table("network", "pairs", "count", *(f"{share:.0%}" for share in SHARES), "one scene")
    for name in arguments.model or command.NETWORKS:
        calibration = registry.card(name).calibration
        assert calibration is not None
        unit = threshold_at_fmr(calibration, BOUNDS.near)
        metric = registry.card(name).metric
        plain = photo_faces.faces(chosen, name, arguments.cache)
        pairs = {}
        for label, change in CHANGES.items():
            altered = photo_faces.faces(
                chosen, name, arguments.cache, change=changed(change), named=f"{label} copy"
            )
            rows = [
                (plain.central(photo), altered.central(photo))
                for photo in range(len(chosen))
                if plain.central(photo) >= 0 and altered.central(photo) >= 0
            ]
            own, other = np.array(rows).T
            pairs[f"{label} copy"] = (plain.vectors[own] * altered.vectors[other]).sum(axis=1)
        for step, similar in clips(data, name).items():
            pairs[f"frames, {step} apart"] = similar
        for label, paths in (
            ("LFW View 1, other photos", photo_faces.lfw_paths(data)),
            ("celeba_wild, other photos", photo_faces.wild_paths(data)),
        ):
            if paths:
                pairs[label] = np.concatenate(list(mated(photo_faces.faces(paths, name, arguments.cache))))
        for label, similar in pairs.items():
            if not similar.size:
                continue
            part = distances(similar.astype(np.float32), metric) / unit
            table.add_row(
                name,
                label,
                f"{part.size:,}",
                *(f"{value:.3f}" for value in np.quantile(part, SHARES)),
                f"{np.mean(part < BOUNDS.scene):.1%}",
            )
    Console(width=120).print(table)


def changed(change: Callable[[Pixels], Pixels]) -> Callable[[Image], Image]:
    from dataclasses import replace

    return lambda image: replace(image, pixels=change(image.pixels))


def mated(faces: photo_faces.Faces) -> Iterator[NDArray[np.float32]]:
    """The similarities of all pairs of photos, person by person."""
    names = np.array(faces.names)
    central = np.array([faces.central(photo) for photo in range(len(names))])
    for name in np.unique(names):
        own = faces.vectors[central[(names == name) & (central >= 0)]]
        yield (own @ own.T)[np.triu_indices(len(own), k=1)]


def clips(data: Path, model: str) -> dict[str, NDArray[np.float32]]:
    """Similarities of frames of one clip, by how far apart they are; the largest face of each."""
    detector = factories.make_detector(model, "cpu")
    embedder = factories.make_embedder(model, "cpu", Settings.load())
    result: dict[str, list[float]] = {f"{step / 30:.2g} s": [] for step in FRAMES}
    for path in sorted((data / "videos" / "asl_ccby").glob("*.mkv")):
        frames = []
        video = cv2.VideoCapture(str(path))
        while (read := video.read())[0]:
            frames.append(Image(np.ascontiguousarray(read[1][..., ::-1]), str(path), ""))
        video.release()
        vectors = []
        for image, found in zip(frames[::10], detector.detect(frames[::10]), strict=True):
            if found:
                face = max(found, key=lambda face: face.size)
                vectors.append(embedder.embed([align(image, face, embedder.model.aligner)])[0])
        for step in FRAMES:
            apart = step // 10
            result[f"{step / 30:.2g} s"] += [
                float(a @ b) for a, b in zip(vectors, vectors[apart:], strict=False)
            ]
    return {label: np.array(similar, dtype=np.float32) for label, similar in result.items()}


if __name__ == "__main__":
    main()
