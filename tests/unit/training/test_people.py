"""Who trains, who chooses and who calibrates: nobody that a network knows, under any name, calibrates it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from faceid.cli.messages import hint_for
from faceid.errors import InputError
from faceid.networks.errors import WeightsFormat
from faceid.networks.state import copy_tensors, read_metadata, read_tensors, write_tensors
from faceid.networks.training.samples import Samples
from faceid.networks.training.seen import KEY, marks, metadata_of, photos_seen_by
from faceid.networks.training.settings import FROM_SCRATCH
from faceid.training.crops import CropCache, Place, Portraits, _portraits
from faceid.training.people import People, parted


def portraits_of(counts: dict[str, int], linked: dict[str, str] | None = None) -> Portraits:
    names = [name for name, count in counts.items() for _ in range(count)]
    return Portraits(
        names=tuple(names),
        digests=tuple(sha256(str(number).encode()).hexdigest() for number in range(len(names))),
        places=tuple(Place(Path("x.npy"), number) for number in range(len(names))),
        photos=len(names),
        lost={},
        duplicates=0,
        linked=linked or {},
    )


def names_in(portraits: Portraits, part: Samples) -> set[str]:
    return {portraits.names[row] for row in part.rows}


def digests_in(portraits: Portraits, *parts: Samples) -> set[str]:
    return {portraits.digests[row] for part in parts for row in part.rows}


def chosen(people: People) -> tuple[set[int], ...]:
    return tuple(set(part.rows.tolist()) for part in (people.training, people.validation, people.calibration))


@pytest.mark.parametrize("seed", range(1, 6))
def test_whom_the_start_has_seen_does_not_calibrate(seed: int) -> None:
    portraits = portraits_of({f"person {number}": 2 + number % 3 for number in range(200)})
    first = parted(portraits, FROM_SCRATCH)
    assert first.seen == marks(digests_in(portraits, first.training, first.validation))
    assert first.known == 0
    # Another seed draws other groups: without what the start has seen, most who calibrate now trained it.
    other_seed = replace(FROM_SCRATCH, seed=seed)
    careless = parted(portraits, other_seed)
    assert names_in(portraits, careless.calibration) & names_in(portraits, first.training)
    second = parted(portraits, other_seed, first.seen)
    unseen = names_in(portraits, second.calibration)
    assert len(unseen) >= 2
    assert not unseen & (names_in(portraits, first.training) | names_in(portraits, first.validation))
    assert second.known == first.identities("training") + first.identities("validation")
    # Nobody is lost, and what the second has seen includes what the first had.
    everybody = chosen(second)
    assert sum(map(len, everybody)) == len(portraits.names) == len(set.union(*everybody))
    assert second.seen >= first.seen
    assert marks(digests_in(portraits, second.calibration)).isdisjoint(second.seen)


def test_the_same_groups_again_for_a_start_from_the_same_folder() -> None:
    portraits = portraits_of({f"person {number}": 3 for number in range(12)})
    first = parted(portraits, FROM_SCRATCH)
    assert chosen(parted(portraits, FROM_SCRATCH, first.seen)) == chosen(first)


def test_one_photo_in_common_is_enough_to_know_a_person() -> None:
    portraits = portraits_of({f"person {number}": 4 for number in range(60)})
    calibrating = sorted(names_in(portraits, parted(portraits, FROM_SCRATCH).calibration))
    one_photo = portraits.digests[portraits.names.index(calibrating[0])]
    again = parted(portraits, FROM_SCRATCH, marks([one_photo]))
    assert names_in(portraits, again.calibration) == set(calibrating[1:])
    assert calibrating[0] in names_in(portraits, again.training)
    assert again.known == 1


def test_a_network_that_knows_everybody_cannot_be_calibrated_on_them() -> None:
    portraits = portraits_of({f"person {number}": 2 for number in range(30)})
    with pytest.raises(InputError, match="seen 30 of these people") as caught:
        parted(portraits, FROM_SCRATCH, marks(portraits.digests))
    assert caught.value.code == "too_few"
    assert "start from another" in str(hint_for(caught.value))


@pytest.mark.parametrize("seed", range(5))
def test_two_names_that_may_be_one_person_are_in_one_group(seed: int) -> None:
    names = {f"person {number}": 2 for number in range(60)}
    pairs = {f"person {number + 1}": f"person {number}" for number in range(0, 60, 2)}
    portraits = portraits_of(names, pairs)
    found = parted(portraits, replace(FROM_SCRATCH, seed=seed))
    for part in (found.training, found.validation, found.calibration):
        members = names_in(portraits, part)
        assert all((one in members) == (other in members) for one, other in pairs.items())
    assert sum(map(len, chosen(found))) == 120


def test_a_photo_under_two_names_links_them_and_one_under_many_does_not(tmp_path: Path) -> None:
    cache = CropCache(tmp_path)
    seen = [("ann", "a"), ("anne", "a"), ("anne", "b"), ("bea", "b"), ("cleo", "c"), ("dora", "d")]
    seen += [(name, "symbol") for name in ("cleo", "dora", "emma")]
    seen += [("cleo", "no face"), ("emma", "no face")]
    for digest in {digest for _, digest in seen}:
        cache.add(digest, "no_face" if digest == "no face" else np.zeros((2, 2, 3), np.uint8))
    cache.flush()
    found = _portraits(seen, cache, len(seen), Counter())
    assert found.linked == {"anne": "ann", "bea": "ann"}
    assert found.names == ("cleo", "dora")


def test_weights_say_which_photos_they_have_seen(tmp_path: Path) -> None:
    digests = [sha256(str(number).encode()).hexdigest() for number in range(100)]
    state = {"weight": torch.arange(3).half()}
    write_tensors(tmp_path / "plain.safetensors", state)
    assert photos_seen_by(tmp_path / "plain.safetensors") == frozenset()
    assert read_metadata(tmp_path / "plain.safetensors") == {}
    copy_tensors(tmp_path / "plain.safetensors", tmp_path / "own.safetensors", metadata_of(marks(digests)))
    assert photos_seen_by(tmp_path / "own.safetensors") == marks(digests)
    assert torch.equal(read_tensors(tmp_path / "own.safetensors")["weight"], torch.arange(3.0))
    (tmp_path / "other.dat").write_bytes(b"of another format")
    assert photos_seen_by(tmp_path / "other.dat") == frozenset()


@pytest.mark.parametrize("text", ["no base64!", "YWJj"])
def test_a_broken_list_of_photos_is_an_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    write_tensors(path, {"weight": torch.zeros(1)}, {KEY: text})
    with pytest.raises(WeightsFormat, match=r"own\.safetensors"):
        photos_seen_by(path)
