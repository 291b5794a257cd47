"""An independent RTSP server to test live sources against: GStreamer sends a video as H.264 in a loop.

    apt-get install gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,ugly} gstreamer1.0-libav python3-gi
    /usr/bin/python3 -m scripts.chaos.gstreamer_rtsp VIDEO.mkv [--port 8554] [--user ann:secret] [--digest]
    faceid live rtsp://ann:secret@127.0.0.1:8554/video

Continuous integration does not run it: Debian's Python bindings belong to the system's own Python. The module
`rtsp_server` needs nothing.
"""

from __future__ import annotations

from pathlib import Path

import gi

from scripts import command

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - versions come first

PIPELINE = (
    '( multifilesrc location="{path}" loop=true ! matroskademux ! decodebin ! videoconvert'
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0 pt=96 )"
)


def main() -> None:
    parser = command.parser(__doc__)
    parser.add_argument("video", type=Path, help="Matroska")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--user", metavar="NAME:PASSWORD", help="ask for these")
    parser.add_argument("--digest", action="store_true", help="by Digest instead of Basic")
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(arguments.port))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(path=arguments.video.absolute()))
    factory.set_shared(True)
    if arguments.user:
        guard(server, factory, *arguments.user.split(":", 1), digest=arguments.digest)
    server.get_mount_points().add_factory("/video", factory)
    server.attach(None)
    print(f"rtsp://127.0.0.1:{arguments.port}/video", flush=True)
    GLib.MainLoop().run()


def guard(
    server: GstRtspServer.RTSPServer,
    factory: GstRtspServer.RTSPMediaFactory,
    name: str,
    password: str,
    *,
    digest: bool,
) -> None:
    """Let in only clients that know the password."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if digest:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(name, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("user", permission, True)
    factory.set_permissions(permissions)


if __name__ == "__main__":
    main()
