//! The thread that sends notifications and waits out the pauses before further attempts. Its runtime is its own: in that of
//! the requests, each step of a message would wait behind the inspections that are due.

use std::convert::Infallible;
use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The thread; it ends with this value, and what it had not finished is dropped.
pub(super) struct Courier {
    handle: Handle,
    _ends: oneshot::Sender<Infallible>,
}

impl Courier {
    /// # Errors
    /// When the system gives no thread or no place to wait for sockets.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel::<Infallible>();
        let run = move || {
            // Nothing is ever sent: this is the end of the sender.
            let _ = runtime.block_on(ended);
        };
        std::thread::Builder::new().name("aimds-courier".into()).spawn(run)?;
        Ok(Self { handle, _ends: ends })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}
