//! Listening at an address.
//!
//! A unix socket is bound under a temporary name, made private (mode 0600) and then renamed to its
//! path. So only the owner can connect at any moment, and the socket file of a dead process is
//! replaced atomically. A live listener is never replaced.

use crate::address::{Address, hybrid_socket};
use crate::stream::{Peer, Stream};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;
use tokio_vsock::{VsockAddr, VsockListener};

/// A bound listener; dropping it removes the unix socket file that it made.
#[derive(Debug)]
pub struct Listener {
    inner: Inner,
    address: Address,
}

#[derive(Debug)]
enum Inner {
    Unix { listener: UnixListener, _file: SocketFile },
    Vsock(VsockListener),
}

impl Listener {
    /// Listens at `address`; at a hybrid one, for the calls of that virtual machine to the port.
    ///
    /// # Errors
    /// `AddrInUse` when another listener answers there; `AlreadyExists` when the path is a file
    /// that is not a socket; otherwise the operating system's error.
    pub async fn bind(address: &Address) -> io::Result<Self> {
        let inner = match address {
            Address::Unix(path) => bind_unix(path).await?,
            Address::Hybrid { path, port } => bind_unix(&hybrid_socket(path, *port)).await?,
            Address::Vsock { cid, port } => {
                Inner::Vsock(VsockListener::bind(VsockAddr::new(*cid, *port))?)
            }
        };
        Ok(Self { inner, address: address.clone() })
    }

    /// The address that was bound.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for the next connection. Cancelling it loses none.
    ///
    /// # Errors
    /// The operating system's error. Running out of file descriptors is one; the listener stays
    /// usable, and the caller waits a little before it tries again.
    pub async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.inner {
            Inner::Unix { listener, .. } => {
                let (stream, _) = listener.accept().await?;
                Ok((stream.into(), Peer::Local))
            }
            Inner::Vsock(listener) => {
                let (stream, peer) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
                Ok((stream.into(), Peer::Vsock { cid: peer.cid() }))
            }
        }
    }
}

async fn bind_unix(path: &Path) -> io::Result<Inner> {
    refuse_taken(path).await?;
    let mut private = path.as_os_str().to_owned();
    private.push(format!(".{}", std::process::id()));
    let private = PathBuf::from(private);
    match std::fs::remove_file(&private) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(&private)?;
    std::fs::set_permissions(&private, Permissions::from_mode(0o600))?;
    std::fs::rename(&private, path)?;
    let _file = SocketFile::new(path)?;
    Ok(Inner::Unix { listener, _file })
}

/// Fails unless `path` is free or is a socket without a listener.
async fn refuse_taken(path: &Path) -> io::Result<()> {
    let found = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path is no socket"));
    }
    match tokio::net::UnixStream::connect(path).await {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(e) => Err(e),
        Ok(_) => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on the socket"))
        }
    }
}

/// Removes the socket file on drop, unless the path has become another file since.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), identity: (found.dev(), found.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Ok(found) = std::fs::symlink_metadata(&self.path)
            && (found.dev(), found.ino()) == self.identity
        {
            // Nothing depends on the removal: a stale file is replaced by the next bind.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::connect;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn at(dir: &tempfile::TempDir, name: &str) -> Address {
        Address::Unix(dir.path().join(name))
    }

    #[tokio::test]
    async fn bytes_pass_both_ways_over_a_private_socket() {
        let dir = tempfile::tempdir().unwrap();
        let address = at(&dir, "s");
        let listener = Listener::bind(&address).await.unwrap();
        let mode = std::fs::metadata(dir.path().join("s")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut client = connect(&address).await.unwrap();
        let (mut server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, Peer::Local);
        client.write_all(b"ping").await.unwrap();
        let mut got = [0; 4];
        server.read_exact(&mut got).await.unwrap();
        server.write_all(b"pong").await.unwrap();
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"pong");
    }

    #[tokio::test]
    async fn a_live_listener_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let _live = Listener::bind(&at(&dir, "s")).await.unwrap();
        let error = Listener::bind(&at(&dir, "s")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(connect(&at(&dir, "s")).await.is_ok());
    }

    #[tokio::test]
    async fn a_socket_file_of_a_dead_process_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap());
        assert!(dir.path().join("s").exists());
        let _live = Listener::bind(&at(&dir, "s")).await.unwrap();
        assert!(connect(&at(&dir, "s")).await.is_ok());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("s"), "data").unwrap();
        let error = Listener::bind(&at(&dir, "s")).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(dir.path().join("s")).unwrap(), b"data");
    }

    #[tokio::test]
    async fn dropping_a_listener_removes_its_own_file_only() {
        let dir = tempfile::tempdir().unwrap();
        let first = Listener::bind(&at(&dir, "s")).await.unwrap();
        std::fs::remove_file(dir.path().join("s")).unwrap();
        let second = Listener::bind(&at(&dir, "s")).await.unwrap();
        drop(first);
        assert!(dir.path().join("s").exists());
        drop(second);
        assert!(!dir.path().join("s").exists());
    }

    #[tokio::test]
    async fn vsock_binds_where_the_kernel_has_it() {
        // There is no vsock loopback to connect through here; a kernel without AF_VSOCK says so.
        let address = Address::Vsock { cid: crate::VSOCK_CID_ANY, port: 50_917 };
        match Listener::bind(&address).await {
            Ok(listener) => assert_eq!(listener.address(), &address),
            Err(e) => assert!(
                matches!(e.raw_os_error(), Some(97 | 95 | 19 | 1 | 13 | 98)),
                "unexpected error {e}"
            ),
        }
    }
}
