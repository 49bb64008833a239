//! HTTP/1.1 over TLS, bounded in connections, bytes and time.

use super::error::{KmsError, KmsErrorKind};
use super::files::new_uuid;
use super::sigv4::{Received, authenticate};
use super::time::http_date;
use super::trail::Entry;
use super::{LocalKms, LocalKmsError};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Most bytes of a request body: four attestation documents in base64.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Most connections at once. Further ones wait.
const CONNECTIONS_MAX: usize = 128;
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
const HEADER_TIME_MAX: Duration = Duration::from_secs(30);
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// How long open connections may take to finish when the service stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

impl LocalKms {
    /// Serves until `shutdown` resolves. Calls in progress are finished.
    ///
    /// # Errors
    /// `Crypto`, `Tls`, before serving. A failed connection ends alone.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), LocalKmsError> {
        let config = self.inner.authority.server(&self.host_name(), self.now_ms() / 1000)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let place = places.clone().acquire_owned();
            let accepted = async { (place.await, listener.accept().await) };
            let (place, accepted) = tokio::select! {
                accepted = accepted => accepted,
                () = &mut shutdown => break,
            };
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = accepted else {
                // Out of descriptors: pause, so that a loop of failures does not use all CPU.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (kms, acceptor, stopped) = (self.clone(), acceptor.clone(), stopped.clone());
            connections.spawn(async move {
                kms.connection(stream, acceptor, stopped).await;
                drop(place);
            });
        }
        drop(listener);
        stop.send_replace(true);
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(STOP_TIME_MAX, all).await.is_err() {
            connections.abort_all();
        }
        Ok(())
    }

    async fn connection(
        self,
        stream: TcpStream,
        acceptor: TlsAcceptor,
        mut stopped: watch::Receiver<bool>,
    ) {
        let Ok(Ok(stream)) = timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await else {
            tracing::debug!("a TLS handshake failed");
            return;
        };
        let service = service_fn(|request| {
            let kms = self.clone();
            async move { Ok::<_, Infallible>(kms.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME_MAX)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let stop = async { drop(stopped.wait_for(|stopped| *stopped).await) };
        tokio::select! {
            ended = connection.as_mut() => {
                if ended.is_err() {
                    tracing::debug!("a connection broke");
                }
                return;
            }
            () = stop => connection.as_mut().graceful_shutdown(),
        }
        drop(connection.await);
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let request_id = new_uuid();
        let mut entry = Entry::default();
        let result = self.handle(request, &mut entry).await;
        let refusal = result.as_ref().err().map(KmsError::kind);
        let result = match self.inner.trail.write(&entry, &request_id, refusal, self.now_ms()) {
            Ok(()) => result,
            Err(_) => Err(KmsError::new(KmsErrorKind::KmsInternal, "the trail cannot be written")),
        };
        respond(result, &request_id, self.now_ms() / 1000)
    }

    async fn handle(
        &self,
        request: Request<Incoming>,
        entry: &mut Entry,
    ) -> Result<Option<Value>, KmsError> {
        let (parts, body) = request.into_parts();
        let is_call = parts.method == Method::POST
            && parts.uri.path() == "/"
            && parts.uri.query().is_none_or(str::is_empty);
        if !is_call {
            let text = "calls of this service are POST /";
            return Err(KmsError::new(KmsErrorKind::UnknownOperation, text));
        }
        let body = read_body(body).await?;
        let received = Received { headers: &parts.headers, body: &body };
        let (iam, region) = (&self.inner.iam, &self.inner.region);
        let principal = authenticate(iam, received, region, self.now_ms())?;
        entry.arn = Some(principal.arn.clone());
        entry.access_key_id = Some(principal.access_key_id.clone());
        let target = parts.headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        self.call(&principal, target.unwrap_or_default(), &body, entry)
    }
}

async fn read_body(body: Incoming) -> Result<Bytes, KmsError> {
    let body = Limited::new(body, REQUEST_BYTES_MAX).collect();
    match timeout(BODY_TIME_MAX, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let text = format!("a request has at most {REQUEST_BYTES_MAX} bytes");
            Err(KmsError::new(KmsErrorKind::TooLarge, text))
        }
        _ => Err(KmsError::new(KmsErrorKind::Serialization, "the body did not arrive whole")),
    }
}

fn respond(
    result: Result<Option<Value>, KmsError>,
    request_id: &str,
    now_s: u64,
) -> Response<Full<Bytes>> {
    let (status, body) = match result {
        Ok(None) => (200, Bytes::new()),
        Ok(Some(value)) => (200, Bytes::from(value.to_string())),
        Err(refusal) => {
            let kind = refusal.kind();
            // As in AWS: both authentication and KMS write `message` in lower case.
            let body = json!({"__type": kind.name(), "message": refusal.message()});
            (kind.status(), Bytes::from(body.to_string()))
        }
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    headers.insert("content-type", hyper::header::HeaderValue::from_static(CONTENT_TYPE));
    headers.insert("cache-control", hyper::header::HeaderValue::from_static("no-cache, no-store"));
    // Of this service's clock, which a test may set apart.
    if let Ok(date) = http_date(now_s).parse() {
        headers.insert("date", date);
    }
    if let Ok(id) = request_id.parse() {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
