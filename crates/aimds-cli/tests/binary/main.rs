//! Whole-binary tests: what a shell, a pipeline or a CI job sees of `aimds`.

// Runs the binary, and keeps files for one test.
mod command;

// `aimds audit`.
mod audit;
// `aimds bench temporal`, `scheduler` and `attractor`.
mod bench;
// `aimds calibrate`.
mod calibrate;
// `aimds config`.
mod config;
// The cases of `conformance/`, through the library, `aimds scan` and the gateway.
mod conformance;
// `aimds eval`: numbers, comparison, refused rows.
mod eval;
// The failure table.
#[cfg(unix)]
mod faults;
// `aimds graph`, and its bench.
mod graph;
// `aimds explain`: words, thresholds, known attacks.
mod explain;
// What every subcommand has: help, version, usage errors.
mod general;
// `aimds learn` and `aimds bench learn`.
mod learn;
// `aimds policy`.
mod policy;
// `aimds review`: decisions through the gateway, the file beside it, a gateway that is killed.
#[cfg(unix)]
mod review;
// `aimds router`: replayed logs.
mod reload;
mod router;
// `aimds scan` on texts and files: pages, JSON, SARIF, exit statuses.
mod scan;
// `aimds serve`: keys, paths, start and stop.
mod serve;
// `aimds session`, against a gateway.
mod session;
// `aimds scan --input jsonl`: order, bad lines, compression, pipes.
mod stream;
// Log lines and traces of a gateway.
mod telemetry;
// `aimds token`: tokens and keys, with a gateway that takes them.
mod token;
