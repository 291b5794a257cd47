"""The basic types of dlib's serialization: integers, floats, booleans, strings and tensors.

Integers are a control byte (sign and length) and a little-endian magnitude; floats are two integers, mantissa
and exponent to the base 2; tensors are a version, four dimensions and raw little-endian float32.
"""

from __future__ import annotations

from math import ldexp, prod
from typing import TYPE_CHECKING

import numpy as np

from faceid.networks.errors import WeightsFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DlibReader:
    """Reads values of `content` in order from a moving place. Every method raises WeightsFormat."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def integer(self) -> int:
        """A whole number of up to 64 bits and a sign."""
        control = self._take(1)[0]
        length = control & 0x0F
        if control & 0x70 or not 1 <= length <= 8:
            raise self.bad(f"control byte 0x{control:02x} begins no integer")
        magnitude = int.from_bytes(self._take(length), "little")
        return -magnitude if control & 0x80 else magnitude

    def real(self) -> float:
        """A finite floating-point number."""
        mantissa, exponent = self.integer(), self.integer()
        # 2^64 * 2^950 is within float64; dlib writes infinities and NaN as exponents of 32000 and above.
        if not -1200 <= exponent <= 950:
            raise self.bad(f"a float cannot have the exponent {exponent}")
        return ldexp(mantissa, exponent)

    def boolean(self) -> bool:
        """True or false, an ASCII digit."""
        byte = self._take(1)
        if byte not in (b"0", b"1"):
            raise self.bad(f"byte 0x{byte[0]:02x} is no boolean")
        return byte == b"1"

    def string(self) -> str:
        """A short ASCII string."""
        length = self.integer()
        if not 0 <= length <= 256:
            raise self.bad(f"a name cannot be {length} bytes long")
        content = self._take(length)
        if not content.isascii():
            raise self.bad("a name is not ASCII")
        return content.decode("ascii")

    def alias(self) -> tuple[int, int, int, int]:
        """The four dimensions of a tensor whose numbers are elsewhere."""
        self.expect_integer(1, "the version of an alias tensor")
        return self._dimensions()

    def tensor(self) -> NDArray[np.float32]:
        """Four dimensions, and their product of float32 numbers."""
        self.expect_integer(2, "the version of a tensor")
        shape = self._dimensions()
        # A view of the file's bytes; the builder of the network copies it.
        return np.frombuffer(self._take(4 * prod(shape)), dtype="<f4").reshape(shape)

    def expect_integer(self, expected: int, meaning: str) -> None:
        """Read a value, which must be `expected`."""
        found = self.integer()
        if found != expected:
            raise self.bad(f"{meaning} is {found}, not {expected}")

    def expect_string(self, expected: str) -> None:
        """Read a value, which must be `expected`."""
        found = self.string()
        if found != expected:
            raise self.bad(f"found {found!r}, not {expected!r}")

    def expect_end(self) -> None:
        """Nothing may follow."""
        if self._place != len(self._content):
            raise self.bad(f"{len(self._content) - self._place} bytes too many")

    def bad(self, complaint: str) -> WeightsFormat:
        """The error for this place, which the caller raises."""
        return WeightsFormat(f"not a dlib network that faceid knows: at byte {self._place}, {complaint}")

    def _dimensions(self) -> tuple[int, int, int, int]:
        shape = (self.integer(), self.integer(), self.integer(), self.integer())
        if min(shape) < 0:
            raise self.bad(f"a tensor cannot have the shape {shape}")
        return shape

    def _take(self, count: int) -> bytes:
        end = self._place + count
        if end > len(self._content):
            raise self.bad("the file ends too early")
        taken = self._content[self._place : end]
        self._place = end
        return taken
