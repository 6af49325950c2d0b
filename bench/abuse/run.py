"""Runs attacks, one after the other, each against a server of its own, beside good clients."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import attacks
import document
from good import DOORS, Newcomers, Seen, Steady
from server import LISTENERS, STOP_SECONDS, MemoryWatch, Server
from stage import ATTACKS, Attack
from verdict import Limits, Result, judge, markdown

# The attack is ended where the server takes more: the machine is not to be put under pressure.
RESIDENT_STOP_MIB = 1_536.0
# Seconds beyond its time, for setting up and for the report.
ATTACK_MORE_SECONDS = 20.0
AFTER_SECONDS = 5.0
QUESTION_IN_JSON = json.dumps(
    {"transfer": {"flow": "shipping-papers-to-hamburg", "year_to_date": {}, "scenario_year_to_date": {}}}
)
# Files besides connections.
FILES_SPARE = 200


class Attacker:
    """The process of an attack."""

    def __init__(self, attack: Attack, server: Server, arguments: argparse.Namespace) -> None:
        where = [word for listener in LISTENERS for word in (f"--{listener}", server.addresses[listener])]
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).parent),
                "attack",
                attack.name,
                *where,
                "--policies",
                str(server.policies),
                "--seconds",
                str(arguments.seconds),
                "--sent-mib-max",
                str(arguments.sent_mib_max),
                "--questions",
                str(arguments.questions),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        """Tells it to end and to report."""
        if self.process.poll() is None:
            self.process.terminate()

    def finish(self, seconds: float) -> dict[str, object]:
        """Waits for its end; returns its report."""
        try:
            out, err = self.process.communicate(timeout=seconds + ATTACK_MORE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
        lines = out.strip().splitlines()
        if self.process.returncode != 0 or not lines:
            return {"problems": [f"the attack itself failed: {err.strip()[-1_000:]}"]}
        said: dict[str, object] = json.loads(lines[-1])
        return said


def look(
    server: Server, arguments: argparse.Namespace, seconds: float, authority: str, attack: Attack | None
) -> tuple[Seen, dict[str, Seen], dict[str, object]]:
    """Lets the good clients ask for so long, with or without an attack."""
    steady = Steady(arguments.load, server.addresses["grpc"], arguments.questions, arguments.rate, seconds, authority)
    newcomers = {door: newcomer(server, door, arguments.decide) for door in DOORS}
    for one in newcomers.values():
        one.start()
    said: dict[str, object] = {}
    try:
        if attack is None:
            time.sleep(seconds)
        else:
            attacker = Attacker(attack, server, arguments)
            watch = MemoryWatch(server, RESIDENT_STOP_MIB, attacker.end)
            watch.start()
            try:
                said = attacker.finish(arguments.seconds)
            finally:
                attacker.end()
                said["resident_peak_mib"] = watch.finish()
    except BaseException:
        steady.process.kill()
        raise
    finally:
        seen_by_newcomers = {door: one.finish() for door, one in newcomers.items()}
        seen = steady.finish()
    return seen, seen_by_newcomers, said


def newcomer(server: Server, door: str, decide: bytes) -> Newcomers:
    """Returns a good client of a door."""
    return Newcomers(door, server.addresses[DOORS[door]], decide, QUESTION_IN_JSON)


def recover(server: Server, decide: bytes) -> dict[str, str]:
    """Asks at each door until it answers; returns the doors that stay silent, and the error of each."""
    begun = time.monotonic()
    silent: dict[str, str] = {}
    for door in DOORS:
        one = newcomer(server, door, decide)
        said = one.once()
        while said != "ok" and time.monotonic() < begun + AFTER_SECONDS:
            time.sleep(0.05)
            said = one.once()
        if said != "ok":
            silent[door] = said
    return silent


def run_one(attack: Attack, arguments: argparse.Namespace) -> Result:
    """Runs one attack against a fresh server."""
    result = Result(attack.name, attack.says, attack.settings)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if attack.files and hard < attack.files + FILES_SPARE:
        result.skipped = f"it needs {attack.files + FILES_SPARE:,} open files, and `ulimit -Hn` is {hard:,}"
        return result
    server = Server(
        arguments.neglist,
        arguments.scratch / attack.name,
        arguments.policies,
        arguments.totals,
        arguments.server_cpus,
        attack.settings,
        attack.log_unread,
    )
    try:
        result.before, result.newcomers_before, _ = look(
            server, arguments, max(1.0, arguments.seconds / 2), "localhost", None
        )
        for who, seen in [("the steady client", result.before), *result.newcomers_before.items()]:
            if seen.failed or not seen.calls:
                result.problems.append(f"before the attack {who} failed: {seen.failed} {server.words()[-300:]}")
        if not result.problems:
            suffer(attack, server, arguments, result)
    except BaseException:
        server.process.kill()
        raise
    finally:
        server.stop()
    return result


def suffer(attack: Attack, server: Server, arguments: argparse.Namespace, result: Result) -> None:
    """Attacks the server, and looks at it during the attack and afterwards."""
    result.resident_before_mib = server.memory_mib() or 0.0
    begun = time.monotonic()
    # A second for setting up and for late answers.
    result.during, result.newcomers, said = look(server, arguments, arguments.seconds + 1.0, attack.authority, attack)
    result.seconds = time.monotonic() - begun
    take_over(result, said)
    result.resident_most_mib = server.memory_mib("VmHWM") or 0.0
    if (code := server.process.poll()) is not None:
        result.problems.append(f"the server ended with {code}: {server.words()[-300:]}")
        return
    for door, words in recover(server, arguments.decide).items():
        result.problems.append(f"{AFTER_SECONDS:.0f} s after the attack the door `{door}` does not answer: {words}")
    result.stop_seconds = server.stop()
    if result.stop_seconds is None:
        result.problems.append(f"SIGTERM did not end the server within {STOP_SECONDS:.0f} s")
    if "panicked" in server.log.read_text(errors="replace"):
        result.problems.append("a call panicked")
    if attack.restarted:
        server.start_again()
        result.resident_again_mib = server.memory_mib("VmHWM")


def take_over(result: Result, said: dict[str, object]) -> None:
    """Takes over the report of the attack."""
    facts, problems = said.get("facts"), said.get("problems")
    result.facts = facts if isinstance(facts, dict) else {}
    result.problems += [str(problem) for problem in problems] if isinstance(problems, list) else []
    sent, peak = said.get("sent_bytes"), said.get("resident_peak_mib")
    result.sent_bytes = sent if isinstance(sent, int) else 0
    result.resident_peak_mib = peak if isinstance(peak, float) else 0.0
    if RESIDENT_STOP_MIB < result.resident_peak_mib:
        result.facts["ended_early"] = f"the server took more than {RESIDENT_STOP_MIB:,.0f} MiB"


def machine() -> dict[str, object]:
    """Returns the machine of the measurement."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "architecture": platform.machine()}


def commit() -> str:
    """Returns the commit of these scripts."""

    def ask(*words: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return ask("rev-parse", "--short", "HEAD") + ("+changes" if ask("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def run(arguments: argparse.Namespace) -> int:
    """Runs the attacks that are wanted, writes the results, and returns the exit code."""
    assert attacks.LOADED
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(128 + signal.SIGTERM))
    unknown = [name for name in arguments.attacks if name not in ATTACKS]
    if unknown:
        sys.exit(f"bench: there is no attack {', '.join(unknown)}; there are {', '.join(ATTACKS)}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, arguments.load_cpus)
    limits = Limits(arguments.p99_ratio_max, arguments.p99_floor_ms, arguments.p99_ms_max, arguments.resident_mib_max)
    results: list[Result] = []
    for name in arguments.attacks or ATTACKS:
        print(f"== {name}", file=sys.stderr, flush=True)
        result = run_one(ATTACKS[name], arguments)
        judge(result, limits, arguments.rate)
        if not arguments.times:
            result.missed_times.clear()
        results.append(result)
    notes = notes_of(arguments, limits)
    text = markdown(results, notes)
    print(text)
    write(arguments, results, notes, text)
    missed = [result.name for result in results if result.verdict() == "MISSED"]
    if missed:
        print(f"bench: did not hold under {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def notes_of(arguments: argparse.Namespace, limits: Limits) -> list[str]:
    """Returns the notes under the table."""
    of = machine()
    settings = "; ".join(
        f"`{attack.name}` with {', '.join(f'{key}={value}' for key, value in attack.settings.items())}"
        for attack in ATTACKS.values()
        if attack.settings
    )
    times = (
        f"p99 during an attack at most {limits.p99_ratio_max:g} times that before, of which at least "
        f"{limits.p99_floor_ms:g} ms count, and at most {limits.p99_ms_max:g} ms"
    )
    answers = f"held: no good call fails, resident at most {limits.resident_mib_max:g} MiB"
    cores = (
        f"server on core {render(arguments.server_cpus)}, attackers and good clients on {render(arguments.load_cpus)}"
    )
    return [
        f"each attack lasts {arguments.seconds:g} s; the steady client asks {arguments.rate:g} times a second",
        f"{answers}, {times if arguments.times else 'times are not looked at'}",
        f"limits of the server are the defaults, apart from {settings}",
        f"{cores}: {of['cpu']}, {of['cores']} cores, Linux {of['kernel']}, commit {commit()}",
        *arguments.note,
    ]


def render(cpus: set[int]) -> str:
    """Writes a set of cores."""
    return ",".join(str(cpu) for cpu in sorted(cpus))


def write(arguments: argparse.Namespace, results: list[Result], notes: list[str], text: str) -> None:
    """Writes the results as JSON and Markdown, and into the documents where that is wanted."""
    now = datetime.datetime.now(datetime.timezone.utc)
    arguments.results.mkdir(parents=True, exist_ok=True)
    path = arguments.results / f"abuse-{now:%Y%m%dT%H%M%SZ}.json"
    everything = {
        "kind": "abuse",
        "at": now.isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "notes": notes,
        "seconds": arguments.seconds,
        "rate": arguments.rate,
        "results": [result.plain() for result in results],
    }
    path.write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(f"everything is in {path}", file=sys.stderr)
    if arguments.document:
        document.rewrite(arguments.document, path)
