from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest

from faceid.imaging.quiet import quiet_pillow


@pytest.fixture(autouse=True)
def filters() -> Iterator[None]:
    with warnings.catch_warnings():
        yield


def warn_as(module: str) -> None:
    warnings.warn_explicit("odd", UserWarning, f"{module}.py", 1, module=module)


def test_warnings_of_pillow_are_ignored_inside_only() -> None:
    warnings.simplefilter("error")
    before = list(warnings.filters)
    with quiet_pillow(), quiet_pillow():
        warn_as("PIL.Image")
        with pytest.raises(UserWarning, match="odd"):
            warn_as("host.module")
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning, match="odd"):
        warn_as("PIL.Image")


def test_a_filter_that_is_added_meanwhile_stays() -> None:
    warnings.simplefilter("error")
    with quiet_pillow():
        # As the conversion of a network does, in another thread.
        warnings.filterwarnings("ignore", module=r"other\.")
    warn_as("other.module")
    with pytest.raises(UserWarning, match="odd"):
        warn_as("PIL.Image")


def test_the_same_filter_of_the_host_stays() -> None:
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", module=r"PIL\.")
    with quiet_pillow():
        pass
    warn_as("PIL.Image")


def test_a_list_that_was_replaced_meanwhile_is_no_error() -> None:
    with quiet_pillow():
        warnings.resetwarnings()
