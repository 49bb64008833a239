//! Against a stand-in of the virtual machine's side, written from Firecracker's `docs/vsock.md`.

use super::*;
use crate::address::Address;
use crate::{Listener, Peer};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixListener;

/// A machine with one listener, which greets and then sends back what it gets. Each connection
/// starts with `CONNECT PORT\n`; it is answered `OK PORT\n`, or closed when the port is another.
async fn machine(listener: UnixListener, port: u32) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let asked = line.strip_prefix("CONNECT ").unwrap().strip_suffix('\n').unwrap();
        if asked.parse() != Ok(port) {
            continue;
        }
        // In one write: what the guest says at once arrives together with the answer.
        stream.write_all(b"OK 1073741824\nhello from the guest\nOK 7\n").await.unwrap();
        tokio::spawn(async move {
            let mut said = [0; 4];
            while stream.read_exact(&mut said).await.is_ok() {
                stream.write_all(&said).await.unwrap();
            }
        });
    }
}

/// A socket that answers each piece of `pieces` in a write of its own, then closes or keeps open.
fn answering(path: &Path, pieces: &'static [&'static [u8]], then_closes: bool) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        stream.read_line(&mut String::new()).await.unwrap();
        for piece in pieces {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
        if !then_closes {
            std::future::pending::<()>().await;
        }
    });
}

async fn refused(pieces: &'static [&'static [u8]], then_closes: bool) -> HybridError {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.sock");
    answering(&path, pieces, then_closes);
    let error = connect_within(&path, 5000, Duration::from_millis(100)).await.unwrap_err();
    *error.get_ref().expect("a named error").downcast_ref().expect("a HybridError")
}

#[tokio::test]
async fn the_stream_starts_after_the_newline_of_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.sock");
    tokio::spawn(machine(UnixListener::bind(&path).unwrap(), 5000));
    let address = Address::Hybrid { path, port: 5000 };
    let mut stream = BufReader::new(crate::connect(&address).await.unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    stream.read_line(&mut line).await.unwrap();
    assert_eq!(line, "hello from the guest\nOK 7\n");
    stream.write_all(b"ping").await.unwrap();
    let mut got = [0; 4];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"ping");
}

#[tokio::test]
async fn a_port_without_a_listener_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.sock");
    tokio::spawn(machine(UnixListener::bind(&path).unwrap(), 5000));
    let error = connect(&path, 5001).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(error.to_string(), "no one listens at port 5001 of the virtual machine");
    // A socket that resets because it never read our line says the same.
    let rude = folder.path().join("rude.sock");
    let listener = UnixListener::bind(&rude).unwrap();
    tokio::spawn(async move { drop(listener.accept().await) });
    let error = connect(&rude, 5001).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let error = connect(&folder.path().join("none"), 5001).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn an_answer_in_single_bytes_is_assembled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.sock");
    answering(&path, &[b"O", b"K", b" ", b"5", b"000", b"\n", b"raw"], true);
    let mut stream = connect(&path, 5000).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"raw");
}

const NOT_OK: [&[&[u8]]; 11] = [
    &[b"ERR 5\n"],
    &[b"OK\n"],
    &[b"OK \n"],
    &[b"OK 5000 \n"],
    &[b"OK -1\n"],
    &[b"OK 4294967296\n"],
    &[b"ok 5000\n"],
    &[b"OK 5000\r\n"],
    &[b"\n"],
    &[b"\0\xff\n"],
    &[b"HTTP/1.1 400 Bad Reque\n"],
];

#[tokio::test]
async fn every_other_answer_is_a_named_error() {
    for pieces in NOT_OK {
        assert_eq!(refused(pieces, true).await, HybridError::NotOk, "{pieces:?}");
    }
    assert_eq!(refused(&[b"OK 50"], true).await, HybridError::Torn);
    let too_long = HybridError::AnswerTooLong { max: ANSWER_BYTES_MAX };
    assert_eq!(refused(&[&[b'0'; 4096]], false).await, too_long);
    assert_eq!(refused(&[b"OK ", &[b'0'; 29], b"\n"], false).await, too_long);
    let silent = HybridError::Silent { within_ms: 100 };
    assert_eq!(refused(&[], false).await, silent);
    assert_eq!(refused(&[b"OK 5000"], false).await, silent);
}

#[tokio::test]
async fn calls_of_the_machine_arrive_at_the_socket_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.sock");
    let address = Address::Hybrid { path: path.clone(), port: 5001 };
    let listener = Listener::bind(&address).await.unwrap();
    assert_eq!(listener.address(), &address);
    // the machine's side dials PATH_PORT and the stream is raw from its first byte on
    let mut guest = UnixStream::connect(folder.path().join("v.sock_5001")).await.unwrap();
    guest.write_all(b"CONNECT 9\n").await.unwrap();
    let (mut stream, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, Peer::Local);
    let mut got = [0; 10];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"CONNECT 9\n");
    assert!(!path.exists(), "the machine's own socket is not ours to make");
    drop(listener);
    assert!(!folder.path().join("v.sock_5001").exists());
}
