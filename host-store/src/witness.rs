//! The witness proxy (port 5004): the enclave hands over a request, this machine posts it.
//!
//! ```text
//! enclave --call {witness key, body}--> proxy --POST URL/add-checkpoint--> witness
//!         <--reply {status, body}------       <---------------------------
//! ```
//! What it is for: an enclave has no network. A cosignature proves itself, so HTTP, and TLS where
//! it is wanted, can end on this machine.
//!
//! What it does not do: end TLS (run a forwarder beside it), interpret what passes, retry. The
//! owner of this machine can withhold cosignatures, but only a witness's key makes one.
//!
//! Invariants: bytes go only to configured addresses; calls, bytes and time are bounded.

use crate::port;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use mortise_format::codec;
use mortise_format::json::vkey_parse;
use mortise_format::limits::{
    WITNESS_ANSWER_BYTES_MAX, WITNESS_ANSWER_MS_MAX, WITNESS_REQUEST_BYTES_MAX,
};
use mortise_format::witness::{WitnessCall, WitnessReply};
use mortise_transport::{Address, Listener, MessageReader, MessageWriter, Stream, WITNESS_MAGIC};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Most calls at once.
const CALLS_MAX: usize = 64;
/// Most bytes of a call or a reply, with the framing.
const MESSAGE_BYTES_MAX: usize = WITNESS_REQUEST_BYTES_MAX + 1024;

/// Address of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessPlace {
    key: [u8; 32],
    host: String,
    port: u16,
    prefix: String,
}

/// The text is not the address of a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessPlaceError {
    /// The text does not have two words.
    #[error("a witness is \"VERIFIER_KEY URL\"")]
    Words,
    /// The first word is not a verifier key.
    #[error("the first word is not the verifier key of a witness")]
    Key,
    /// The second word is not a supported URL.
    #[error(
        "the second word is not http://HOST:PORT or http://HOST:PORT/PREFIX (TLS ends elsewhere)"
    )]
    Url,
}

impl FromStr for WitnessPlace {
    type Err = WitnessPlaceError;

    fn from_str(text: &str) -> Result<Self, WitnessPlaceError> {
        let (key, url) = text.trim().split_once(' ').ok_or(WitnessPlaceError::Words)?;
        let key = vkey_parse(key).ok_or(WitnessPlaceError::Key)?.key;
        let rest = url.trim().strip_prefix("http://").ok_or(WitnessPlaceError::Url)?;
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(WitnessPlaceError::Url)?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if host.is_empty() || !host.chars().chain(prefix.chars()).all(is_plain) {
            return Err(WitnessPlaceError::Url);
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { key, host: host.to_owned(), port, prefix })
    }
}

/// Configuration of the proxy for the enclave.
#[derive(Debug, Clone)]
pub struct WitnessConfig {
    /// Address at which the enclave connects.
    pub listen: Address,
    /// Addresses of the witnesses.
    pub places: Vec<WitnessPlace>,
}

/// State of the running proxy.
#[derive(Debug, Clone)]
pub(crate) struct WitnessProxy {
    pub(crate) places: Arc<Vec<WitnessPlace>>,
    /// The only context id that may connect.
    pub(crate) only_cid: Option<u32>,
}

/// Forwards calls until `stop` changes. Open calls are then closed.
pub(crate) async fn serve(listener: Listener, proxy: WitnessProxy, stop: watch::Receiver<()>) {
    let options = port::options(proxy.only_cid, CALLS_MAX);
    let handler = move |stream| {
        let places = Arc::clone(&proxy.places);
        async move {
            let limit = Duration::from_millis(2 * WITNESS_ANSWER_MS_MAX);
            // A peer that closes or sends garbage gets no answer.
            let _ = tokio::time::timeout(limit, carry(stream, &places)).await;
        }
    };
    let report = |event| port::log_event("witness", &event);
    mortise_transport::serve(listener, options, stop, handler, report).await;
}

async fn carry(stream: Stream, places: &[WitnessPlace]) -> Option<()> {
    let (read, write) = tokio::io::split(stream);
    let mut reader = MessageReader::new(read, MESSAGE_BYTES_MAX);
    reader.expect_magic(WITNESS_MAGIC).await.ok()?;
    let message = reader.read().await.ok()??;
    let call: WitnessCall = codec::decode(&message.payload).ok()?;
    let reply = match places.iter().find(|place| place.key == call.witness) {
        None => WitnessReply::Unknown,
        Some(place) => post(place, call.body).await.unwrap_or(WitnessReply::Unreachable),
    };
    let mut writer = MessageWriter::new(write, MESSAGE_BYTES_MAX);
    writer.queue(message.correlation, &codec::encode(&reply)).ok()?;
    writer.flush().await.ok()
}

/// Handles the request of one connection; `None` when there is no answer within the bounds.
async fn post(place: &WitnessPlace, body: Vec<u8>) -> Option<WitnessReply> {
    let posting = exchange(place, body);
    let limit = Duration::from_millis(WITNESS_ANSWER_MS_MAX);
    let reply = tokio::time::timeout(limit, posting).await.ok().flatten();
    if reply.is_none() {
        tracing::warn!(host = place.host, port = place.port, "a witness gave no answer");
    }
    reply
}

async fn exchange(place: &WitnessPlace, body: Vec<u8>) -> Option<WitnessReply> {
    let stream = TcpStream::connect((place.host.as_str(), place.port)).await.ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let slash = if place.prefix.is_empty() { "" } else { "/" };
    let request = Request::post(format!("{slash}{}/add-checkpoint", place.prefix))
        .header("host", format!("{}:{}", place.host, place.port))
        .header("content-type", "text/plain; charset=utf-8")
        .body(Full::new(Bytes::from(body)))
        .ok()?;
    let driving = tokio::spawn(connection);
    let answered = async {
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        let body =
            Limited::new(answer.into_body(), WITNESS_ANSWER_BYTES_MAX).collect().await.ok()?;
        Some(WitnessReply::Answered { status, body: body.to_bytes().to_vec() })
    };
    let answered = answered.await;
    driving.abort();
    answered
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::post;
    use mortise_format::json::vkey_text;
    use mortise_format::witness::WitnessKey;
    use mortise_transport::connect;

    fn witness(n: u8) -> WitnessKey {
        WitnessKey { key: [n; 32], name: format!("w{n}") }
    }

    #[test]
    fn an_address_is_a_verifier_key_and_a_plain_url() {
        let key = vkey_text(&witness(1));
        let place: WitnessPlace = format!("{key} http://w.example:81/a/b/").parse().unwrap();
        assert_eq!(
            (place.host.as_str(), place.port, place.prefix.as_str()),
            ("w.example", 81, "a/b")
        );
        for (text, wrong) in [
            (key.clone(), WitnessPlaceError::Words),
            (format!("{key}x http://a"), WitnessPlaceError::Key),
            (format!("{key} https://a"), WitnessPlaceError::Url),
            (format!("{key} http://:1"), WitnessPlaceError::Url),
            (format!("{key} http://a:0"), WitnessPlaceError::Url),
            (format!("{key} http://a/b c"), WitnessPlaceError::Url),
            (format!("{key} http://a@b"), WitnessPlaceError::Url),
        ] {
            assert_eq!(text.parse::<WitnessPlace>(), Err(wrong), "{text}");
        }
    }

    async fn ask(address: &Address, witness: [u8; 32]) -> WitnessReply {
        let (read, write) = tokio::io::split(connect(address).await.unwrap());
        let mut writer = MessageWriter::new(write, MESSAGE_BYTES_MAX);
        writer.queue_magic(WITNESS_MAGIC);
        writer.queue(7, &codec::encode(&WitnessCall { witness, body: b"asked".to_vec() })).unwrap();
        writer.flush().await.unwrap();
        let message = MessageReader::new(read, MESSAGE_BYTES_MAX).read().await.unwrap().unwrap();
        assert_eq!(message.correlation, 7);
        codec::decode(&message.payload).unwrap()
    }

    #[tokio::test]
    async fn requests_go_to_configured_witnesses_only_and_answers_are_bounded() {
        let service = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = service.local_addr().unwrap();
        let router = Router::new()
            .route("/add-checkpoint", post(|body: String| async move { format!("{body}!") }))
            .route("/most/add-checkpoint", post(|| async { "x".repeat(WITNESS_ANSWER_BYTES_MAX) }))
            .route(
                "/long/add-checkpoint",
                post(|| async { "x".repeat(WITNESS_ANSWER_BYTES_MAX + 1) }),
            );
        tokio::spawn(async move { axum::serve(service, router).await });
        let place =
            |n, at: &str| format!("{} http://{at}", vkey_text(&witness(n))).parse().unwrap();
        let gone =
            tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let places = vec![
            place(1, &at.to_string()),
            place(2, &format!("{at}/long")),
            place(3, &gone.to_string()),
            place(4, &format!("{at}/none")),
            place(6, &format!("{at}/most")),
        ];
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Unix(folder.path().join("witness.sock"));
        let listener = Listener::bind(&address).await.unwrap();
        let (_stop, stopped) = watch::channel(());
        let proxy = WitnessProxy { places: Arc::new(places), only_cid: None };
        tokio::spawn(serve(listener, proxy, stopped));
        let answered = WitnessReply::Answered { status: 200, body: b"asked!".to_vec() };
        assert_eq!(ask(&address, [1; 32]).await, answered);
        assert_eq!(ask(&address, [2; 32]).await, WitnessReply::Unreachable);
        assert_eq!(ask(&address, [3; 32]).await, WitnessReply::Unreachable);
        let none = ask(&address, [4; 32]).await;
        assert!(matches!(none, WitnessReply::Answered { status: 404, .. }), "{none:?}");
        assert_eq!(ask(&address, [5; 32]).await, WitnessReply::Unknown);
        let body = vec![b'x'; WITNESS_ANSWER_BYTES_MAX];
        let most = WitnessReply::Answered { status: 200, body };
        assert_eq!(ask(&address, [6; 32]).await, most);
    }
}
