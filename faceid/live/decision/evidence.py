"""Decides whose face a track shows: a sequential test over its looks, with a steady decision.

The looks are fused into one template, which is compared once with the gallery (`faceid.live.decision.fusion`); its
log-likelihood ratio, tempered by how many independent looks it stands for, goes through a truncated sequential
probability ratio test (Wald 1945, "Sequential tests of statistical hypotheses"). Looks at one track depend on each
other so much that the result is little better than one comparison of a good photo. In tracks modelled from photographs
the rate of false matches was that of the policy where all looks are alike, and half of it where they differ as in video
(scripts/studies/check_live_rates.py). That holds for people like those of the calibration: five people of one studio
matched each other far more often (scripts/studies/check_live.py), and more looks do not help against that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from faceid.decision.decide import Policy, decide_identity
from faceid.decision.scores import distance_from_similarity
from faceid.decision.thresholds import fnmr_at_distance
from faceid.errors import UsageError
from faceid.live.decision.fusion import Fused
from faceid.types import Candidate, Decision

if TYPE_CHECKING:
    from faceid.types import Metric, Vector

State: TypeAlias = Literal["undecided", "named", "unknown", "accepted", "rejected"]

Search: TypeAlias = Callable[["Vector"], Sequence[Candidate]]
"""The enrolled identities near a unit vector (d,), nearest first; for a claim, the claimed identity only."""

MISSES = 0.01
"""The rate at which the test may reject a mated track before it has used all its looks."""

MOST_LOOKS = 5
"""After so many looks the test ends (Wald's truncation), and the threshold of the policy decides: a sixth look would
raise the number of independent ones, 1.09, by less than 0.01."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state of the decision about a track.

    `undecided` until the evidence is enough; then `named` (with `name`) or `unknown`, for a claim `accepted` or
    `rejected`. `distance`, `fmr`, `fmr_alike` and `llr` are those of the fused looks to the nearest candidate, or to
    `name` where there is one; None before the first look and with an empty gallery. `evidence` is the tempered log10 of
    the likelihood ratio, which the test uses. `looks` counts the fused looks. `since_s` is when the state began.
    `doubted` means that the last look contradicts the others: the next one tells whether the person has changed.
    `changes` counts the changes of person.
    """

    state: State
    name: str | None
    distance: float | None
    threshold: float
    fmr: float | None
    fmr_alike: float | None
    llr: float | None
    evidence: float | None
    looks: int
    since_s: float | None
    doubted: bool = False
    changes: int = 0


class Evidence:
    """The sequential test over the looks of one track.

    `search` gets the fused template and returns candidates; with `claim` it knows the claimed identity only. A
    non-mated track is accepted at the rate of the policy's threshold: FPIR / identities in a search, FMR for a claim.
    """

    def __init__(self, search: Search, policy: Policy, metric: Metric, *, claim: bool = False) -> None:
        """Raises UsageError (`not_calibrated`) for a policy without a curve of evidence."""
        alpha = policy.fmr(policy.threshold)
        if alpha is None or policy.llr(policy.threshold) is None:
            raise UsageError(
                "this calibration has no evidence for distances",
                code="not_calibrated",
                remedy="evidence_not_calibrated",
            )
        self._search, self._policy, self._metric, self._claim = search, policy, metric, claim
        self._accept = math.log10((1.0 - MISSES) / alpha)
        # A threshold that accepts everyone leaves nothing to reject.
        self._reject = math.log10(MISSES / (1.0 - alpha)) if alpha < 1.0 - MISSES else -math.inf
        self._fused: Fused | None = None
        self._doubt: tuple[Vector, float] | None = None
        self.outcome = Outcome("undecided", None, None, policy.threshold, None, None, None, None, 0, None)

    def add_look(self, vector: Vector, quality: float, time_s: float) -> Outcome:
        """Add one look: a unit vector (d,) and its quality, 0..1.

        A look that contradicts those before is not fused. If the next look contradicts them too, and agrees with it,
        the person has changed: the test starts again with these two. Otherwise that look is dropped.
        """
        fused, doubt, restarted = self._fused, self._doubt, False
        self._doubt = None
        if fused is None:
            self._fused = Fused.of(vector, quality)
        elif not self._contradicts(fused.cosine_to(vector)):
            self._fused = fused.joined_by(vector, quality)
        elif doubt is not None and not self._contradicts(float(doubt[0] @ vector)):
            self._fused, restarted = Fused.of(*doubt).joined_by(vector, quality), True
        else:
            self._doubt = vector, quality
            self.outcome = replace(self.outcome, doubted=True)
            return self.outcome
        self.outcome = self._judged(self._fused, time_s, restarted=restarted)
        return self.outcome

    def contradicted_by(self, vector: Vector) -> bool:
        """Whether the unit vector (d,) of a look shows another person than the looks before; False without looks."""
        return self._fused is not None and self._contradicts(self._fused.cosine_to(vector))

    def _contradicts(self, cosine: float) -> bool:
        """Whether two looks are farther apart than the median mated pair of photos, or likelier non-mated than mated.

        Photos differ by years, cameras and light, looks at one track do not: of 722 in 29 clips 3 contradicted those
        before, and 264 of 264 changes between two people's clips were found at the second look (by the likelihood ratio
        alone, 154).
        """
        distance = distance_from_similarity(cosine, self._metric)
        ratio = self._policy.llr(distance)
        missed = (
            None if self._policy.calibration is None else fnmr_at_distance(self._policy.calibration, distance)
        )
        return (ratio is not None and ratio < 0.0) or (missed is not None and missed < 0.5)

    def _judged(self, fused: Fused, time_s: float, *, restarted: bool) -> Outcome:
        candidates = tuple(self._worth(fused, found) for found in self._search(fused.template))
        decision = decide_identity(candidates, self._policy)
        before = self.outcome
        nearest = self._strength(decision.distance, fused)
        settled = not restarted and before.state in ("unknown", "rejected")
        state, name, distance = self._test(decision, nearest, fused.looks, settled=settled)
        if not restarted and before.name is not None and name != before.name:
            # An identity that is no candidate was removed, or nearer ones displace it: the name is dropped.
            held = next((found.distance for found in candidates if found.name == before.name), None)
            if self._is_held(held, fused, another=name is not None and nearest >= self._accept):
                state, name, distance = before.state, before.name, held
        changed = (state, name) != (before.state, before.name) or before.since_s is None
        return Outcome(
            state,
            name,
            distance,
            self._policy.threshold,
            None if distance is None else self._policy.fmr(distance),
            None if distance is None else self._policy.fmr_alike(distance),
            None if distance is None else self._policy.llr(distance),
            None if distance is None else self._strength(distance, fused),
            fused.looks,
            time_s if changed else before.since_s,
            changes=before.changes + restarted,
        )

    def _test(
        self, decision: Decision, evidence: float, looks: int, *, settled: bool
    ) -> tuple[State, str | None, float | None]:
        """The result of the truncated test for the nearest candidate: state, name and distance.

        A track that is `settled` as unknown stays so until the test accepts, so that the result does not flicker. The
        threshold decides once, when all looks are used: a long track must not have more chances than a short one.
        """
        yes: State = "accepted" if self._claim else "named"
        no: State = "rejected" if self._claim else "unknown"
        ended = looks >= MOST_LOOKS
        decided = settled and looks > MOST_LOOKS
        if decision.name is not None and (evidence >= self._accept or (ended and not decided)):
            return yes, decision.name, decision.distance
        if ended or settled or (decision.distance is not None and evidence <= self._reject):
            return no, None, decision.distance
        return "undecided", None, decision.distance

    def _is_held(self, distance: float | None, fused: Fused, *, another: bool) -> bool:
        """Whether the present name stays although the test would not give it now. It stays until the test rejects it,
        or accepts another person while this one is beyond the threshold.
        """
        if distance is None or (another and distance > self._policy.threshold):
            return False
        return self._strength(distance, fused) > self._reject

    def _strength(self, distance: float | None, fused: Fused) -> float:
        """The tempered log10 of the likelihood ratio of a distance; 0 without a candidate."""
        ratio = None if distance is None else self._policy.llr(distance)
        return 0.0 if ratio is None else ratio * fused.effective_looks

    def _worth(self, fused: Fused, found: Candidate) -> Candidate:
        similarity = fused.similarity(found.similarity)
        return Candidate(found.name, distance_from_similarity(similarity, self._metric), similarity)
