"""What is drawn: words, colours, bars, prompts and where they stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from faceid.live.liveness.state import Liveness
from faceid.live.screen import annotate as annotating
from faceid.live.screen import fonts, wording
from faceid.live.screen.annotate import Annotator, annotate, nearness
from faceid.live.screen.fonts import text_mask
from faceid.live.screen.labels import DARK, WHITE, label
from faceid.live.screen.layout import Layout
from faceid.live.screen.screens import Screens
from faceid.live.source.stream import SourceLost
from faceid.live.view import Shown, View
from faceid.recognition.liveness.challenge import ACTIONS
from made_up_views import gray, shown, view

SPOOF = Liveness("spoof", 0.1, None, "wrong_action")


@pytest.mark.parametrize(
    ("person", "claim", "words"),
    [
        (shown("named", "alice"), None, "alice"),
        (shown("named", "alice", doubted=True), None, "alice ?"),
        (shown("unknown"), None, "unknown"),
        (shown("undecided"), None, "checking"),
        (shown("accepted", "alice"), "alice", "alice"),
        (shown("rejected"), "alice", "not alice"),
        (shown("undecided", liveness=SPOOF), "alice", "spoof: wrong action"),
        (shown("undecided", liveness=Liveness("spoof")), None, "spoof"),
        (shown("undecided", liveness=Liveness("checking")), None, "checking"),
    ],
)
def test_whose_face(person: Shown, claim: str | None, words: str) -> None:
    assert wording.who(person, claim) == words


@pytest.mark.parametrize(
    ("people", "words"),
    [
        ([], "no face in sight"),
        (["undecided"], "checking"),
        (["rejected"], "rejected"),
        (["rejected", "undecided"], "checking"),
        (["rejected", "accepted"], "accepted"),
    ],
)
def test_the_claim(people: list[str], words: str) -> None:
    assert wording.claim_words(view(None, *map(shown, people), claim="alice")) == f"claim alice: {words}"
    assert wording.claim_words(view(None, *map(shown, people))) is None


def test_a_claim_by_a_spoof_and_one_that_nobody_sees() -> None:
    spoof = shown("undecided", liveness=SPOOF)
    assert wording.claim_words(view(None, spoof, claim="alice")) == "claim alice: rejected"
    lost = SourceLost("stalled", "no frame", 1.0)
    assert wording.claim_words(view(None, spoof, claim="alice", lost=lost)) == "claim alice"


def test_prompts_are_right_for_the_person() -> None:
    # The left of a picture that is not mirrored is the right of who is in it.
    assert wording.prompt("turn_left") == "turn your head to your right"
    assert wording.prompt("turn_right") == "turn your head to your left"
    assert {wording.prompt(action) for action in (*ACTIONS, "look_straight")} <= set(
        wording._PROMPTS.values()
    )
    assert wording.prompt("raise_eyebrows") == "raise eyebrows"


@pytest.mark.parametrize(
    ("fps", "words"), [(24.8, "25 fps"), (9.94, "9.9 fps"), (0.0, "0.0 fps"), (float("nan"), "- fps")]
)
def test_the_rate(fps: float, words: str) -> None:
    assert wording.rate_words(fps) == words


@pytest.mark.parametrize(
    ("distance", "threshold", "filled"),
    [(0.4, 0.4, 1), (0.1, 0.4, 1), (0.6, 0.4, 0.5), (0.8, 0.4, 0), (2.0, 0.4, 0), (0.1, 0.0, 0), (0, 0, 1)],
)
def test_how_far_a_bar_is_filled(distance: float, threshold: float, filled: float) -> None:
    assert nearness(distance, threshold) == pytest.approx(filled)


def coloured(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (pixels == colour).all(axis=2)


def bar_of(person: Shown) -> float:
    """The filled share of the bar under a face 200 pixels wide."""
    colour = annotating._colour(person)
    under = annotate(view(gray(), person))[306:318]
    row = max(range(len(under)), key=lambda y: coloured(under[y : y + 1], (96, 96, 96)).sum())
    filled = coloured(under[row : row + 1], colour).sum()
    return float(filled / (filled + coloured(under[row : row + 1], (96, 96, 96)).sum()))


@pytest.mark.parametrize(("distance", "filled"), [(0.5, 0.75), (0.6, 0.5), (0.7, 0.25)])
def test_a_bar_fills_as_the_distance_shrinks(distance: float, filled: float) -> None:
    person = shown("unknown", box=(200, 100, 400, 300), distance=distance)
    assert bar_of(person) == pytest.approx(filled, abs=0.02)


def test_without_a_distance_there_is_no_bar() -> None:
    box = (200.0, 100.0, 400.0, 300.0)
    below = annotate(view(gray(), shown("unknown", box=box, distance=None)))[308:460]
    assert (below == 128).all()
    assert not (annotate(view(gray(), shown("unknown", box=box)))[308:460] == 128).all()


@pytest.mark.parametrize("ground", [0, 128, 255])
@pytest.mark.parametrize("state", ["named", "accepted", "unknown", "rejected", "undecided"])
def test_states_have_their_colours_and_words_on_any_ground(ground: int, state: str) -> None:
    person = shown(state, "alice", box=(200, 100, 400, 300), liveness=Liveness("live", 0.9))
    pixels = annotate(view(gray(ground), person))
    assert coloured(pixels, annotating._COLOURS[state]).sum() > 300
    assert coloured(pixels, DARK).sum() > 300


def test_colours_differ_in_lightness_too() -> None:
    lightness = sorted({round(float(np.dot((0.299, 0.587, 0.114), c))) for c in annotating._COLOURS.values()})
    assert len(lightness) == 4
    assert np.diff(lightness).min() >= 30


def test_until_it_is_known_who_it_is_there_are_only_corners() -> None:
    box = (200.0, 100.0, 400.0, 300.0)
    # The middle of the left side.
    assert (annotate(view(gray(), shown("undecided", box=box)))[190:210, 195:205] == 128).all()
    assert not (annotate(view(gray(), shown("named", "a", box=box)))[190:210, 195:205] == 128).all()


def test_out_of_sight_lines_are_thin() -> None:
    box = (200.0, 100.0, 400.0, 300.0)
    thick, thin = (
        coloured(
            annotate(view(gray(), shown("named", "a", box=box, sighted=sighted)))[190:210], (86, 180, 233)
        ).sum()
        for sighted in (True, False)
    )
    assert thick > thin == 2 * 20


def test_the_largest_face_is_asked_at_the_top() -> None:
    near = shown("undecided", box=(300, 200, 500, 400), liveness=Liveness("checking", None, "nod"))
    far = shown(
        "undecided", box=(50, 200, 90, 240), liveness=Liveness("checking", None, "approach"), number=2
    )
    pixels = annotate(view(gray(), near, far))
    wanted = label("nod your head", 30, DARK, WHITE, 640)
    top, left = 7, (640 - wanted.shape[1]) // 2
    assert (pixels[top : top + wanted.shape[0], left : left + wanted.shape[1]] == wanted).all()


def test_a_prompt_does_not_cover_the_face_it_is_for() -> None:
    person = shown("undecided", box=(300, 5, 400, 130), liveness=Liveness("checking", None, "nod"))
    pixels = annotate(view(gray(), person))
    assert (pixels[20:110, 320:380] == 128).all()


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    canvas = gray()
    layout = Layout(canvas)
    plates = [np.full((20, 100, 3), number, np.uint8) for number in range(1, 9)]
    for plate in plates:
        layout.put(plate, [(300, 200), (330, 240)])
    assert [int((canvas == number).all(axis=2).sum()) for number in range(1, 9)] == [2000] * 8


def test_a_label_is_moved_into_the_picture() -> None:
    canvas = gray()
    Layout(canvas).put(np.zeros((20, 100, 3), np.uint8), [(600, -5), (600, 470), (600, 100)])
    assert (canvas[100:120, 540:640] == 0).all()
    assert int((canvas == 0).all(axis=2).sum()) == 2000


def test_a_lost_source_is_dark_without_faces_and_says_why() -> None:
    lost = SourceLost("stalled", "camera 0: no frame for 5 s", 5.0)
    with_people = annotate(view(gray(200), shown("named", "alice"), lost=lost))
    assert (with_people == annotate(view(gray(200), lost=lost))).all()
    assert (with_people[60] == 70).all()
    wanted = label("camera 0: no frame for 5 s", 15, WHITE, DARK, 640)
    left = (640 - wanted.shape[1]) // 2
    assert (with_people[243 : 243 + wanted.shape[0], left : left + wanted.shape[1]] == wanted).all()


def test_a_mirror_turns_the_picture_and_not_the_words() -> None:
    pixels = gray()
    pixels[:, :100] = 30
    seen = view(pixels, shown("named", "alice", box=(200, 200, 300, 300)))
    mirrored = annotate(seen, mirrored=True)
    assert (mirrored[0, -100:] == 30).all()
    moved = annotate(view(pixels[:, ::-1], shown("named", "alice", box=(340, 200, 440, 300))))
    assert (mirrored == moved).all()


def test_several_screens_share_one_drawing_that_nobody_can_change(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = view(gray(), shown("named", "alice"))
    annotator = Annotator()
    first = annotator(seen)
    assert annotator(seen) is first
    assert not first.flags.writeable
    assert annotator(view()) is not first
    assert annotator(seen) is not first


def test_labels_are_drawn_once() -> None:
    before = label.cache_info().misses
    for _ in range(3):
        annotate(view(gray(), shown("named", "somebody who is drawn once")))
    assert label.cache_info().misses <= before + 3


class Page:
    """A screen that writes down what it is told."""

    def __init__(self, going_on: bool = True, broken: bool = False) -> None:
        self.going_on, self.broken = going_on, broken
        self.shown: list[View] = []
        self.closed = 0

    def show(self, seen: View) -> bool:
        self.shown.append(seen)
        return self.going_on

    def close(self) -> None:
        self.closed += 1
        if self.broken:
            raise OSError("cannot close")


def test_screens_are_shown_together_and_closed_together() -> None:
    pages = [Page(), Page(going_on=False), Page()]
    with Screens(pages) as screens:
        seen = view()
        assert not screens.show(seen)
        assert all(page.shown == [seen] for page in pages)
    screens.close()
    assert [page.closed for page in pages] == [1, 1, 1]
    assert Screens().show(view())


def test_one_that_does_not_close_keeps_none_open() -> None:
    pages = [Page(), Page(broken=True), Page()]
    screens = Screens(pages)
    with pytest.raises(OSError, match="cannot close"):
        screens.close()
    assert [page.closed for page in pages] == [1, 1, 1]


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fonts, "_installed", lambda: ())
    fonts._with_font.cache_clear()
    yield
    fonts._with_font.cache_clear()


@pytest.mark.usefixtures("no_fonts")
@pytest.mark.parametrize(
    ("text", "readable"),
    [
        ("Žofie Nováková", "Zofie Novakova"),
        ("José", "Jose"),
        ("Ｗide ǆ", "Wide dz"),
        ("李", "?"),
        ("a\ud800", "a?"),
    ],
)
def test_without_fonts_accents_go_and_the_rest_is_a_question_mark(text: str, readable: str) -> None:
    assert (text_mask(text, 20, 500) == text_mask(readable, 20, 500)).all()


@pytest.mark.usefixtures("no_fonts")
def test_pillows_own_font_has_all_that_we_say() -> None:
    words = "".join(chr(code) for code in range(33, 127))
    assert fonts._drawable(words) == [(words, None)]


def test_fonts_that_are_broken_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "NotoSansOfNowhere-Regular.ttf").write_bytes(b"no font")
    monkeypatch.setattr(fonts, "_directories", lambda: [tmp_path])
    for cached in (fonts._installed, fonts._with_font):
        cached.cache_clear()
    assert fonts._installed() == (str(tmp_path / "NotoSansOfNowhere-Regular.ttf"),)
    assert fonts._with_font("A") == ("A", None)
    for cached in (fonts._installed, fonts._with_font):
        cached.cache_clear()


def test_a_fitting_font_is_taken_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    has = {"latin": "aé ", "han": "李 a", None: "a ?"}
    monkeypatch.setattr(fonts, "_installed", lambda: ("latin", "han"))
    monkeypatch.setattr(fonts, "_covers", lambda path, character: character in has[path])
    fonts._with_font.cache_clear()
    assert fonts._drawable("aé李 aé") == [("aé", "latin"), ("李 a", "han"), ("é", "latin")]
    fonts._with_font.cache_clear()


def test_marks_that_turn_writing_are_left_out_and_controls_are_blank() -> None:
    assert (text_mask("a\u202eb\nc", 20, 500) == text_mask("ab c", 20, 500)).all()


@pytest.mark.parametrize("width", [20, 60, 100, 5000])
def test_what_is_too_wide_ends_in_an_ellipsis(width: int) -> None:
    text = "Wolfeschlegelsteinhausenbergerdorff"
    mask = text_mask(text, 20, width)
    assert mask.shape[1] <= max(width, ImageFont.load_default(20).getlength("…") + 2)
    assert (mask.shape == text_mask(text, 20, 10**6).shape) == (width == 5000)
