"""Some 750 malformed, hostile and odd files, one photograph in 30 variants, and the largest pictures allowed.

The files are not part of the repository: FACEID_TEST_DATA names the folder that holds them.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from faceid.errors import UnreadableImage
from faceid.imaging import read
from faceid.imaging.formats import Format, sniff
from places import SHARED_DATA

pytestmark = pytest.mark.slow

DATA = SHARED_DATA
CORPUS = DATA / "robust_images"
VARIANTS = DATA / "fixtures_cc0" / "variants"

SECONDS_A_FILE = 5
MEGABYTES = 600
"""What decoding may take beside the 0.9 GB of a network, to stay below 1.5 GB together."""

DECODE_ALL = """
import json, resource, signal, sys, time
from faceid.errors import UnreadableImage
from faceid.imaging import read

seconds, megabytes = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
for path in sys.stdin.read().splitlines():
    print(json.dumps({"path": path}), flush=True)
    signal.alarm(seconds)  # the default action ends the process, even inside a decoder
    started = time.monotonic()
    try:
        image = read(path)
    except UnreadableImage as error:
        result = {"refused": str(error)}
    else:
        assert image.pixels.ndim == 3 and image.pixels.dtype == "uint8", image.pixels.shape
        result = {"size": [image.width, image.height]}
    signal.alarm(0)
    # Not ru_maxrss, which a child inherits from its parent.
    with open("/proc/self/status") as file:
        status = file.read()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    assert peak < megabytes, peak
    print(json.dumps(result | {"seconds": time.monotonic() - started, "peak": peak}), flush=True)
"""

NOT_OUR_REFUSAL = {
    # Pillow's manifest was made by going through all frames; the first is whole.
    "fuzz_small/tiff_4bbf83bc566f75140382c30e287cc0743ff49a79-2",
}


def decode_all(paths: list[str]) -> dict[str, dict[str, object]]:
    """path -> what became of it, decoded one after the other in a process of limited memory and time."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DECODE_ALL, str(SECONDS_A_FILE), str(MEGABYTES)],
        input="\n".join(paths),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"ended at {lines[-1:]}: {done.returncode} {done.stderr[-2000:]}"
    assert done.stderr == ""
    return {start["path"]: result for start, result in zip(lines[::2], lines[1::2], strict=True)}


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"no robust_images in {DATA} (FACEID_TEST_DATA)")
@pytest.mark.skipif(sys.platform != "linux", reason="limits memory the Linux way")
def test_the_corpus_is_decoded_or_refused_and_nothing_else() -> None:
    pytest.importorskip("pillow_heif")
    with (CORPUS / "manifest.csv").open(encoding="utf-8", newline="") as file:
        pillow_reads = {row["file"]: row["pil_result"] == "ok" for row in csv.DictReader(file)}
    results = decode_all([str(CORPUS / name) for name in pillow_reads])
    decoded = {name for name in pillow_reads if "size" in results[str(CORPUS / name)]}
    print(f"{len(decoded)} decoded, {len(pillow_reads) - len(decoded)} refused")
    print("slowest, s:", max(float(str(result["seconds"])) for result in results.values()))
    print("peak, MB:", max(float(str(result["peak"])) for result in results.values()))

    for name, readable in pillow_reads.items():
        fmt = sniff((CORPUS / name).read_bytes()[:1024])
        if readable and name not in decoded:
            assert fmt is None, f"{name}: {results[str(CORPUS / name)]}"
        if name in decoded and not readable:
            assert fmt is Format.HEIF or name in NOT_OUR_REFUSAL, name


@pytest.mark.skipif(not VARIANTS.is_dir(), reason=f"no fixtures_cc0 in {DATA} (FACEID_TEST_DATA)")
class TestVariants:
    """One photograph in many formats must look the same everywhere."""

    @staticmethod
    def pixels(name: str) -> np.ndarray:
        return read(str(VARIANTS / name)).pixels

    def off_by(self, name: str, reference: str) -> float:
        """Mean absolute difference of gray values, at the size of `reference`."""
        size = Pillow.fromarray(self.pixels(reference)).size
        gray = [
            np.asarray(Pillow.fromarray(self.pixels(which)).convert("L").resize(size), dtype=float)
            for which in (name, reference)
        ]
        return float(np.abs(gray[0] - gray[1]).mean())

    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_exif_orientations(self, orientation: int) -> None:
        name = f"exif{orientation}.jpg"
        assert self.pixels(name).shape == self.pixels("exif1.jpg").shape
        assert self.off_by(name, "exif1.jpg") < 2

    @pytest.mark.parametrize(
        "name",
        [
            *("cmyk.jpg", "gray.jpg", "progressive.jpg", "png_named.jpg", "exif1.jpg"),
            *("gray16.png", "gray_alpha.png", "palette.png", "palette.gif"),
            *("face.webp", "face.avif", "rgb.bmp", "rgb.tiff", "rgb.ppm"),
            *("anim.gif", "anim.png", "anim.webp"),
        ],
    )
    def test_formats_and_modes(self, name: str) -> None:
        assert self.off_by(name, "rgb.png") < 4

    @pytest.mark.parametrize("name", ["alpha.png", "alpha.webp"])
    def test_alpha_shows_white(self, name: str) -> None:
        with Pillow.open(VARIANTS / name) as file:
            rgba = np.asarray(file.convert("RGBA"))
        pixels = self.pixels(name)
        assert np.all(pixels[rgba[..., 3] == 0] == 255)
        assert np.array_equal(pixels[rgba[..., 3] == 255], rgba[rgba[..., 3] == 255][:, :3])

    @pytest.mark.parametrize(
        "name", ["corrupt_scan.jpg", "empty.jpg", "text.jpg", "truncated_half.jpg", "truncated_header.jpg"]
    )
    def test_what_is_no_picture(self, name: str) -> None:
        with pytest.raises(UnreadableImage):
            self.pixels(name)


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory the Linux way")
@pytest.mark.parametrize(
    ("name", "mode", "size", "options"),
    [
        ("turned.jpg", "RGB", (8192, 6144), {"orientation": 6}),
        ("progressive.jpg", "RGB", (8192, 6144), {"progressive": True, "orientation": 8}),
        ("print.jpg", "CMYK", (8192, 6144), {}),
        ("alpha.png", "RGBA", (8192, 6144), {"compress_level": 1, "orientation": 5}),
        ("deep.png", "I;16", (8192, 6144), {"compress_level": 1}),
        ("turned.tif", "RGB", (8192, 6144), {"compression": "tiff_lzw", "tiffinfo": {0x0112: 6}}),
        ("alpha.webp", "RGBA", (5000, 5000), {"lossless": True, "quality": 0, "method": 0}),
    ],
)
def test_the_largest_pictures_fit_into_memory(
    name: str, mode: str, size: tuple[int, int], options: dict[str, object], tmp_path: Path
) -> None:
    if "orientation" in options:
        exif = Pillow.Exif()
        exif[0x0112] = options["orientation"]
        options = options | {"exif": exif}
    path = tmp_path / name
    Pillow.new(mode, size).save(path, **options)
    result = decode_all([str(path)])[str(path)]
    print(name, result)
    assert "size" in result
