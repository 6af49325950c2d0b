"""Attacks on the parts beside the gRPC listener: HTTP/1.1, the log, the words of a head."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import http2
from attacks_held import connected
from stage import DECIDE, Stage, attack

HEAD = b"POST /v1/decide HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n"
# Half of the connections are within their head, half within their body.
SLOW_CONNECTIONS = 10_500


@attack(
    "slow-http1",
    "10,500 connections to the HTTP listener, half with a head and half with a body that never ends: a byte a second",
    files=11_000,
)
def slow_http1(stage: Stage) -> None:
    """Bounds: 10,500 connections, some 1 MiB; the default of `connections_max` is 10,000."""
    host, port = stage.http.rsplit(":", 1)
    slow: list[socket.socket] = []
    ended = 0
    next_byte = time.monotonic() + 1.0
    while len(slow) < SLOW_CONNECTIONS and stage.goes_on():
        fresh: list[socket.socket] = []
        for _ in range(100):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex((host, int(port)))
            fresh.append(sock)
        connected(fresh)
        for index, sock in enumerate(fresh):
            _send(stage, sock, HEAD + (b"\r\n{" if index % 2 else b"X-Slow: "))
        slow += fresh
    stage.facts["connections"] = len(slow)
    stage.begun()
    while stage.goes_on():
        if next_byte <= time.monotonic():
            next_byte = time.monotonic() + 1.0
            ended = sum(not _send(stage, sock, b"x") for sock in slow)
        time.sleep(0.02)
    stage.facts["ended_by_the_server"] = ended
    for sock in slow:
        sock.close()


def _send(stage: Stage, sock: socket.socket, data: bytes) -> bool:
    """Sends a few bytes; says whether the connection is still there."""
    try:
        stage.sent += sock.send(data)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True


@attack(
    "log-pipe",
    "stderr is a pipe that is full and not read, while connections with noise and spoilt policies cause lines",
    settings={
        "NEGLIST_LOG_LEVEL": "debug",
        "NEGLIST_POLICY_DEBOUNCE_MS": "50",
        "NEGLIST_POLICY_POLL_INTERVAL_MS": "200",
    },
    log_unread=True,
)
def log_pipe(stage: Stage) -> None:
    """Bounds: 50 connections a second that send 100 bytes, 5 edits of a policy file a second."""
    spoilt = Path(stage.policies) / "spoilt.yaml"
    connections = edits = refused = 0
    next_edit = time.monotonic()
    stage.begun()
    while stage.goes_on():
        if next_edit <= time.monotonic():
            next_edit = time.monotonic() + 0.2
            edits += 1
            spoilt.write_text("\n".join(f"unknown_key_{edits}_{index}: x" for index in range(50)), encoding="utf-8")
        try:
            with http2.connect(stage.grpc, 0.5) as sock:
                sock.sendall(http2.PREFACE[:12] + b"noise " * 14)
                stage.sent += 96
            connections += 1
        except OSError:
            refused += 1
        time.sleep(0.02)
    stage.facts.update(connections=connections, edits=edits)
    if refused:
        stage.facts["refused"] = refused


# Values of clients in use: names of clusters (Istio, Contour, Envoy Gateway), paths of sockets (Python, Java).
AUTHORITIES = [
    "outbound|50051||pdp.default.svc.cluster.local",
    "extension/ns/x",
    "/tmp/neglist.sock",
    "%2Ftmp%2Fneglist.sock",
    "pdp_1.example",
    "localhost:50051",
]


@attack(
    "odd-authority",
    "callers whose `:authority` is no host: names of clusters, paths of sockets",
    authority="outbound|50051||x",
)
def odd_authority(stage: Stage) -> None:
    """Bounds: 6 authorities, a call of each every 100 ms."""
    refused: dict[str, str] = {}
    calls = 0
    stage.begun()
    while stage.goes_on():
        for authority in AUTHORITIES:
            try:
                connection = http2.Connection(stage.grpc)
            except OSError as error:
                refused[authority] = str(error)
                continue
            answer = connection.wait(connection.call(http2.head(DECIDE, authority), stage.decide), 1.0)
            calls += 1
            if answer.said() != "ok":
                refused[authority] = connection.closed or answer.said()
            stage.sent += connection.sent
            connection.close()
        time.sleep(0.1)
    stage.facts["callers"] = calls
    for authority, said in refused.items():
        stage.problem(f"a caller with `:authority` = `{authority}` was refused: {said}")
