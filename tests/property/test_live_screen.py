"""Any view is drawn: whatever its size, its faces and their names, and only into a copy."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from faceid.live.liveness.state import Liveness
from faceid.live.screen.annotate import annotate
from faceid.live.screen.fonts import text_mask
from faceid.live.source.stream import SourceLost
from faceid.live.view import Shown
from made_up_views import shown, view

TEXTS = st.text(st.characters(), max_size=40) | st.sampled_from(
    ["a" * 5000, "\u202eevil", "👩‍👩‍👧", "ก็็็็", "\ud800"]
)
COORDINATES = st.floats(-300, 700) | st.sampled_from([1e30, -1e30, float("nan"), float("inf")])
NUMBERS = st.floats(0, 2) | st.sampled_from([0.0, float("nan"), float("inf"), -1.0, 1e30])


@st.composite
def people(draw: st.DrawFn) -> Shown:
    liveness = st.builds(
        Liveness,
        st.sampled_from(["checking", "live", "spoof"]),
        st.none() | st.floats(0, 1),
        st.none() | st.sampled_from(["turn_left", "nod", "look_straight"]) | TEXTS,
        st.none() | TEXTS,
    )
    state = draw(st.sampled_from(["undecided", "named", "unknown", "accepted", "rejected"]))
    return shown(
        state,
        draw(TEXTS) if state in ("named", "accepted") else None,
        box=draw(st.tuples(*[COORDINATES] * 4)),
        distance=draw(st.none() | NUMBERS),
        threshold=draw(NUMBERS),
        liveness=draw(st.none() | liveness),
        doubted=draw(st.booleans()),
        sighted=draw(st.booleans()),
    )


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.lists(people(), max_size=6),
    st.none() | TEXTS,
    st.floats(),
    st.none() | st.builds(SourceLost, st.sampled_from(["stalled", "black"]), TEXTS, st.just(1.0)),
    st.booleans(),
)
# The mirror image of one column is contiguous already.
@example((1, 1), [], None, 0.0, None, True)
def test_any_view_is_drawn_into_a_copy(
    size: tuple[int, int],
    faces: list[Shown],
    claim: str | None,
    fps: float,
    lost: SourceLost | None,
    mirrored: bool,
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    before = pixels.copy()
    pixels.setflags(write=False)
    drawn = annotate(view(pixels, *faces, claim=claim, fps=fps, lost=lost), mirrored=mirrored)
    assert (drawn.shape, drawn.dtype) == (pixels.shape, np.uint8)
    assert (pixels == before).all()
    assert not np.shares_memory(drawn, pixels)


@settings(deadline=None)
@given(TEXTS, st.integers(1, 80), st.integers(-5, 500))
def test_any_text_is_drawn(text: str, size: int, max_width: int) -> None:
    mask = text_mask(text, size, max_width)
    assert (mask.dtype, mask.ndim) == (np.uint8, 2)
    assert 0 < mask.shape[1] <= max(max_width, 2 * size)
    assert 0 < mask.shape[0] <= 4 * size + 8
