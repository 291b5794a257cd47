"""The gallery: a database and a search behind their ports, and the guard that keeps two models apart."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from enrollment_db import names
from enrollment_db.errors import UnknownIdentity
from enrollment_db.records import NewTemplate
from faceid.decision.scores import identity_similarity
from faceid.errors import GalleryError, Refused
from faceid.gallery.sample import sample_of_people
from faceid.results import IdentityInfo, RemoveResult, RenameResult, TemplateInfo
from faceid.types import Candidate, Embedding, Face, ModelKey, Quality

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from enrollment_db.records import (
        Enrolled,
        FaceCrop,
        GallerySize,
        Listed,
        NewPolicy,
        Part,
        StoredPolicy,
        TargetKind,
        TemplateState,
        Unconfirmed,
    )
    from faceid.ports.search import IdentitySearch, IndexMaintenance
    from faceid.ports.storage import Changeover, Database


class Gallery:
    """A database of identities, a search over it, and the guard that keeps vectors of two models apart.

    Threads may share a gallery: many read at once, writes run one after the other. The next call sees commits of other
    processes, also a move to another model: vectors of the old model are refused from then on. People, counts and
    searches cover the confirmed templates of the gallery's own model. `faceid.gallery.opening.open_gallery` opens one.
    """

    def __init__(
        self, database: Database, search: IdentitySearch, maintenance: IndexMaintenance | None = None
    ) -> None:
        """`maintenance` is that of the index behind `search`, if it has one."""
        self._database = database
        self._templates = database.templates
        self._search = search
        self.maintenance = maintenance
        self._gallery_size: GallerySize | None = None
        self._own = threading.local()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    @property
    def location(self) -> str:
        """The name of the database."""
        return self._database.location

    @property
    def model(self) -> ModelKey | None:
        """The model of the templates that are searched; None while the gallery is empty."""
        return self._templates.model()

    def guard(self, model: ModelKey) -> None:
        """Raise GalleryError (`model_mismatch`) unless vectors of `model` can be compared with the gallery's."""
        pinned = self.model
        if pinned is not None and pinned != model:
            raise other_model(pinned, str(model))

    def check(self) -> list[str]:
        """The problems of the database, one line each; empty if there are none. Reads all of it."""
        return self._database.check()

    def counts(self) -> tuple[int, int]:
        """The number of identities and of templates that a search can find. Counts all of them."""
        return self._templates.counts()

    def identity_count(self) -> int:
        """The number of identities that a search can find. Takes one short query at any size of the gallery."""
        return self.size().identities

    def size(self) -> GallerySize:
        """The number of identities that a search can find, and the place in the change log. One short query."""
        size = self._templates.gallery_size(self._gallery_size)
        # Uncommitted changes of this thread may still be undone.
        if not getattr(self._own, "transactions", 0):
            self._gallery_size = size
        return size

    def sample_of_people(self, model: ModelKey, most: int) -> NDArray[np.float32]:
        """One row for each of at most `most` people, (n, d); see `faceid.gallery.sample.sample_of_people`."""
        return sample_of_people(self._templates, self.size(), model, most)

    def template_count(self, name: str | None = None) -> int:
        """The number of templates that a search can find, of all identities or of one; 0 for an unknown name."""
        if name is None:
            return self._templates.counts()[1]
        try:
            return self._templates.identity(name).templates
        except UnknownIdentity:
            return 0

    def identities(self) -> list[IdentityInfo]:
        """All identities, by name."""
        return [
            IdentityInfo(who.name, who.templates, who.created_at, who.attributes, who.unconfirmed)
            for who in self._templates.identities()
        ]

    def require(self, name: str) -> None:
        """Raise Refused (`unknown_identity`) unless an identity has the name `name`."""
        self._templates.identity(name)

    def templates(self, name: str) -> list[TemplateInfo]:
        """The templates of one identity in both states, one for each photo, by id.

        Raises Refused for an unknown name.
        """
        return [
            TemplateInfo(
                *(found.id, found.source, found.sha256, found.quality, str(found.model)),
                *(found.created_at, found.state, found.detector),
            )
            for found in self._templates.of(name)
        ]

    def holders_of(
        self, sha256: str, model: ModelKey, *, state: TemplateState | None = None
    ) -> dict[str, int]:
        """The ids of templates of the photo with this hash, by name; `state` None: in both states."""
        return self._templates.holders_of(sha256, model, state=state)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A unit of work: all writes of this thread inside are stored together, or none."""
        self._own.transactions = getattr(self._own, "transactions", 0) + 1
        try:
            with self._templates.transaction():
                yield
        finally:
            self._own.transactions -= 1

    def outcomes(self, run: str) -> dict[tuple[str, str], str]:
        """The decisions of an interrupted enrolment, by name and SHA-256."""
        return self._database.journal.outcomes(run)

    def keep_outcomes(self, run: str, name: str, decided: Sequence[tuple[str, str]]) -> None:
        """Keep outcomes of `run` for photos of `name` until it ends: pairs of SHA-256 and outcome."""
        self._database.journal.keep(run, name, decided)

    def forget_outcomes(self, run: str, names: Iterable[str]) -> None:
        """Remove the outcomes of a finished run for photos of `names`, and the old outcomes of all runs."""
        self._database.journal.forget(run, names)

    def set_attributes(self, name: str, attributes: Mapping[str, str]) -> None:
        """Replace the attributes of a person. Raises Refused for an unknown name."""
        self._templates.set_attributes(name, attributes)

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
        state: TemplateState = "confirmed",
        detector: str | None = None,
    ) -> int:
        """Store the template of a photo, with the crop if there is one; returns its id. `detector` found the face.

        No search finds an unconfirmed one until `confirm`. A photo that the person has already keeps its template and
        its state. It is on the disk when this returns, or when the enclosing transaction is committed.

        Raises GalleryError (`model_mismatch` for a vector of another model), UsageError.
        """
        self._admit([embedding])
        template = NewTemplate(
            *(embedding.vector, sha256, source, face.box, face.landmarks, quality.score, crop, detector)
        )
        return self._templates.add(name, [template], embedding.model, state=state)[0].template_id

    def unconfirmed(self, name: str, model: ModelKey) -> Unconfirmed | None:
        """The unconfirmed templates of an identity under `model`; None if it has none, or is not enrolled."""
        try:
            identity = self._templates.identity(name)
        except UnknownIdentity:
            return None
        return self._templates.unconfirmed([identity.id], model).get(identity.id)

    def unconfirmed_counts(self) -> dict[str, int]:
        """The number of unconfirmed templates of each identity that has some, by name."""
        return self._templates.unconfirmed_counts()

    def detectors(self) -> dict[str | None, int]:
        """The number of templates by the name of their detector; None if that is unknown. Counts all of them."""
        return self._templates.detectors()

    def was_confirmed(self, name: str) -> bool:
        """Whether a template of this identity is or was confirmed, under any model; False for an unknown name."""
        return self._templates.was_confirmed(name)

    def confirm(self, template_ids: Sequence[int]) -> list[int]:
        """Confirm templates: from then on searches find them. Returns the ids of those that were not confirmed before.

        It is on the disk when this returns, or when the enclosing transaction is committed.
        """
        return self._templates.confirm(template_ids)

    def rename(self, old: str, new: str) -> RenameResult:
        """Give an identity another name. Raises Refused for an unknown name or a new name that is taken."""
        self._templates.rename(old, new)
        identity = self._templates.identity(new)
        return RenameResult("renamed", clean_name(old), identity.name, identity.templates)

    def remove(self, name: str) -> RemoveResult:
        """Erase an identity with all its templates. Raises Refused for an unknown name."""
        return RemoveResult("removed", clean_name(name), 1, self._templates.remove(name))

    def remove_template(self, template_id: int) -> RemoveResult:
        """Erase one template, and its identity if it was the last one. Raises Refused for an unknown id."""
        name = self._templates.remove_template(template_id)
        try:
            self._templates.identity(name)
        except UnknownIdentity:
            return RemoveResult("removed", name, 1, 1)
        return RemoveResult("removed", name, 0, 1)

    def changeover(self, model: ModelKey) -> Changeover:
        """The gallery's move to another model; its methods raise DatabaseErrors. Raises GalleryError."""
        return self._database.migration.changeover(model)

    def search(self, probes: Sequence[Embedding], top: int) -> list[tuple[Candidate, ...]]:
        """The `top` nearest identities of each probe, nearest first, each identity once.

        Candidates come from the nearest templates; each identity's score is then that of `identity_similarity` over all
        its templates. A search fails if the gallery's model changes meanwhile.

        Raises GalleryError (`model_mismatch`) for probes of another model.
        """
        if not probes:
            return []
        if self._admit(probes) is None:
            return [() for _ in probes]
        model = probes[0].model
        found = self._search.search(np.stack([probe.vector for probe in probes]), model, top)
        # If the gallery has moved to another model meanwhile, the search may have missed a part of it.
        self.guard(model)
        return found

    def neighbours(
        self, probes: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest templates of each of (m, d) probes of the gallery's model, as the index finds them.

        Cosines (m, k), descending, and template ids (m, k); -inf and -1 if there are fewer. Raises GalleryError.
        """
        model = self.model
        if model is None:
            return np.full((len(probes), k), -np.inf, np.float32), np.full((len(probes), k), -1, np.int64)
        return self._search.neighbours(probes, model, k)

    def similarity_to(self, name: str, probe: Embedding) -> float:
        """The similarity of a probe to the identity `name`.

        Raises GalleryError (`model_mismatch`) for a probe of another model, Refused for an unknown name or an
        identity that has no confirmed template of the gallery's model.
        """
        self._admit([probe])
        identity = self._templates.identity(name)
        templates = self._templates.vectors_of([identity.id], probe.model).get(identity.id)
        self.guard(probe.model)
        if templates is None and identity.unconfirmed:
            why = f"no template of {identity.name} is confirmed"
            raise Refused(why, code="no_template", remedy="unconfirmed")
        if templates is None:
            raise Refused(f"{identity.name} has no template of {probe.model.name}", code="no_template")
        return identity_similarity(probe.vector, templates)

    def vectors_of(self, name: str, model: ModelKey) -> NDArray[np.float32]:
        """The templates (n, d) of an identity; (0, d) if no identity has that name."""
        try:
            identity = self._templates.identity(name)
        except UnknownIdentity:
            return np.empty((0, model.dim), np.float32)
        found = self._templates.vectors_of([identity.id], model).get(identity.id)
        return np.empty((0, model.dim), np.float32) if found is None else found

    def enrolled(self, name: str, model: ModelKey) -> Enrolled | None:
        """The templates of an identity with their qualities; None if no identity has that name."""
        try:
            identity = self._templates.identity(name)
        except UnknownIdentity:
            return None
        return self._templates.enrolled([identity.id], model).get(identity.id)

    def enrolled_of(self, identity_ids: NDArray[np.int64], model: ModelKey) -> dict[int, Enrolled]:
        """The templates of some identities by identity id; an identity without templates of `model` is left out."""
        return self._templates.enrolled(identity_ids, model)

    def owners(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All templates that a search can find, as of one moment: template ids (n,) and identity ids (n,)."""
        with closing(self._database.changes.load_all()) as parts:
            found = [(part.batch.template_ids, part.batch.identity_ids) for part in parts]
        templates, owners = zip(*found, strict=True)
        return np.concatenate(templates), np.concatenate(owners)

    def owners_of(self, template_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The identity ids (n,) of n templates; -1 for one that is not stored or not confirmed."""
        return self._templates.identity_ids_of(template_ids)

    def all_templates(self, batch_size: int = 16_384) -> Generator[Listed, None, None]:
        """All templates that a search can find, with names, sources and hashes, by id, as of one moment, in parts.

        Yields nothing if there are none. Close the iterator, or exhaust it.
        """
        return self._templates.list_all(batch_size)

    def add_many(self, parts: Iterable[Part], model: ModelKey) -> int:
        """Store the templates of all parts, all or none; returns the number of new ones. Raises GalleryError."""
        return self._templates.add_many(parts, model)

    def policies(self) -> list[StoredPolicy]:
        """All policies of all models that were ever stored, oldest first."""
        return self._database.policies.all()

    def active_policy(self, model: ModelKey, kind: TargetKind) -> StoredPolicy | None:
        """The active policy of this model and kind of target; None if there is none."""
        return self._database.policies.active(model, kind)

    def activate_policies(self, policies: Iterable[NewPolicy]) -> list[int]:
        """Store new policies and make them the active ones, all or none; returns their ids."""
        with self.transaction():
            return [self._database.policies.activate(policy) for policy in policies]

    def restore_policy(self, policy_id: int) -> None:
        """Make a stored policy active again. Raises Refused (`unknown_policy`)."""
        self._database.policies.restore(policy_id)

    def withdraw_policy(self, policy_id: int) -> None:
        """Deactivate this policy and activate the one before it, if any. Raises Refused (`unknown_policy`)."""
        self._database.policies.withdraw(policy_id)

    def indexed_count(self) -> int:
        """The number of templates in the index after it has caught up with the database."""
        model = self.model
        return 0 if model is None else self._search.count(model)

    def _admit(self, embeddings: Sequence[Embedding]) -> ModelKey | None:
        """The gallery's model. Raises GalleryError (`model_mismatch`) unless all vectors are of it."""
        pinned = self.model
        for model in {embedding.model for embedding in embeddings}:
            if pinned is not None and pinned != model:
                raise other_model(pinned, str(model))
        for embedding in embeddings:
            if embedding.vector.shape != (embedding.model.dim,):
                raise GalleryError(
                    f"a vector of shape {embedding.vector.shape} is none of {embedding.model},"
                    f" whose have {embedding.model.dim} numbers",
                    code="model_mismatch",
                    remedy="one_model",
                )
        return pinned


def clean_name(name: str) -> str:
    """The form under which a name is stored: NFC, trimmed. Raises UsageError for an invalid name."""
    return names.clean_name(name)


def other_model(pinned: ModelKey, asked: str) -> GalleryError:
    """The error for vectors or a request of model `asked` in a gallery that is pinned to another.

    `asked` is a name, or a whole model as text.
    """
    return GalleryError(
        f"the gallery holds templates of {pinned}, not of {asked}",
        code="model_mismatch",
        # To choose the same name again would not help.
        remedy="other_weights" if asked.startswith(f"{pinned.name} (") else "gallery_of_model",
        model=pinned.name,
        asked=pinned.name,
    )
