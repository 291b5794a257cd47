"""Draws the same picture as a page: hover over a point to see its face."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from faceid.evaluation.report.page import render
from faceid.explore.faces import Faces
from faceid.explore.labels import OTHERS, marks


def scatter_page(
    faces: Faces,
    places: NDArray[np.float64],
    to_centre: NDArray[np.float64],
    pictures: Mapping[int, bytes],
    *,
    title: str,
    about: str,
) -> bytes:
    """A page with points (n, 2), distances to the identity's centre (n,) and thumbnails by row, UTF-8."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = float((high - low).max()) or 1.0
    # One scale for both axes.
    scaled = (places - (low + high) / 2) / span
    marked = marks(faces.names)
    identity = faces.identities()
    people = sorted({*faces.names} - {""})
    data = {
        "about": about,
        "span": [max(0.05, float(extent) / span) for extent in high - low],
        "x": [round(float(value), 5) for value in scaled[:, 0]],
        "y": [round(float(value), 5) for value in scaled[:, 1]],
        "who": identity.tolist(),
        "people": [text_of(name) for name in people],
        "marks": {people.index(name): list(mark) for name, mark in marked.items()},
        "others": OTHERS if marked else "#0072b2",
        "source": [text_of(source) for source in faces.sources],
        "centre": [None if np.isnan(value) else round(float(value), 4) for value in to_centre],
        "quality": [None if np.isnan(value) else round(float(value), 3) for value in faces.quality],
        "photo": [
            base64.b64encode(pictures[row]).decode("ascii") if row in pictures else None
            for row in range(len(faces))
        ],
    }
    values = {"title": title, "data": data}
    return render("faceid.explore", "scatter.html", values, style="explore.css", script="scatter.js").encode()


def text_of(value: str) -> str:
    """A name or path as plain text in any encoding; the script inserts it as text, never as HTML."""
    return value.encode("utf-8", "backslashreplace").decode()
