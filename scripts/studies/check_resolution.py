"""Which enlarged pictures of small faces quality tells from photos, and how many photos it refuses by mistake.

    python -m scripts.studies.check_resolution [--data DIR] [--photos 200]

Enlarged: photos of LFW View 1 and CelebA in the wild, reduced until the face is 24 pixels across (by area means,
Lanczos or cubic interpolation, some saved as JPEG), enlarged 2 to 8 times by each method and in part saved as JPEG of
quality 60, 75 or 90. Counted are those that the quality level of enrolment lets in, without and with `resolution`. The
constants of `faceid.recognition.resolution` were chosen on half of the people (by a hash of the name) and the first six
methods; the other methods were left out.

Photos: the same collections as they are, saved as JPEG of quality 50 and with noise, small gray photos (ORL), clips of
webcams and phones, large photos (CCtwelve), photos reduced to faces of 48 and 60 pixels, small faces of group photos.
Newly refused are those of enough quality before and not after. The time is that of one face, of both parts of quality.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from rich.console import Console
from rich.table import Table

from faceid.enrolment.rules import quality_from
from faceid.errors import InputError
from faceid.imaging import read
from faceid.recognition.align import align
from faceid.recognition.detect.mtcnn import MtcnnDetector
from faceid.recognition.quality import assess, combine
from faceid.recognition.resolution import resolution
from faceid.types import Face, Image
from scripts import command
from scripts.datasets import lfw, photo_faces

Pixels = NDArray[np.uint8]
Resize = Callable[[Pixels, tuple[int, int]], Pixels]
ALIGNER = "arcface-112-v1"
LEVEL = quality_from("standard")
SMALL = 24
CHOSEN_ON = ("nearest", "linear", "cubic", "Lanczos", "Hamming", "cubic (OpenCV)")


def by_pillow(method: Pillow.Resampling) -> Resize:
    return lambda pixels, size: np.asarray(Pillow.fromarray(pixels).resize(size, method))


def by_opencv(method: int) -> Resize:
    return lambda pixels, size: np.asarray(cv2.resize(pixels, size, interpolation=method), dtype=np.uint8)


def in_two_steps(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    between = tuple(round((a * b) ** 0.5) for a, b in zip(size, pixels.shape[1::-1], strict=True))
    return METHODS["linear"](METHODS["cubic"](pixels, (between[0], between[1])), size)


METHODS: dict[str, Resize] = {
    "nearest": by_pillow(Pillow.Resampling.NEAREST),
    "linear": by_pillow(Pillow.Resampling.BILINEAR),
    "cubic": by_pillow(Pillow.Resampling.BICUBIC),
    "Lanczos": by_pillow(Pillow.Resampling.LANCZOS),
    "Hamming": by_pillow(Pillow.Resampling.HAMMING),
    "cubic (OpenCV)": by_opencv(cv2.INTER_CUBIC),
    "box": by_pillow(Pillow.Resampling.BOX),
    "nearest (OpenCV)": by_opencv(cv2.INTER_NEAREST),
    "linear (OpenCV)": by_opencv(cv2.INTER_LINEAR),
    "Lanczos (OpenCV)": by_opencv(cv2.INTER_LANCZOS4),
    "area (OpenCV)": by_opencv(cv2.INTER_AREA),
    "in two steps": in_two_steps,
}


def main() -> None:
    parser = command.parser(__doc__, data=True, report="bench/resolution.json")
    parser.add_argument("--photos", type=int, default=200, help="of each half; default: %(default)s")
    arguments = parser.parse_args()
    data = lfw.data_directory(arguments.data)
    detector = MtcnnDetector()
    known = {
        (label, half): some(paths, held=half == "held", most=arguments.photos)
        for label, paths in (
            ("LFW", photo_faces.lfw_paths(data)),
            ("CelebA", photo_faces.wild_paths(data)),
        )
        for half in ("chosen on", "held")
    }
    faces = {place: list(with_faces(detector, map(read, map(str, paths)))) for place, paths in known.items()}
    report = {
        "enlarged": {
            half: enlarged(faces["LFW", half] + faces["CelebA", half], half) for half in ("chosen on", "held")
        },
        "photos": photos(detector, faces, data),
        "milliseconds": timed([face for some_faces in faces.values() for face in some_faces][:60]),
    }
    show(report)
    command.write_report(arguments.json, report)
    print(f"written to {arguments.json}")


def some(paths: Sequence[Path], *, held: bool, most: int) -> list[Path]:
    half = [path for path in paths if photo_faces.is_held(path.parent.name) == held]
    return half[:: max(1, len(half) // most)][:most]


def with_faces(
    detector: MtcnnDetector, images: Iterator[Image], *, all_faces: bool = False
) -> Iterator[tuple[Image, Face]]:
    """Each image with its largest face, or with every face."""
    for image in images:
        (found,) = detector.detect([image])
        ranked = sorted(found, key=lambda face: -face.size)
        for face in ranked if all_faces else ranked[:1]:
            yield image, face


def scores(image: Image, face: Face) -> tuple[float, float]:
    """The quality without and with `resolution`."""
    quality = assess(image, face, align(image, face, ALIGNER))
    return combine({**quality.factors, "resolution": 1.0}), quality.score


def enlarged(faces: Sequence[tuple[Image, Face]], half: str) -> dict[str, list[Any]]:
    """Method and factor -> pictures, and those let in before and after."""
    rng = np.random.default_rng(24)
    counts: dict[str, list[int]] = {}
    for image, face in faces:
        for name, method in METHODS.items():
            if half == "chosen on" and name not in CHOSEN_ON:
                continue
            factor = float(rng.uniform(2, 8))
            before, after = scores(*enlarged_face(image, face, method, factor, rng))
            span = "2 to 3 times" if factor < 3 else "3 to 5 times" if factor < 5 else "5 to 8 times"
            for key in (name, span, "all"):
                row = counts.setdefault(key, [0, 0, 0])
                row[0] += 1
                row[1] += before >= LEVEL
                row[2] += after >= LEVEL
    return {key: [row[0], row[1], command.share(row[2], row[0])] for key, row in counts.items()}


def enlarged_face(
    image: Image, face: Face, method: Resize, factor: float, rng: np.random.Generator
) -> tuple[Image, Face]:
    """The photo reduced until the face has SMALL pixels, enlarged by `factor`, with the face in it."""
    reduce = (by_opencv(cv2.INTER_AREA), METHODS["Lanczos"], METHODS["cubic"])[int(rng.integers(3))]
    scale = SMALL / face.size
    small = reduce(image.pixels, (round(image.width * scale), round(image.height * scale)))
    small = saved(small, (None, None, 90)[int(rng.integers(3))])
    large = method(small, (round(small.shape[1] * factor), round(small.shape[0] * factor)))
    large = saved(large, (None, None, 60, 75, 90)[int(rng.integers(5))])
    return moved(image, face, large)


def saved(pixels: Pixels, quality: int | None) -> Pixels:
    """As a JPEG file of `quality` gives them back; as they are for None."""
    if quality is None:
        return pixels
    file = BytesIO()
    Pillow.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Pillow.open(file).convert("RGB"))


def moved(image: Image, face: Face, pixels: Pixels) -> tuple[Image, Face]:
    """The picture `pixels`, which is `image` in another size, and the face in it."""
    by = np.array((pixels.shape[1] / image.width, pixels.shape[0] / image.height))
    box = np.array(face.box).reshape(2, 2) * by
    (x1, y1), (x2, y2) = box.tolist()
    marks = ((face.landmarks + 0.5) * by - 0.5).astype(np.float32)
    return Image(np.ascontiguousarray(pixels), "array", ""), Face((x1, y1, x2, y2), marks, face.score)


def photos(
    detector: MtcnnDetector, faces: dict[tuple[str, str], list[tuple[Image, Face]]], data: Path
) -> dict[str, list[Any]]:
    """Photos, those of enough quality before, those of them newly refused, and the mean change of quality."""
    rng = np.random.default_rng(50)
    kinds: dict[str, list[tuple[Image, Face]]] = {}
    for (label, half), known in faces.items():
        kinds[f"{label}, {half}"] = known
        kinds[f"{label}, {half}, JPEG 50"] = [moved(i, f, saved(i.pixels, 50)) for i, f in known]
        kinds[f"{label}, {half}, noise"] = [moved(i, f, noisy(i.pixels, rng)) for i, f in known]
        for size in (48, 60):
            kinds[f"{label}, {half}, reduced to {size} px"] = [
                reduced(i, f, size) for i, f in known if f.size > 1.1 * size
            ]
    kinds["small gray photos (ORL)"] = list(with_faces(detector, pictures(data / "orl_faces")))
    kinds["large photos (CCtwelve)"] = list(with_faces(detector, pictures(data / "cctwelve")))
    kinds["clips"] = list(with_faces(detector, frames(data / "videos")))
    close = MtcnnDetector(min_face=24)
    groups = with_faces(close, pictures(data / "detection" / "groups_count"), all_faces=True)
    kinds["group photos, faces of 40 to 80 px"] = [(i, f) for i, f in groups if 40 <= f.size < 80]
    table = {}
    for kind, known in kinds.items():
        both = np.array([scores(image, face) for image, face in known]).reshape(-1, 2)
        enough = both[:, 0] >= LEVEL
        lost = int((enough & (both[:, 1] < LEVEL)).sum())
        change = float((both[enough, 0] - both[enough, 1]).mean()) if enough.any() else 0.0
        table[kind] = [len(known), int(enough.sum()), command.share(lost, int(enough.sum())), f"{change:.4f}"]
    return table


def noisy(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    return np.clip(pixels + rng.normal(0, 8, pixels.shape), 0, 255).astype(np.uint8)


def reduced(image: Image, face: Face, size: int) -> tuple[Image, Face]:
    scale = size / face.size
    shape = round(image.width * scale), round(image.height * scale)
    return moved(image, face, by_opencv(cv2.INTER_AREA)(image.pixels, shape))


def pictures(folder: Path) -> Iterator[Image]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".pgm"):
            try:
                yield read(str(path))
            except InputError:
                continue


def frames(folder: Path) -> Iterator[Image]:
    """Every 20th frame of each clip."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".mkv", ".mp4", ".mov"):
            continue
        capture = cv2.VideoCapture(str(path))
        number = 0
        while capture.grab():
            if number % 20 == 10:
                good, frame = capture.retrieve()
                if good:
                    pixels = np.ascontiguousarray(frame[:, :, ::-1])
                    yield Image(pixels, str(path), "")
            number += 1
        capture.release()


def timed(faces: Sequence[tuple[Image, Face]]) -> dict[str, float]:
    """The median CPU time of a face, ms, in one thread, taken in turns."""
    cv2.setNumThreads(1)
    times: dict[str, list[float]] = {"resolution": [], "quality with it": []}
    for image, face in faces:
        crop = align(image, face, ALIGNER)
        for _ in range(5):
            for what, run in (
                ("resolution", partial(resolution, image, face, 20.0, 80.0)),
                ("quality with it", partial(assess, image, face, crop)),
            ):
                started = time.process_time()
                run()
                times[what].append((time.process_time() - started) * 1e3)
    return {what: round(statistics.median(some_times), 3) for what, some_times in times.items()}


def show(report: dict[str, Any]) -> None:
    table = Table("people", "method", "pictures", "let in before", "let in")
    for half, rows in report["enlarged"].items():
        for name, row in rows.items():
            left_out = half == "held" and name in METHODS and name not in CHOSEN_ON
            table.add_row(half, f"{name}{' (left out)' if left_out else ''}", *map(str, row))
    Console(width=150).print(table)
    table = Table("photos", "faces", "enough before", "newly refused", "mean change")
    for kind, row in report["photos"].items():
        table.add_row(kind, *map(str, row))
    Console(width=150).print(table)
    print(report["milliseconds"])


if __name__ == "__main__":
    main()
