"""What the store takes and gives: frozen rows, and batches of rows as arrays.

Times are UTC, ISO 8601 with milliseconds and a Z. Vectors are float32 of unit length. Ids are positive and
are never used twice, not even after a removal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Box: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the upright photo."""

Metric: TypeAlias = Literal["cosine", "euclidean"]
"""How a model measures distance between unit vectors: 1 - cosine (0..2), or Euclidean (0..2)."""

TargetKind: TypeAlias = Literal["fmr", "fpir"]
"""What a policy promises: a false match rate (1:1) or a false positive identification rate (1:N)."""


@dataclass(frozen=True, slots=True)
class ModelKey:
    """What two vectors must share to be compared: one network, one alignment, one metric."""

    name: str
    weights_sha256: str
    aligner: str
    dim: int
    metric: Metric

    def __str__(self) -> str:
        return f"{self.name} ({self.weights_sha256[:8]}, {self.aligner})"


@dataclass(frozen=True, slots=True, eq=False)
class FaceCrop:
    """What is kept of a photo to compute its template again: an encoded picture, which is not looked into.

    `box` and `landmarks`, (5, 2) float32, are in pixels of that picture.
    """

    picture: bytes
    box: Box
    landmarks: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class NewTemplate:
    """A template to be stored: `vector` is (d,) float32 of unit length.

    `sha256` is the photo's hash, 64 hex digits. `source` names the photo for people. `box`, `landmarks` ((5,
    2) float32, pixels) and `quality` (0..1) are None where the template was computed elsewhere. `crop` is kept
    where one is given.
    """

    vector: NDArray[np.float32]
    sha256: str
    source: str | None = None
    box: Box | None = None
    landmarks: NDArray[np.float32] | None = None
    quality: float | None = None
    crop: FaceCrop | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some templates to be stored at once: whose each is, (n, d) unit vectors, photo hashes in hex, sources."""

    names: Sequence[str]
    vectors: NDArray[np.float32]
    digests: Sequence[str]
    sources: Sequence[str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """The template of a photo under a new model: `vector` is (d,) float32 of unit length.

    `template_id` is the one that it stands beside, from which it takes all else. `box` and `landmarks` are given
    where that has none.
    """

    template_id: int
    vector: NDArray[np.float32]
    box: Box | None = None
    landmarks: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A template that has no twin yet, and what one may be computed from; `active` as in Log."""

    template_id: int
    name: str
    source: str | None
    sha256: str
    box: Box | None
    landmarks: NDArray[np.float32] | None
    active: bool
    crop: FaceCrop | None


@dataclass(frozen=True, slots=True)
class Start:
    """From where a pass over the templates began: the active model's row, and the place in the change log."""

    model_id: int | None
    seq: int


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one new template. A `duplicate` was there before, under the id that is given."""

    template_id: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """An enrolled person; `templates` counts those of the active model, which may be none.

    `attributes` are what is known of the person beside the name.
    """

    id: int
    name: str
    templates: int
    created_at: str
    attributes: dict[str, str]


class GallerySize(NamedTuple):
    """How many `identities` had a template of the active model when the change log had come to `seq`.

    `newest_id` is the greatest template id ever given out until then, `model_id` the active model's row.
    """

    seq: int
    newest_id: int
    model_id: int | None
    identities: int


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A stored template without its vector; `name` is its identity's."""

    id: int
    name: str
    source: str | None
    sha256: str
    quality: float | None
    model: ModelKey
    box: Box | None
    landmarks: NDArray[np.float32] | None
    created_at: str


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """An identity with its templates of one model, by id: `template_ids` (n,) int64, `vectors` (n, d) float32.

    `qualities` (n,) are None where a template was computed elsewhere, `created_at` (n,) are times.
    """

    name: str
    template_ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    qualities: tuple[float | None, ...]
    created_at: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Owner:
    """An identity with all its templates of one model, by template id: (n, d) float32."""

    name: str
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Owners:
    """Whose the nearest templates of m probes are, as of one moment.

    `of_probe` has the identity ids of each probe, nearest first, each once. `owners` are those of all probes by
    identity id; an identity that has no template of the model asked for is not among them.
    """

    of_probe: list[list[int]]
    owners: dict[int, Owner]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Templates of one model as arrays: ids (n,) int64, identity ids (n,) int64, vectors (n, d) float32.

    `model` is None, and d is 0, where there are none.
    """

    model: ModelKey | None
    template_ids: NDArray[np.int64]
    identity_ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.template_ids)


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the change log: its number, and the number at random that it alone has, in every history."""

    seq: int
    mark: int


NOWHERE = Place(0, 0)
"""Before the first entry."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A part of all templates as they were when the change log had reached `place`."""

    place: Place
    batch: Batch


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A part of all `total` templates of `model` with what is known of each.

    That is names, (n, d) vectors, sources and hashes in hex.
    """

    model: ModelKey
    total: int
    names: list[str]
    vectors: NDArray[np.float32]
    sources: list[str | None]
    digests: list[str]


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """A stretch of the change log that ends at `place`.

    `added` holds the templates that were added in it and are still there, `removed` (n,) int64 the ids that
    were removed in it. Since an id is added once and removed once, the two may be applied in either order.
    """

    place: Place
    added: Batch
    removed: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NewPolicy:
    """A threshold and all that answers for it.

    `target` is the promised rate of `kind`, `threshold` the greatest distance that is a match, in the model's
    metric. `data` says what it was measured on, with `mated` and `non_mated` comparisons; the rate lies
    between `low` and `high` with 95 % confidence. `calibration`, which is not looked into, is what the threshold is
    worked out from, where that is of the gallery's own. A `by_hand` threshold is a distance that somebody chose: it
    promises nothing, and `target` is the rate that was expected of it then.
    """

    model: ModelKey
    kind: TargetKind
    target: float
    threshold: float
    data: str
    mated: int
    non_mated: int
    low: float
    high: float
    calibration: str | None = None
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy(NewPolicy):
    """A stored policy. At most one of a model and kind is `active` at a time.

    `follows` is the id of the one that was in force before this was put, None where there was none; `since` is when
    this was last put in force.
    """

    id: int
    created_at: str
    active: bool
    follows: int | None
    since: str


def now() -> str:
    """The time as it is stored: UTC, milliseconds, Z."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
