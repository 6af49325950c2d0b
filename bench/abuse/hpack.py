"""HPACK (RFC 7541), as much of it as an attacker needs: writing without a table, reading whatever a server writes."""

from __future__ import annotations

# The static table, from index 1 on: names, and values after a blank.
STATIC_TEXT = (
    ":authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|"
    ":status 204|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|"
    "accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|"
    "authorization|cache-control|content-disposition|content-encoding|content-language|content-length|"
    "content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|"
    "if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|"
    "proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|"
    "strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"
)
STATIC: list[tuple[bytes, bytes]] = [
    (name, value) for name, _, value in (entry.partition(b" ") for entry in STATIC_TEXT.encode().split(b"|"))
]

# Lengths of the Huffman codes of the 256 bytes, as digits to the base of 36. The code is canonical: lengths suffice.
LENGTHS = (
    "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca"
    "d67777777777777777777777878djde6f56565666577666567655677777fbeds"
    "kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn"
    "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq"
)


def _codes() -> dict[tuple[int, int], int]:
    """Returns the byte of each code, by the code's length and value."""
    codes: dict[tuple[int, int], int] = {}
    code = previous = 0
    for length, byte in sorted((int(digit, 36), byte) for byte, digit in enumerate(LENGTHS)):
        code <<= length - previous
        previous = length
        codes[length, code] = byte
        code += 1
    return codes


CODES = _codes()


def huffman(data: bytes) -> bytes:
    """Decodes a Huffman-coded text."""
    out = bytearray()
    code = length = 0
    for byte in data:
        for shift in range(7, -1, -1):
            code = code << 1 | byte >> shift & 1
            length += 1
            if (found := CODES.get((length, code))) is not None:
                out.append(found)
                code = length = 0
    return bytes(out)


def integer(value: int, bits: int, first: int = 0) -> bytes:
    """Writes an integer with a prefix of this many bits; the other bits of the first byte are given."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out = bytearray([first | most])
    value -= most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def block(headers: list[tuple[str, str]]) -> bytes:
    """Writes headers, each literally and without the dynamic table."""
    out = bytearray()
    for name, value in headers:
        out.append(0)
        for text in (name.encode(), value.encode()):
            out += integer(len(text), 7) + text
    return bytes(out)


class Decoder:
    """Reads header blocks of one connection, in order."""

    def __init__(self, size_max: int = 4096) -> None:
        self.table: list[tuple[bytes, bytes]] = []
        self.size = 0
        self.size_max = size_max

    def read(self, data: bytes) -> list[tuple[str, str]]:
        """Returns the headers of a block."""
        headers: list[tuple[str, str]] = []
        at = 0
        while at < len(data):
            byte = data[at]
            if byte & 0x80:
                index, at = self._integer(data, at, 7)
                name, value = self._entry(index)
            elif byte & 0xE0 == 0x20:
                self.size_max, at = self._integer(data, at, 5)
                self._shrink()
                continue
            else:
                kept = bool(byte & 0x40)
                index, at = self._integer(data, at, 6 if kept else 4)
                if index:
                    name = self._entry(index)[0]
                else:
                    name, at = self._text(data, at)
                value, at = self._text(data, at)
                if kept:
                    self.table.insert(0, (name, value))
                    self.size += len(name) + len(value) + 32
                    self._shrink()
            headers.append((name.decode("latin-1"), value.decode("latin-1")))
        return headers

    def _shrink(self) -> None:
        while self.size > self.size_max and self.table:
            name, value = self.table.pop()
            self.size -= len(name) + len(value) + 32

    def _entry(self, index: int) -> tuple[bytes, bytes]:
        if index <= len(STATIC):
            return STATIC[index - 1]
        return self.table[index - len(STATIC) - 1]

    @staticmethod
    def _integer(data: bytes, at: int, bits: int) -> tuple[int, int]:
        most = (1 << bits) - 1
        value = data[at] & most
        at += 1
        if value < most:
            return value, at
        shift = 0
        while True:
            byte = data[at]
            at += 1
            value += (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value, at

    def _text(self, data: bytes, at: int) -> tuple[bytes, int]:
        coded = bool(data[at] & 0x80)
        length, at = self._integer(data, at, 7)
        text = data[at : at + length]
        return (huffman(text) if coded else text), at + length
