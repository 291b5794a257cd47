"""`faceid live`: who is in front of the camera?"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from faceid.cli._liveness import listed
from faceid.cli._options import Fmr, FmrAlike, Fpir, MinFace, Threshold, session_of
from faceid.cli._render import Output, counted, shown
from faceid.decision.decide import Target

if TYPE_CHECKING:
    from types import FrameType

    from faceid.live.events import LiveEvent
    from faceid.live.liveness.checks import Kind as LivenessKind
    from faceid.live.screen.screens import Screens
    from faceid.live.tracking.cost import Stats

NAME = "live"

_STATS_EVERY_S = 5.0


def run(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A camera's number, an rtsp:// or http:// URL, a video file, a directory of pictures, or - for MJPEG"
            " on stdin.",
        ),
    ] = "0",
    claim: Annotated[
        str | None,
        typer.Option(
            "--claim",
            metavar="NAME",
            help="Verify this enrolled person, rather than identify.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End with the first decision.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="S",
            min=0.1,
            help="Stop after S seconds without a decision.",
            show_default=False,
        ),
    ] = None,
    min_frames: Annotated[
        int,
        typer.Option(
            "--min-frames",
            metavar="N",
            min=1,
            max=100,
            help="Decide after at least N looks at a face.",
        ),
    ] = 1,
    threshold: Threshold = None,
    fmr: Fmr = None,
    fmr_alike: FmrAlike = None,
    fpir: Fpir = None,
    min_face: MinFace = None,
    liveness: Annotated[
        str,
        typer.Option(
            "--liveness",
            metavar="off|passive|challenge",
            help="Name only live faces, checked by the picture alone or also by requested movements.",
        ),
    ] = "off",
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Play a file at its frame rate, not as fast as possible.")
    ] = False,
    max_fps: Annotated[
        float | None,
        typer.Option(
            "--max-fps",
            metavar="F",
            min=0.1,
            help="Process at most F frames a second.",
            show_default=False,
        ),
    ] = None,
    no_display: Annotated[bool, typer.Option("--no-display", help="Do not open a window.")] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            "--record",
            metavar="FILE",
            help="Record the annotated video to FILE: .mp4, .mkv or .avi. A new part begins every hour.",
            show_default=False,
        ),
    ] = None,
    snapshot_dir: Annotated[
        Path | None,
        typer.Option(
            "--snapshot-dir",
            metavar="DIR",
            help="Keep a picture of each unknown face in DIR, the last 1,000 of them.",
            show_default=False,
        ),
    ] = None,
    mjpeg: Annotated[
        int | None,
        typer.Option(
            "--mjpeg",
            metavar="PORT",
            min=1,
            max=65535,
            help="Serve the annotated video to browsers on this machine.",
            show_default=False,
        ),
    ] = None,
    stats: Annotated[
        bool,
        typer.Option("--stats", help="Print frames per second, delay, CPU and memory every five seconds."),
    ] = False,
) -> None:
    """Watch a camera, stream or video and identify people, or, with --claim, verify one person.

    The gallery's policy decides, as in `identify` and `verify`. The command ends with q or Ctrl-C, or with the source.
    """
    from faceid.app import factories
    from faceid.live.loop import ACCEPTING, Until
    from faceid.live.screen.screens import Screens

    target, kind = Target(threshold=threshold, fmr=fmr, fpir=fpir, fmr_alike=fmr_alike), _liveness(liveness)
    session = session_of(context)
    output = session.output
    accepted = False
    with _until_terminated(), Screens() as screens:
        # Checked first: errors in a path or a missing display appear before networks load.
        _open(
            screens, source, output, window=not no_display, record=record, snapshots=snapshot_dir, port=mjpeg
        )
        with (
            session.open(min_face=min_face) as system,
            system.watch(
                source,
                claim,
                target,
                liveness=kind,
                realtime=realtime,
                until=Until(once, timeout),
                max_fps=max_fps,
                least_looks=min_frames,
            ) as live,
        ):
            if kind != "off":
                model = system.services.current().embedder.model.name
                _tell_judges(factories.liveness_networks(model, session.settings), output)
            for moment in live:
                for event in moment.events:
                    accepted = accepted or event.event in ACCEPTING
                    output.emit(event)
                    output.line(_told(event))
                if stats and (measured := live.stats(at_least_s=_STATS_EVERY_S)) is not None:
                    _tell(measured, output)
                if moment.view is not None and not screens.show(moment.view):
                    break
            if stats and (measured := live.stats()) is not None:
                _tell(measured, output)
    raise typer.Exit(0 if accepted else 1)


def _open(
    screens: Screens,
    source: str,
    output: Output,
    *,
    window: bool,
    record: Path | None,
    snapshots: Path | None,
    port: int | None,
) -> None:
    """Open the requested screens. Only the window is mirrored."""
    from faceid.live.screen.annotate import Annotator
    from faceid.live.source.addresses import Camera, parse_address

    own, draw = isinstance(parse_address(source), Camera), Annotator()
    if window:
        from faceid.live.screen.window import Window

        screens.add(Window("faceid", Annotator(mirrored=True) if own else draw))
    if record is not None:
        from faceid.live.screen.recorder import Recorder

        screens.add(Recorder(record, draw))
    if snapshots is not None:
        from faceid.live.screen.snapshots import Snapshots

        screens.add(Snapshots(snapshots))
    if port is not None:
        from faceid.live.screen.mjpeg_server import MjpegServer

        screens.add(MjpegServer(port, draw))
        output.note(f"http://127.0.0.1:{port}/ shows the stream")


def _tell_judges(networks: tuple[str, ...], output: Output) -> None:
    if networks:
        output.note(f"liveness is judged by {listed(networks)}")
    else:
        output.note("liveness is judged by movements alone: no network for it is installed")


def _liveness(asked: str) -> LivenessKind:
    from faceid.errors import UsageError

    if asked not in ("off", "passive", "challenge"):
        raise UsageError(f"--liveness {asked} is not known", remedy="one_of", known="off, passive, challenge")
    return cast("LivenessKind", asked)


def _told(event: LiveEvent) -> str:
    """An event as a line for people."""
    from faceid.live.screen.wording import prompt

    parts = [f"{event.time_s:8.2f} s", f"{event.event:<12}"]
    if event.track is not None:
        parts.append(f"face {event.track}")
    if event.name is not None:
        parts.append(event.name)
    if event.distance is not None and event.event in ("identified", "unknown", "accepted", "rejected"):
        parts.append(
            f"distance {shown(event.distance, 'distance')}, threshold {shown(event.threshold, 'threshold')},"
            f" {counted(event.looks or 0, 'look')}"
        )
    reason = prompt(event.reason) if event.event == "challenge" and event.reason else event.reason
    parts += [word for word in (reason, event.detail) if word is not None]
    return "  ".join(parts)


def _tell(stats: Stats, output: Output) -> None:
    output.emit({"stats": stats})
    if not output.json:
        delay = "" if stats.delay_ms is None else f", delay {stats.delay_ms:.0f} ms"
        output.note(
            f"{stats.fps:.1f} frames/s{delay}, {stats.detections:.1f} detections/s, {stats.looks:.1f} looks/s,"
            f" {stats.frames:,} frames, {stats.dropped:,} passed over, CPU {stats.cpu_percent:.0f} %,"
            f" {stats.memory_mb:,.0f} MB"
        )


@contextmanager
def _until_terminated() -> Iterator[None]:
    """Make a stopped service end as with Ctrl-C: recordings are closed, cameras released."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
