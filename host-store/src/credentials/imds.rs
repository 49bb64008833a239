//! The instance metadata service, version 2.
//!
//! Source: EC2 user guide, "Use the Instance Metadata Service to access instance metadata": a
//! token by PUT, then the name of the role and its credentials by GET with that token.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use mortise_format::limits::CREDENTIALS_LINE_BYTES_MAX;
use mortise_rpc::credentials::Credentials;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

/// Address of the service on every instance.
const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254)), 80);
/// Timeout of one request.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// Life of a token: long enough for one round of requests.
const TOKEN_SECONDS: &str = "60";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// A client of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imds(SocketAddr);

/// Why the service gave no credentials. No text contains a part of a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImdsError {
    #[error("the instance metadata service cannot be reached: {0}")]
    Unreachable(std::io::Error),
    #[error("the instance metadata service is silent: is its hop limit 2 in a container?")]
    Silent,
    /// The service answered with an unexpected status.
    #[error("the instance metadata service answered {status} to {what}")]
    Status {
        what: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The answer is too long, or is not HTTP.
    #[error("the answer of the instance metadata service is not HTTP, or too long")]
    Answer,
    /// The instance has no role.
    #[error("the instance has no role: attach one that may call the key service")]
    NoRole,
    /// The answer does not contain credentials.
    #[error("the answer of the instance metadata service does not contain credentials")]
    Form,
}

impl Default for Imds {
    fn default() -> Self {
        Self(ADDRESS)
    }
}

impl fmt::Display for Imds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Imds {
    /// A client of the service at another address.
    pub fn at(address: SocketAddr) -> Self {
        Self(address)
    }

    /// The credentials of the instance's role.
    pub(super) async fn fetch(&self) -> Result<Credentials, ImdsError> {
        let token = Request::put("/latest/api/token")
            .header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
        let token = text(self.request("a token", token).await?)?;
        let role = self.get("the role", ROLES, &token).await?;
        let role = text(role)?.lines().next().unwrap_or_default().trim().to_owned();
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
        if role.is_empty() || !role.chars().all(is_of_name) {
            return Err(ImdsError::NoRole);
        }
        let path = format!("{ROLES}{role}");
        let answer = self.get("credentials", &path, &token).await?;
        // Drops the parser's error, which could quote the answer.
        serde_json::from_slice(&answer).map_err(|_| ImdsError::Form)
    }

    async fn get(
        &self,
        what: &'static str,
        path: &str,
        token: &str,
    ) -> Result<Zeroizing<Vec<u8>>, ImdsError> {
        let request = Request::get(path).header("x-aws-ec2-metadata-token", token);
        match self.request(what, request).await {
            Err(ImdsError::Status { status: 404, .. }) => Err(ImdsError::NoRole),
            answer => answer,
        }
    }

    async fn request(
        &self,
        what: &'static str,
        request: hyper::http::request::Builder,
    ) -> Result<Zeroizing<Vec<u8>>, ImdsError> {
        let request = request.header("host", self.0.to_string()).body(Empty::<Bytes>::new());
        let request = request.map_err(|_| ImdsError::Answer)?;
        let asked = tokio::time::timeout(REQUEST_TIME, exchange(self.0, request)).await;
        let (status, body) = asked.unwrap_or(Err(ImdsError::Silent))?;
        match status {
            200 => Ok(body),
            status => Err(ImdsError::Status { what, status }),
        }
    }
}

async fn exchange(
    address: SocketAddr,
    request: Request<Empty<Bytes>>,
) -> Result<(u16, Zeroizing<Vec<u8>>), ImdsError> {
    let stream = TcpStream::connect(address).await.map_err(ImdsError::Unreachable)?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|_| ImdsError::Answer)?;
    let driving = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(|_| ImdsError::Answer)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), CREDENTIALS_LINE_BYTES_MAX).collect().await;
    driving.abort();
    let body = body.map_err(|_| ImdsError::Answer)?.to_bytes();
    Ok((status, Zeroizing::new(body.to_vec())))
}

fn text(bytes: Zeroizing<Vec<u8>>) -> Result<String, ImdsError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ImdsError::Answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::{get, put};

    /// A service as on an instance: no answer without a token.
    async fn service(role: &'static str, credentials: &'static str) -> Imds {
        let guarded = |headers: HeaderMap, body: &'static str| {
            let token = headers.get("x-aws-ec2-metadata-token").map(|t| t.as_bytes().to_vec());
            match token.as_deref() {
                Some(b"token-1") => (StatusCode::OK, body),
                _ => (StatusCode::UNAUTHORIZED, ""),
            }
        };
        let token = |headers: HeaderMap| async move {
            match headers.contains_key("x-aws-ec2-metadata-token-ttl-seconds") {
                true => (StatusCode::OK, "token-1"),
                false => (StatusCode::BAD_REQUEST, ""),
            }
        };
        let router = Router::new()
            .route("/latest/api/token", put(token))
            .route(ROLES, get(move |headers| async move { guarded(headers, role) }))
            .route(
                "/latest/meta-data/iam/security-credentials/mortise",
                get(move |headers| async move { guarded(headers, credentials) }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Imds::at(address)
    }

    #[tokio::test]
    async fn credentials_of_the_role_come_with_a_token() {
        let answer = r#"{"Code":"Success","LastUpdated":"2026-11-22T08:00:00Z",
            "Type":"AWS-HMAC","AccessKeyId":"ASIAX","SecretAccessKey":"s3cr3t","Token":"t",
            "Expiration":"2026-11-22T14:00:00Z"}"#;
        let credentials = service("mortise\n", answer).await.fetch().await.unwrap();
        assert_eq!(credentials.access_key_id, "ASIAX");
        assert_eq!(credentials.expiration.as_deref(), Some("2026-11-22T14:00:00Z"));
    }

    #[tokio::test]
    async fn wrong_answers_are_refused_by_name_and_not_quoted() {
        let refused = service("", "{}").await.fetch().await.unwrap_err();
        assert!(matches!(refused, ImdsError::NoRole), "{refused}");
        let refused = service("../../x", "{}").await.fetch().await.unwrap_err();
        assert!(matches!(refused, ImdsError::NoRole), "{refused}");
        let refused = service("other", "{}").await.fetch().await.unwrap_err();
        assert!(matches!(refused, ImdsError::NoRole), "{refused}");
        let refused = service("mortise", "hunter2").await.fetch().await.unwrap_err();
        assert!(matches!(refused, ImdsError::Form), "{refused}");
        assert!(!format!("{refused} {refused:?}").contains("hunter2"));
        let long = Box::leak("x".repeat(CREDENTIALS_LINE_BYTES_MAX + 1).into_boxed_str());
        let refused = service("mortise", long).await.fetch().await.unwrap_err();
        assert!(matches!(refused, ImdsError::Answer), "{refused}");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = listener.local_addr().unwrap();
        drop(listener);
        let refused = Imds::at(gone).fetch().await.unwrap_err();
        assert!(matches!(refused, ImdsError::Unreachable(_)), "{refused}");
    }
}
