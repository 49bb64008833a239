//! The client on fakes, and the service at the other end of its stream.

use super::cms::Parts;
use crate::kms::{ByteStream, CredentialStore, Dialer, KmsClient, KmsPlatform};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mortise_config::{KeyArn, KmsConfig, Timeouts, TrustRoots};
use mortise_engine::ports::{
    AttestRequest, Clock, ClockError, Entropy, ModuleDescription, Nsm, NsmError, PcrState,
    PortFuture,
};
use mortise_rpc::credentials::Credentials;
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_rustls::TlsAcceptor;

pub(super) const HOST: &str = "kms.eu-west-1.amazonaws.com";
/// A Sunday of 2026.
pub(super) const NOW_MS: u64 = 1_795_335_901_500;
pub(super) const ENGINE_KEY: &str =
    "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
pub(super) const APP_KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/mrk-app";
pub(super) const ACCESS_KEY_ID: &str = "AKIAPARENT";
pub(super) const SECRET: &str = "the/secret+of/the+parent";
pub(super) const TOKEN: &str = "the-token-of-the-parent==";
/// The plaintext that the honest service returns.
pub(super) const PLAINTEXT: [u8; 32] = [0x51; 32];
pub(super) const WRAPPED: &[u8] = b"wrapped by the service";

/// A request as the service saw it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) head: BTreeMap<String, String>,
    pub(super) body: Value,
}

impl Seen {
    /// The public key that the document vouches for.
    pub(super) fn public_der(&self) -> Vec<u8> {
        STANDARD.decode(self.body["Recipient"]["AttestationDocument"].as_str().unwrap()).unwrap()
    }
}

/// What the service does after it has read a request.
pub(super) enum Reply {
    /// A whole answer.
    Json(u16, Value),
    /// A whole answer with this text as its body.
    Text(u16, String),
    /// Exactly these bytes, then the end of the stream without the end of TLS.
    Torn(Vec<u8>),
    /// Exactly these bytes, and then the end of TLS.
    Bytes(Vec<u8>),
    /// No answer.
    Silence,
}

/// How a connection begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Greeting {
    /// With the certificate for the host, under the root.
    Honest,
    /// With a certificate for another name.
    OtherName,
    /// With a certificate of another authority.
    OtherRoot,
    /// With a certificate of an authority that took the name of ours.
    NamedAlike,
    /// With a certificate that has expired.
    Expired,
    /// With a line of another protocol.
    Ssh,
    /// With the end of the stream.
    Hangup,
    /// With nothing.
    Silence,
    /// The dial itself fails.
    Refused,
}

type Script = Box<dyn Fn(usize, &Seen) -> Reply + Send + Sync>;

/// The service: its script and what it has seen.
pub(super) struct Service {
    greeting: Box<dyn Fn(usize) -> Greeting + Send + Sync>,
    script: Script,
    dials: AtomicUsize,
    seen: Mutex<Vec<Seen>>,
}

impl Service {
    pub(super) fn new(script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Arc<Self> {
        Self::greeting(|_| Greeting::Honest, script)
    }

    pub(super) fn greeting(
        greeting: impl Fn(usize) -> Greeting + Send + Sync + 'static,
        script: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (dials, seen) = Default::default();
        Arc::new(Self { greeting: Box::new(greeting), script: Box::new(script), dials, seen })
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn dials(&self) -> usize {
        self.dials.load(Ordering::SeqCst)
    }

    async fn serve(self: Arc<Self>, attempt: usize, greeting: Greeting, mut stream: DuplexStream) {
        match greeting {
            Greeting::Hangup | Greeting::Refused => return,
            Greeting::Silence => return std::future::pending().await,
            Greeting::Ssh => {
                stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n").await.unwrap();
                return std::future::pending().await;
            }
            _ => {}
        }
        // A client that refuses the certificate ends the handshake here.
        let Ok(mut tls) = acceptor(greeting).accept(stream).await else { return };
        let Some(seen) = read_request(&mut tls).await else { return };
        self.seen.lock().unwrap().push(seen.clone());
        let bytes = match (self.script)(attempt, &seen) {
            Reply::Silence => return std::future::pending().await,
            Reply::Torn(bytes) => {
                tls.write_all(&bytes).await.unwrap();
                return tls.flush().await.unwrap();
            }
            Reply::Bytes(bytes) => bytes,
            Reply::Json(status, value) => http(status, &value.to_string()),
            Reply::Text(status, text) => http(status, &text),
        };
        // The client may close early: it does not read an oversized answer to its end.
        let _ = tls.write_all(&bytes).await;
        let _ = tls.shutdown().await;
    }
}

/// Dials the service over a stream in memory.
pub(super) struct Dial(pub(super) Arc<Service>);

impl Dialer for Dial {
    fn dial(&self) -> PortFuture<'_, io::Result<Box<dyn ByteStream>>> {
        let attempt = self.0.dials.fetch_add(1, Ordering::SeqCst);
        let greeting = (self.0.greeting)(attempt);
        if greeting == Greeting::Refused {
            return Box::pin(std::future::ready(Err(io::ErrorKind::ConnectionRefused.into())));
        }
        let (ours, theirs) = tokio::io::duplex(4096);
        tokio::spawn(Arc::clone(&self.0).serve(attempt, greeting, theirs));
        Box::pin(std::future::ready(Ok(Box::new(ours) as Box<dyn ByteStream>)))
    }
}

pub(super) fn http(status: u16, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn read_request(stream: &mut (impl ByteStream + ?Sized)) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        bytes.push(stream.read_u8().await.ok()?);
    };
    let text = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let (first, rest) = text.trim_end().split_once("\r\n").unwrap();
    assert_eq!(first, "POST / HTTP/1.1");
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    let head: BTreeMap<_, _> = rest.split("\r\n").map(header).collect();
    let mut body = vec![0; head["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { head, body: serde_json::from_slice(&body).unwrap() })
}

/// Name of the authority that issues the service's certificate.
const AUTHORITY: &str = "root of the service";

/// A temporary authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn acceptor(&self, name: &str, year_end: i32) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year_end, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

static ROOT: LazyLock<Authority> = LazyLock::new(|| Authority::new(AUTHORITY));
static HONEST: LazyLock<TlsAcceptor> = LazyLock::new(|| ROOT.acceptor(HOST, 2040));

fn acceptor(greeting: Greeting) -> TlsAcceptor {
    match greeting {
        Greeting::OtherName => ROOT.acceptor("kms.us-east-1.amazonaws.com", 2040),
        Greeting::OtherRoot => Authority::new("another").acceptor(HOST, 2040),
        Greeting::NamedAlike => Authority::new(AUTHORITY).acceptor(HOST, 2040),
        Greeting::Expired => ROOT.acceptor(HOST, 2026),
        _ => HONEST.clone(),
    }
}

/// The honest answer to a request.
pub(super) fn honest(seen: &Seen) -> Value {
    let count = seen.body["NumberOfBytes"].as_u64().map(|count| usize::try_from(count).unwrap());
    let plaintext = vec![PLAINTEXT[0]; count.unwrap_or(PLAINTEXT.len())];
    let envelope = Parts::service(&seen.public_der(), &plaintext).encode();
    let mut answer = json!({
        "CiphertextForRecipient": STANDARD.encode(envelope),
        "KeyId": seen.body["KeyId"],
        "Plaintext": null,
        "SomethingNew": [1],
    });
    if seen.body.get("KeySpec").is_some() {
        answer["CiphertextBlob"] = STANDARD.encode(WRAPPED).into();
    }
    answer
}

/// A module whose document is the public key of the request.
#[derive(Default)]
pub(in crate::kms) struct EchoModule {
    pub(super) documents: AtomicUsize,
    pub(super) fails: Option<NsmError>,
}

impl Nsm for EchoModule {
    fn describe(&self) -> Result<ModuleDescription, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn describe_pcr(&self, _: u16) -> Result<PcrState, NsmError> {
        Err(NsmError::InvalidIndex)
    }

    fn extend_pcr(&self, _: u16, _: &[u8]) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidIndex)
    }

    fn lock_pcr(&self, _: u16) -> Result<(), NsmError> {
        Err(NsmError::InvalidIndex)
    }

    fn random(&self) -> Result<Vec<u8>, NsmError> {
        Err(NsmError::InvalidOperation)
    }

    fn attest(&self, request: &AttestRequest) -> Result<Vec<u8>, NsmError> {
        self.documents.fetch_add(1, Ordering::SeqCst);
        match &self.fails {
            Some(error) => Err(error.clone()),
            None => Ok(request.public_key.clone().unwrap()),
        }
    }
}

/// A clock that the test sets.
pub(super) struct HandClock(pub(super) AtomicU64);

impl Clock for HandClock {
    fn now_ms(&self) -> Result<u64, ClockError> {
        match self.0.load(Ordering::SeqCst) {
            u64::MAX => Err(ClockError::Stale { age_ms: 1 }),
            now_ms => Ok(now_ms),
        }
    }
}

/// Always gives half of the maximum.
pub(super) struct Half;

impl Entropy for Half {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0x80);
    }
}

pub(super) fn credentials() -> Credentials {
    Credentials {
        access_key_id: ACCESS_KEY_ID.to_owned(),
        secret_access_key: SECRET.to_owned(),
        token: Some(TOKEN.to_owned()),
        expiration: Some("2026-11-22T09:00:00Z".to_owned()),
    }
}

/// Timeouts that are long enough for an honest service and short for a silent one.
pub(super) fn timeouts() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(20),
        answer: Duration::from_secs(20),
        overall: Duration::from_secs(60),
        credentials: Duration::from_millis(10),
        attempts_max: 3,
        pause_first: Duration::from_micros(10),
        pause_max: Duration::from_millis(1),
    }
}

pub(super) fn config() -> KmsConfig {
    let arn = |text: &str| text.parse::<KeyArn>().unwrap();
    let config = KmsConfig::new(arn(ENGINE_KEY), arn(APP_KEY)).unwrap();
    let roots = TrustRoots::only_pem(ROOT.pem.as_bytes()).unwrap();
    config.with_roots(roots).with_timeouts(timeouts()).unwrap()
}

pub(super) fn platform(service: &Arc<Service>) -> KmsPlatform {
    KmsPlatform {
        dialer: Arc::new(Dial(Arc::clone(service))),
        credentials: CredentialStore::fixed(&credentials()).unwrap(),
        nsm: Arc::new(EchoModule::default()),
        clock: Arc::new(HandClock(AtomicU64::new(NOW_MS))),
        entropy: Arc::new(Half),
    }
}

pub(super) fn client(service: &Arc<Service>) -> Arc<KmsClient> {
    Arc::new(KmsClient::new(config(), platform(service)).unwrap())
}
