"""`faceid explore cluster` and `duplicates`: find faces of one person, and copies of one photo."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from faceid.cli import _exploring as shared
from faceid.cli._options import Fmr, MinFace, Paths, Threshold, session_of, writable_directory
from faceid.cli._render import counted, plain
from faceid.decision.decide import Target

SHEET = 60
"""Faces of one group that a contact sheet shows."""

LISTED = 25
"""The most groups that are listed on the terminal."""


def cluster(
    context: typer.Context,
    data: shared.DataSet,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR|FILE.html",
            help="A contact sheet; in a directory index.html and clusters.csv.",
            show_default=False,
        ),
    ],
    threshold: Threshold = None,
    fmr: Fmr = None,
    cannot_link: Annotated[
        Path | None,
        typer.Option(
            "--cannot-link",
            metavar="FILE.csv",
            help="Photos (columns file1,file2) or faces (row1,row2) of different people.",
            show_default=False,
        ),
    ] = None,
    quality: Annotated[
        str,
        typer.Option(
            "--quality", metavar="off|standard|strict|Q", help="Set aside faces of lower quality; Q is 0..1."
        ),
    ] = "off",
    seed: shared.Seed = 0,
    min_face: MinFace = None,
) -> None:
    """Group unknown faces by person: groups are joined while their average similarity is high enough.

    By default, groups are joined up to the distance of FMR 1/n for n faces, at most 1e-3. Two faces on one photo are
    two people, and never in one group. Faces that the border of their picture cuts off are set aside, because they
    resemble each other. If names are known, pairwise and B-cubed precision and recall are printed.
    """
    from faceid.enrolment.rules import quality_from

    session = session_of(context)
    out = session.output
    least_quality = quality_from(quality)
    if output.suffix.lower() != ".html":
        output = writable_directory(output) / "index.html"
        table: Path | None = output.with_name("clusters.csv")
    else:
        table = None
    with session.open(min_face=min_face) as system, ExitStack() as stack:
        import numpy as np

        from faceid.explore import clustering
        from faceid.explore.bounds import bound_of
        from faceid.explore.cannot_link import read_cannot_link
        from faceid.explore.cluster_quality import quality_of
        from faceid.explore.faces import thumbnails
        from faceid.explore.files import replacing, write_bytes, writing
        from faceid.explore.groups import asides_of, contact_sheet, groups_of, table_of
        from faceid.explore.set_aside import WORDS, cluster_others, each_alone, set_aside

        file = stack.enter_context(replacing(output))
        faces = shared.load(session, system, data)
        own = system.policies.own_calibration(faces.model)
        bound = bound_of(faces, Target(threshold=threshold, fmr=fmr), session.settings, own)
        photo = clustering.same_photo(faces.photos())
        listed = np.empty((0, 2), np.int64) if cannot_link is None else read_cannot_link(cannot_link, faces)
        apart = np.concatenate([photo, listed])
        aside = set_aside(faces, least_quality)
        with out.waiting("grouping"):
            label = cluster_others(faces, aside, bound.similarity, apart)
        groups, asides = list(groups_of(faces, label)), asides_of(faces, aside)
        agreement = quality_of(each_alone(label), faces.identities(), np.random.default_rng(seed))
        several = [group for group in groups if group.size > 1]
        told = [
            f"{counted(len(faces), 'face')} of {data}: {counted(len(several), 'group')} of two or more,"
            f" {len(groups) - len(several):,} alone, {sum(each.size for each in asides):,} set aside",
            f"{bound.said}; {counted(len(photo), 'pair')} on one photo and {len(listed):,} listed kept apart",
            *([] if agreement is None else shared.agreement(agreement)),
        ]
        shown = [face.row for group in several for face in group.faces[:SHEET]]
        shown += [group.faces[0].row for group in groups if group.size == 1][:SHEET]
        shown += [face.row for each in asides for face in each.faces[:SHEET]]
        pictures = thumbnails(faces, shown[: shared.PICTURED])
        if len(pictures) < len(shown):
            out.note(f"{len(pictures):,} of {len(shown):,} faces of the contact sheet have a thumbnail")
        with writing(output):
            file.write(contact_sheet(groups, asides, pictures, told, SHEET))
        if table is not None:
            write_bytes(table, table_of(groups, asides))
    for result in (*groups, *asides):
        out.emit(result)
    for each in asides:
        out.note(f"{counted(each.size, 'face')} {WORDS[each.set_aside]}: set aside, not grouped")
    if least_quality > 0.0 and np.isnan(faces.quality).any():
        out.note(
            f"of {counted(int(np.isnan(faces.quality).sum()), 'face')} the quality is not known: they stay"
        )
    summary = {
        "path": str(output),
        "faces": len(faces),
        "clusters": len(groups),
        "alone": len(groups) - len(several),
        "set_aside": {reason: len(rows) for reason, rows in aside.items()},
        "threshold": bound.distance,
        "fmr": bound.fmr,
        "measured_on": bound.measured,
        "kept_apart": len(apart),
        "quality": None if agreement is None else plain(agreement),
        "model": faces.model,
    }
    out.emit({"summary": summary})
    out.table(
        ["group", "faces", "similarity", "names", "first photo"],
        [
            (group.cluster, group.size, group.similarity, _few(group.names), group.faces[0].path)
            for group in several[:LISTED]
        ],
    )
    if len(several) > LISTED:
        out.note(f"the {LISTED} largest groups are listed; {output} and --json have all")
    for line in told:
        out.line(line)
    raise typer.Exit(out.exit_code)


def _few(names: dict[str, int]) -> str:
    first = ", ".join(f"{name} ({times})" for name, times in list(names.items())[:3])
    return f"{first}, ..." if len(names) > 3 else first or "-"


def duplicates(
    context: typer.Context,
    paths: Paths,
    no_faces: Annotated[
        bool,
        typer.Option(
            "--no-faces",
            help="Do not compare faces: many times faster, but most cropped copies are missed.",
        ),
    ] = False,
    min_face: MinFace = None,
) -> None:
    """Find copies of photos: the same bytes, or resized, recompressed, mirrored or slightly cropped.

    A small difference of the perceptual hashes decides alone; for a moderate one, the faces must agree too. Each group
    begins with its largest photo. Nothing is removed.
    """
    session = session_of(context)
    out = session.output
    with session.open(min_face=min_face) as system:
        from faceid.errors import InputError
        from faceid.explore.bounds import copy_bound
        from faceid.explore.duplicates import groups_of, hash_photos
        from faceid.explore.photos import of_paths
        from faceid.results import Problem

        photos = of_paths(paths)
        seen = []
        pipeline = None if no_faces else system.services.current().pipeline
        for found in out.follow(hash_photos(photos, pipeline), "looking", photos.total):
            if isinstance(found, InputError):
                out.problem(Problem.of(found), found.path)
                out.count(3)
            else:
                seen.append(found)
        model = None if pipeline is None else pipeline.embedder.model
        least = 1.0 if model is None else copy_bound(model.name, model.metric, session.settings)
        groups = list(groups_of(seen, least))
    copies = sum(len(group.photos) - 1 for group in groups)
    for group in groups:
        out.emit(group)
    out.emit({"summary": {"photos": len(seen), "groups": len(groups), "copies": copies}})
    if groups:
        out.table(
            ["group", "photo", "is", "pixels", "bits", "similarity"],
            [
                (
                    group.group,
                    photo.path,
                    photo.kind or "the largest",
                    f"{photo.width} x {photo.height}",
                    None if photo.kind is None else photo.bits,
                    photo.faces,
                )
                for group in groups
                for photo in group.photos
            ],
        )
    out.line(
        f"{counted(len(seen), 'photo')}: {counted(copies, 'copy', 'copies')} in {counted(len(groups), 'group')}"
    )
    raise typer.Exit(out.exit_code)
