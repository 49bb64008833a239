//! Connections to the parent: byte streams to its proxy or to its credentials.
//!
//! A dialer connects to one address. The data of the stream is not trusted: TLS ends in the client.

use mortise_engine::ports::PortFuture;
use mortise_transport::Address;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connected byte stream.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Opens any number of connections to one address.
pub trait Dialer: Send + Sync + 'static {
    /// Opens a new connection.
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
