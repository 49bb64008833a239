//! Hints of peers, and their window on a connection to the engine.

use super::*;
use mortise_format::limits::GATEWAY_PEER_WINDOW;

/// A gateway that trusts the proxy on this machine, with one connection to the engine.
async fn behind_a_proxy() -> Front {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let access = AccessConfig { trusted_proxies, ..AccessConfig::default() };
    Front::with(GatewayLimits { engine_links: 1, ..GatewayLimits::default() }, access).await
}

fn forwarded(body: &str, hops: &str) -> String {
    post_text(body).replacen("\r\n", &format!("\r\nX-Forwarded-For: {hops}\r\n"), 1)
}

/// A PROXY v2 header of this IPv4 source.
fn proxied(source: [u8; 4]) -> Vec<u8> {
    let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c";
    [&head[..], &source, &[127, 0, 0, 1], &[0, 1, 0, 2]].concat()
}

/// The hint that the engine gets with a request.
async fn hint_of(front: &Front, engine: &mut Option<Engine>, request: &[u8]) -> u64 {
    let listener = match engine {
        None => Some(front.listen().await),
        Some(_) => None,
    };
    let (reply, hint) = tokio::join!(front.raw(request), async {
        if let Some(listener) = listener {
            *engine = Some(Engine::accept(&listener).await);
        }
        let engine = engine.as_mut().unwrap();
        let (correlation, hint, body) = engine.next_of().await.unwrap();
        engine.answer(correlation, &body).await;
        hint
    });
    assert_eq!(reply.body, CALL, "the engine gets the body as it was sent");
    hint
}

#[tokio::test]
async fn hint_is_of_the_address_and_headers_count_with_a_trusted_proxy_alone() {
    let front = Front::new(GatewayLimits { engine_links: 1, ..GatewayLimits::default() }).await;
    let mut engine = None;
    let own = hint_of(&front, &mut engine, post_text(CALL).as_bytes()).await;
    assert_ne!(own, 0);
    let lie = forwarded(CALL, "198.51.100.7");
    assert_eq!(hint_of(&front, &mut engine, lie.as_bytes()).await, own);
    let refused = front.raw(&[proxied([198, 51, 100, 7]), post_text(CALL).into()].concat()).await;
    assert_eq!(refused.status, 400, "without the flag it is no HTTP");

    let front = behind_a_proxy().await;
    let mut engine = None;
    let proxy = hint_of(&front, &mut engine, post_text(CALL).as_bytes()).await;
    let first = hint_of(&front, &mut engine, forwarded(CALL, "198.51.100.7").as_bytes()).await;
    let second = hint_of(&front, &mut engine, forwarded(CALL, "198.51.100.8").as_bytes()).await;
    assert!(proxy != first && first != second);
    let request = [proxied([198, 51, 100, 7]), post_text(CALL).into()].concat();
    assert_eq!(hint_of(&front, &mut engine, &request).await, first);
    // The client wrote the first hop itself.
    let longer = forwarded(CALL, "203.0.113.1, 198.51.100.7, 127.0.0.2");
    assert_eq!(hint_of(&front, &mut engine, longer.as_bytes()).await, first);
}

#[tokio::test]
async fn broken_proxy_header_of_a_trusted_proxy_ends_its_connection() {
    let front = behind_a_proxy().await;
    let mut broken = proxied([198, 51, 100, 7]);
    broken[12] = 0x31;
    broken.extend_from_slice(post_text(CALL).as_bytes());
    let mut stream = TcpStream::connect(front.http).await.unwrap();
    stream.write_all(&broken).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
}

/// Goal: a peer that floods the gateway takes its window of the connection and no more; the next
/// peer's request is handed on at once, and nothing of the flood is lost.
#[tokio::test]
async fn one_peer_has_its_window_on_the_connection_and_the_next_does_not_wait() {
    let front = behind_a_proxy().await;
    let listener = front.listen().await;
    let mut flood = Vec::new();
    for _ in 0..GATEWAY_PEER_WINDOW + 6 {
        let mut stream = TcpStream::connect(front.http).await.unwrap();
        stream.write_all(forwarded(CALL, "198.51.100.7").as_bytes()).await.unwrap();
        flood.push(stream);
    }
    let mut engine = Engine::accept(&listener).await;
    let mut open = Vec::new();
    for _ in 0..GATEWAY_PEER_WINDOW {
        open.push(engine.next_of().await.unwrap());
    }
    let greedy = open[0].1;
    assert!(open.iter().all(|(_, hint, _)| *hint == greedy));
    let mut polite = TcpStream::connect(front.http).await.unwrap();
    polite.write_all(forwarded(CALL, "198.51.100.8").as_bytes()).await.unwrap();
    let (correlation, hint, _) = engine.next_of().await.unwrap();
    assert_ne!(hint, greedy, "the flood is at its window");
    engine.answer(correlation, b"{}").await;
    assert_eq!(Reply::read(polite).await.body, "{}");
    for (correlation, _, _) in open {
        engine.answer(correlation, b"{}").await;
    }
    for _ in 0..6 {
        let (correlation, hint, _) = engine.next_of().await.unwrap();
        assert_eq!(hint, greedy);
        engine.answer(correlation, b"{}").await;
    }
    for stream in flood {
        assert_eq!(Reply::read(stream).await.body, "{}");
    }
}
