"""The hints of the command line about pictures, sources, streams and enrolment, by remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from faceid.distribution import install_command

HINTS: Final[Mapping[str, str]] = {
    # Pictures
    "bad_array": "floats of 0..1 need (pixels * 255).astype('uint8'), BGR needs pixels[..., ::-1]",
    "no_avif": "pip install --upgrade pillow",
    "no_heif": install_command("heif"),
    "pipe_a_photo": "faceid identify - < photo.jpg",
    "save_again": "save the picture again with another program",
    "smaller_copy": "save a smaller copy of it",
    "supported_formats": "supported are {formats}",
    # Photos from folders, archives and tables
    "archive_without_folders": "--each-folder needs one folder per person in an archive",
    "columns_of_table": "the first line names the columns: path,name and any attributes",
    "damaged_archive": "copy or download it again; the photos that could be read were taken",
    "decompress_first": "decompress it first, or compress it with gzip",
    "directory_without_folders": "--each-folder needs one folder per person",
    "encrypted_archive": "unpack the archive with its password, and name the folder",
    "folder_per_person": "give one folder of photos per person",
    "name_of_sample": "add a .json with a field {fields}, a .cls or a .txt",
    "no_pyarrow": f"{install_command('parquet')}, or save the table as CSV",
    "not_a_directory": "give a directory, a .zip or a .tar",
    "one_kind_at_a_time": "name one kind at a time",
    "one_value_per_identity": "an attribute belongs to the identity: give it the same value everywhere, or none",
    "other_compression": "make the archive again with deflate",
    "save_as_utf8": "save it as CSV in UTF-8",
    # Faces and enrolment
    "another_photo": "use another photo",
    "atypical": "take another photo: this one is like several enrolled people; --on-conflict accept stores it",
    "choose_one_face": "crop the photo to one person, or choose one with --subject",
    "face_too_small": "use a photo where the face is larger, or lower --min-face",
    "identity_conflict": "check whose face it is; use --on-conflict accept if you are sure",
    "implausible_pose": "use a photo that shows the face upright and not from behind",
    "low_quality": "take a sharp, evenly lit photo from the front, or lower --quality",
    "morph_suspected": "take the photo again at the place of enrolment; --on-conflict accept stores this one",
    "multiple_faces": "crop the photo to one person",
    "no_calibration": "use --subject largest, or a calibrated network",
    "no_face": "use a photo that shows a face",
    "quality_levels": "choose {levels} or a number from 0 to 1",
    # Streams
    "cannot_write": "choose another place",
    "challenge_too_slow": "allow {least_fps:g} or more, or use --liveness passive",
    "challenge_not_calibrated": "use --liveness passive, or choose a model with a calibration",
    "credentials_in_url": "write user and password as http://user:password@host/...",
    "escape_characters": "write other characters as %20, %C3%A9",
    "escape_delimiters": "write /, ?, # and @ in a password as %2F, %3F, %23, %40",
    "escape_password": "write :, / and @ in a password as %3A, %2F, %40",
    "evidence_not_calibrated": "choose a model with a calibration, or run `faceid calibrate`",
    "example_of_url": "as in {scheme}://192.168.0.9/stream",
    "kinds_of_source": "see `faceid live --help` for what a source can be",
    "known_schemes": "known are {schemes}",
    "no_display": "use --no-display",
    "no_such_source": (
        "a source is a camera's number, an rtsp:// or http:// URL, a video file, a directory of pictures, or -"
    ),
    "pipe_mjpeg": "pipe MJPEG in, as ffmpeg -f mjpeg - writes it",
    "port": "choose another port, from 1024 to 65535",
    "unknown_suffix": "use one of {suffixes}",
}

MESSAGES: Final[Mapping[str, str]] = {}
