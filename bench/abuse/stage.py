"""Attacks, and the stage of each: addresses, time, a budget of bytes, and its findings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import http2

DECIDE = "/neglist.v1.DecisionService/Decide"
DECIDE_BATCH = "/neglist.v1.DecisionService/DecideBatch"
DECIDE_STREAM = "/neglist.v1.DecisionService/DecideStream"
RESERVE = "/neglist.v1.LedgerService/Reserve"
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

# The largest message of gRPC clients by default, in bytes.
CLIENT_MESSAGE_BYTES_MAX = 4 << 20
# A caller on a connection that an attack shares is asked so often, and waits so long.
SHARED_INTERVAL_SECONDS = 0.02
SHARED_WAIT_SECONDS = 1.0


@dataclass
class Stage:
    """Where one attack takes place."""

    grpc: str
    http: str
    admin: str
    policies: str
    seconds: float
    sent_bytes_max: int
    # A good question, and the beginning of the answer's decision that it must have.
    decide: bytes
    begun: Callable[[], None]
    until: float = 0.0
    sent: int = 0
    facts: dict[str, object] = field(default_factory=dict)
    # Sights that no client may have; each makes the check fail.
    problems: list[str] = field(default_factory=list)
    connections: list[http2.Connection] = field(default_factory=list)

    def goes_on(self) -> bool:
        """Says whether time and bytes are left."""
        return time.monotonic() < self.until and self.bytes_sent() < self.sent_bytes_max

    def bytes_sent(self) -> int:
        """Returns the bytes that were sent so far."""
        return self.sent + sum(connection.sent for connection in self.connections)

    def problem(self, text: str) -> None:
        """Records a fault, once."""
        if text not in self.problems:
            self.problems.append(text)

    def connect(
        self, count: int = 1, window: int = 1 << 20, takes: bool = True, keeps: bool = False
    ) -> list[http2.Connection]:
        """Opens connections, as many as the server takes; waits for the settings of each, for half a second."""
        opened: list[http2.Connection] = []
        for _ in range(count):
            try:
                opened.append(http2.Connection(self.grpc, window, takes, keeps))
            except OSError as error:
                self.facts["connect"] = str(error)
        self.connections += opened
        until = time.monotonic() + 0.5
        while time.monotonic() < until and not all(one.said_settings or one.closed for one in opened):
            pump(opened, 0.001)
        return opened

    def hold(self, connections: list[http2.Connection]) -> None:
        """Keeps connections as they are until the time is up: pings are answered, nothing else is done."""
        self.begun()
        while self.goes_on():
            pump(connections, 0.02)
        self.settle(connections)

    def settle(self, connections: list[http2.Connection]) -> None:
        """Notes what became of the calls of connections."""
        outcomes: dict[str, int] = {}
        for connection in connections:
            for said, count in connection.settled.items():
                outcomes[said] = outcomes.get(said, 0) + count
            still = sum(not answer.done for answer in connection.answers.values())
            if still:
                outcomes["open"] = outcomes.get("open", 0) + still
        self.facts["calls"] = outcomes
        ends: dict[str, int] = {}
        for connection in connections:
            if connection.closed:
                ends[connection.closed] = ends.get(connection.closed, 0) + 1
        if ends:
            self.facts["connections_ended"] = ends


def pump(connections: list[http2.Connection], pause_seconds: float = 0.0) -> None:
    """Lets every connection go on once."""
    for connection in connections:
        connection.pump()
    if pause_seconds:
        time.sleep(pause_seconds)


class Shared:
    """A good caller on the attacker's connection, as behind a gateway with one connection for all its clients."""

    def __init__(self, stage: Stage, connection: http2.Connection) -> None:
        self.stage, self.connection = stage, connection
        self.head = http2.head(DECIDE)
        self.open: dict[int, http2.Answer] = {}
        self.next = time.monotonic()
        self.calls = 0
        self.failed: dict[str, int] = {}

    def ask(self) -> None:
        """Asks once."""
        self.next = time.monotonic() + SHARED_INTERVAL_SECONDS
        stream = self.connection.call(self.head, self.stage.decide)
        self.open[stream] = self.connection.answers[stream]
        self.calls += 1

    def go_on(self) -> None:
        """Asks where a question is due, and looks at the answers."""
        now = time.monotonic()
        if self.next <= now and not self.connection.closed:
            self.ask()
        for stream, answer in list(self.open.items()):
            if answer.done:
                said = answer.said()
            elif self.connection.closed:
                said = self.connection.closed
            elif SHARED_WAIT_SECONDS < now - answer.began:
                said = "no answer in time"
            else:
                continue
            del self.open[stream]
            if said != "ok":
                self.failed[said] = self.failed.get(said, 0) + 1


def report(stage: Stage, callers: list[Shared]) -> None:
    """Reports the observations of good callers on shared connections."""
    calls = sum(caller.calls for caller in callers)
    failed: dict[str, int] = {}
    for caller in callers:
        for said, count in caller.failed.items():
            failed[said] = failed.get(said, 0) + count
    stage.facts["shared_calls"] = calls
    if failed:
        words = ", ".join(f"{count} × {said}" for said, count in sorted(failed.items()))
        stage.problem(f"a caller on the shared connection: {sum(failed.values())} of {calls} calls failed ({words})")


@dataclass(frozen=True)
class Attack:
    """An attack: its name, a sentence, and its needs of the server and of the good clients."""

    name: str
    says: str
    run: Callable[[Stage], None]
    # Settings of the server apart from their defaults.
    settings: dict[str, str] = field(default_factory=dict)
    # `:authority` of the steady good client.
    authority: str = "localhost"
    # Open files of the attacker and of the server.
    files: int = 0
    # The server's log goes to a pipe that is not read.
    log_unread: bool = False
    # The server is started again on the same ledger, and its memory looked at once more.
    restarted: bool = False


ATTACKS: dict[str, Attack] = {}


def attack(
    name: str,
    says: str,
    *,
    settings: dict[str, str] | None = None,
    authority: str = "localhost",
    files: int = 0,
    log_unread: bool = False,
    restarted: bool = False,
) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
    """Registers a function as an attack."""

    def register(run: Callable[[Stage], None]) -> Callable[[Stage], None]:
        ATTACKS[name] = Attack(name, says, run, settings or {}, authority, files, log_unread, restarted)
        return run

    return register
