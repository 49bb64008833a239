//! A stream whose reader must make progress.
//!
//! What it is for: a peer that asks for much and reads nothing would hold the answers in memory for
//! as long as it likes. A writer that waits for such a peer fails with `TimedOut`.
//!
//! What it does not do: limit reading, or a peer that only is slow: within each time it has to take
//! a number of bytes, or all that there is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// A stream with a bound on waiting for its reader.
#[derive(Debug)]
pub struct SlowGuard<S> {
    inner: S,
    time: Duration,
    bytes_min: usize,
    /// Runs while the writer waits.
    timer: Pin<Box<Sleep>>,
    is_waiting: bool,
    /// Bytes that the reader took since the timer was set.
    taken: usize,
}

impl<S> SlowGuard<S> {
    /// A stream whose reader takes at least `bytes_min` bytes within `time`, or the rest. Needs a
    /// running tokio runtime.
    pub fn new(inner: S, time: Duration, bytes_min: usize) -> Self {
        let timer = Box::pin(sleep(time));
        Self { inner, time, bytes_min, timer, is_waiting: false, taken: 0 }
    }

    /// The stream itself, for a writer with timeouts of its own.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    fn wrote(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes);
        if self.taken >= self.bytes_min {
            self.is_waiting = false;
        }
    }

    /// The writer waits: an error when it has waited too long.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.is_waiting {
            self.is_waiting = true;
            self.taken = 0;
            self.timer.as_mut().reset(Instant::now() + self.time);
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.wrote(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.wait(cx).map(Err),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SlowGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SlowGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Ready(flushed) => {
                // All of it is taken.
                self.is_waiting = false;
                Poll::Ready(flushed)
            }
            Poll::Pending => self.wait(cx).map(Err),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_shutdown(cx) {
            Poll::Ready(ended) => Poll::Ready(ended),
            Poll::Pending => self.wait(cx).map(Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn reader_that_takes_nothing_ends_the_write() {
        let (near, mut far) = duplex(8);
        let mut guarded = SlowGuard::new(near, Duration::from_millis(10), 4);
        guarded.write_all(b"12345678").await.unwrap();
        guarded.flush().await.unwrap();
        let error = guarded.write_all(b"9").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(guarded);
        let mut read = Vec::new();
        far.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"12345678");
    }

    #[tokio::test]
    async fn reader_that_takes_too_little_ends_the_write() {
        let (near, mut far) = duplex(8);
        let mut guarded = SlowGuard::new(near, Duration::from_millis(50), usize::MAX);
        let reading = async {
            // a byte whenever there is room, for ever
            while far.read_u8().await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let writing = async {
            let error = guarded.write_all(&[7; 1 << 20]).await.unwrap_err();
            drop(guarded);
            error
        };
        let (error, ()) = tokio::join!(writing, reading);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn reader_that_makes_progress_gets_all() {
        let (near, mut far) = duplex(8);
        let mut guarded = SlowGuard::new(near, LONG, 4);
        let writing = async {
            guarded.write_all(&[7; 1000]).await.unwrap();
            guarded.shutdown().await.unwrap();
        };
        let mut read = Vec::new();
        let (_, all) = tokio::join!(writing, far.read_to_end(&mut read));
        assert_eq!((all.unwrap(), read), (1000, vec![7; 1000]));
    }
}
