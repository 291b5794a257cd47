"""Several processes, and several threads, at one gallery: nothing lost, nothing doubled."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from enrollment_db.records import ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite

WRITER = """
import hashlib, sys
from pathlib import Path
import numpy as np
from enrollment_db.records import ModelKey, NewTemplate
from enrollment_db.registry import open_sqlite
from enrollment_db.sqlite.database import SqliteDatabase

path, me, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
model = ModelKey("net", "a" * 64, "five-points", 4, "cosine")
vector = np.eye(4, dtype=np.float32)[0]
print("ready", flush=True)
sys.stdin.read()
with open_sqlite(path, timeout_s=30) as store:
    for number in range(count):
        def photo(text):
            return NewTemplate(vector, hashlib.sha256(text.encode()).hexdigest())
        own, shared = store.templates.add("everybody", [photo(f"{me} {number}"), photo(f"shared {number}")], model)
        print(own.template_id, int(own.duplicate), int(shared.duplicate))
        store.templates.add(f"{me} {number}", [photo(f"{me} {number}")], model)
        if number % 10 == 9:
            store.templates.remove(f"{me} {number}")
"""


def test_writers_that_also_create_the_gallery_at_once(tmp_path: Path):
    path = tmp_path / "gallery.db"
    writers, count = 3, 100
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"writer {number}", str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(writers)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.close()
    lines = [process.stdout.read().split("\n")[:-1] for process in processes]
    for process in processes:
        process.stdout.close()
        assert process.wait(60) == 0

    acknowledged = [tuple(map(int, line.split())) for own in lines for line in own]
    assert len(acknowledged) == writers * count
    assert len({id_ for id_, _, _ in acknowledged}) == writers * count
    assert not any(duplicate for _, duplicate, _ in acknowledged)
    # Each shared photo was new to exactly one of them.
    assert sum(not duplicate for _, _, duplicate in acknowledged) == count
    kept = writers * count * 9 // 10
    with open_sqlite(path) as store:
        assert store.templates.identity("everybody").templates == (writers + 1) * count
        assert store.templates.counts() == (1 + kept, (writers + 1) * count + kept)
        assert store.changes.place()[0].seq == (writers + 1) * count + writers * count + (
            writers * count - kept
        )
        assert store.check() == []


def test_threads_share_a_store(tmp_path: Path):
    model = ModelKey("net", "a" * 64, "five-points", 4, "cosine")
    vector = np.eye(4, dtype=np.float32)[0]
    with open_sqlite(tmp_path / "gallery.db") as store, ThreadPoolExecutor() as pool:

        def write(me: int) -> None:
            for number in range(25):
                store.templates.add(f"thread {me}", [NewTemplate(vector, f"{me:032x}{number:032x}")], model)
                assert store.templates.identity(f"thread {me}").templates == number + 1

        for done in [pool.submit(write, me) for me in range(4)]:
            done.result()
        assert store.templates.counts() == (4, 100)


def test_a_writer_waits_for_another(tmp_path: Path):
    path = tmp_path / "gallery.db"
    model = ModelKey("net", "a" * 64, "five-points", 4, "cosine")
    photo = NewTemplate(np.eye(4, dtype=np.float32)[0], "0" * 64)
    begun = threading.Event()
    with open_sqlite(path) as first, open_sqlite(path) as second:

        def hold() -> None:
            with first.templates.transaction():
                begun.set()
                first.templates.add("Ann", [photo], model)
                time.sleep(0.2)

        thread = threading.Thread(target=hold)
        thread.start()
        begun.wait()
        second.templates.add("Bob", [photo], model)
        thread.join()
        assert second.templates.counts() == (2, 2)
