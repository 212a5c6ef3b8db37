# shellcheck shell=bash
# Cargo itself knows what is out of date.
title="building the operator and the demo programs"

present() { false; }

build() { cargo build --manifest-path "$ROOT/Cargo.toml" --release --package sluice --package sluice-demo; }
