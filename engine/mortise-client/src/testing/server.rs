//! HTTP and framed servers on loopback.

use super::engine::Engine;
use crate::client::Client;
use crate::retry::RetryPolicy;
use mortise_rpc::ErrorObject;
use mortise_rpc::envelope::{Item, Message, Request, failure, parse};
use mortise_transport::{MessageReader, MessageWriter, REQUEST_MAGIC};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// What the script does with a request.
pub(crate) enum ServerBehaviour {
    /// The honest answer.
    Answer,
    /// The honest answer, changed by the test as JSON text.
    Change(fn(&str) -> String),
    /// An error object.
    Refuse(ErrorObject),
    /// The connection is closed without an answer.
    Drop,
    /// HTTP 503.
    Unavailable,
    /// Bytes that are not an answer.
    Garbage(&'static str),
}

type Script = dyn Fn(&Request) -> ServerBehaviour + Send + Sync;

/// A running server. It keeps the requests that it received.
pub(crate) struct Server {
    pub engine: Arc<Engine>,
    pub endpoint: String,
    seen: Arc<Mutex<Vec<String>>>,
    _folder: Option<tempfile::TempDir>,
}

/// Shared state of the connections.
#[derive(Clone)]
struct Shared {
    engine: Arc<Engine>,
    seen: Arc<Mutex<Vec<String>>>,
    script: Arc<Script>,
}

impl Server {
    /// HTTP.
    pub async fn http(
        script: impl Fn(&Request) -> ServerBehaviour + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (server, shared) = Self::new(endpoint, None, script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_http(stream, shared.clone()));
            }
        });
        server
    }

    /// Framed, on a unix socket.
    pub async fn unix(
        script: impl Fn(&Request) -> ServerBehaviour + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (server, shared) = Self::new(format!("unix:{}", path.display()), Some(folder), script);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve_framed(stream, shared.clone()));
            }
        });
        server
    }

    fn new(
        endpoint: String,
        folder: Option<tempfile::TempDir>,
        script: impl Fn(&Request) -> ServerBehaviour + Send + Sync + 'static,
    ) -> (Self, Shared) {
        let shared = Shared {
            engine: Arc::new(Engine::new()),
            seen: Arc::default(),
            script: Arc::new(script),
        };
        let (engine, seen) = (Arc::clone(&shared.engine), Arc::clone(&shared.seen));
        (Self { engine, endpoint, seen, _folder: folder }, shared)
    }

    /// A client with short waits.
    pub fn client(&self) -> Client {
        let retry = RetryPolicy {
            attempts_max: 4,
            wait_first: Duration::from_millis(1),
            wait_max: Duration::from_millis(5),
            answer_max: Duration::from_secs(10),
        };
        Client::new(self.endpoint.parse().unwrap()).with_retry(retry)
    }

    /// The requests of a method, as they came.
    pub fn seen(&self, method: &str) -> Vec<String> {
        let named = format!("\"method\":\"{method}\"");
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|text| text.contains(&named)).cloned().collect()
    }
}

/// The answer, or `None` to close.
fn treat(shared: &Shared, body: &[u8]) -> Option<(u16, Vec<u8>)> {
    shared.seen.lock().unwrap().push(String::from_utf8_lossy(body).into_owned());
    let Message::Single(Item::Request(request)) = parse(body) else { return None };
    let id = request.id.clone().unwrap();
    let answer = || shared.engine.answer(&request);
    match (shared.script)(&request) {
        ServerBehaviour::Answer => Some((200, answer())),
        ServerBehaviour::Change(change) => {
            let text = String::from_utf8(answer()).unwrap();
            let changed = change(&text);
            assert_ne!(changed, text, "the test's change does nothing");
            Some((200, changed.into_bytes()))
        }
        ServerBehaviour::Refuse(error) => Some((200, failure(&id, &error))),
        ServerBehaviour::Garbage(text) => Some((200, text.into())),
        ServerBehaviour::Unavailable => Some((503, vec![])),
        ServerBehaviour::Drop => None,
    }
}

async fn serve_http(mut stream: TcpStream, shared: Shared) {
    let mut buffer = Vec::new();
    loop {
        let Some((head, length)) = http_head(&buffer) else {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
            continue;
        };
        while buffer.len() < head + length {
            stream.read_buf(&mut buffer).await.unwrap();
        }
        let body: Vec<u8> = buffer.drain(..head + length).skip(head).collect();
        let Some((status, answer)) = treat(&shared, &body) else { return };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.into_bytes(), answer].concat()).await.unwrap();
    }
}

/// Size of the head and of the body behind it, once the head is there.
fn http_head(buffer: &[u8]) -> Option<(usize, usize)> {
    let text = String::from_utf8_lossy(buffer).to_lowercase();
    let head = text.find("\r\n\r\n")? + 4;
    let length = text.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    Some((head, length))
}

async fn serve_framed(stream: UnixStream, shared: Shared) {
    let (read, write) = stream.into_split();
    let mut reader = MessageReader::new(read, 1 << 20);
    let mut writer = MessageWriter::new(write, 1 << 20);
    reader.expect_magic(REQUEST_MAGIC).await.unwrap();
    while let Ok(Some(message)) = reader.read().await {
        let Some((_, answer)) = treat(&shared, &message.payload) else { return };
        writer.queue(message.correlation, &answer).unwrap();
        writer.flush().await.unwrap();
    }
}
