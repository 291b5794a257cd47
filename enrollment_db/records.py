"""The values that go into and out of the store: frozen rows, and batches of rows as arrays.

Times are UTC, ISO 8601 with milliseconds and a Z. Vectors are float32 of unit length. Ids are positive. No id is used
twice, not even after a removal.
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

TemplateState: TypeAlias = Literal["confirmed", "unconfirmed"]
"""Whether a search can find a template. An unconfirmed one is kept, but not searched and not scored."""

TargetKind: TypeAlias = Literal["fmr", "fpir"]
"""The rate that a policy promises: a false match rate (1:1) or a false positive identification rate (1:N)."""


@dataclass(frozen=True, slots=True)
class ModelKey:
    """The properties that two vectors must share to be compared: network, alignment and metric."""

    name: str
    weights_sha256: str
    aligner: str
    dim: int
    metric: Metric

    def __str__(self) -> str:
        return f"{self.name} ({self.weights_sha256[:8]}, {self.aligner})"


@dataclass(frozen=True, slots=True, eq=False)
class FaceCrop:
    """The part of a photo that is kept to compute its template again: an encoded picture, stored as it is.

    `box` and `landmarks`, (5, 2) float32, are in pixels of that picture.
    """

    picture: bytes
    box: Box
    landmarks: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class NewTemplate:
    """A template to be stored: `vector` is (d,) float32 of unit length.

    `sha256` is the photo's hash, 64 hex digits. `source` names the photo for people. `box`, `landmarks` ((5, 2)
    float32, pixels) and `quality` (0..1) are None if the template was computed elsewhere. `crop` is stored if it is
    given. `detector` is the name of what found the face, None if that is unknown.
    """

    vector: NDArray[np.float32]
    sha256: str
    source: str | None = None
    box: Box | None = None
    landmarks: NDArray[np.float32] | None = None
    quality: float | None = None
    crop: FaceCrop | None = None
    detector: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Templates to be stored at once: their names, (n, d) unit vectors, photo hashes in hex, and sources.

    `states` is None if all of them are confirmed. `detectors` are as in NewTemplate; None if all of them are unknown.
    """

    names: Sequence[str]
    vectors: NDArray[np.float32]
    digests: Sequence[str]
    sources: Sequence[str | None]
    states: Sequence[TemplateState] | None = None
    detectors: Sequence[str | None] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """The template of a photo under a new model: `vector` is (d,) float32 of unit length.

    `template_id` is the template of the same photo from which all other columns are copied. `box`, `landmarks` and
    `detector` are given if that template has no landmarks.
    """

    template_id: int
    vector: NDArray[np.float32]
    box: Box | None = None
    landmarks: NDArray[np.float32] | None = None
    detector: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pending:
    """A template without a twin, and the data to compute one from. `active`: it is of the active model."""

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
    """The state in which a pass over the templates began: the active model's row, and the place in the change log."""

    model_id: int | None
    seq: int


@dataclass(frozen=True, slots=True)
class Added:
    """The result for one new template. A `duplicate` was stored before, under the returned id and with its `state`."""

    template_id: int
    duplicate: bool
    state: TemplateState = "confirmed"


@dataclass(frozen=True, slots=True)
class Identity:
    """An enrolled person; `templates` counts the confirmed ones of the active model, 0 or more.

    `attributes` hold further facts about the person, by column name. `unconfirmed` counts the unconfirmed templates of
    the active model. A search cannot find a person who has only those.
    """

    id: int
    name: str
    templates: int
    created_at: str
    attributes: dict[str, str]
    unconfirmed: int = 0


class GallerySize(NamedTuple):
    """The number of `identities` that had a confirmed template of the active model at entry `seq` of the change log.

    `model_id` is the active model's row.
    """

    seq: int
    model_id: int | None
    identities: int


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A stored template without its vector; `name` is its identity's, `detector` as in NewTemplate."""

    id: int
    name: str
    source: str | None
    sha256: str
    quality: float | None
    model: ModelKey
    box: Box | None
    landmarks: NDArray[np.float32] | None
    created_at: str
    state: TemplateState
    detector: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Unconfirmed:
    """The unconfirmed templates of one identity and model, by id.

    `template_ids` (n,) int64, `vectors` (n, d) float32; sources, photo hashes in hex, and qualities, n of each.
    """

    name: str
    template_ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    sources: tuple[str | None, ...]
    digests: tuple[str, ...]
    qualities: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Enrolled:
    """An identity with its templates of one model, by id: `template_ids` (n,) int64, `vectors` (n, d) float32.

    `qualities` (n,) are None for a template that was computed elsewhere. `created_at` (n,) are times.
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
    """The identities of the templates nearest to m probes, as of one moment.

    `of_probe` has the identity ids of each probe, nearest first, each once. `owners` are those of all probes by
    identity id. An identity without a template of the requested model is not among them.
    """

    of_probe: list[list[int]]
    owners: dict[int, Owner]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Templates of one model as arrays: ids (n,) int64, identity ids (n,) int64, vectors (n, d) float32.

    `model` is None, and d is 0, if there are none.
    """

    model: ModelKey | None
    template_ids: NDArray[np.int64]
    identity_ids: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.template_ids)


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the change log: its number, and a random mark that is unique across all histories."""

    seq: int
    mark: int


NOWHERE = Place(0, 0)
"""Before the first entry."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A part of all templates, as of entry `place` of the change log."""

    place: Place
    batch: Batch


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """A part of all `total` templates of `model`, with their data.

    The data are names, (n, d) vectors, sources, hashes in hex, and detectors as in NewTemplate.
    """

    model: ModelKey
    total: int
    names: list[str]
    vectors: NDArray[np.float32]
    sources: list[str | None]
    digests: list[str]
    detectors: list[str | None]


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """A stretch of the change log that ends at `place`.

    `added` holds the templates that were added in it and are still stored, `removed` (n,) int64 the ids that were
    removed in it. An id is added once and removed once, so the two may be applied in either order. The log says nothing
    of an unconfirmed template. It adds the template when it is confirmed, which may be after templates of greater ids.
    """

    place: Place
    added: Batch
    removed: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NewPolicy:
    """A threshold and its provenance.

    `target` is the promised rate of `kind`, `threshold` the greatest distance that is a match, in the model's metric.
    `data` names the data that it was measured on, with `mated` and `non_mated` comparisons. `low`..`high` is the 95 %
    interval of the rate. `calibration` is the gallery's own calibration that the threshold was computed from, stored as
    it is; None for that of the model's card. A `by_hand` threshold is a distance that the user chose. It promises no
    rate: `target` is the rate that was expected of it then. With `alike`, a policy of kind `fmr` promises its rate
    among people who are alike.
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
    alike: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy(NewPolicy):
    """A stored policy. At most one policy of a model and kind is `active` at a time.

    `follows` is the id of the policy that was active before this one was stored, None if there was none. `since` is
    when this one was last activated.
    """

    id: int
    created_at: str
    active: bool
    follows: int | None
    since: str


def now() -> str:
    """The current time as it is stored: UTC, milliseconds, Z."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
