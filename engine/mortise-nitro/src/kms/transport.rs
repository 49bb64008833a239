//! One HTTP request over one TLS connection over one byte stream.
//!
//! What it is for: TLS ends here, inside the enclave. Any party at the end of TLS could make up
//! answers, because the key to which an answer is encrypted is public. So the certificate must be
//! issued under the configured roots, for the configured name, and be valid by the trusted clock.
//!
//! What it does not do: keep connections (calls are rare, and a new connection has no leftover
//! bytes of another request), interpret answers.
//!
//! Invariants: an answer is bounded in head and body; both waits have a timeout; no global state.

use super::dialer::{ByteStream, Dialer};
use super::error::{KmsError, Wait};
use super::timestamp::parse_http_date;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mortise_config::{KeyServiceError, KmsConfig};
use mortise_engine::ports::Clock;
use mortise_format::limits::KMS_ANSWER_BYTES_MAX;
use rustls::client::Resumption;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Most bytes of the head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// An HTTP answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The service's clock, seconds since the Unix epoch; `None` without a `Date` that parses.
    pub(super) date_s: Option<u64>,
    pub(super) body: Bytes,
}

/// Sends requests to the service.
pub(super) struct Transport {
    dialer: Arc<dyn Dialer>,
    connector: TlsConnector,
    name: rustls::pki_types::ServerName<'static>,
    connect: Duration,
    answer: Duration,
}

impl Transport {
    /// A transport over `dialer`, to the configured name under the configured roots.
    ///
    /// # Errors
    /// `Tls`.
    pub(super) fn new(
        config: &KmsConfig,
        dialer: Arc<dyn Dialer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyServiceError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_details(provider, Arc::new(TrustedTime(clock)))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|_| KeyServiceError::Tls)?;
        let roots = RootCertStore { roots: config.roots().anchors().to_vec() };
        let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        tls.resumption = Resumption::disabled();
        let timeouts = config.timeouts();
        Ok(Self {
            dialer,
            connector: TlsConnector::from(Arc::new(tls)),
            name: config.server_name(),
            connect: timeouts.connect,
            answer: timeouts.answer,
        })
    }

    /// Sends `request` over a new connection.
    ///
    /// # Errors
    /// Those of the connection, of TLS and of HTTP; `TimedOut`, `AnswerTooLarge`.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, KmsError> {
        let late = |wait| move |_| KmsError::TimedOut(wait);
        let connected = timeout(self.connect, self.connect()).await;
        let stream = connected.map_err(late(Wait::Connect))??;
        let answered = timeout(self.answer, exchange(stream, request)).await;
        answered.map_err(late(Wait::Answer))?
    }

    async fn connect(&self) -> Result<TlsStream<Box<dyn ByteStream>>, KmsError> {
        let dialed = self.dialer.dial().await;
        let stream = dialed.map_err(|error| KmsError::Connect(error.kind()))?;
        let shaken = self.connector.connect(self.name.clone(), stream).await;
        shaken.map_err(|error| handshake_error(&error))
    }
}

async fn exchange(
    stream: TlsStream<Box<dyn ByteStream>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, KmsError> {
    let shaken =
        http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| http_error(&error))?;
    let mut sent = pin!(async move {
        let response = sender.send_request(request).await.map_err(|error| http_error(&error))?;
        read_answer(response).await
    });
    tokio::select! {
        biased;
        answer = &mut sent => answer,
        // The connection has ended; the request has the answer or the error.
        _ = connection => sent.await,
    }
}

async fn read_answer(response: Response<Incoming>) -> Result<Answer, KmsError> {
    let (head, body) = response.into_parts();
    let date = head.headers.get(hyper::header::DATE).and_then(|date| date.to_str().ok());
    let date_s = date.and_then(parse_http_date);
    let body = Limited::new(body, KMS_ANSWER_BYTES_MAX).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return KmsError::AnswerTooLarge { max: KMS_ANSWER_BYTES_MAX };
        }
        error.downcast_ref::<hyper::Error>().map_or(KmsError::ConnectionLost, http_error)
    })?;
    Ok(Answer { status: head.status.as_u16(), date_s, body: body.to_bytes() })
}

fn handshake_error(error: &io::Error) -> KmsError {
    match tls_cause(error) {
        Some(rustls::Error::InvalidCertificate(fault)) => certificate_error(fault),
        Some(rustls::Error::InvalidMessage(_)) => KmsError::NotTls,
        Some(_) => KmsError::Tls,
        None => KmsError::ConnectionLost,
    }
}

fn certificate_error(fault: &CertificateError) -> KmsError {
    match fault {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            KmsError::TlsWrongHost
        }
        // A bad signature comes from an authority with the name of a configured root.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            KmsError::TlsUnknownRoot
        }
        _ => KmsError::TlsCertificate,
    }
}

fn http_error(error: &hyper::Error) -> KmsError {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if io.and_then(tls_cause).is_some() {
        return KmsError::Tls;
    }
    if error.is_parse() { KmsError::NotHttp } else { KmsError::ConnectionLost }
}

fn tls_cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// The trusted clock for rustls. Certificates are checked at the enclave's time, not at that of a
/// clock which the parent can set.
struct TrustedTime(Arc<dyn Clock>);

impl TimeProvider for TrustedTime {
    fn current_time(&self) -> Option<UnixTime> {
        let now_ms = self.0.now_ms().ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(now_ms)))
    }
}

impl std::fmt::Debug for TrustedTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrustedTime")
    }
}
