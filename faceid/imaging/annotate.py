"""Draws decisions into the picture."""

from __future__ import annotations

from pathlib import Path

from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from enrollment_db.files import EVERYONE, create_new
from faceid.errors import UsageError
from faceid.results import FaceResult, IdentifyResult
from faceid.types import Image

# Light, middle and dark, so that they differ in gray and for colour-blind people; the label repeats it in words.
_COLOURS = {"match": (120, 220, 120), "unknown": (255, 176, 0), "ambiguous": (220, 90, 200)}


def write_annotated(image: Image, result: IdentifyResult, directory: Path) -> Path:
    """Write the picture with boxes and names as PNG into `directory` and return its path.

    Pictures of one name get numbers. Raises UsageError where the directory cannot be written.
    """
    picture = PilImage.fromarray(image.pixels)
    draw = ImageDraw.Draw(picture)
    for face in result.faces:
        _draw_face(draw, face, max(image.width, image.height))
    stem = "stdin" if image.source == "-" else Path(image.source).stem
    path = directory / f"{stem}.png"
    try:
        path = create_new(directory, stem, ".png", mode=EVERYONE)
        _save(picture, path)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}", code="cannot_write", path=str(path)
        ) from error
    return path


def _save(picture: PilImage.Image, path: Path) -> None:
    try:
        picture.save(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _draw_face(draw: ImageDraw.ImageDraw, face: FaceResult, longest_side: int) -> None:
    colour = _COLOURS[face.decision]
    stroke = max(2, longest_side // 400)
    x1, y1, x2, y2 = face.box
    draw.rectangle((x1, y1, x2, y2), outline=colour, width=stroke)
    font = ImageFont.load_default(size=max(12, longest_side // 45))
    label = _label(face)
    left, top, right, bottom = draw.textbbox((0, 0), label, font=font)
    width, height = right - left + 2 * stroke, bottom - top + 2 * stroke
    # Above the box, or inside it where the picture ends.
    corner_y = y1 - height if y1 >= height else y1
    draw.rectangle((x1, corner_y, x1 + width, corner_y + height), fill=colour)
    draw.text((x1 + stroke - left, corner_y + stroke - top), label, fill=(0, 0, 0), font=font)


def _label(face: FaceResult) -> str:
    who = face.name or face.decision
    return who if face.distance is None else f"{who}  {face.distance:.2f} / {face.threshold:.2f}"
