"""A bench of abuse: attacks on a server, good clients beside them, and a table. `bench/run abuse` starts it.

python3 bench/abuse run …                        every attack, or those that are named
python3 bench/abuse attack NAME …                one attack against a server that runs, without good clients
python3 bench/abuse document DOCUMENT RESULT     the table of a result, into a document
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import attacks
import document
import run
from stage import ATTACKS, Stage

# Setting an attack up takes so long at most.
SETUP_SECONDS = 10.0


def cpus(text: str) -> set[int]:
    """Reads cores as `taskset -c` takes them."""
    ranges = [[int(end) for end in part.split("-")] for part in text.split(",")]
    return {cpu for ends in ranges for cpu in range(ends[0], ends[-1] + 1)}


def first_question(path: Path) -> bytes:
    """Returns the first message of a file of questions."""
    with open(path, encoding="ascii") as file:
        return bytes.fromhex(file.readline().split()[0])


def attack(arguments: argparse.Namespace) -> int:
    """Runs one attack against a server that runs; prints its report as a line of JSON."""
    assert attacks.LOADED
    # Good clients on the same core are measured: the attack gets the core when they do not need it.
    os.nice(10)

    def begun() -> None:
        stage.until = min(stage.until, time.monotonic() + arguments.seconds)

    stage = Stage(
        arguments.grpc,
        arguments.http,
        arguments.admin,
        arguments.policies,
        arguments.seconds,
        arguments.sent_mib_max << 20,
        first_question(arguments.questions),
        begun,
    )

    def end(*_: object) -> None:
        stage.until = 0.0

    stage.until = time.monotonic() + arguments.seconds + SETUP_SECONDS
    signal.signal(signal.SIGTERM, end)
    ATTACKS[arguments.name].run(stage)
    print(
        json.dumps(
            {"facts": stage.facts, "problems": stage.problems, "sent_bytes": stage.bytes_sent()}, ensure_ascii=False
        ),
        flush=True,
    )
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    several = commands.add_parser("run", help="attacks, each against a server of its own")
    several.add_argument("attacks", nargs="*", help="names; without any: all")
    several.add_argument("--neglist", required=True, help="the program of the server")
    several.add_argument("--load", required=True, help="the program of the steady client, pdp-load")
    several.add_argument("--policies", type=Path, required=True)
    several.add_argument("--totals", type=Path, required=True, help="totals for the ledger of each server")
    several.add_argument("--scratch", type=Path, required=True)
    several.add_argument("--results", type=Path, required=True)
    several.add_argument("--document", type=Path, help="a document to write the figures into")
    several.add_argument("--server-cpus", type=cpus, required=True)
    several.add_argument("--load-cpus", type=cpus, required=True)
    several.add_argument("--rate", type=float, default=200.0, help="calls a second of the steady client")
    several.add_argument("--p99-ratio-max", type=float, default=3.0)
    several.add_argument("--p99-floor-ms", type=float, default=1.0)
    several.add_argument("--p99-ms-max", type=float, default=50.0)
    several.add_argument("--resident-mib-max", type=float, default=256.0)
    several.add_argument("--no-times", dest="times", action="store_false", help="look at answers and memory only")
    several.add_argument("--note", action="append", default=[])
    one = commands.add_parser("attack", help="one attack against a server that runs")
    one.add_argument("name", choices=ATTACKS)
    for door in ("grpc", "http", "admin"):
        one.add_argument(f"--{door}", required=True, help="host:port")
    one.add_argument("--policies", default="", help="the server's policy directory, which the attack may change")
    for command in (several, one):
        command.add_argument("--questions", type=Path, required=True, help="questions as pdp-load takes them")
        command.add_argument("--seconds", type=float, default=10.0)
        command.add_argument("--sent-mib-max", type=int, default=1_024)
    written = commands.add_parser("document", help="writes the table of a result into a document")
    written.add_argument("document", type=Path)
    written.add_argument("result", type=Path)
    return parser.parse_args()


def main() -> int:
    """Runs the command of the command line."""
    arguments = parse()
    if arguments.command == "attack":
        return attack(arguments)
    if arguments.command == "document":
        document.rewrite(arguments.document, arguments.result)
        return 0
    arguments.decide = first_question(arguments.questions)
    return run.run(arguments)


sys.exit(main())
