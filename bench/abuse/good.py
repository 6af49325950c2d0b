"""Good clients: a steady one on connections of its own, and newcomers at every door, each with a new connection."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import http2
import messages
from stage import DECIDE, DECIDE_STREAM

GET_STATUS = "/neglist.v1.PolicyService/GetStatus"
STEADY_CONNECTIONS = 2
# The doors, and the listener of each.
DOORS = {"grpc": "grpc", "stream": "grpc", "http": "http", "admin": "admin"}
NEWCOMER_INTERVAL_SECONDS = 0.05
NEWCOMER_WAIT_SECONDS = 1.5


@dataclass
class Seen:
    """Observations of a good client."""

    calls: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    p50_ms: float | None = None
    p99_ms: float | None = None
    unanswered: int = 0

    def failures(self) -> int:
        """Returns the number of calls that were not answered as they should be."""
        return sum(self.failed.values())


def percentile(sorted_values: list[float], part: float) -> float | None:
    """Returns the least value that so large a part is not above."""
    if not sorted_values:
        return None
    return sorted_values[min(len(sorted_values) - 1, int(part * len(sorted_values)))]


class Steady:
    """`pdp-load` at a steady rate, open loop: a stall counts from when a call was due."""

    def __init__(self, load: str, target: str, questions: Path, rate: float, seconds: float, authority: str) -> None:
        self.rate = rate
        self.process = subprocess.Popen(
            [
                load,
                "--target",
                target,
                "--path",
                DECIDE,
                "--payloads",
                str(questions),
                "--authority",
                authority,
                "-c",
                str(STEADY_CONNECTIONS),
                "-m",
                "64",
                "--rate",
                str(rate),
                "--warmup",
                "0.2",
                "-d",
                str(seconds),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.seconds = seconds

    def finish(self) -> Seen:
        """Waits for its end."""
        try:
            out, err = self.process.communicate(timeout=self.seconds + 10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
        lines = out.strip().splitlines()
        if not lines:
            return Seen(failed={f"a connection ended: {err.strip()[-200:] or 'without a word'}": 1})
        result = json.loads(lines[-1])
        latency = result["latency_us"] or {}
        in_ms: Callable[[str], float | None] = lambda key: latency[key] / 1000 if key in latency else None
        return Seen(
            result["requests"],
            dict(result["errors"]),
            in_ms("p50"),
            in_ms("p99"),
            result["unfinished"] + result["unsent"],
        )


class Newcomers(threading.Thread):
    """One door, asked again and again over a new connection."""

    def __init__(self, door: str, address: str, decide: bytes, json_question: str) -> None:
        super().__init__(daemon=True)
        self.address, self.decide, self.json_question = address, decide, json_question
        self.ask = {"grpc": self._grpc, "stream": self._stream, "http": self._http, "admin": self._admin}[door]
        self.ended = threading.Event()
        self.seen = Seen()
        self.milliseconds: list[float] = []

    def run(self) -> None:
        """Asks until it is told to end."""
        while not self.ended.is_set():
            begun = time.monotonic()
            said = self.once()
            self.seen.calls += 1
            took = time.monotonic() - begun
            self.milliseconds.append(took * 1000)
            if said != "ok":
                self.seen.failed[said] = self.seen.failed.get(said, 0) + 1
            self.ended.wait(max(0.0, NEWCOMER_INTERVAL_SECONDS - took))

    def once(self) -> str:
        """Asks once; returns `ok` or the fault."""
        try:
            return self.ask()
        except TimeoutError:
            return "no answer in time"
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__

    def finish(self) -> Seen:
        """Ends it; returns its observations."""
        self.ended.set()
        self.join()
        values = sorted(self.milliseconds)
        self.seen.p50_ms, self.seen.p99_ms = percentile(values, 0.5), percentile(values, 0.99)
        return self.seen

    def _grpc(self) -> str:
        return self._call(DECIDE, self.decide, messages.allows)

    def _stream(self) -> str:
        question = messages.number(1, 1) + messages.text(2, messages.first(self.decide))
        return self._call(DECIDE_STREAM, question, lambda answer: messages.allows(messages.first(answer, 2)))

    def _admin(self) -> str:
        return self._call(GET_STATUS, b"", bool)

    def _call(self, path: str, question: bytes, right: Callable[[bytes], bool]) -> str:
        connection = http2.Connection(self.address, keeps=True)
        try:
            answer = connection.wait(connection.call(http2.head(path), question), NEWCOMER_WAIT_SECONDS)
            if not answer.done:
                return connection.closed or "no answer in time"
            if answer.said() != "ok":
                return answer.said()
            return "ok" if right(bytes(answer.data[5:])) else "a wrong answer"
        finally:
            connection.close()

    def _http(self) -> str:
        host, port = self.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=NEWCOMER_WAIT_SECONDS)
        try:
            connection.request("POST", "/v1/decide", self.json_question, {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                return f"HTTP {response.status}"
            return "ok" if b"OUTCOME_ALLOW" in body else "a wrong answer"
        finally:
            connection.close()
