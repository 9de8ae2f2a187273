//! Work that takes long, on the threads that serve connections.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does `work` here, while the thread's other tasks go on on another one.
///
/// Why: connections are served by few threads, since what they do for each token is mostly the system's work on the
/// socket, and fewer threads wake each other less. So none may be held up by what a stranger sent.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // Without other threads there is nowhere to go on.
        Ok(_) | Err(_) => work(),
    }
}
