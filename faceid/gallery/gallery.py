"""The enrolled: store + index + model guard -> Candidates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from enrollment_db import names
from enrollment_db.errors import (
    UnknownIdentity,
)
from enrollment_db.records import Model, NewTemplate
from enrollment_db.search.index import GPU_FROM
from enrollment_db.sqlite.store import Store
from faceid.decision.scores import distance_from_similarity, identity_similarity
from faceid.errors import DeviceError, GalleryError, Refused
from faceid.results import IdentityInfo, RemoveResult, RenameResult, TemplateInfo
from faceid.types import Candidate, Embedding, Face, ModelKey, Quality

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from enrollment_db.records import Enrolled, FaceCrop, GallerySize
    from enrollment_db.search.index import Kind
    from enrollment_db.search.mirror import Mirror
    from enrollment_db.sqlite.changeover import Changeover


class Gallery:
    """A database of identities, its index, and the guard that keeps vectors of two models apart.

    One object belongs to one thread. Commits of other processes are seen at the next search, a move to another
    model too: vectors of the old one are refused from then on. People, counts and searches are about the
    templates of the gallery's own model; see `enrollment_db.sqlite.log` for those of others.
    """

    def __init__(
        self, store: Store, *, index_kind: Kind = "auto", device: Callable[[], str] = lambda: "cpu"
    ) -> None:
        """`index_kind` is as for `enrollment_db.search.index.open_index`; `device` says where its GPU is, or cpu."""
        self.store = store
        self.index_kind = index_kind
        self._device = device
        self._mirror: Mirror | None = None
        self._mirrored: ModelKey | None = None
        self._gallery_size: GallerySize | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        create: bool = False,
        read_only: bool = False,
        index_kind: Kind = "auto",
        device: Callable[[], str] = lambda: "cpu",
    ) -> Gallery:
        """Open the gallery at `path`. Raises GalleryError: missing, locked, corrupt, newer, not permitted."""
        store = Store.open(path, create=create, read_only=read_only)
        return cls(store, index_kind=index_kind, device=device)

    def close(self) -> None:
        """Give the database back."""
        self.store.close()

    @property
    def model(self) -> ModelKey | None:
        """The model of the templates that are searched; None while the gallery is empty."""
        model = self.store.model()
        return None if model is None else key_of(model)

    def guard(self, model: ModelKey) -> None:
        """Raise GalleryError (`model_mismatch`) unless vectors of `model` may meet those in the gallery."""
        pinned = self.model
        if pinned is not None and pinned != model:
            raise other_model(pinned, str(model))

    def identity_count(self) -> int:
        """How many identities can be found. Costs a short query, whatever the size of the gallery."""
        self._gallery_size = self.store.gallery_size(self._gallery_size)
        return self._gallery_size.identities

    def template_count(self, name: str | None = None) -> int:
        """How many templates there are, of everybody or of one identity; 0 for an unknown name."""
        if name is None:
            return self.store.counts()[1]
        try:
            return self.store.identity(name).templates
        except UnknownIdentity:
            return 0

    def identities(self) -> list[IdentityInfo]:
        """Everybody, by name."""
        return [
            IdentityInfo(who.name, who.templates, who.created_at, who.attributes)
            for who in self.store.identities()
        ]

    def require(self, name: str) -> None:
        """Raise Refused (`unknown_identity`) unless somebody is enrolled under `name`."""
        self.store.identity(name)

    def templates(self, name: str) -> list[TemplateInfo]:
        """The templates of one identity, one a photo, by id. Raises Refused for an unknown name."""
        return [
            TemplateInfo(
                found.id, found.source, found.sha256, found.quality, str(found.model), found.created_at
            )
            for found in self.store.templates(name)
        ]

    def holders_of(self, sha256: str, model: ModelKey) -> dict[str, int]:
        """Who has a template of the photo with this hash: template ids by name."""
        return self.store.holders_of(sha256, record_of(model))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all additions inside one: they are stored together, or none is."""
        with self.store.transaction():
            yield

    def outcomes(self, run: str) -> dict[tuple[str, str], str]:
        """What an enrolment that was cut short decided, by name and SHA-256 (see `enrollment_db.sqlite.outcomes`)."""
        return self.store.outcomes(run)

    def keep_outcomes(self, run: str, name: str, decided: Sequence[tuple[str, str]]) -> None:
        """Keep what `run` decided about photos of `name` until it ends: pairs of SHA-256 and outcome."""
        self.store.keep_outcomes(run, name, decided)

    def forget_outcomes(self, run: str, names: Iterable[str]) -> None:
        """Remove what a run that has ended decided about photos of `names`, and what is old of all runs."""
        self.store.forget_outcomes(run, names)

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Say what is known of a person, in place of what was. Raises Refused for an unknown name."""
        self.store.set_attributes(name, attributes)

    def add(
        self,
        name: str,
        embedding: Embedding,
        *,
        sha256: str,
        source: str,
        face: Face,
        quality: Quality,
        crop: FaceCrop | None = None,
    ) -> int:
        """Store the template of a photo, with the crop if there is one, and give its id.

        It is on disk when this returns, or when the transaction that it is part of is committed.

        Raises GalleryError (`model_mismatch` for a vector of another model), UsageError.
        """
        self._admit([embedding])
        template = NewTemplate(
            vector=embedding.vector,
            sha256=sha256,
            source=source,
            box=face.box,
            landmarks=face.landmarks,
            quality=quality.score,
            crop=crop,
        )
        return self.store.add(name, [template], record_of(embedding.model))[0].template_id

    def rename(self, old: str, new: str) -> RenameResult:
        """Give an identity another name. Raises Refused for an unknown name or one that is taken."""
        self.store.rename(old, new)
        identity = self.store.identity(new)
        return RenameResult("renamed", clean_name(old), identity.name, identity.templates)

    def remove(self, name: str) -> RemoveResult:
        """Forget an identity with all its templates. Raises Refused for an unknown name."""
        return RemoveResult("removed", clean_name(name), 1, self.store.remove(name))

    def remove_template(self, template_id: int) -> RemoveResult:
        """Forget one template; its identity too, where it was the last. Raises Refused for an unknown id."""
        name = self.store.remove_template(template_id)
        try:
            self.store.identity(name)
        except UnknownIdentity:
            return RemoveResult("removed", name, 1, 1)
        return RemoveResult("removed", name, 0, 1)

    def changeover(self, model: ModelKey) -> Changeover:
        """The gallery's way to another model; its methods raise DatabaseErrors. Raises GalleryError."""
        return self.store.changeover(record_of(model))

    def search(self, probes: Sequence[Embedding], top: int) -> list[tuple[Candidate, ...]]:
        """The `top` nearest identities of each probe, nearest first, one an identity.

        Candidates come from the nearest templates; each identity's score is then that of `identity_similarity`
        over all its templates. Raises GalleryError (`model_mismatch`) for probes of another model.
        """
        if not probes:
            return []
        self._admit(probes)
        model = probes[0].model
        mirror = self._opened(model)
        mirror.sync()
        if len(mirror) == 0:
            return [() for _ in probes]
        found = [self._candidates(mirror, probe, top) for probe in probes]
        # Should the gallery have gone over to another model meanwhile, some of it may have been missed.
        self.guard(model)
        return found

    def similarity_to(self, name: str, probe: Embedding) -> float:
        """How much a probe is like the identity `name`.

        Raises GalleryError (`model_mismatch`) for a probe of another model, Refused for an unknown name or an
        identity that has no template of the gallery's model.
        """
        self._admit([probe])
        identity = self.store.identity(name)
        templates = self.store.vectors_of([identity.id], record_of(probe.model)).get(identity.id)
        self.guard(probe.model)
        if templates is None:
            raise Refused(
                f"{identity.name} has no template of {probe.model.name}",
                code="no_template",
                hint="see `faceid show`; enrol a photo, or run `faceid re-embed` again where the old one is back",
            )
        return identity_similarity(probe.vector, templates)

    def vectors_of(self, name: str, model: ModelKey) -> NDArray[np.float32]:
        """The templates (n, d) of an identity; (0, d) where there is nobody of that name."""
        try:
            identity = self.store.identity(name)
        except UnknownIdentity:
            return np.empty((0, model.dim), np.float32)
        found = self.store.vectors_of([identity.id], record_of(model)).get(identity.id)
        return np.empty((0, model.dim), np.float32) if found is None else found

    def enrolled(self, name: str, model: ModelKey) -> Enrolled | None:
        """The templates of an identity with their qualities; None where there is nobody of that name."""
        try:
            identity = self.store.identity(name)
        except UnknownIdentity:
            return None
        return self.store.enrolled([identity.id], record_of(model)).get(identity.id)

    def indexed_count(self) -> int:
        """How many templates the index holds once it has caught up with the database."""
        mirror = self.mirror()
        return 0 if mirror is None else len(mirror)

    def index_reason(self) -> str:
        """Which index a gallery of this size gets, and why, in words. Opens none."""
        from enrollment_db.search.index import reason_for

        model = self.model
        templates = self.store.stored()
        return reason_for(
            0 if model is None else model.dim,
            self.index_kind,
            expected=templates,
            device=self._index_device(templates),
        )

    def mirror(self, *, leave_snapshot: bool = True, synchronised: bool = True) -> Mirror | None:
        """The index, caught up with the database or not yet; None while the gallery is empty.

        Where it is opened by this call, and much has to be read for it, a snapshot is left behind, or not.
        """
        model = self.model
        if model is None:
            return None
        mirror = self._opened(model, leave_snapshot=leave_snapshot)
        if synchronised:
            mirror.sync()
        return mirror

    def _admit(self, embeddings: Sequence[Embedding]) -> None:
        """Raise GalleryError (`model_mismatch`) unless all may meet the vectors in the gallery."""
        for model in {embedding.model for embedding in embeddings}:
            self.guard(model)
        for embedding in embeddings:
            if embedding.vector.shape != (embedding.model.dim,):
                raise GalleryError(
                    f"a vector of shape {embedding.vector.shape} is none of {embedding.model},"
                    f" whose have {embedding.model.dim} numbers",
                    code="model_mismatch",
                    hint="use one model throughout",
                )

    def _opened(self, model: ModelKey, *, leave_snapshot: bool = True) -> Mirror:
        if self._mirror is None or self._mirrored != model:
            from enrollment_db.search.index import open_index
            from enrollment_db.search.mirror import Mirror

            templates = self.store.stored()
            device = self._index_device(templates)
            index = open_index(model.dim, self.index_kind, expected=templates, device=device)
            self._mirror = Mirror(self.store, index, leave_snapshots=leave_snapshot)
            self._mirrored = model
        return self._mirror

    def _index_device(self, templates: int) -> str:
        """Where the index is. Raises DeviceError where it was asked for on a GPU and there is none."""
        from enrollment_db.search.index import gpu_count

        wants_gpu = self.index_kind.startswith("gpu")
        # Faiss is asked first: a small gallery has no use for torch, whose import takes longer than a search.
        device = self._device() if (wants_gpu or templates >= GPU_FROM) and gpu_count() else "cpu"
        if wants_gpu and device == "cpu":
            raise DeviceError(
                f"the index {self.index_kind} needs a GPU", hint="set FACEID_INDEX=auto, or unset it"
            )
        return device

    def _candidates(self, mirror: Mirror, probe: Embedding, top: int) -> tuple[Candidate, ...]:
        identity_ids = self._near(mirror, probe.vector, top)
        # Names first: whoever is removed in between then has a name and no vectors, which does no harm.
        names = self.store.names_of(identity_ids)
        templates = self.store.vectors_of(identity_ids, record_of(probe.model))
        scored = sorted(
            (
                (identity_similarity(probe.vector, vectors), identity)
                for identity, vectors in templates.items()
            ),
            key=lambda pair: (-pair[0], pair[1]),
        )
        return tuple(
            Candidate(names[identity], distance_from_similarity(similarity, probe.model.metric), similarity)
            for similarity, identity in scored[:top]
        )

    def _near(self, mirror: Mirror, vector: NDArray[np.float32], top: int) -> list[int]:
        """Identities worth scoring: those of the nearest templates, more than `top` of them where there are.

        The score over all templates reorders identities a little, so some more than `top` are looked at.
        """
        wanted = 2 * top + 8
        size = len(mirror)
        k = min(size, 4 * wanted)
        while True:
            _, ids = mirror.search(vector[None, :], k)
            owners = self.store.identity_ids_of(ids[0])
            found = list(dict.fromkeys(int(owner) for owner in owners if owner >= 0))
            if len(found) >= wanted or k >= size:
                return found[:wanted]
            # A few identities with many templates crowd the others out: look farther.
            k = min(size, 4 * k)


def key_of(model: Model) -> ModelKey:
    """A stored model as the rest of faceid knows it."""
    return ModelKey(model.name, model.weights_sha256, model.aligner, model.dim, model.metric)


def record_of(key: ModelKey) -> Model:
    """A model as the store knows it."""
    return Model(key.name, key.weights_sha256, key.aligner, key.dim, key.metric)


def clean_name(name: str) -> str:
    """The form under which a name is stored: NFC, trimmed. Raises UsageError for a name that cannot be one."""
    return names.clean_name(name)


def other_model(pinned: ModelKey, asked: str) -> GalleryError:
    """The error for vectors or a request of model `asked` in a gallery that is pinned to another."""
    return GalleryError(
        f"the gallery holds templates of {pinned}, not of {asked}",
        code="model_mismatch",
        hint=f"use --model {pinned.name}, or another gallery with --db; `faceid re-embed` moves one",
    )
