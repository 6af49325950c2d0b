"""Protobuf messages of the contract, written by hand: as few fields as the attacks need."""

from __future__ import annotations


def varint(value: int) -> bytes:
    """Writes a number of protobuf."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """Writes a field with a number."""
    return varint(field << 3) + varint(value)


def text(field: int, value: str | bytes) -> bytes:
    """Writes a field with a text, bytes or a message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def persons(general: int, sensitive: int = 0) -> bytes:
    """Returns a `Persons`."""
    return number(1, general) + number(2, sensitive)


def transfer_in_words(exporter: str, codes: list[str]) -> bytes:
    """Returns a `Transfer` that says everything, of an exporter that is not registered."""
    facts = text(2, "beijing-ftz") + text(4, persons(40_000, 3_000))
    return b"".join(
        [
            text(2, exporter),
            text(3, facts),
            text(4, "a-recipient-abroad"),
            text(5, "DE"),
            text(6, "retail-services"),
            text(7, "member-management"),
            *(text(8, text(1, code)) for code in codes),
            text(9, persons(12, 12)),
            text(10, persons(50_000)),
            text(11, persons(50_000)),
        ]
    )


def transfer_unstated(exporter: str) -> bytes:
    """Returns a `Transfer` of an exporter that is not registered, with totals left to the ledger."""
    return b"".join(
        [
            text(2, exporter),
            text(3, text(4, persons(40_000))),
            text(4, "a-recipient-abroad"),
            text(5, "DE"),
            text(6, "retail-services"),
            text(7, "member-management"),
            text(8, text(1, "contact.email")),
            text(9, persons(12)),
        ]
    )


def batch(transfer: bytes, count: int, full: bool) -> bytes:
    """Returns a `DecideBatchRequest` of the same transfer many times."""
    return text(1, transfer) * count + (number(2, 1) if full else b"")


def reserve(transfer_id: str, transfer: bytes) -> bytes:
    """Returns a `ReserveRequest` that commits at once."""
    return text(1, transfer_id) + text(2, transfer) + number(6, 1)


def file_of_symbol(symbol: str) -> bytes:
    """Returns a `ServerReflectionRequest` for the file that has a symbol."""
    return text(4, symbol)


def fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Reads the numbers and texts of a message; anything else ends it."""
    read: list[tuple[int, int | bytes]] = []
    at = 0

    def next_number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = next_number()
        if key & 7 == 0:
            read.append((key >> 3, next_number()))
        elif key & 7 == 2:
            length = next_number()
            read.append((key >> 3, data[at : at + length]))
            at += length
        else:
            break
    return read


def first(message: bytes, field: int = 1) -> bytes:
    """Returns the text or message of a field; nothing where it is absent or the message is broken."""
    try:
        value = dict(fields(message)).get(field)
    except IndexError:
        return b""
    return value if isinstance(value, bytes) else b""


def allows(response: bytes) -> bool:
    """Says whether a `DecideResponse`, or a `DecideResult`, carries the outcome ALLOW."""
    try:
        return dict(fields(first(response))).get(2) == 1
    except IndexError:
        return False
