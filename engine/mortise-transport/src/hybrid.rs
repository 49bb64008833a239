//! Dialling a port of a virtual machine whose vsock is behind a unix socket.
//!
//! ```text
//! us  --connect-->  PATH
//! us  --"CONNECT 5000\n"-->
//! us  <--"OK 1073741824\n"--     then the stream of that port; or end of stream: no listener
//! ```
//! The line protocol is Firecracker's (its `docs/vsock.md`, "Host-Initiated Connections"). The
//! number in the answer is a port that the answering side chooses (vhost-device-vsock repeats
//! ours); it is ignored.
//!
//! Invariants: no byte after the answer's line is read from the stream; the answer is bounded in
//! length and in time.

use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// Longest answer, with the newline: `OK `, a 32-bit number, and room for leading zeros.
const ANSWER_BYTES_MAX: usize = 32;
/// The port answers within this time. A guest's kernel answers by itself, busy or not.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// Why a socket gave no stream to the port. It is the source of an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HybridError {
    /// The socket was closed without an answer.
    #[error("no one listens at port {port} of the virtual machine")]
    NoListener {
        /// The port.
        port: u32,
    },
    /// The answer is not `OK NUMBER` and a newline.
    #[error("the socket answered CONNECT with something else than OK: is it that of a vsock?")]
    NotOk,
    /// The answer has no end within its bound.
    #[error("the socket answered CONNECT with more than {max} bytes")]
    AnswerTooLong {
        /// The bound.
        max: usize,
    },
    /// The answer breaks off.
    #[error("the socket was closed inside its answer to CONNECT")]
    Torn,
    /// There is no answer within the bound.
    #[error("the socket did not answer CONNECT in {within_ms} ms")]
    Silent {
        /// The bound.
        within_ms: u128,
    },
}

impl From<HybridError> for io::Error {
    fn from(error: HybridError) -> Self {
        let kind = match error {
            HybridError::NoListener { .. } => io::ErrorKind::ConnectionRefused,
            HybridError::Silent { .. } => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// Connects to `port` of the virtual machine behind the socket at `path`.
///
/// # Errors
/// The operating system's error; [`HybridError`].
pub(crate) async fn connect(path: &Path, port: u32) -> io::Result<UnixStream> {
    connect_within(path, port, ANSWER_TIME).await
}

async fn connect_within(path: &Path, port: u32, within: Duration) -> io::Result<UnixStream> {
    let asking = async {
        let mut stream = UnixStream::connect(path).await?;
        let asked = stream.write_all(format!("CONNECT {port}\n").as_bytes()).await;
        // A peer that closes at once may do so before it has read the line.
        asked.map_err(|error| refused_or(error, port))?;
        read_answer(&mut stream, port).await?;
        Ok(stream)
    };
    let silent = HybridError::Silent { within_ms: within.as_millis() };
    tokio::time::timeout(within, asking).await.unwrap_or_else(|_| Err(silent.into()))
}

/// Reads up to the newline and no further: what follows belongs to the stream.
async fn read_answer(stream: &mut UnixStream, port: u32) -> io::Result<()> {
    let mut answer = Vec::with_capacity(ANSWER_BYTES_MAX);
    loop {
        let mut byte = [0];
        let count = stream.read(&mut byte).await.map_err(|error| refused_or(error, port))?;
        match byte[0] {
            _ if count == 0 && answer.is_empty() => {
                return Err(HybridError::NoListener { port }.into());
            }
            _ if count == 0 => return Err(HybridError::Torn.into()),
            b'\n' if is_ok(&answer) => return Ok(()),
            b'\n' => return Err(HybridError::NotOk.into()),
            byte => answer.push(byte),
        }
        if answer.len() >= ANSWER_BYTES_MAX {
            return Err(HybridError::AnswerTooLong { max: ANSWER_BYTES_MAX }.into());
        }
    }
}

/// A socket that is closed with our line unread is reset. That means no listener, as end of stream
/// does.
fn refused_or(error: io::Error, port: u32) -> io::Error {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            HybridError::NoListener { port }.into()
        }
        _ => error,
    }
}

fn is_ok(answer: &[u8]) -> bool {
    let number = answer.strip_prefix(b"OK ").unwrap_or_default();
    !number.is_empty()
        && number.iter().all(u8::is_ascii_digit)
        && std::str::from_utf8(number).is_ok_and(|number| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests;
