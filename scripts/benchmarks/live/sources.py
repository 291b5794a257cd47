"""Servers of videos in their own processes, which can be killed and started again at the same address."""

from __future__ import annotations

import subprocess
from types import TracebackType

from scripts import machine


class Server:
    """A running module that serves; `said` is the first line that it prints, when it is ready."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._command = machine.run_module(module, *arguments)
        self.start()

    def start(self) -> None:
        """Start it, again after `kill`, and wait until it serves. Raises RuntimeError where it does not."""
        self._process = subprocess.Popen(
            self._command,
            env=machine.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline().strip()
        if not self.said:
            raise RuntimeError(f"exit {self._process.wait()}: {' '.join(self._command)}")

    def kill(self) -> None:
        """SIGKILL: clients get no notice."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
