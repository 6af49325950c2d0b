"""A server under attack: started in a process of its own, its memory watched, ended by its id."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 5.0
MEMORY_INTERVAL_SECONDS = 0.02
# As small as a pipe can be: it is full after some forty lines.
PIPE_BYTES = 4096
LISTENERS = ("grpc", "http", "admin")


def clean_environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """Returns the environment without settings of the server, and with some of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NEGLIST_")}
    return {**kept, **(more or {})}


class Server:
    """A running server."""

    def __init__(
        self,
        program: str,
        place: Path,
        policies: Path,
        totals: Path,
        cpus: set[int],
        settings: dict[str, str],
        log_unread: bool,
    ) -> None:
        self.program, self.place, self.cpus, self.settings = program, place, cpus, settings
        self.log_unread = log_unread
        place.mkdir(parents=True)
        self.policies = place / "policies"
        shutil.copytree(policies, self.policies)
        self.ledger = place / "ledger"
        subprocess.run(
            [program, "ledger", "--ledger", str(self.ledger), "import", "--create", "--id", "totals", str(totals)],
            check=True,
            stdout=subprocess.DEVNULL,
            env=clean_environment(),
        )
        self.addresses: dict[str, str] = {}
        self.pipe: int | None = None
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.out, self.log = self.place / "out", self.place / "log"
        command = [self.program, "serve", "--policies", str(self.policies), "--ledger", str(self.ledger)]
        for flag in ("--listen", "--admin", "--http"):
            command += [flag, "127.0.0.1:0"]
        with open(self.out, "wb") as out, open(self.log, "ab") as log:
            stderr = log.fileno()
            if self.log_unread:
                self.pipe, stderr = os.pipe()
                fcntl.fcntl(stderr, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
            process = subprocess.Popen(
                command,
                stdout=out,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                cwd=self.place,
                env=clean_environment(self.settings),
                start_new_session=True,
            )
            os.sched_setaffinity(process.pid, self.cpus)
            if self.log_unread:
                os.close(stderr)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and process.poll() is None:
            lines = [line.split(" ", 2) for line in self.out.read_text().splitlines() if line.startswith("listening ")]
            self.addresses = {line[1]: line[2] for line in lines}
            if set(LISTENERS) <= set(self.addresses):
                return process
            time.sleep(0.01)
        process.kill()
        process.wait()
        raise RuntimeError(f"the server does not listen: {self.words()}")

    def words(self) -> str:
        """Returns the end of the log."""
        return self.log.read_text(errors="replace")[-2_000:]

    def memory_mib(self, key: str = "VmRSS") -> float | None:
        """Returns the resident memory, or with `VmHWM` the most that there was."""
        try:
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith(key + ":"):
                    return int(line.split()[1]) / 1024
        except OSError:
            pass
        return None

    def stop(self) -> float | None:
        """Ends the server; returns the seconds that it took after SIGTERM, or nothing where it had to be killed."""
        begun = time.monotonic()
        took: float | None = None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
                took = time.monotonic() - begun
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None
        return took

    def start_again(self) -> None:
        """Starts a server that was stopped, on the same policies and ledger."""
        self.process = self._start()


class MemoryWatch(threading.Thread):
    """Looks at the server's memory, and ends the attack beyond a limit, to spare the machine."""

    def __init__(self, server: Server, stop_mib: float, too_much: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.server, self.stop_mib, self.too_much = server, stop_mib, too_much
        self.peak_mib = 0.0
        self.ended = threading.Event()

    def run(self) -> None:
        """Looks until it is told to end."""
        told = False
        while not self.ended.wait(MEMORY_INTERVAL_SECONDS):
            self.peak_mib = max(self.peak_mib, self.server.memory_mib() or 0.0)
            if self.stop_mib < self.peak_mib and not told:
                told = True
                self.too_much()

    def finish(self) -> float:
        """Ends it; returns the most that it saw."""
        self.ended.set()
        self.join()
        return self.peak_mib
