"""Every kind of picture becomes the same upright RGB, or is refused with a cause."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import features

from faceid import imaging
from faceid.cli.messages import hint_for
from faceid.distribution import install_command
from faceid.errors import InputError, UnreadableImage
from faceid.imaging import DEFAULT_LIMITS, Limits, from_array
from faceid.types import Encoded, Image

WIDTH, HEIGHT = 48, 32
ORIENTATION = 0x0112


def picture(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Smooth, so that it survives lossy formats, and different in each corner, so that any turn shows."""
    x = np.linspace(0, 255, width)[None, :] * np.ones((height, 1))
    y = np.linspace(0, 255, height)[:, None] * np.ones((1, width))
    return np.stack([x, y, (x + 255 - y) / 2], axis=-1).astype(np.uint8)


def gray(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(Pillow.fromarray(rgb).convert("L"))


def encoded(image: Pillow.Image | np.ndarray, fmt: str, **options: object) -> bytes:
    if isinstance(image, np.ndarray):
        image = Pillow.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def encoded_heif(image: np.ndarray) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Pillow.fromarray(image)).save(buffer, quality=95)
    return buffer.getvalue()


def decode(data: bytes, source: str, limits: Limits = DEFAULT_LIMITS) -> Image:
    return imaging.decode(Encoded.of(data), source, limits)


def off_by(decoded: np.ndarray, expected: np.ndarray) -> float:
    assert decoded.shape == expected.shape
    return float(np.abs(decoded.astype(int) - expected).mean())


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """How a camera held that way stores what it sees; from the table of sides in the EXIF standard."""
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]


def exif(orientation: int) -> Pillow.Exif:
    block = Pillow.Exif()
    block[ORIENTATION] = orientation
    return block


class TestFormats:
    @pytest.mark.parametrize("fmt", ["PNG", "BMP", "TIFF", "PPM"])
    def test_lossless_formats_give_the_very_pixels(self, fmt: str) -> None:
        data = encoded(picture(), fmt)
        image = decode(data, "photo")
        assert np.array_equal(image.pixels, picture())
        assert image.pixels.dtype == np.uint8
        assert image.pixels.flags.c_contiguous
        assert image.pixels.flags.writeable
        assert (image.width, image.height) == (WIDTH, HEIGHT)
        assert image.source == "photo"
        assert image.sha256 == hashlib.sha256(data).hexdigest()

    @pytest.mark.parametrize(
        ("fmt", "options"),
        [
            ("JPEG", {"quality": 95}),
            ("JPEG", {"quality": 95, "progressive": True}),
            ("WEBP", {"quality": 95}),
            ("WEBP", {"lossless": True}),
            ("AVIF", {"quality": 90}),
            ("TIFF", {"compression": "jpeg", "quality": 95}),
            ("TIFF", {"compression": "tiff_lzw"}),
        ],
    )
    def test_lossy_and_compressed_formats_come_close(self, fmt: str, options: dict[str, object]) -> None:
        if fmt == "AVIF" and not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
        assert off_by(decode(encoded(picture(), fmt, **options), "photo").pixels, picture()) < 3

    def test_heic(self) -> None:
        assert off_by(decode(encoded_heif(picture()), "photo.heic").pixels, picture()) < 3

    def test_heic_with_alpha_is_composited_onto_white(self) -> None:
        rgba = np.dstack([picture(), np.zeros((HEIGHT, WIDTH), np.uint8)])
        assert off_by(decode(encoded_heif(rgba), "cut-out.heic").pixels, np.full_like(picture(), 255)) < 2

    def test_heic_without_the_extra_names_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        data = encoded_heif(picture())
        monkeypatch.setitem(sys.modules, "pillow_heif", None)
        with pytest.raises(UnreadableImage, match="need") as caught:
            decode(data, "photo.heic")
        assert "pillow-heif" in str(caught.value)
        assert hint_for(caught.value) == install_command("heif")

    def test_avif_without_its_library_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "PIL._avif", None)
        monkeypatch.delattr("PIL._avif", raising=False)
        with pytest.raises(UnreadableImage, match=r"need Pillow 11\.3"):
            decode(b"\0\0\0\x14ftypavif\0\0\0\0mif1", "photo.avif")

    @pytest.mark.parametrize("fmt", ["GIF", "PNG", "WEBP", "TIFF"])
    def test_of_several_frames_the_first(self, fmt: str) -> None:
        others = [Pillow.fromarray(np.full_like(picture(), shade)) for shade in (0, 255)]
        options = {"lossless": True} if fmt == "WEBP" else {}
        data = encoded(picture(), fmt, save_all=True, append_images=others, **options)
        assert off_by(decode(data, "film").pixels, picture()) < 20  # GIF has 256 colours

    def test_the_suffix_does_not_matter(self) -> None:
        assert np.array_equal(decode(encoded(picture(), "PNG"), "photo.jpg").pixels, picture())

    def test_a_single_pixel(self) -> None:
        assert decode(encoded(picture(1, 1), "PNG"), "dot").pixels.shape == (1, 1, 3)


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("fmt", ["PNG", "TIFF", "JPEG", "WEBP", "AVIF"])
    def test_all_eight_come_upright(self, fmt: str, orientation: int) -> None:
        if fmt == "AVIF" and not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
        options = {"tiffinfo": {ORIENTATION: orientation}} if fmt == "TIFF" else {"exif": exif(orientation)}
        data = encoded(np.ascontiguousarray(stored(picture(), orientation)), fmt, **options)
        assert off_by(decode(data, "photo").pixels, picture()) < 4

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_pictures_of_several_strips(self, orientation: int) -> None:
        upright = picture(1500, 1100)
        data = encoded(
            np.ascontiguousarray(stored(upright, orientation)),
            "PNG",
            exif=exif(orientation),
            compress_level=1,
        )
        assert np.array_equal(decode(data, "photo").pixels, upright)

    @pytest.mark.parametrize("orientation", [0, 9, 65535])
    def test_values_out_of_range_are_ignored(self, orientation: int) -> None:
        assert np.array_equal(
            decode(encoded(picture(), "PNG", exif=exif(orientation)), "photo").pixels, picture()
        )

    @pytest.mark.parametrize(
        "block",
        [
            b"",
            b"Exif\0\0",
            b"Exif\0\0II*\0\xff\xff\xff\xff",
            b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12",
            b"?" * 99,
        ],
    )
    def test_broken_exif_refuses_no_picture(self, block: bytes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = encoded(picture(), "JPEG", quality=95, exif=block)
        assert off_by(decode(data, "photo").pixels, picture()) < 3


class TestModes:
    def test_gray(self) -> None:
        expected = np.repeat(gray(picture())[..., None], 3, axis=2)
        assert np.array_equal(decode(encoded(gray(picture()), "PNG"), "gray").pixels, expected)

    def test_one_bit(self) -> None:
        bits = Pillow.fromarray(picture()).convert("1")
        pixels = decode(encoded(bits, "PNG"), "fax").pixels
        assert set(np.unique(pixels)) == {0, 255}
        assert np.array_equal(pixels[..., 0] > 0, np.asarray(bits))

    def test_cmyk_as_adobe_writes_it(self) -> None:
        cmyk = Pillow.fromarray(picture()).convert("CMYK")
        assert off_by(decode(encoded(cmyk, "JPEG", quality=95), "print").pixels, picture()) < 5

    def test_palette(self) -> None:
        few = Pillow.fromarray(picture()).quantize(64)
        assert np.array_equal(decode(encoded(few, "PNG"), "few").pixels, np.asarray(few.convert("RGB")))

    def test_alpha_is_composited_onto_white(self) -> None:
        rgba = np.dstack([picture(), np.full((HEIGHT, WIDTH), 255, np.uint8)])
        rgba[:, : WIDTH // 2, 3] = 0
        for fmt, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
            pixels = decode(encoded(rgba, fmt, **options), "cut-out").pixels
            assert np.all(pixels[:, : WIDTH // 2] == 255)
            assert np.array_equal(pixels[:, WIDTH // 2 :], picture()[:, WIDTH // 2 :])

    def test_gray_with_alpha(self) -> None:
        pair = Pillow.merge("LA", [Pillow.new("L", (4, 4), 100), Pillow.new("L", (4, 4), 0)])
        assert np.all(decode(encoded(pair, "PNG"), "cut-out").pixels == 255)

    def test_a_transparent_colour_is_white(self) -> None:
        """RGB, gray and palette PNGs may name one colour as transparent instead of carrying alpha."""
        solid = np.full((4, 4, 3), 7, np.uint8)
        assert np.all(decode(encoded(solid, "PNG", transparency=(7, 7, 7)), "rgb").pixels == 255)
        assert np.all(decode(encoded(solid[..., 0], "PNG", transparency=7), "gray").pixels == 255)
        palette = Pillow.fromarray(solid).quantize(2)
        index = palette.getpixel((0, 0))
        assert np.all(decode(encoded(palette, "PNG", transparency=index), "palette").pixels == 255)
        assert np.all(decode(encoded(palette, "GIF", transparency=index), "palette").pixels == 255)

    @pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
    def test_16_bit_gray_is_scaled_not_clipped(self, fmt: str) -> None:
        deep = gray(picture()).astype(np.uint16) * 257
        pixels = decode(encoded(deep, fmt), "deep").pixels
        assert np.array_equal(pixels[..., 0], gray(picture()))

    def test_wider_gray_takes_white_from_the_brightest_pixel(self) -> None:
        shades = gray(picture())
        cases = [
            shades.astype(np.int32),
            shades.astype(np.int32) * 257,
            shades.astype(np.float32),
            shades.astype(np.float32) / 255,
        ]
        for deep in cases:
            pixels = decode(encoded(deep, "TIFF"), "deep").pixels
            assert off_by(pixels[..., 0], shades) <= 1

    def test_what_is_not_a_number_is_black(self) -> None:
        deep = np.array([[np.nan, -1.0, 1.0]], np.float32)
        assert decode(encoded(deep, "TIFF"), "deep").pixels[0, :, 0].tolist() == [0, 0, 255]

    def test_gray_without_a_known_white_is_refused(self) -> None:
        with pytest.raises(UnreadableImage, match="gray values above 65535"):
            decode(encoded(np.array([[0, 70_000]], np.int32), "TIFF"), "radar.tif")

    def test_colour_profiles_are_ignored(self) -> None:
        assert np.array_equal(
            decode(encoded(picture(), "PNG", icc_profile=b"not a profile" * 20), "photo").pixels, picture()
        )


class TestLimits:
    def test_bytes(self) -> None:
        data = encoded(picture(), "PNG")
        assert decode(data, "photo", Limits(max_bytes=len(data)))
        with pytest.raises(UnreadableImage, match="larger than"):
            decode(data, "photo", Limits(max_bytes=len(data) - 1))

    @pytest.mark.parametrize("fmt", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
    def test_pixels(self, fmt: str) -> None:
        data = encoded(picture(), fmt)
        assert decode(data, "photo", Limits(max_pixels=WIDTH * HEIGHT))
        with pytest.raises(UnreadableImage, match=f"too many pixels: {WIDTH} x {HEIGHT}"):
            decode(data, "photo", Limits(max_pixels=WIDTH * HEIGHT - 1))

    def test_pixels_of_heic(self) -> None:
        with pytest.raises(UnreadableImage, match="too many pixels"):
            decode(encoded_heif(picture()), "photo", Limits(max_pixels=WIDTH * HEIGHT - 1))

    def test_webp_has_its_own(self) -> None:
        with pytest.raises(UnreadableImage, match="WebP of too many pixels"):
            decode(encoded(picture(), "WEBP"), "photo", Limits(max_webp_pixels=WIDTH * HEIGHT - 1))

    @pytest.mark.parametrize(("width", "height"), [(65535, 65535), (9000, 9000), (60000, 1000)])
    def test_a_huge_canvas_in_a_tiny_file(self, width: int, height: int) -> None:
        gif = bytearray(encoded(picture(), "GIF"))
        gif[6:10] = width.to_bytes(2, "little") + height.to_bytes(2, "little")
        with pytest.raises(UnreadableImage, match="too many pixels"):
            decode(bytes(gif), "bomb.gif")

    def test_phones_of_50_megapixels_fit(self) -> None:
        assert DEFAULT_LIMITS.max_pixels >= 8192 * 6144

    def test_a_progressive_jpeg_of_thousands_of_scans(self) -> None:
        data = encoded(picture(512, 512), "JPEG", progressive=True)
        last_scan = data[data.rindex(b"\xff\xda") : -2]
        few, many = data[:-2] + last_scan * 20 + data[-2:], data[:-2] + last_scan * 10_000 + data[-2:]
        assert decode(few, "photo")
        with pytest.raises(UnreadableImage, match="too many scans"):
            decode(many, "bomb.jpg")

    def test_scans_of_a_film_behind_the_picture_do_not_count(self) -> None:
        data = encoded(picture(512, 512), "JPEG")
        assert decode(data + b"\xff\xda" * 10_000, "motion.jpg")

    def test_endless_segments(self) -> None:
        data = encoded(picture(512, 512), "JPEG")
        with pytest.raises(UnreadableImage, match="too many scans"):
            decode(data[:2] + b"\xff\xfe\0\2" * 30_000 + data[2:-2] + b"\xff\xda\0\2" * 10_000, "bomb.jpg")

    def test_a_compressed_comment_bomb(self) -> None:
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        info.add_text("comment", "x" * 3_000_000, zip=True)
        with pytest.raises(UnreadableImage, match="too large"):
            decode(encoded(picture(), "PNG", pnginfo=info), "bomb.png")


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (b"", "the file is empty"),
            (b"Hello, world", "not a picture of a known format"),
            (b"%PDF-1.7", "a PDF document"),
            (b"<svg xmlns=''>", "an SVG drawing"),
            (b"8BPS\0\1", "a Photoshop document"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "a video"),
            (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
            (b"\x89PNG\r\n\x1a\n", "its header makes no sense"),
            (b"\xff\xd8\xff", "JPEG"),
            (b"BM", "BMP"),
        ],
    )
    def test_the_cause_is_told(self, data: bytes, cause: str) -> None:
        with pytest.raises(UnreadableImage) as caught:
            decode(data, "photo.jpg")
        assert cause in str(caught.value)
        assert str(caught.value).startswith("photo.jpg: ")
        assert caught.value.path == "photo.jpg"
        assert caught.value.code == "unreadable"

    @pytest.mark.parametrize("fmt", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
    def test_half_a_picture_is_none(self, fmt: str) -> None:
        data = encoded(picture(), fmt)
        with pytest.raises(UnreadableImage, match="incomplete"):
            decode(data[: len(data) // 2], "half")

    def test_half_a_heic_is_none(self) -> None:
        data = encoded_heif(picture())
        with pytest.raises(UnreadableImage, match="incomplete"):
            decode(data[:-20], "half")

    def test_a_jpeg_without_its_end_marker_is_whole(self) -> None:
        data = encoded(picture(), "JPEG", quality=95)
        assert np.array_equal(decode(data[:-1], "photo").pixels, decode(data, "photo").pixels)
        assert np.array_equal(decode(data[:-2], "photo").pixels, decode(data, "photo").pixels)

    def test_a_progressive_jpeg_without_it_may_lack_scans(self) -> None:
        data = encoded(picture(), "JPEG", progressive=True)
        for end in (len(data) - 2, data.rindex(b"\xff\xda")):
            with pytest.raises(UnreadableImage, match="ends before the picture does"):
                decode(data[:end], "photo")

    @pytest.mark.parametrize("missing", [3, 4, 8, 30])
    @pytest.mark.parametrize("progressive", [False, True])
    def test_a_jpeg_that_lacks_coded_data_is_not(self, progressive: bool, missing: int) -> None:
        data = encoded(picture(), "JPEG", quality=95, progressive=progressive)
        with pytest.raises(UnreadableImage, match="ends before the picture does"):
            decode(data[:-missing], "photo")

    @pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "GIF"])
    def test_what_follows_the_picture_does_not_matter(self, fmt: str) -> None:
        data = encoded(picture(), fmt)
        assert np.array_equal(decode(data + b"trailer" * 50, "x").pixels, decode(data, "x").pixels)

    def test_a_name_that_would_disturb_a_terminal_is_escaped(self) -> None:
        name = "a\nb\x1b[31m\udcff.jpg"
        with pytest.raises(UnreadableImage) as caught:
            decode(b"", name)
        assert str(caught.value).isprintable()
        assert caught.value.path == name

    def test_too_little_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def exhausted(*_: object, **__: object) -> None:
            raise MemoryError

        monkeypatch.setattr(Pillow, "open", exhausted)
        with pytest.raises(UnreadableImage, match="not enough memory"):
            decode(encoded(picture(), "PNG"), "photo")

    def test_faults_of_our_own_are_not_disguised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Pillow, "open", interrupted)
        with pytest.raises(KeyboardInterrupt):
            decode(encoded(picture(), "PNG"), "photo")


class TestManners:
    """What decoding must leave as it was: the process may be someone else's."""

    ODD_TIFF = encoded(picture(), "TIFF", compression="tiff_lzw", tiffinfo={65000: "odd", 65001: 7})

    def test_nothing_is_printed_or_warned_about(self, capfd: pytest.CaptureFixture[str]) -> None:
        broken = bytearray(self.ODD_TIFF)
        broken[len(broken) // 3 : len(broken) // 3 + 40] = b"\xff" * 40
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            decode(
                encoded(Pillow.fromarray(picture()).quantize(4), "PNG", transparency=b"\0\x80\xff"), "p.png"
            )
            for data in (bytes(broken), self.ODD_TIFF[:-300]):
                with pytest.raises(UnreadableImage):
                    decode(data, "odd.tif")
        assert capfd.readouterr() == ("", "")

    def test_globals_are_restored(self) -> None:
        filters, most, formats = list(warnings.filters), Pillow.MAX_IMAGE_PIXELS, set(Pillow.OPEN)
        decode(encoded_heif(picture()), "photo.heic")
        decode(encoded(picture(), "PNG"), "photo")
        with pytest.raises(UnreadableImage):
            decode(b"\xff\xd8\xff", "photo")
        assert list(warnings.filters) == filters
        assert most == Pillow.MAX_IMAGE_PIXELS
        assert "HEIF" not in set(Pillow.OPEN) - formats

    def test_side_by_side_in_threads(self) -> None:
        filters = list(warnings.filters)
        data = encoded(picture(), "PNG")
        with ThreadPoolExecutor(4) as pool:
            images = list(pool.map(lambda index: decode(data, str(index)), range(64)))
        assert [image.source for image in images] == [str(index) for index in range(64)]
        assert list(warnings.filters) == filters

    def test_the_room_is_light_to_import(self) -> None:
        code = "import sys, faceid.imaging; print({'cv2', 'torch', 'pillow_heif'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"


class TestFromArray:
    def test_rgb_is_taken_as_it_is(self) -> None:
        image = from_array(picture())
        assert image.source == "array"
        assert np.shares_memory(image.pixels, from_array(image.pixels).pixels)
        assert image.sha256 == from_array(picture().copy()).sha256

    def test_shape_is_part_of_the_digest(self) -> None:
        flat = np.zeros((2, 8, 3), np.uint8)
        assert from_array(flat).sha256 != from_array(flat.reshape(4, 4, 3)).sha256

    def test_a_view_becomes_contiguous(self) -> None:
        image = from_array(picture()[:, ::-1, ::-1], "frame 7")
        assert image.pixels.flags.c_contiguous
        assert np.array_equal(image.pixels, picture()[:, ::-1, ::-1])
        assert image.source == "frame 7"

    def test_what_may_not_be_written_to_is_copied(self) -> None:
        frozen = picture()
        frozen.flags.writeable = False
        assert from_array(frozen).pixels.flags.writeable

    @pytest.mark.parametrize(
        "wrong",
        [
            picture().astype(np.float32) / 255,
            picture().astype(np.uint16),
            picture()[..., 0],
            np.dstack([picture(), picture()[..., :1]]),
            np.zeros((0, 4, 3), np.uint8),
            np.zeros((4, 0, 3), np.uint8),
            [[1, 2, 3]],
            None,
        ],
    )
    def test_anything_else_is_told_apart(self, wrong: np.ndarray) -> None:
        with pytest.raises(InputError, match="uint8") as caught:
            from_array(wrong)
        assert caught.value.code == "bad_array"
        assert hint_for(caught.value)
