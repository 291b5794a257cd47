"""What one `faceid identify` costs beyond the import of torch, as whole processes that take turns.

    python -m scripts.benchmarks.bench_startup [--runs 7] [--json FILE]

The script enrols one sample photo in a temporary gallery and identifies another. It times `faceid --help` too.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from scripts import command
from scripts.datasets.samples import SamplesError, fetch

FACEID = str(Path(sys.executable).with_name("faceid"))


def main() -> None:
    parser = command.parser(__doc__, report="bench/startup.json")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    try:
        photos = fetch(Path("demo/photos"))
    except SamplesError as error:
        sys.exit(f"bench_startup: {error}")
    with tempfile.TemporaryDirectory() as directory:
        faceid = [FACEID, "--quiet", "--device", "cpu", "--db", str(Path(directory) / "gallery.db")]
        run([*faceid, "enroll", "--name", "obama", str(photos["obama.jpg"])])
        commands = {
            "python -c 'import torch'": [sys.executable, "-c", "import torch"],
            "faceid identify PHOTO": [*faceid, "identify", str(photos["obama3.jpg"])],
            "faceid --help": [FACEID, "--help"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for line in commands.values():
            run(line)
        for _ in range(arguments.runs):
            for name, line in commands.items():
                seconds[name].append(run(line))

    table = Table("command", "median s", "min", "max")
    for name, measured in seconds.items():
        table.add_row(name, *(f"{f(measured):.2f}" for f in (statistics.median, min, max)))
    Console(width=100).print(table)
    torch, identify, _ = seconds.values()
    beyond = statistics.median(mine - theirs for mine, theirs in zip(identify, torch, strict=True))
    print(f"identify beyond torch: {beyond:.2f} s (median of {arguments.runs} pairs)")
    command.write_report(arguments.json, {"seconds": seconds, "beyond_torch": beyond})
    print(f"written to {arguments.json}")


def run(line: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
