//! The endpoint of an engine.

use mortise_transport::Address;
use std::fmt;
use std::str::FromStr;

/// `http://HOST[:PORT][/PATH]`, `unix:PATH`, `vsock:CID:PORT` or `hybrid:PATH:PORT`.
///
/// ```
/// use mortise_client::Endpoint;
/// let endpoint: Endpoint = "http://127.0.0.1:8080".parse().unwrap();
/// assert_eq!(endpoint.to_string(), "http://127.0.0.1:8080/");
/// assert!("https://127.0.0.1".parse::<Endpoint>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The parent's gateway.
    Http {
        /// Host and port, as in the `Host` header.
        authority: String,
        /// Path, `/` when none is named.
        path: String,
    },
    /// The request protocol on a stream.
    Stream(Address),
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not http, unix, vsock or hybrid. TLS ends in front of the gateway, not in this client.
    #[error("an endpoint must be http://HOST:PORT, unix:PATH, vsock:CID:PORT or hybrid:PATH:PORT")]
    Scheme,
    /// No host, a user name, or characters that no authority has.
    #[error("http:// must be followed by a host and an optional port")]
    Authority,
    /// Not an address of the transport.
    #[error(transparent)]
    Address(#[from] mortise_transport::AddressError),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let Some(rest) = text.strip_prefix("http://") else {
            return match text.split_once(':') {
                Some(("unix" | "vsock" | "hybrid", _)) => Ok(Self::Stream(text.parse()?)),
                _ => Err(EndpointError::Scheme),
            };
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let of_authority = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        let of_path = |c: char| c.is_ascii_graphic() && !"?#\"<>\\^`{|}".contains(c);
        if authority.is_empty()
            || !authority.chars().all(of_authority)
            || !path.chars().all(of_path)
        {
            return Err(EndpointError::Authority);
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self::Http { authority: authority.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { authority, path } => write!(f, "http://{authority}{path}"),
            Self::Stream(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_print_as_they_are_parsed() {
        for text in [
            "http://127.0.0.1:8080/",
            "http://[::1]:1/rpc",
            "unix:/a/b",
            "vsock:16:5000",
            "hybrid:/run/enc.vsock:5000",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_endpoint_is_refused() {
        for text in ["", "127.0.0.1:8080", "https://a", "ftp://a"] {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError::Scheme), "{text}");
        }
        for text in ["http://", "http:///x", "http://u@h", "http://h\r\nx", "http://h/a b"] {
            assert_eq!(text.parse::<Endpoint>(), Err(EndpointError::Authority), "{text}");
        }
        for text in ["vsock:x:1", "hybrid:/run/enc.vsock"] {
            assert!(matches!(text.parse::<Endpoint>(), Err(EndpointError::Address(_))), "{text}");
        }
    }
}
