//! The link to the engine: one request, one answer, in clear or encrypted.

mod framed;
mod http;

use crate::endpoint::Endpoint;
use bytes::Bytes;
use framed::FramedLink;
use http::HttpLink;

/// A connection that is opened when it is needed.
#[derive(Debug)]
pub(crate) enum Link {
    Http(HttpLink),
    Framed(FramedLink),
}

/// No answer came.
#[derive(Debug)]
pub(crate) struct LinkError {
    /// For people.
    pub reason: String,
    /// True when the request may have reached the engine.
    pub sent: bool,
}

impl LinkError {
    fn unsent(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), sent: false }
    }

    fn lost(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), sent: true }
    }
}

impl Link {
    pub fn new(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Http { authority, path } => {
                Self::Http(HttpLink::new(authority.clone(), path.clone()))
            }
            Endpoint::Stream(address) => Self::Framed(FramedLink::new(address.clone())),
        }
    }

    /// Sends a request and waits for its answer.
    pub async fn exchange(&self, request: Bytes) -> Result<Bytes, LinkError> {
        match self {
            Self::Http(link) => link.exchange(request).await,
            Self::Framed(link) => link.exchange(request).await,
        }
    }
}
