"""Attacks that hold places, streams and connections of the server."""

from __future__ import annotations

import errno
import resource
import select
import socket
import time

import http2
from stage import DECIDE, DECIDE_STREAM, HEALTH_WATCH, Stage, attack, pump


def open_calls(stage: Stage, header_block: bytes, calls: int) -> None:
    """Opens this many calls on each of 10 connections, sends no message on any, and holds them."""
    connections = stage.connect(10)
    for connection in connections:
        for _ in range(min(calls, connection.streams_max)):
            connection.open(header_block)
    pump(connections)
    stage.hold(connections)


@attack("held-heads", "10 connections with 1,000 calls each whose message never comes; pings are answered")
def held_heads(stage: Stage) -> None:
    """Bounds: 10,000 calls, some 1 MiB."""
    open_calls(stage, http2.head(DECIDE), 1_000)


@attack("window-zero", "10 connections with 1,000 whole calls each, whose answers may not be sent: their window is 0")
def window_zero(stage: Stage) -> None:
    """Bounds: 10,000 calls, some 2 MiB."""
    connections = stage.connect(10, window=0, takes=False)
    header_block = http2.head(DECIDE)
    for connection in connections:
        for _ in range(min(1_000, connection.streams_max)):
            connection.call(header_block, stage.decide)
        pump(connections)
    stage.hold(connections)


@attack("idle-streams", "10 connections with 100 open DecideStream calls each that never say anything")
def idle_streams(stage: Stage) -> None:
    """Bounds: 1,000 calls; the default of `streams_open_max` is 256."""
    open_calls(stage, http2.head(DECIDE_STREAM), 100)


@attack("watches", "50,000 calls of the health service's Watch, as many on a connection as the server takes")
def watches(stage: Stage) -> None:
    """Bounds: 50,000 calls on at most 500 connections, some 7 MiB."""
    header_block = http2.head(HEALTH_WATCH)
    connections: list[http2.Connection] = []
    left = 50_000
    begun = False
    while 0 < left and len(connections) < 500 and stage.goes_on():
        more = stage.connect(1)
        if not more:
            break
        connections += more
        for _ in range(min(left, more[0].streams_max, 1_000)):
            more[0].call(header_block, b"")
            left -= 1
        pump(connections)
        if not begun and left < 40_000:
            stage.begun()
            begun = True
    stage.facts["asked"] = 50_000 - left
    stage.hold(connections)


def _silent(address: tuple[str, int]) -> socket.socket | None:
    """Begins a connection that will say nothing, without waiting for it."""
    sock = socket.socket()
    sock.setblocking(False)
    if sock.connect_ex(address) in (0, errno.EINPROGRESS):
        return sock
    sock.close()
    return None


def connected(fresh: list[socket.socket]) -> None:
    """Waits until connections are there: the kernel's queue is short. Gives up after a quarter of a second."""
    until = time.monotonic() + 0.25
    waiting = {sock.fileno() for sock in fresh}
    poll = select.poll()
    for descriptor in waiting:
        poll.register(descriptor, select.POLLOUT)
    while waiting and (left := until - time.monotonic()) > 0:
        for descriptor, _ in poll.poll(left * 1000):
            poll.unregister(descriptor)
            waiting.discard(descriptor)


def _idle(stage: Stage, address: str, count: int) -> None:
    """Holds this many silent connections; closed ones are reopened, at most 400 a second."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    host, port = address.rsplit(":", 1)
    where = (host, int(port))
    # One call of `poll` about ten thousand sockets keeps the core from the good clients for milliseconds.
    events = select.epoll()
    idle: dict[int, socket.socket] = {}
    opened = closed = 0

    def more(wanted: int) -> None:
        nonlocal opened
        for _ in range(wanted):
            if sock := _silent(where):
                idle[sock.fileno()] = sock
                events.register(sock, select.EPOLLIN)
                opened += 1

    while len(idle) < count and stage.goes_on():
        known = len(idle)
        more(100)
        connected(list(idle.values())[known:])
    stage.begun()
    while stage.goes_on():
        time.sleep(0.05)
        for descriptor, _ in events.poll(0):
            # Settings that the server sends first are no end.
            try:
                ended = not idle[descriptor].recv(4_096)
            except BlockingIOError:
                ended = False
            except OSError:
                ended = True
            if ended:
                events.unregister(descriptor)
                idle.pop(descriptor).close()
                closed += 1
        more(min(20, count - len(idle)))
    stage.facts.update(opened=opened, closed_by_the_server=closed, held=len(idle))
    for sock in idle.values():
        sock.close()


@attack("idle-connections", "10,500 connections to the gRPC listener that say nothing", files=10_900)
def idle_connections(stage: Stage) -> None:
    """Bounds: 10,500 connections, no bytes; the default of `connections_max` is 10,000."""
    _idle(stage, stage.grpc, 10_500)


@attack("admin-connections", "256 connections to the admin listener that say nothing")
def admin_connections(stage: Stage) -> None:
    """Bounds: 256 connections, no bytes."""
    _idle(stage, stage.admin, 256)
