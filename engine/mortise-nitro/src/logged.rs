//! What the tests of this crate log, thread by thread.
//!
//! The subscriber is the process's own: one that is the default of a single thread can miss the
//! lines of a call site that another thread reached first (`tracing` asks that thread's default
//! whether anybody wants them, and keeps the answer).

use std::cell::RefCell;
use std::io;
use std::sync::Once;

thread_local! {
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Collects the lines of this thread, at the finest level, until it is taken.
#[derive(Debug)]
pub(crate) struct Logged(());

impl Logged {
    /// Starts to collect.
    pub(crate) fn start() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_writer(|| ToThisThread)
                .finish();
            tracing::subscriber::set_global_default(subscriber).expect("set here alone");
        });
        LINES.set(Some(Vec::new()));
        Self(())
    }

    /// What was logged since.
    pub(crate) fn take(self) -> String {
        String::from_utf8(LINES.take().unwrap_or_default()).expect("a log is text")
    }
}

struct ToThisThread;

impl io::Write for ToThisThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.as_mut().map(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
