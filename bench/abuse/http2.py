"""One HTTP/2 client connection over a plain socket that does not block: an attacker writes its frames itself.

By itself it keeps to the protocol: it answers pings and settings, and sends no more than the server's windows allow.
An attack that breaks the protocol writes frames of its own.
"""

from __future__ import annotations

import select
import socket
import struct
import time
import urllib.parse
from collections import Counter
from dataclasses import dataclass, field

import hpack

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM = ACK = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS = 4, 3
# Bytes that a stream or a connection may send before the server's first word on it.
WINDOW_DEFAULT = 65_535
FRAME_MAX = 16_384
ZEROS = bytes(FRAME_MAX)
# Most bytes that wait to be sent before uploads add to them, and most bytes of one read or write.
OUT_BYTES_MAX = 1 << 18


def frame_head(length: int, kind: int, flags: int, stream: int) -> bytes:
    """Returns the nine bytes before a payload of this many bytes."""
    return struct.pack(">I", length)[1:] + bytes([kind, flags]) + struct.pack(">I", stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Returns a frame."""
    return frame_head(len(payload), kind, flags, stream) + payload


def message(data: bytes) -> bytes:
    """Returns a gRPC message: not compressed, with its length."""
    return b"\0" + struct.pack(">I", len(data)) + data


def head(path: str, authority: str = "localhost", more: list[tuple[str, str]] | None = None) -> bytes:
    """Returns the header block of a gRPC call."""
    return hpack.block(
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", authority),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *(more or []),
        ]
    )


def connect(address: str, timeout_seconds: float = 2.0) -> socket.socket:
    """Returns a connected socket of `host:port`."""
    host, port = address.rsplit(":", 1)
    sock = socket.create_connection((host, int(port)), timeout_seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@dataclass
class Answer:
    """The answer to one call."""

    data: bytearray = field(default_factory=bytearray)
    bytes_received: int = 0
    status: str | None = None
    message: str = ""
    reset: int | None = None
    done: bool = False
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def said(self) -> str:
        """Returns the outcome in a word: `ok`, `status 8`, `reset 2`, `open`."""
        if self.reset is not None:
            return f"reset {self.reset}"
        if not self.done:
            return "open"
        return "ok" if self.status == "0" else f"status {self.status}"


@dataclass
class Upload:
    """The unsent rest of one call: these bytes, or this many zeros."""

    left: int
    end: bool
    data: memoryview | None = None

    def take(self, size: int) -> memoryview:
        """Returns the next bytes."""
        self.left -= size
        if self.data is None:
            return memoryview(ZEROS)[:size]
        part, self.data = self.data[:size], self.data[size:]
        return part


class Connection:
    """A client connection.

    `window`: bytes of an answer that the server may send before it is told to go on; 0: answers are never taken.
    `takes`: whether windows are opened again as data comes. `keeps`: whether the bytes of answers are kept.
    """

    def __init__(self, address: str, window: int = 1 << 20, takes: bool = True, keeps: bool = False) -> None:
        self.sock = connect(address)
        self.sock.setblocking(False)
        self.takes, self.keeps = takes, keeps
        self.out = bytearray()
        self.unread = bytearray()
        self.sent = 0
        self.received = 0
        self.closed = ""
        self.goaway: int | None = None
        self.next_id = 1
        self.streams_max = 1 << 31
        self.window = WINDOW_DEFAULT
        self.stream_window = WINDOW_DEFAULT
        self.windows: dict[int, int] = {}
        self.uploads: dict[int, Upload] = {}
        self.answers: dict[int, Answer] = {}
        self.settled: Counter[str] = Counter()
        self.frames: Counter[int] = Counter()
        self.decoder = hpack.Decoder()
        self.block = bytearray()
        self.said_settings = False
        self.write(
            PREFACE
            + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, window))
            + (frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 28)) if takes else b"")
        )

    # --- writing

    def write(self, data: bytes) -> None:
        """Puts bytes into the line; `pump` sends them."""
        self.out += data

    def open(self, header_block: bytes, end: bool = False) -> int:
        """Begins a call; returns the number of its stream."""
        stream = self.next_id
        self.next_id += 2
        self.answers[stream] = Answer()
        self.write(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, header_block))
        return stream

    def call(self, header_block: bytes, data: bytes) -> int:
        """Sends a call with one message."""
        stream = self.open(header_block)
        self.data(stream, message(data), end=True)
        return stream

    def data(self, stream: int, data: bytes, end: bool = False) -> None:
        """Sends data: at once where the server's windows allow it, otherwise as they open."""
        window = self.windows.get(stream, self.stream_window)
        if FRAME_MAX < len(data) or min(window, self.window) < len(data) or stream in self.uploads:
            self.upload(stream, Upload(len(data), end, memoryview(data)))
            return
        self.window -= len(data)
        self.windows[stream] = window - len(data)
        self.write(frame(DATA, END_STREAM if end else 0, stream, data))

    def upload(self, stream: int, upload: Upload) -> None:
        """Sends data that is too large for one frame, as the server's windows allow."""
        self.windows.setdefault(stream, self.stream_window)
        self.uploads[stream] = upload

    def _go_on(self) -> None:
        for stream, upload in list(self.uploads.items()):
            while len(self.out) < OUT_BYTES_MAX:
                size = min(FRAME_MAX, upload.left, self.window, self.windows[stream])
                if size <= 0:
                    break
                part = upload.take(size)
                last = END_STREAM if upload.end and upload.left == 0 else 0
                self.out += frame_head(size, DATA, last, stream)
                self.out += part
                self.window -= size
                self.windows[stream] -= size
            if upload.left == 0:
                del self.uploads[stream]
            if self.window <= 0 or OUT_BYTES_MAX <= len(self.out):
                return

    # --- going on

    def pump(self, wait_seconds: float = 0.0) -> None:
        """Sends all data that may be sent and reads all that has arrived; waits up to this long if neither is possible."""
        if self.closed:
            return
        if self.uploads:
            self._go_on()
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | (select.POLLOUT if self.out else 0))
        try:
            for _, ready in poll.poll(wait_seconds * 1000):
                if ready & select.POLLOUT:
                    self._send()
                if ready & ~select.POLLOUT:
                    self._receive()
        except BlockingIOError:
            return
        except OSError as error:
            self.close(error.strerror or str(error))

    def push(self) -> None:
        """Sends all data that may be sent, and reads nothing: the server's answers stay unread."""
        try:
            while self.out and not self.closed:
                self._send()
        except BlockingIOError:
            return
        except OSError as error:
            self.close(error.strerror or str(error))

    def _send(self) -> None:
        count = self.sock.send(memoryview(self.out)[:OUT_BYTES_MAX])
        self.sent += count
        del self.out[:count]

    def _receive(self) -> None:
        while not self.closed:
            try:
                data = self.sock.recv(OUT_BYTES_MAX)
            except BlockingIOError:
                return
            if not data:
                self.close("closed by the server")
                return
            self.received += len(data)
            self.unread += data
            self._read_frames()
            if len(data) < OUT_BYTES_MAX:
                return

    def _read_frames(self) -> None:
        at = 0
        while len(self.unread) - at >= 9:
            length = int.from_bytes(self.unread[at : at + 3], "big")
            if len(self.unread) - at < 9 + length:
                break
            kind, flags = self.unread[at + 3], self.unread[at + 4]
            stream = int.from_bytes(self.unread[at + 5 : at + 9], "big") & 0x7FFF_FFFF
            self._read_frame(kind, flags, stream, bytes(self.unread[at + 9 : at + 9 + length]))
            at += 9 + length
        del self.unread[:at]

    def _read_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.frames[kind] += 1
        if kind == DATA:
            self._read_data(stream, payload)
        elif kind in (HEADERS, CONTINUATION):
            self.block += payload
            if flags & END_HEADERS:
                self._read_headers(stream, self.decoder.read(bytes(self.block)))
                self.block.clear()
        elif kind == RST_STREAM and stream in self.answers:
            self.answers[stream].reset = int.from_bytes(payload, "big")
            self._settle(stream)
        elif kind == SETTINGS and not flags & ACK:
            self._read_settings(payload)
            self.write(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE:
            more = int.from_bytes(payload, "big")
            if stream == 0:
                self.window += more
            elif stream in self.windows:
                self.windows[stream] += more
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self._settle(stream)

    def _read_data(self, stream: int, payload: bytes) -> None:
        if answer := self.answers.get(stream):
            answer.bytes_received += len(payload)
            if self.keeps:
                answer.data += payload
        if self.takes and payload:
            more = struct.pack(">I", len(payload))
            self.write(frame(WINDOW_UPDATE, 0, 0, more) + frame(WINDOW_UPDATE, 0, stream, more))

    def _read_headers(self, stream: int, headers: list[tuple[str, str]]) -> None:
        if answer := self.answers.get(stream):
            said = dict(headers)
            answer.status = said.get("grpc-status", answer.status)
            answer.message = urllib.parse.unquote(said.get("grpc-message", answer.message))
            if said.get(":status", "200") != "200":
                answer.status = f"HTTP {said[':status']}"

    def _read_settings(self, payload: bytes) -> None:
        self.said_settings = True
        for name, value in struct.iter_unpack(">HI", payload):
            if name == INITIAL_WINDOW_SIZE:
                more, self.stream_window = value - self.stream_window, value
                for stream in self.windows:
                    self.windows[stream] += more
            elif name == MAX_CONCURRENT_STREAMS:
                self.streams_max = value

    def _settle(self, stream: int) -> None:
        self.windows.pop(stream, None)
        self.uploads.pop(stream, None)
        if (answer := self.answers.get(stream)) and not answer.done:
            answer.done = True
            answer.seconds = time.monotonic() - answer.began
            self.settled[answer.said()] += 1
            if not self.keeps:
                del self.answers[stream]

    def close(self, why: str = "closed by the client") -> None:
        """Closes the connection; the first reason stays."""
        if not self.closed:
            self.closed = why if self.goaway is None else f"{why}, GOAWAY {self.goaway}"
            self.sock.close()

    def wait(self, stream: int, timeout_seconds: float) -> Answer:
        """Waits for the end of one call."""
        answer = self.answers[stream]
        until = time.monotonic() + timeout_seconds
        while not answer.done and not self.closed and (left := until - time.monotonic()) > 0:
            self.pump(left)
        return answer
