# Shared by the scripts of this directory: builds, the choice of cores, starting and stopping servers.
# Sourced, not run. Everything that is started is ended by its id, however the script ends.
# shellcheck shell=bash disable=SC2034  # variables are used by the scripts that source this

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$bench")
scratch=$(mktemp -d "${TMPDIR:-/tmp}/neglist-bench.XXXXXX")
# Benchmark programs share one target directory, apart from that of the server.
built=$root/target/bench
runs=$scratch/runs.jsonl
notes=()
pids=()
declare -A pid_of

note() { notes+=("$*"); printf 'note: %s\n' "$*" >&2; }
say() { printf '== %s\n' "$*" >&2; }
die() { printf 'bench: %s\n' "$*" >&2; exit 1; }

# Ends a process that this script started, and waits for it.
end() {
  local pid=$1
  kill -TERM "$pid" 2>/dev/null || true
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

clean_up() {
  local code=$? pid
  trap - EXIT INT TERM HUP
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do end "$pid"; done
  rm -rf "$scratch"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

need() { command -v "$1" >/dev/null 2>&1 || die "$1 is needed: $2"; }
need cargo "https://rustup.rs"
need python3 "it writes the tables"

# Cores: the server on the first that this process may use, the load on the last.
read -r -a cpus < <(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
server_cpus=${BENCH_SERVER_CPUS:-${cpus[0]}}
load_cpus=${BENCH_LOAD_CPUS:-${cpus[-1]}}
on_server=(taskset -c "$server_cpus")
on_load=(taskset -c "$load_cpus")
if ! command -v taskset >/dev/null 2>&1; then
  note "taskset is not installed: server and load are not pinned and share the cores"
  on_server=() on_load=()
elif [ "${#cpus[@]}" -lt 2 ]; then
  note "this process may use one core only: server and load share it, and only the CPU per request says anything"
fi
# How many cores the servers may use, as the empty ones are told.
server_cores=$(python3 - "$server_cpus" <<'PY'
import sys
ranges = [part.split('-') for part in sys.argv[1].split(',')]
print(sum(int(ends[-1]) - int(ends[0]) + 1 for ends in ranges))
PY
)

# A server refuses variables that it does not know, and a measurement uses no settings of the caller: all NEGLIST_… are
# removed.
clean_environment=(env)
for variable in $(compgen -e NEGLIST_ || true); do clean_environment+=(-u "$variable"); done

# Invented lists may be larger than the limits for reloads; all sizes are measured alike.
large_policies=(NEGLIST_POLICY_FILE_BYTES_MAX=1073741824 NEGLIST_POLICY_TOTAL_BYTES_MAX=4294967296)

# Builds the server and the load generator. `NEGLIST_BENCH_BINARY` names a server that is built already,
# `NEGLIST_BENCH_PROGRAMS` a directory with the programs of bench/load.
build_load() {
  local programs=$built/release
  if [ -n "${NEGLIST_BENCH_PROGRAMS:-}" ]; then
    programs=$(readlink -f "$NEGLIST_BENCH_PROGRAMS")
    [ -x "$programs/pdp-load" ] && [ -x "$programs/invented" ] || die "NEGLIST_BENCH_PROGRAMS=$NEGLIST_BENCH_PROGRAMS has no pdp-load and invented"
  else
    say "building the load generator"
    CARGO_TARGET_DIR=$built cargo build --quiet --locked --release --manifest-path "$bench/load/Cargo.toml"
  fi
  load=$programs/pdp-load
  invented=$programs/invented
}
build_empty() {
  say "building the servers that do nothing"
  CARGO_TARGET_DIR=$built cargo build --quiet --locked --profile plain --bin empty-tutorial --manifest-path "$bench/empty/Cargo.toml"
  CARGO_TARGET_DIR=$built cargo build --quiet --locked --profile tuned --bin empty-tuned --manifest-path "$bench/empty/Cargo.toml"
}
build_neglist() {
  if [ -n "${NEGLIST_BENCH_BINARY:-}" ]; then
    neglist=$(readlink -f "$NEGLIST_BENCH_BINARY")
    [ -x "$neglist" ] || die "NEGLIST_BENCH_BINARY=$NEGLIST_BENCH_BINARY is no program"
    note "neglist was not built: NEGLIST_BENCH_BINARY names it, and the commit above is that of the scripts"
  else
    say "building neglist (profile dist: some minutes)"
    (cd "$root" && cargo build --quiet --locked --profile dist --bin neglist)
    neglist=${CARGO_TARGET_DIR:-$root/target}/dist/neglist
  fi
  # Other doors stay closed: each server would want the same ports for them.
  doors=(--admin none)
  if "${clean_environment[@]}" "$neglist" serve --help | grep -q -- '--http '; then doors+=(--http none); fi
}

# start NAME COUNT [VARIABLE=VALUE…] PROGRAM ARGUMENT…: starts a server on its cores; returns when it listens on COUNT addresses.
start() {
  local name=$1 count=$2
  shift 2
  "${clean_environment[@]}" "${on_server[@]}" env "$@" >"$scratch/$name.out" 2>"$scratch/$name.err" &
  pid_of[$name]=$!
  pids+=("$!")
  for _ in $(seq 2400); do
    if [ "$(grep -c '^listening grpc ' "$scratch/$name.out")" -ge "$count" ]; then return 0; fi
    kill -0 "${pid_of[$name]}" 2>/dev/null || break
    sleep 0.05
  done
  cat "$scratch/$name.err" >&2
  die "$name does not listen"
}

# address NAME tcp|unix
address() {
  case $2 in
    tcp) sed -n 's/^listening grpc \([^u].*\)$/\1/p' "$scratch/$1.out" | head -n 1 ;;
    unix) sed -n 's/^listening grpc \(unix:.*\)$/\1/p' "$scratch/$1.out" | head -n 1 ;;
  esac
}

stop() { end "${pid_of[$1]}"; }

# measure "KEY=VALUE …" SERVER TRANSPORT ARGUMENT…: one measurement, a line of $runs. The keys describe it.
measure() {
  local keys=$1 server=$2 transport=$3 result
  shift 3
  if result=$("${on_load[@]}" "$load" --label "server=$server transport=$transport $keys" --target "$(address "$server" "$transport")" \
    --server-pid "${pid_of[$server]}" "$@"); then
    printf '%s\n' "$result" >>"$runs"
  elif grep -q '"requests":0,' <<<"$result"; then
    note "$server answered nothing in the time of one measurement ($keys), which is left out: give it more (BENCH_SECONDS)"
  else
    die "measuring $server ($keys) failed"
  fi
}

# check SERVER TRANSPORT METHOD FILE [ARGUMENT…]: every question of a file, one by one; ends the script where an answer is wrong.
check() {
  local server=$1 transport=$2 method=$3 file=$4 answer
  shift 4
  answer=$("${on_load[@]}" "$load" --target "$(address "$server" "$transport")" --path "$(path_of "$method")" --payloads "$file" \
    --warmup 0 --count 60 -d 30 "$@") || die "$server does not answer"
  grep -q '"errors":{}' <<<"$answer" || die "$server answers wrongly, and a fast wrong answer is worth nothing: $(basename "$file"): $answer"
}

path_of() { printf '/neglist.v1.DecisionService/%s' "$1"; }

# cpu_ns SERVER: what its threads have used so far.
cpu_ns() { cat /proc/"${pid_of[$1]}"/task/*/schedstat 2>/dev/null | awk '{ ns += $1 } END { printf "%.0f", ns }'; }

# resident_mib SERVER
resident_mib() { awk '/^VmRSS:/ { printf "%.1f", $2 / 1024 }' /proc/"${pid_of[$1]}"/status; }

# report KIND KEY=VALUE…: the table, from $runs; a copy as JSON under bench/results.
report() {
  local kind=$1 arguments=() text
  shift
  for text in "${notes[@]}"; do arguments+=(--note "$text"); done
  [ -z "${strict:-}" ] || arguments+=(--strict)
  python3 "$bench/report" "$kind" "$runs" --results "$bench/results" "${arguments[@]}" \
    "server_cpus=$server_cpus" "load_cpus=$load_cpus" "$@"
}
