//! Tests of the graph: both stores pass the same ones.

// What every store must do, as a list of cases.
mod conformance;
// Processes that are killed while they write.
mod crash;
// From records of the audit log.
mod link;
// Names, properties, batches: what is refused.
mod model;
// The questions, answered without an index or a walk that is bounded.
mod naive;
// A real Neo4j server, where there is one.
#[cfg(feature = "neo4j")]
mod neo4j;
// Pictures and sentences, byte for byte.
mod pictures;
// Random graphs, against the naive answers.
mod properties;
// The server that the tests start, kill and start again.
#[cfg(feature = "neo4j")]
mod server;
// What only the file has: openings, hubs, what is left on disk.
mod sqlite;
// Ids, nodes, edges and batches in few words.
mod words;
