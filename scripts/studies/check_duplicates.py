"""What `faceid explore duplicates` finds of edited photos, and what it finds among photos that are not copies.

python -m scripts.studies.check_duplicates --photos 300 --seed 0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from faceid.app.faceid import FaceID
from faceid.errors import InputError
from faceid.evaluation.statistics.intervals import wilson
from faceid.explore.bounds import copy_bound
from faceid.explore.duplicates import NEAR_BITS, RATHER_NEAR_BITS, HashedPhoto, face_agreement, hash_photos
from faceid.explore.perceptual import hamming, mirrored
from faceid.imaging import SUFFIXES, from_array
from faceid.sources import Photo
from scripts import command

COLLECTIONS = ("lfw/images", "celeba_wild/dev", "orl_faces")


def saved(picture: Pillow.Image, quality: int) -> Pillow.Image:
    encoded = BytesIO()
    picture.save(encoded, "JPEG", quality=quality)
    return Pillow.open(encoded).convert("RGB")


def resized(picture: Pillow.Image, width: int) -> Pillow.Image:
    return picture.resize(
        (width, max(1, round(width * picture.height / picture.width))), Pillow.Resampling.LANCZOS
    )


def trimmed(picture: Pillow.Image, share: float) -> Pillow.Image:
    """Without half of `share` at each side."""
    x, y = round(picture.width * share / 2), round(picture.height * share / 2)
    return picture.crop((x, y, picture.width - x, picture.height - y))


def corner(picture: Pillow.Image, share: float) -> Pillow.Image:
    """Without `share` at the right and below."""
    return picture.crop((0, 0, round(picture.width * (1 - share)), round(picture.height * (1 - share))))


EDITS: dict[str, Callable[[Pillow.Image], Pillow.Image]] = {
    "half as large": lambda picture: resized(picture, max(1, picture.width // 2)),
    "JPEG quality 20": partial(saved, quality=20),
    "64 pixels across": lambda picture: saved(resized(picture, 64), 60),
    "mirrored": ImageOps.mirror,
    "25 % brighter": lambda picture: picture.point(lambda value: min(255, round(1.25 * value))),
    "4 % cut, all sides": partial(trimmed, share=0.04),
    "8 % cut, all sides": partial(trimmed, share=0.08),
    "5 % cut, two sides": partial(corner, share=0.05),
    "10 % cut, two sides": partial(corner, share=0.10),
}


def photos_of(pictures: Sequence[Pillow.Image]) -> list[Photo]:
    return [
        Photo(str(number), "", partial(from_array, np.asarray(picture)))
        for number, picture in enumerate(pictures)
    ]


def looked_at(system: FaceID, pictures: Sequence[Pillow.Image]) -> list[HashedPhoto]:
    seen = list(hash_photos(photos_of(pictures), system.services.current().pipeline))
    return [each for each in seen if not isinstance(each, InputError)]


def found(one: HashedPhoto, other: HashedPhoto, least_cosine: float) -> tuple[bool, bool]:
    """Whether the hash alone says that it is one photo, and whether the hash or both witnesses do."""
    bits = min(int((one.bits != other.bits).sum()), int((mirrored(one.bits) != other.bits).sum()))
    agreement = face_agreement(one.faces, other.faces)
    both = bits <= RATHER_NEAR_BITS and agreement is not None and agreement >= least_cosine
    return bits <= NEAR_BITS, bits <= NEAR_BITS or both


def told(count: int, total: int) -> str:
    share = wilson(count, total)
    return f"{share.rate:.3f} ({share.low:.3f} .. {share.high:.3f})"


def main() -> None:
    parser = command.parser(__doc__)
    parser.add_argument("--data", type=Path, default=command.test_data())
    parser.add_argument("--photos", type=int, default=300, help="of each collection")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with FaceID(model="dlib-resnet", device="cpu") as system:
        model = system.services.current().pipeline.embedder.model
        least = copy_bound(model.name, model.metric)
        for collection in COLLECTIONS:
            files = sorted(
                path for path in (arguments.data / collection).rglob("*") if path.suffix.lower() in SUFFIXES
            )
            chosen = rng.choice(len(files), min(arguments.photos, len(files)), replace=False)
            pictures = [Pillow.open(files[place]).convert("RGB") for place in sorted(chosen.tolist())]
            originals = looked_at(system, pictures)
            print(f"\n{collection}: {len(originals)} photos", flush=True)
            for name, edit in EDITS.items():
                copies = looked_at(system, [edit(picture) for picture in pictures])
                outcomes = [found(one, other, least) for one, other in zip(originals, copies, strict=True)]
                alone, either = (sum(column) for column in zip(*outcomes, strict=True))
                print(
                    f"| {name} | {told(alone, len(outcomes))} | {told(either, len(outcomes))} |", flush=True
                )
            bits = np.stack([each.bits for each in originals])
            distance = np.minimum(hamming(bits, bits), hamming(mirrored(bits), bits))
            upper = np.triu_indices(len(originals), 1)
            pairs = [
                found(originals[one], originals[other], least)
                for one, other in zip(*upper, strict=True)
                if distance[one, other] <= RATHER_NEAR_BITS
            ]
            alone, either = (sum(column) for column in zip(*pairs, strict=True)) if pairs else (0, 0)
            total = upper[0].size
            print(
                f"of {total:,} pairs of different files: {alone} by the hash, {either} by both; rather near"
                f" {len(pairs):,}, the nearest {distance[upper].min()} bits",
                flush=True,
            )


if __name__ == "__main__":
    main()
