//! HTTP POST to the gateway on kept connections.

use super::LinkError;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use mortise_format::channel::{MEDIA_TYPE, is_channel};
use mortise_format::limits::RESPONSE_BYTES_MAX;
use std::sync::{Mutex, PoisonError};
use tokio::net::TcpStream;

/// Most idle connections that are kept.
const IDLE_MAX: usize = 8;
/// Port of `http://` when none is named.
const PORT_DEFAULT: &str = "80";

type Sender = SendRequest<Full<Bytes>>;

/// Connections to one gateway.
#[derive(Debug)]
pub(crate) struct HttpLink {
    authority: String,
    path: String,
    idle: Mutex<Vec<Sender>>,
}

impl HttpLink {
    pub fn new(authority: String, path: String) -> Self {
        Self { authority, path, idle: Mutex::new(Vec::new()) }
    }

    pub async fn exchange(&self, body: Bytes) -> Result<Bytes, LinkError> {
        let mut sender = self.sender().await?;
        let content_type = if is_channel(&body) { MEDIA_TYPE } else { "application/json" };
        let request = Request::post(self.path.as_str())
            .header(HOST, self.authority.as_str())
            .header(CONTENT_TYPE, content_type)
            .body(Full::new(body))
            .map_err(LinkError::unsent)?;
        let response = sender.send_request(request).await.map_err(send_error)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), RESPONSE_BYTES_MAX).collect().await;
        let body = body.map_err(LinkError::lost)?.to_bytes();
        if status != StatusCode::OK {
            return Err(LinkError::lost(format!("HTTP status {status}")));
        }
        self.keep(sender);
        Ok(body)
    }

    /// A kept connection that is still open, or a new one.
    async fn sender(&self) -> Result<Sender, LinkError> {
        while let Some(mut sender) = self.pop() {
            if !sender.is_closed() && sender.ready().await.is_ok() {
                return Ok(sender);
            }
        }
        let stream = TcpStream::connect(self.socket_address()).await.map_err(LinkError::unsent)?;
        stream.set_nodelay(true).map_err(LinkError::unsent)?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(LinkError::unsent)?;
        // the task ends with the sender; the sender's request returns its error
        tokio::spawn(async move { connection.await.ok() });
        Ok(sender)
    }

    fn socket_address(&self) -> String {
        let after_host = self.authority.rsplit(']').next().unwrap_or_default();
        match after_host.contains(':') {
            true => self.authority.clone(),
            false => format!("{}:{PORT_DEFAULT}", self.authority),
        }
    }

    fn pop(&self) -> Option<Sender> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(sender);
        }
    }
}

/// A kept connection that the gateway has closed in the meantime received nothing of the request.
fn send_error(error: hyper::Error) -> LinkError {
    if error.is_canceled() { LinkError::unsent(error) } else { LinkError::lost(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_80_is_meant_when_none_is_named() {
        for (authority, socket) in
            [("a:1", "a:1"), ("a", "a:80"), ("[::1]", "[::1]:80"), ("[::1]:2", "[::1]:2")]
        {
            let link = HttpLink::new(authority.to_owned(), "/".to_owned());
            assert_eq!(link.socket_address(), socket);
        }
    }
}
