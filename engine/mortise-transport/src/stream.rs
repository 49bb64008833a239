//! A connected byte stream of any scheme.

use crate::address::Address;
use crate::hybrid;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_vsock::{VsockAddr, VsockStream};

/// The other end, as far as the transport knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// A process of this machine that may open the socket file.
    Local,
    /// A virtual machine; 3 is the parent seen from an enclave. The CID is all that vsock proves.
    Vsock {
        /// The context id of the peer.
        cid: u32,
    },
}

/// A connected byte stream.
#[derive(Debug)]
pub struct Stream {
    inner: Inner,
}

/// Most bytes of one write to a vsock. Linux makes a packet of a write; since "vsock/virtio:
/// Allocate nonlinear SKBs for handling large transmit buffers" (6.17, and stable kernels with it)
/// one of more than 32 KiB lies in several pieces of memory, and devices that read no more than the
/// first drop it without a word (rust-vmm's virtio-vsock up to 0.12, and with it
/// vhost-device-vsock). 28 KiB leave room for the packet's header and the kernel's.
const VSOCK_WRITE_MAX: usize = 28 * 1024;

#[derive(Debug)]
enum Inner {
    Unix(UnixStream),
    Vsock(VsockStream),
}

/// Connects to `address`.
///
/// # Errors
/// The operating system's error, `NotFound` and `ConnectionRefused` when no one listens there. At
/// a hybrid address also a [`hybrid::HybridError`] inside an [`io::Error`]: `ConnectionRefused` for
/// a port where no one listens, `TimedOut`, `InvalidData` for an answer that is none.
pub async fn connect(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Unix(path) => UnixStream::connect(path).await.map(Stream::from),
        Address::Hybrid { path, port } => hybrid::connect(path, *port).await.map(Stream::from),
        Address::Vsock { cid, port } => {
            VsockStream::connect(VsockAddr::new(*cid, *port)).await.map(Stream::from)
        }
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self { inner: Inner::Unix(stream) }
    }
}

impl From<VsockStream> for Stream {
    fn from(stream: VsockStream) -> Self {
        Self { inner: Inner::Vsock(stream) }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Unix(s) => Pin::new(s).poll_read(cx, buf),
            Inner::Vsock(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Inner::Unix(s) => Pin::new(s).poll_write(cx, buf),
            Inner::Vsock(s) => Pin::new(s).poll_write(cx, one_packet(buf)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Unix(s) => Pin::new(s).poll_flush(cx),
            Inner::Vsock(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Inner::Unix(s) => Pin::new(s).poll_shutdown(cx),
            Inner::Vsock(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

/// The part that fits one packet of a vsock; another write sends the rest.
fn one_packet(bytes: &[u8]) -> &[u8] {
    bytes.get(..VSOCK_WRITE_MAX).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::{VSOCK_WRITE_MAX, one_packet};

    #[test]
    fn many_bytes_are_split_into_packets() {
        for length in [0, 1, VSOCK_WRITE_MAX, VSOCK_WRITE_MAX + 1, 1024 * 1024] {
            let bytes: Vec<u8> = (0..length).map(|n| n.to_le_bytes()[0]).collect();
            let (mut rest, mut sent) = (bytes.as_slice(), Vec::new());
            while !rest.is_empty() {
                let packet = one_packet(rest);
                assert!((1..32 * 1024 - 1024).contains(&packet.len()));
                sent.extend_from_slice(packet);
                rest = &rest[packet.len()..];
            }
            assert_eq!(sent, bytes);
        }
    }
}
