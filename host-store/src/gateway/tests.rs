//! The gateway over raw HTTP on loopback, with an engine that each test scripts.

use super::{Access, AccessConfig, EngineLinks, Gateway, GatewayLimits, Pages, serve};
use crate::metrics::Metrics;
use crate::store::StoreState;
use bytes::Bytes;
use mortise_format::limits::{REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX};
use mortise_transport::{
    Address, HINT_BYTES, Listener, MessageReader, MessageWriter, RELAY_MAGIC, Stream, split_hint,
};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

mod shares;

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"health","params":{}}"#;

/// A gateway on an ephemeral port. Dropping it stops it.
struct Front {
    folder: tempfile::TempDir,
    http: SocketAddr,
    _stop: watch::Sender<()>,
}

impl Front {
    async fn new(limits: GatewayLimits) -> Self {
        Self::with(limits, AccessConfig::default()).await
    }

    async fn with(limits: GatewayLimits, access: AccessConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        let links = EngineLinks::new(&Self::engine_in(&folder), &limits);
        let store = watch::Sender::new(StoreState::Appending).subscribe();
        let access = Access::new(access, http);
        let gateway = Gateway::new(links, Arc::new(Metrics::new()), store, limits, access);
        let gateway = Arc::new(gateway);
        let (stop, stopped) = watch::channel(());
        tokio::spawn(serve(listener, gateway, stopped));
        Self { folder, http, _stop: stop }
    }

    fn engine_in(folder: &tempfile::TempDir) -> Address {
        Address::Unix(folder.path().join("engine"))
    }

    async fn listen(&self) -> Listener {
        Listener::bind(&Self::engine_in(&self.folder)).await.unwrap()
    }

    /// Starts an engine that answers each request immediately with `answer` of it.
    async fn engine(&self, answer: impl Fn(&[u8]) -> Vec<u8> + Clone + Send + Sync + 'static) {
        let listener = self.listen().await;
        tokio::spawn(async move {
            loop {
                let mut engine = Engine::accept(&listener).await;
                let answer = answer.clone();
                tokio::spawn(async move {
                    while let Some((correlation, request)) = engine.next().await {
                        engine.answer(correlation, &answer(&request)).await;
                    }
                });
            }
        });
    }

    /// Sends bytes and reads to the end of the connection.
    async fn raw(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(request).await.unwrap();
        Reply::read(stream).await
    }

    async fn post(&self, body: &str) -> Reply {
        self.raw(post_text(body).as_bytes()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.raw(
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )
        .await
    }
}

fn post_text(body: &str) -> String {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nOrigin: http://localhost:3000\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The engine's end of one connection.
struct Engine {
    reader: MessageReader<ReadHalf<Stream>>,
    writer: MessageWriter<WriteHalf<Stream>>,
}

impl Engine {
    async fn accept(listener: &Listener) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let (read, write) = tokio::io::split(stream);
        let mut reader = MessageReader::new(read, HINT_BYTES + REQUEST_BYTES_MAX);
        reader.expect_magic(RELAY_MAGIC).await.unwrap();
        Self { reader, writer: MessageWriter::new(write, RESPONSE_BYTES_MAX) }
    }

    async fn next(&mut self) -> Option<(u64, Bytes)> {
        self.next_of().await.map(|(correlation, _, request)| (correlation, request))
    }

    /// The next request with the hint of its peer.
    async fn next_of(&mut self) -> Option<(u64, u64, Bytes)> {
        let message = self.reader.read().await.unwrap()?;
        let (hint, request) = split_hint(message.payload);
        Some((message.correlation, hint, request))
    }

    async fn answer(&mut self, correlation: u64, payload: &[u8]) {
        self.writer.queue(correlation, payload).unwrap();
        self.writer.flush().await.unwrap();
    }
}

/// An HTTP answer.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    async fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A peer that closes with unread input resets; what it sent before still counts.
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap()
    }

    fn assert_cors(&self) {
        for line in [
            "access-control-allow-origin: http://localhost:3000",
            "access-control-allow-methods: post, options",
            "access-control-allow-headers: content-type",
        ] {
            assert!(self.head.contains(line), "{line} is missing in {}", self.head);
        }
    }
}

#[tokio::test]
async fn a_body_reaches_the_engine_and_its_answer_the_caller_unchanged() {
    let front = Front::new(GatewayLimits::default()).await;
    front.engine(|request| [b"<", request, b">"].concat()).await;
    let reply = front.post("any bytes \u{e9}").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "<any bytes \u{e9}>"));
    assert!(reply.head.contains("content-type: application/json"));
    reply.assert_cors();
    let path = "POST /v1/anything HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(front.raw(path.as_bytes()).await.body, "<abcde>");
}

#[tokio::test]
async fn a_message_of_the_channel_passes_unread_and_is_named_as_what_it_is() {
    let front = Front::new(GatewayLimits::default()).await;
    front.engine(|request| [b"MRC1", request].concat()).await;
    let reply = front.post("MRC1{\"id\":1}").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "MRC1MRC1{\"id\":1}"));
    assert!(reply.head.contains("content-type: application/mortise-channel\r\n"));
    reply.assert_cors();
}

#[tokio::test]
async fn a_message_of_the_channel_without_an_engine_is_answered_in_clear_with_no_id() {
    let front = Front::new(GatewayLimits::default()).await;
    let answer = front.post("MRC1").await.json();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32028)));
}

#[tokio::test]
async fn a_preflight_is_answered_and_other_methods_are_not_allowed() {
    let front = Front::new(GatewayLimits::default()).await;
    let preflight = "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                     Origin: http://localhost:3000\r\n\r\n";
    let reply = front.raw(preflight.as_bytes()).await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    reply.assert_cors();
    for method in ["GET", "PUT", "DELETE"] {
        let request =
            format!("{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let reply = front.raw(request.as_bytes()).await;
        assert_eq!(reply.status, 405, "{method}");
        assert!(reply.head.contains("allow: post, options"));
    }
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_announced_or_not() {
    let front = Front::new(GatewayLimits::default()).await;
    front.engine(<[u8]>::to_vec).await;
    let announced = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        REQUEST_BYTES_MAX + 1
    );
    let chunk = "a".repeat(REQUEST_BYTES_MAX + 1);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len()
    );
    for request in [announced, chunked] {
        let reply = front.raw(request.as_bytes()).await;
        assert_eq!(reply.status, 413);
        let error = reply.json();
        assert_eq!((&error["error"]["code"], &error["id"]), (&json!(-32600), &Value::Null));
    }
    let largest = "a".repeat(REQUEST_BYTES_MAX);
    assert_eq!(front.post(&largest).await.body.len(), REQUEST_BYTES_MAX);
}

/// Goal: the refusal reaches a client that writes all of its body before it reads. Method: a body
/// beyond what sockets buffer.
#[tokio::test]
async fn a_refusal_reaches_a_client_that_sends_its_whole_body_first() {
    let limits = GatewayLimits { body_kib_max: 64, ..GatewayLimits::default() };
    for (line, size, status) in [
        ("POST / HTTP/1.1", 4 * REQUEST_BYTES_MAX, 413),
        ("POST / HTTP/1.1", REQUEST_BYTES_MAX, 200), // no memory: OVERLOADED
        ("PUT / HTTP/1.1", 4 * REQUEST_BYTES_MAX, 405),
    ] {
        let front = Front::new(limits.clone()).await;
        let mut stream = TcpStream::connect(front.http).await.unwrap();
        let head = format!("{line}\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'a'; size]).await.expect("the gateway reads all of it");
        stream.shutdown().await.unwrap();
        assert_eq!(Reply::read(stream).await.status, status, "{line} {size}");
    }
}

#[tokio::test]
async fn who_waits_for_a_continue_is_refused_before_the_body() {
    let front = Front::new(GatewayLimits::default()).await;
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
         Content-Length: {}\r\n\r\n",
        REQUEST_BYTES_MAX + 1
    );
    assert_eq!(front.raw(head.as_bytes()).await.status, 413);
}

#[tokio::test]
async fn a_client_that_closes_its_sending_half_is_answered() {
    let front = Front::new(GatewayLimits::default()).await;
    let listener = front.listen().await;
    for _ in 0..10 {
        let mut stream = TcpStream::connect(front.http).await.unwrap();
        stream.write_all(post_text(CALL).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let engine = async {
            let mut engine = Engine::accept(&listener).await;
            let (number, request) = engine.next().await.unwrap();
            // the gateway had every chance to see the end of the stream
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            engine.answer(number, &request).await;
            // The link is closed with the engine, so that the next round is alike.
        };
        let (reply, ()) = tokio::join!(Reply::read(stream), engine);
        assert_eq!((reply.status, reply.body.as_str()), (200, CALL));
    }
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_a_well_formed_error_with_the_callers_id() {
    let front = Front::new(GatewayLimits::default()).await;
    let reply = front.post(CALL).await;
    assert_eq!(reply.status, 200);
    reply.assert_cors();
    let answer = reply.json();
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)));
    assert_eq!(answer["error"]["code"], -32028);
    let data = &answer["error"]["data"];
    assert_eq!(data["name"], "NOT_READY");
    assert_eq!(data["phase"], "engine unreachable");
    assert_eq!(data["retryable"], true);
    assert_eq!(data.get("outcome"), None);
    let notification = front.post(r#"{"jsonrpc":"2.0","method":"health"}"#).await;
    assert_eq!((notification.status, notification.body.as_str()), (204, ""));
}

#[tokio::test]
async fn an_engine_that_comes_back_is_found_again() {
    let front = Front::new(GatewayLimits { engine_links: 1, ..GatewayLimits::default() }).await;
    {
        let listener = front.listen().await;
        let (reply, ()) = tokio::join!(front.post(CALL), async {
            let mut engine = Engine::accept(&listener).await;
            engine.next().await.unwrap();
            // dropped here, with the request unanswered
        });
        let data = &reply.json()["error"]["data"];
        assert_eq!(data["phase"], "engine connection lost");
        assert_eq!(data["outcome"], "unknown");
    }
    front.engine(|_| b"{}".to_vec()).await;
    assert_eq!(front.post(CALL).await.body, "{}");
}

#[tokio::test]
async fn an_engine_that_is_silent_is_given_up_and_its_late_answer_is_dropped() {
    let answer_time = Duration::from_millis(50);
    let limits = GatewayLimits { engine_links: 1, answer_time, ..GatewayLimits::default() };
    let front = Front::new(limits).await;
    let listener = front.listen().await;
    let caller = async {
        let reply = front.post(CALL).await;
        assert_eq!(reply.json()["error"]["data"]["phase"], "engine silent");
        front.post(CALL).await
    };
    let (second, _engine) = tokio::join!(caller, async {
        let mut engine = Engine::accept(&listener).await;
        let (first, _) = engine.next().await.unwrap();
        let (second, _) = engine.next().await.unwrap();
        engine.answer(first, b"late").await;
        engine.answer(second, b"in time").await;
        engine
    });
    assert_eq!(second.body, "in time");
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order() {
    let front = Front::new(GatewayLimits { engine_links: 1, ..GatewayLimits::default() }).await;
    let listener = front.listen().await;
    let engine = async {
        let mut engine = Engine::accept(&listener).await;
        let mut requests = Vec::new();
        for _ in 0..3 {
            requests.push(engine.next().await.unwrap());
        }
        for (correlation, request) in requests.into_iter().rev() {
            engine.answer(correlation, &request).await;
        }
        engine
    };
    let (a, b, c, _engine) =
        tokio::join!(front.post("first"), front.post("second"), front.post("third"), engine);
    assert_eq!([a.body, b.body, c.body], ["first", "second", "third"]);
}

#[tokio::test]
async fn a_request_above_the_bound_of_requests_in_flight_is_told_to_retry() {
    let front = Front::new(GatewayLimits { in_flight_max: 1, ..GatewayLimits::default() }).await;
    let listener = front.listen().await;
    let mut held = TcpStream::connect(front.http).await.unwrap();
    held.write_all(post_text(CALL).as_bytes()).await.unwrap();
    let mut engine = Engine::accept(&listener).await;
    let (correlation, _) = engine.next().await.unwrap();
    let reply = front.post(CALL).await;
    assert_eq!(reply.status, 200);
    let answer = reply.json();
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32029), &json!(7)));
    assert_eq!(answer["error"]["data"]["retryAfterMs"], 100);
    engine.answer(correlation, b"{}").await;
    assert_eq!(Reply::read(held).await.body, "{}");
}

#[tokio::test]
async fn half_open_connections_make_room_for_those_that_speak() {
    let front = Front::new(GatewayLimits { connections_max: 8, ..GatewayLimits::default() }).await;
    front.engine(|_| b"{}".to_vec()).await;
    let mut half_open = Vec::new();
    for i in 0..100 {
        let mut stream = TcpStream::connect(front.http).await.unwrap();
        if i % 2 == 0 {
            stream.write_all(b"POST / HTTP/1.1\r\nHo").await.unwrap();
        }
        half_open.push(stream);
        if i % 10 == 0 {
            assert_eq!(front.post(CALL).await.body, "{}");
        }
    }
    assert_eq!(front.post(CALL).await.body, "{}");
    let metrics = front.get("/metrics").await.body;
    let shed = metrics
        .lines()
        .find_map(|l| l.strip_prefix("mortise_host_gateway_connections_shed_total "));
    assert!(shed.unwrap().parse::<u64>().unwrap() >= 92, "{metrics}");
}

#[tokio::test]
async fn a_connection_without_a_head_is_closed_after_its_time() {
    let head_time = Duration::from_millis(50);
    let front = Front::new(GatewayLimits { head_time, ..GatewayLimits::default() }).await;
    for begun in ["", "POST / HTTP/1.1\r\nHo"] {
        let mut stream = TcpStream::connect(front.http).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Ends because the gateway closes; otherwise this would hang.
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_given_up() {
    let body_time = Duration::from_millis(50);
    let front = Front::new(GatewayLimits { body_time, ..GatewayLimits::default() }).await;
    let reply = front
        .raw(
            b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
              Content-Length: 10\r\n\r\nabc",
        )
        .await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (408, &json!(-32600)));
}

#[tokio::test]
async fn slow_bodies_share_a_bounded_memory() {
    let front = Front::new(GatewayLimits { body_kib_max: 40, ..GatewayLimits::default() }).await;
    front.engine(<[u8]>::to_vec).await;
    let mut slow = TcpStream::connect(front.http).await.unwrap();
    let head =
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 40000\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&[b'a'; 30_000]).await.unwrap();
    let big = "b".repeat(20_000);
    let reply = loop {
        // until the gateway has read what the slow caller sent
        let reply = front.post(&big).await;
        if reply.body != big {
            break reply;
        }
    };
    assert_eq!(reply.json()["error"]["code"], -32029);
    slow.write_all(&[b'a'; 10_000]).await.unwrap();
    assert_eq!(Reply::read(slow).await.body.len(), 40_000);
    assert_eq!(front.post(&big).await.body, big);
}

/// Goal: callers that read nothing hold a bounded number of bytes for a bounded time. Method: two
/// of them against a budget of one answer, beyond what the sockets buffer.
#[tokio::test]
async fn answers_that_are_not_read_share_a_bounded_memory_and_end() {
    let answer_kib_max = RESPONSE_BYTES_MAX / 1024;
    let write_time = Duration::from_millis(300);
    let limits = GatewayLimits { answer_kib_max, write_time, ..GatewayLimits::default() };
    let front = Front::new(limits).await;
    front
        .engine(|request| match request.ends_with(b"much") {
            true => vec![b'x'; RESPONSE_BYTES_MAX],
            false => b"{}".to_vec(),
        })
        .await;
    let mut silent = TcpStream::connect(front.http).await.unwrap();
    silent.write_all(post_text("much").as_bytes()).await.unwrap();
    silent.readable().await.unwrap(); // its answer is being written
    let reply = front.post("much").await;
    assert_eq!(reply.json()["error"]["code"], -32029, "{}", reply.body);
    assert_eq!(reply.json()["error"]["data"]["outcome"], "unknown");
    assert_eq!(front.post(CALL).await.body, "{}", "small answers are served");
    // The budget is free again when the silent caller is cut off.
    while front.post("much").await.body.len() < RESPONSE_BYTES_MAX {}
    let mut read = Vec::new();
    let _ = silent.read_to_end(&mut read).await;
    assert!(read.len() < RESPONSE_BYTES_MAX, "the answer was cut off");
}

#[tokio::test]
async fn health_is_the_process_and_readiness_the_engine() {
    let front = Front::new(GatewayLimits::default()).await;
    assert_eq!(front.get("/healthz").await.status, 200);
    let unready = front.get("/readyz").await;
    assert_eq!(unready.status, 503);
    assert_eq!(unready.json()["error"]["data"]["phase"], "engine unreachable");
    front
        .engine(|request| {
            let call: Value = serde_json::from_slice(request).unwrap();
            let status = if call["id"] == "readyz" { "healthy" } else { "replaying" };
            assert_eq!(call["method"], "health");
            json!({"jsonrpc": "2.0", "id": call["id"], "result": {"status": status}})
                .to_string()
                .into()
        })
        .await;
    // a failed connect is remembered for a moment
    while front.get("/readyz").await.status != 200 {}
}

#[tokio::test]
async fn an_engine_that_replays_is_not_ready() {
    let front = Front::new(GatewayLimits::default()).await;
    front.engine(|_| br#"{"jsonrpc":"2.0","id":1,"result":{"status":"replaying"}}"#.to_vec()).await;
    assert_eq!(front.get("/readyz").await.status, 503);
}

/// Goal: a page whose name resolves to loopback, and a page of another origin, reach nothing.
#[tokio::test]
async fn rebound_names_and_pages_of_strangers_reach_nothing() {
    let front = Front::new(GatewayLimits::default()).await;
    front.engine(|_| panic!("nothing reaches the engine")).await;
    for path in ["/", "/metrics", "/readyz"] {
        for (headers, status, header) in [
            ("Host: evil.example", 421, "Host"),
            ("Host: localhost\r\nOrigin: https://evil.example", 403, "Origin"),
            ("Host: localhost\r\nOrigin: null", 403, "Origin"),
        ] {
            let method = if path == "/" { "POST" } else { "GET" };
            let request = format!(
                "{method} {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\
                 Content-Length: 2\r\n\r\n{{}}"
            );
            let reply = front.raw(request.as_bytes()).await;
            assert_eq!(reply.status, status, "{path} {headers}");
            assert_eq!(reply.json()["error"]["data"]["header"], header);
            assert!(!reply.head.contains("access-control-allow-origin"));
        }
    }
    let counted = front.get("/metrics").await.body;
    assert!(counted.contains("mortise_host_gateway_requests_total{outcome=\"refused\"} 9"));
}

/// Goal: metrics have an address of their own, and an address for others does not serve them.
#[tokio::test]
async fn metrics_have_an_address_of_their_own() {
    let page = async |address: &str, pages| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap();
        let limits = GatewayLimits::default();
        let folder = tempfile::tempdir().unwrap();
        let links = EngineLinks::new(&Front::engine_in(&folder), &limits);
        let access = Access::new(AccessConfig::default(), address.parse().unwrap());
        let store = watch::Sender::new(StoreState::Appending).subscribe();
        let gateway = Gateway::new(links, Arc::new(Metrics::new()), store, limits, access);
        let (_stop, stopped) = watch::channel(());
        tokio::spawn(serve(listener, Arc::new(gateway.with_pages(pages)), stopped));
        let front = Front { folder, http, _stop };
        let status = async |path| front.get(path).await.status;
        (status("/metrics").await, status("/healthz").await)
    };
    assert_eq!(page("127.0.0.1:1", Pages::All).await, (200, 200));
    assert_eq!(page("0.0.0.0:1", Pages::All).await, (405, 200));
    assert_eq!(page("127.0.0.1:1", Pages::Calls).await, (405, 200));
    assert_eq!(page("127.0.0.1:1", Pages::Metrics).await, (200, 404));
}

#[tokio::test]
async fn requests_are_counted_by_how_they_ended() {
    let front = Front::new(GatewayLimits::default()).await;
    front.engine(|_| Vec::new()).await;
    assert_eq!(front.post(CALL).await.status, 204);
    let reply = front.get("/metrics").await;
    assert!(reply.head.contains("content-type: text/plain"));
    let counted = "mortise_host_gateway_requests_total{outcome=\"empty\"} 1";
    assert!(reply.body.lines().any(|l| l == counted), "{}", reply.body);
}

#[tokio::test]
async fn an_engine_that_answers_garbage_is_a_lost_connection_and_the_next_one_is_used() {
    let answer_time = Duration::from_millis(500);
    let limits = GatewayLimits { engine_links: 1, answer_time, ..GatewayLimits::default() };
    let front = Front::new(limits).await;
    {
        let listener = front.listen().await;
        // an announced length over the bound; text; an answer that is cut short
        let cut = [&20u32.to_le_bytes()[..], &[0; 8], b"cut"].concat();
        for garbage in [vec![0xff; 100_000], b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), cut] {
            let (reply, ()) = tokio::join!(front.post(CALL), async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 16];
                stream.read_exact(&mut asked).await.unwrap();
                // The gateway may close before all of it has arrived.
                let _ = stream.write_all(&garbage).await;
                let _ = stream.shutdown().await;
            });
            let data = &reply.json()["error"]["data"];
            assert_eq!(
                (&data["phase"], &data["outcome"]),
                (&"engine connection lost".into(), &"unknown".into())
            );
        }
        let (reply, _engine) = tokio::join!(front.post(CALL), async {
            let mut engine = Engine::accept(&listener).await;
            let (correlation, _) = engine.next().await.unwrap();
            engine.answer(correlation.wrapping_add(1000), b"unasked").await;
            engine
        });
        assert_eq!(reply.json()["error"]["data"]["phase"], "engine silent");
    }
    front.engine(|_| b"{}".to_vec()).await;
    assert_eq!(front.post(CALL).await.body, "{}");
}
