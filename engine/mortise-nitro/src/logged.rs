//! Captures what a test logs, by thread.
//!
//! The subscriber is global to the process. A subscriber that is the default of one thread can miss
//! lines of a call site that another thread reached first, because `tracing` asks that thread's
//! default for interest and caches the answer.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

thread_local! {
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Collects the lines of this thread at the finest level, until `take`.
#[derive(Debug)]
pub(crate) struct Logged(());

impl Logged {
    /// Starts collecting.
    pub(crate) fn start() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_writer(|| ToThisThread)
                .finish();
            tracing::subscriber::set_global_default(subscriber).expect("only set here");
        });
        LINES.set(Some(Vec::new()));
        Self(())
    }

    /// Returns what was logged since the start.
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
