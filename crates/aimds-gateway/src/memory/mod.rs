//! What is made of the audit log behind requests: the log is the spool. A thread reads what has been committed and hands it
//! on; it remembers on the disk how far it came. So a request waits for nothing and nothing is dropped: while a store is down
//! the log keeps what it will be told, also over the end of the process.

mod follower;
mod graph;
mod place;

pub(crate) use follower::{Consumer, Follower};
pub(crate) use graph::{Memory, Unanswered};
