# Short names for the commands of CONTRIBUTING.md. `just` lists them.

# List the recipes
default:
    @just --list --unsorted

# Make this machine ready to build handlers
setup:
    scripts/setup --cargo-component
    scripts/boto3

# Check everything, as CI does
check:
    .ci/run

# Run all tests
test *ARGS:
    scripts/setup
    cargo test --workspace {{ ARGS }}

# Format the code
fmt:
    cargo fmt --all

# Check formatting and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Build the documentation without warnings
doc *ARGS:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps {{ ARGS }}

# Check licences, duplicates and sources of dependencies
deny:
    cargo deny check licenses bans sources

# Check dependencies for known vulnerabilities; downloads the advisory database
advisories:
    cargo deny check advisories

# Find unused dependencies
unused:
    cargo machete

# Measure speed
bench:
    cargo bench

# Fuzz one target of fuzz/ with libFuzzer, for an hour; see CONTRIBUTING.md
fuzz TARGET *ARGS:
    cargo +nightly fuzz run {{ TARGET }} {{ ARGS }} -- -max_total_time=3600

# Look for code that no test covers: host, sdk or testing
mutants PART *ARGS:
    scripts/mutants {{ PART }} {{ ARGS }}

# Run AWS's conformance cases in a folder
conformance CASES *ARGS:
    cargo run -p durawasm-conformance -- --cases {{ CASES }} --handlers testing/conformance-handlers \
        --config testing/conformance-handlers/config.yaml {{ ARGS }}

# Run the example of the README
example:
    cargo run -- run examples/order --event examples/order/events/good.json --skip-time \
        --answer 'approval=2h:success:{"approved":true,"by":"kim"}'

# Install the command line
install:
    cargo install --path host/cli
