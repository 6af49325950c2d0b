"""Attacks that make the server keep bytes, or answer with too many."""

from __future__ import annotations

import re
import time
from pathlib import Path

import http2
import messages
from stage import CLIENT_MESSAGE_BYTES_MAX, DECIDE, DECIDE_BATCH, REFLECTION, RESERVE, Stage, attack, pump

MIB = 1 << 20
MESSAGE_BYTES = 4 * MIB
OFFERED_BYTES = 500 * MIB
# A server that takes nothing for so long takes no more.
STALLED_SECONDS = 0.3


def _unfinished(stage: Stage, count: int) -> None:
    """Offers messages of 4 MiB that each lack their last byte, 500 MiB in all, on this many connections."""
    connections = stage.connect(count)
    header_block = http2.head(DECIDE)
    prefix = b"\0" + MESSAGE_BYTES.to_bytes(4, "big")
    for index in range(OFFERED_BYTES // MESSAGE_BYTES if connections else 0):
        connection = connections[index % len(connections)]
        stream = connection.open(header_block)
        connection.data(stream, prefix)
        connection.upload(stream, http2.Upload(MESSAGE_BYTES - 1, end=False))
    # The time of the attack begins when everything is sent, or when the server takes no more.
    sent, moved = stage.bytes_sent(), time.monotonic()
    while stage.goes_on() and time.monotonic() < moved + STALLED_SECONDS:
        pump(connections, 0.0005)
        if sent < stage.bytes_sent():
            sent, moved = stage.bytes_sent(), time.monotonic()
    stage.facts["offered_mib"] = OFFERED_BYTES // MIB
    stage.hold(connections)


@attack("unfinished-messages", "one connection with 125 messages of 4 MiB that each lack their last byte")
def unfinished_messages(stage: Stage) -> None:
    """Bounds: 500 MiB offered; the server's windows bound the bytes sent."""
    _unfinished(stage, 1)


@attack("unfinished-messages-20", "the same on 20 connections")
def unfinished_messages_20(stage: Stage) -> None:
    """Bounds: 500 MiB offered in all."""
    _unfinished(stage, 20)


@attack("answers-untaken", "20 connections ask for batches of 1,000 with details and never take an answer")
def answers_untaken(stage: Stage) -> None:
    """Bounds: 2,000 batches of some 36 KB each, so that up to 72 MiB are sent."""
    connections = stage.connect(20, window=0, takes=False)
    header_block = http2.head(DECIDE_BATCH)
    batch = messages.batch(messages.first(stage.decide), 1_000, full=True)
    calls = 0
    stage.begun()
    while stage.goes_on():
        for connection in connections:
            room = len(batch) <= connection.window and len(connection.answers) < min(connection.streams_max, 100)
            if room and calls < 2_000 and not connection.closed and not connection.out:
                connection.call(header_block, batch)
                calls += 1
        pump(connections, 0.002)
    stage.facts["batches"] = calls
    stage.settle(connections)


@attack(
    "reflection-flood",
    "10 connections ask the reflection service for large files without a pause; half of them take no answer",
)
def reflection_flood(stage: Stage) -> None:
    """Bounds: 32 calls in flight on each of 5 connections, 1,000 calls with 20 questions each on each of 5 others."""
    taking, not_taking = stage.connect(5), stage.connect(5, window=0, takes=False)
    header_block = http2.head(REFLECTION)
    ask = http2.message(messages.file_of_symbol("envoy.service.auth.v3.Authorization"))
    for connection in not_taking:
        for _ in range(min(1_000, connection.streams_max)):
            connection.data(connection.open(header_block), ask * 20)
    stage.begun()
    while stage.goes_on():
        for connection in taking:
            while len(connection.answers) < 32 and not connection.closed:
                connection.data(connection.open(header_block), ask, end=True)
        pump(taking)
        pump(not_taking, 0.0005)
    stage.settle(taking + not_taking)


@attack(
    "invented-exporters",
    "Reserve for one invented exporter after the other; afterwards the server is started again",
    restarted=True,
)
def invented_exporters(stage: Stage) -> None:
    """Bounds: 250,000 names, 1,024 calls in flight on 4 connections."""
    connections = stage.connect(4)
    header_block = http2.head(RESERVE)
    names = 0
    stage.begun()
    while stage.goes_on():
        for connection in connections:
            while (
                len(connection.answers) < 256
                and names < 250_000
                and not connection.closed
                and connection.window > 4_096
            ):
                names += 1
                name = f"invented-exporter-{names:06}"
                connection.call(header_block, messages.reserve(name, messages.transfer_unstated(name)))
        pump(connections, 0.0005)
    stage.facts["names"] = names
    stage.settle(connections)


@attack("batch-largest", "batches of 1,000 transfers with 31 items each and details, each on a list, or each a mistake")
def batch_largest(stage: Stage) -> None:
    """Bounds: one call at a time, with a pause of 100 ms; some 2 MB each."""
    connections = stage.connect(1, keeps=True)
    header_block = http2.head(DECIDE_BATCH)
    batches = _largest(stage.policies)
    answers: dict[str, str] = {}
    stage.begun()
    while stage.goes_on() and connections and not connections[0].closed:
        for what, batch in batches.items():
            answer = connections[0].wait(connections[0].call(header_block, batch), 10.0)
            connections[0].answers.clear()
            answers[what] = (
                f"{len(batch):,} bytes, answer of {answer.bytes_received:,}: {answer.said()} {answer.message}"
            )
            _look(stage, what, answer)
            until = time.monotonic() + 0.1
            while time.monotonic() < until:
                connections[0].pump(0.02)
    stage.facts["answers"] = answers
    if not answers:
        stage.problem("no batch was answered")
    stage.settle(connections)


def _largest(policies: str) -> dict[str, bytes]:
    """Returns the batches: one of codes on Beijing's list, each with a reason of its own, and one of unknown codes."""
    catalogue = (Path(policies) / "catalogue" / "listed-data.yaml").read_text(encoding="utf-8")
    listed = re.findall(r"code: ([a-z]+(?:\.[a-z0-9-]+)+)", catalogue)[:31]
    unknown = [f"own.item-{index}-{'x' * 40}" for index in range(31)]
    return {
        what: messages.batch(messages.transfer_in_words("an-exporter", codes), 1_000, full=True)
        for what, codes in [("listed", listed), ("mistaken", unknown)]
    }


def _look(stage: Stage, what: str, answer: http2.Answer) -> None:
    """Notes an answer too large for clients, a missing answer, and a refusal without a word."""
    size = answer.bytes_received - 5
    if CLIENT_MESSAGE_BYTES_MAX < size:
        stage.problem(f"the answer to the {what} batch has {size / MIB:.2f} MiB: too large for clients")
    if not answer.done or answer.reset is not None:
        stage.problem(f"the {what} batch had no answer: {answer.said()}")
    elif answer.status != "0" and not answer.message:
        stage.problem(f"the {what} batch was refused without a word: {answer.said()}")
