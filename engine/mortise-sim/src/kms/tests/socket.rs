//! The service on its socket: TLS, HTTP, bounds, the trail.

use super::*;
use crate::kms::REQUEST_BYTES_MAX;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// Serves a bench while `client` runs with the port.
fn served<F: Future<Output = ()>>(bench: &Bench, client: impl FnOnce(u16) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serve = bench.kms.serve(listener, async { drop(stopped.await) });
        let client = async {
            client(port).await;
            stop.send(()).unwrap();
        };
        let (served, ()) = tokio::join!(serve, client);
        served.unwrap();
    });
}

/// One exchange; returns the whole answer as text. An error is a failed handshake.
async fn exchange(port: u16, root: &[u8], host: &str, request: &[u8]) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let host = ServerName::try_from(host.to_owned()).unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(host, stream).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

fn root(bench: &Bench) -> Vec<u8> {
    let pem = bench.kms.tls_root_pem();
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// A bench at the system's time, because TLS certificates are checked against it.
fn bench() -> Bench {
    Bench::with(|config| config.clock = crate::kms::system_time())
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}");
    format!("{head}content-length: {length}\r\n\r\n{body}").into_bytes()
}

const HOST: &str = "kms.eu-central-1.amazonaws.com";

#[test]
fn unsigned_foreign_and_oversized_requests_get_their_names() {
    let bench = bench();
    let root = root(&bench);
    served(&bench, |port| async move {
        let long = "x".repeat(REQUEST_BYTES_MAX + 1);
        for (request, status, kind) in [
            (post("/", "", "{}"), 400, "MissingAuthenticationTokenException"),
            (post("/", "authorization: Basic x\r\n", "{}"), 400, "IncompleteSignatureException"),
            (post("/x", "", "{}"), 400, "UnknownOperationException"),
            (post("/?a=b", "", "{}"), 400, "UnknownOperationException"),
            (post("/", "", &long), 413, "RequestEntityTooLargeException"),
        ] {
            let answer = exchange(port, &root, HOST, &request).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains(&format!("\"__type\":\"{kind}\"")), "{answer}");
            assert!(answer.contains("content-type: application/x-amz-json-1.1"), "{answer}");
        }
    });
}

#[test]
fn certificate_is_for_the_services_name_and_of_its_own_root() {
    let (bench, stranger) = (bench(), bench());
    let (own, other) = (root(&bench), root(&stranger));
    served(&bench, |port| async move {
        let request = post("/", "", "{}");
        for host in [HOST, "localhost", "127.0.0.1"] {
            assert!(exchange(port, &own, host, &request).await.is_ok(), "{host}");
        }
        let elsewhere = "kms.us-east-1.amazonaws.com";
        assert!(exchange(port, &own, elsewhere, &request).await.is_err());
        assert!(exchange(port, &other, HOST, &request).await.is_err());
    });
}

#[test]
fn trail_has_a_line_for_each_call_with_the_words_of_cloudtrail_and_no_secret() {
    let bench = bench();
    let root = root(&bench);
    served(&bench, |port| async move {
        exchange(port, &root, HOST, &post("/", "", "{\"Plaintext\":\"c2VjcmV0\"}")).await.unwrap();
    });
    let text = std::fs::read_to_string(bench.folder.path().join("trail.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["userIdentity"]["type"], "Unknown");
    assert_eq!(lines[0]["errorCode"], "MissingAuthenticationTokenException");
    assert!(!text.contains("c2VjcmV0"));
}
