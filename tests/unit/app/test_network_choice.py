"""A new gallery uses the recommended network if it can, and says what the other one costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faceid.app import network_choice
from faceid.app.faceid import FaceID
from faceid.app.network_choice import fallback_cost, in_use, many_misses, network_of_new_gallery
from faceid.app.services import Services
from faceid.config import FALLBACK_MODEL, RECOMMENDED_MODEL, Settings, write_default_model
from faceid.decision.thresholds import fnmr_at_distance, threshold_at_fmr
from faceid.networks import registry
from faceid.networks.card import Card
from faceid.recognition.detect.fake import draw_face
from faceid.results import Problem

SIZES = (1, 20, 100, 500, 2_000, 1_000_000)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(
        db=tmp_path / "gallery.db", device="cpu", environ={"FACEID_HOME": str(tmp_path / "home")}
    )


def pretend_to_install(settings: Settings) -> None:
    """A file of the right size, which the choice takes for the weights."""
    card = registry.card(RECOMMENDED_MODEL)
    settings.weights_dir.mkdir(parents=True, exist_ok=True)
    (settings.weights_dir / card.weights.file).write_bytes(bytes(card.weights.size))


def misses(name: str, fmr: float) -> float:
    calibration = registry.card(name).calibration
    assert calibration is not None
    strictest = calibration.points[0].fmr
    share = fnmr_at_distance(calibration, threshold_at_fmr(calibration, max(fmr, strictest)))
    assert share is not None
    return share


def test_the_order_of_the_choice(settings: Settings, tmp_path: Path) -> None:
    assert network_of_new_gallery(settings) == FALLBACK_MODEL
    pretend_to_install(settings)
    assert network_of_new_gallery(settings) == RECOMMENDED_MODEL
    write_default_model(settings, "facenet-casia")
    chosen = Settings.load(environ={"FACEID_HOME": str(tmp_path / "home")})
    assert network_of_new_gallery(chosen) == "facenet-casia"
    assert network_of_new_gallery(replace(chosen, model="fake")) == "fake"


def test_weights_of_another_size_are_not_installed(settings: Settings) -> None:
    pretend_to_install(settings)
    file = settings.weights_dir / registry.card(RECOMMENDED_MODEL).weights.file
    file.write_bytes(file.read_bytes()[:-1])
    assert network_of_new_gallery(settings) == FALLBACK_MODEL


def test_the_fallback_says_what_it_costs_once(settings: Settings) -> None:
    said: list[Problem] = []
    services = Services(settings, advise=said.append)
    assert {services.current().name for _ in range(3)} == {FALLBACK_MODEL}
    (problem,) = said
    here, there = misses(FALLBACK_MODEL, 1e-4), misses(RECOMMENDED_MODEL, 1e-4)
    assert f"misses {here:.0%}".replace("%", " %") + " at FMR 1e-4" in problem.message
    assert problem.message.endswith(f"where {RECOMMENDED_MODEL} misses {there:.0%}".replace("%", " %"))
    assert problem.remedy == "pull_recommended"


def test_the_figures_are_those_of_the_cards(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry.card

    def halved(name: str, own: Path | None = None) -> Card:
        card = real(name, own)
        assert card.calibration is not None
        points = tuple(
            replace(point, fnmr=None if point.fnmr is None else point.fnmr / 2)
            for point in card.calibration.points
        )
        return replace(card, calibration=replace(card.calibration, points=points))

    before = fallback_cost(settings)
    monkeypatch.setattr(registry, "card", halved)
    after = fallback_cost(settings)
    assert before is not None
    assert after is not None
    assert before.message != after.message


@pytest.mark.parametrize("choice", ["asked for", "default", "installed"])
def test_nothing_is_said_about_a_choice(settings: Settings, choice: str) -> None:
    if choice == "installed":
        pretend_to_install(settings)
    elif choice == "default":
        settings = replace(settings, default_model=FALLBACK_MODEL)
    else:
        settings = replace(settings, model=FALLBACK_MODEL)
    said: list[Problem] = []
    assert Services(settings, advise=said.append).current().name in (FALLBACK_MODEL, RECOMMENDED_MODEL)
    assert said == []


def test_a_gallery_keeps_its_network(settings: Settings) -> None:
    canvas = np.zeros((180, 200, 3), np.uint8)
    draw_face(canvas, (208, 80, 80), 30, 20, 120)
    with FaceID(settings=replace(settings, model="fake")) as system:
        assert [result.status for result in system.enroll("alice", canvas)] == ["enrolled"]
    pretend_to_install(settings)
    said: list[Problem] = []
    with FaceID(settings=settings, advise=said.append) as system:
        assert system.services.current().name == "fake"
        assert system.compare(canvas, canvas).verified
    assert said == []


@pytest.mark.parametrize("name", [FALLBACK_MODEL, RECOMMENDED_MODEL])
def test_misses_are_said_from_ten_per_cent_on(settings: Settings, name: str) -> None:
    said = {size: many_misses(name, size, settings) for size in SIZES}
    assert {size: problem is not None for size, problem in said.items()} == {
        size: misses(name, 0.01 / size) > 0.10 for size in SIZES
    }
    assert said[1] is None
    assert said[1_000_000] is not None


def test_the_recommended_network_is_named_where_it_is_better(settings: Settings) -> None:
    problem = many_misses(FALLBACK_MODEL, 500, settings)
    assert problem is not None
    here, there = misses(FALLBACK_MODEL, 0.01 / 500), misses(RECOMMENDED_MODEL, 0.01 / 500)
    assert "with 500 identities" in problem.message
    assert f"misses {here * 100:.0f} % at FPIR 1 % where" in problem.message
    assert problem.message.endswith(f"where {RECOMMENDED_MODEL} misses {there * 100:.0f} %")
    assert problem.remedy == "pull_and_move"
    pretend_to_install(settings)
    installed = many_misses(FALLBACK_MODEL, 500, settings)
    assert installed is not None
    assert installed.remedy == "move_to_recommended"


def test_only_the_fact_is_said_of_the_recommended_network(settings: Settings) -> None:
    problem = many_misses(RECOMMENDED_MODEL, 1_000_000, settings)
    assert problem is not None
    assert problem.message.endswith("at FPIR 1 %")
    assert problem.remedy is None


def test_only_the_fact_is_said_of_a_network_that_is_better(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_choice, "MANY_MISSES", -1.0)
    problem = many_misses("fake", 1_000_000, settings)
    assert problem is not None
    assert RECOMMENDED_MODEL not in problem.message
    assert problem.remedy is None


def test_a_network_without_a_calibration_says_nothing_of_misses(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = replace(registry.card(FALLBACK_MODEL), calibration=None)
    monkeypatch.setattr(registry, "card", lambda name, own=None: card)
    assert many_misses(FALLBACK_MODEL, 1_000_000, settings) is None
    assert "has no calibration" in in_use(FALLBACK_MODEL, 10, settings)
