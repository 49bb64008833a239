//! Who may speak to a gateway: the name it is called by, and the pages that may call it.
//!
//! What it is for: a browser on the machine of a loopback gateway runs pages of strangers. A page
//! whose name is made to resolve to 127.0.0.1 (DNS rebinding) is of the gateway's own origin for
//! the browser, so the `Host` header is compared with names that the operator chose. Any other page
//! names itself in `Origin`.
//!
//! What it does not do: authenticate. A program writes any header. On an address that is not
//! loopback, the gateway is a public service without cookies: any name and any page may call it.

use super::peer::Network;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use std::net::{IpAddr, SocketAddr};

/// Names and origins that the operator allows, besides those of this machine, and the proxies that
/// it trusts.
#[derive(Debug, Clone, Default)]
pub struct AccessConfig {
    /// Proxies whose word on the address of a peer counts.
    pub trusted_proxies: Vec<Network>,
    /// Names in `Host` on a loopback address, without a port.
    pub hosts: Vec<String>,
    /// Origins of pages, such as `https://app.example`; `*` allows all.
    pub origins: Vec<String>,
}

/// The rule of one address.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    config: AccessConfig,
    is_loopback: bool,
}

/// Why a request is refused: the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Host,
    Origin,
}

impl Access {
    pub(crate) fn new(config: AccessConfig, address: SocketAddr) -> Self {
        Self { config, is_loopback: address.ip().is_loopback() }
    }

    pub(super) fn trusted_proxies(&self) -> &[Network] {
        &self.config.trusted_proxies
    }

    /// True when only this machine reaches the address.
    pub(super) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// Checks a request. Returns what `Access-Control-Allow-Origin` says to its page, if any.
    pub(super) fn check(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, Refused> {
        if self.is_loopback && !self.knows_host(uri, headers) {
            return Err(Refused::Host);
        }
        let any = Some(HeaderValue::from_static("*"));
        let origins = &self.config.origins;
        if origins.iter().any(|origin| origin == "*") || (origins.is_empty() && !self.is_loopback) {
            return Ok(any);
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(None) };
        let text = origin.to_str().unwrap_or_default();
        let is_of_this_machine = || self.is_loopback && is_local_origin(text);
        match origins.iter().any(|known| known == text) || is_of_this_machine() {
            true => Ok(Some(origin.clone())),
            false => Err(Refused::Origin),
        }
    }

    /// Every name in the request is known. A browser always sends one; a program need not.
    fn knows_host(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let named = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
        uri.authority().map(Authority::as_str).into_iter().chain(named).all(|name| {
            let Ok(authority) = name.parse::<Authority>() else { return false };
            let host = authority.host().to_ascii_lowercase();
            is_this_machine(&host) || self.config.hosts.contains(&host)
        })
    }
}

/// `localhost`, or a loopback address as it is written in a URL. An address cannot be made to
/// resolve elsewhere, but a page at another address is none of this machine's.
fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn is_local_origin(origin: &str) -> bool {
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.parse::<Authority>().ok());
    authority.is_some_and(|authority| is_this_machine(authority.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(access: &Access, host: &str, origin: Option<&str>) -> Result<Option<String>, Refused> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        let allowed = access.check(&Uri::from_static("/"), &headers)?;
        Ok(allowed.map(|value| value.to_str().unwrap().to_owned()))
    }

    fn access(address: &str, hosts: &[&str], origins: &[&str]) -> Access {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let config =
            AccessConfig { hosts: own(hosts), origins: own(origins), ..AccessConfig::default() };
        Access::new(config, address.parse().unwrap())
    }

    #[test]
    fn loopback_knows_its_own_names_and_those_of_the_operator() {
        let local = access("127.0.0.1:8080", &["api.example"], &[]);
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "127.1.2.3", "[::1]:8080"] {
            assert_eq!(check(&local, host, None), Ok(None), "{host}");
        }
        assert_eq!(check(&local, "API.example:443", None), Ok(None));
        for host in ["evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.nip.io", ""] {
            assert_eq!(check(&local, host, None), Err(Refused::Host), "{host}");
        }
        let uri = Uri::from_static("http://evil.example/");
        assert_eq!(local.check(&uri, &HeaderMap::new()), Err(Refused::Host));
        assert_eq!(local.check(&Uri::from_static("/"), &HeaderMap::new()), Ok(None));
        let public = access("0.0.0.0:8080", &[], &[]);
        assert_eq!(check(&public, "any.example", None), Ok(Some("*".into())));
    }

    #[test]
    fn pages_of_strangers_are_refused_on_loopback_and_named_ones_are_not() {
        let local = access("[::1]:8080", &[], &["https://app.example"]);
        for page in ["http://localhost:3000", "http://127.0.0.1", "https://app.example"] {
            assert_eq!(check(&local, "localhost", Some(page)), Ok(Some(page.into())), "{page}");
        }
        for page in ["https://evil.example", "null", "http://localhost.evil.example", "file://"] {
            assert_eq!(check(&local, "localhost", Some(page)), Err(Refused::Origin), "{page}");
        }
        let public = access("0.0.0.0:80", &[], &["https://app.example"]);
        assert_eq!(check(&public, "x", Some("https://evil.example")), Err(Refused::Origin));
        assert_eq!(check(&public, "x", Some("http://localhost")), Err(Refused::Origin));
        let open = access("127.0.0.1:80", &[], &["*"]);
        assert_eq!(check(&open, "localhost", Some("https://any.example")), Ok(Some("*".into())));
    }
}
