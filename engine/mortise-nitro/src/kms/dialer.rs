//! How the parent is reached: a byte stream to its proxy, or to its credentials.
//!
//! A dialer knows one place. What comes over the stream is not trusted: the client ends TLS in it.

use mortise_engine::ports::PortFuture;
use mortise_transport::Address;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connected byte stream of any kind.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Connects to one place, again and again.
pub trait Dialer: Send + Sync + 'static {
    /// A new connection.
    ///
    /// # Errors
    /// The operating system's error.
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn ByteStream>>>;
}

impl Dialer for Address {
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = mortise_transport::connect(self).await?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}
