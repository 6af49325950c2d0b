# Usual commands. `just` lists them.

_:
    @just --list

# Start a server with the policies of this directory.
serve *flags:
    cargo run --release -- serve {{flags}}

# Every test, or those whose name contains the words.
test *words:
    cargo test --locked -- {{words}}

# Format and lints, as the checks before a change lands.
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings

# The shipped policies: diagnostics and cases.
policies:
    cargo run --locked -- check policies
    cargo run --locked -- test policies

# Rewrite the schema of the policy files.
schema:
    cargo run --locked -- check --schema > policies/schema.json

# Instructions of a decision against those written down. Needs valgrind.
instructions:
    bench/instructions

# Everything that has to hold before a change lands. Takes some 40 minutes.
ci:
    .ci/run
