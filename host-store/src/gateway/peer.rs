//! Who is behind a request, as far as an address tells: the hint for fair shares.
//!
//! What it is for: callers of one gateway share its connections to the engine. The hint says which
//! requests are of one peer, so that one peer with a thousand requests does not delay another with
//! one. It is a keyed hash: the engine learns who is the same, not who it is.
//!
//! What it does not do: refuse anyone, or tell peers apart that share an address.
//!
//! - An IPv4 address is one peer. An IPv6 host has a /64 at least, and its site up to 65,536 of
//!   them, so the /64 networks of a /48 share [`SHARES_PER_SITE`] hints.
//! - Behind a proxy every peer has the proxy's address. A proxy that the operator names
//!   (`--trusted-proxy`) is trusted to say more: its PROXY v2 header, and `X-Forwarded-For` up to
//!   the last hop that is not such a proxy. Any other caller's headers are not read.

use axum::http::HeaderMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// Hints of one IPv6 /48.
const SHARES_PER_SITE: u64 = 4;
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of a connection's other end, or of the peer that its proxy named.
#[derive(Debug, Clone, Copy)]
pub(super) struct PeerIp(pub IpAddr);

/// Turns addresses into hints.
#[derive(Debug)]
pub(super) struct Peers {
    key: RandomState,
    trusted: Vec<Network>,
}

impl Peers {
    /// A fresh key, and the proxies that are trusted.
    pub(super) fn new(trusted: Vec<Network>) -> Self {
        Self { key: RandomState::new(), trusted }
    }

    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// The hint of a request; never 0, which means none.
    pub(super) fn hint(&self, peer: PeerIp, headers: &HeaderMap) -> u64 {
        let hash = match self.origin(peer.0, headers).to_canonical() {
            IpAddr::V4(address) => self.key.hash_one((4u8, address.to_bits(), 0u64)),
            IpAddr::V6(address) => {
                let network = (address.to_bits() >> 64) as u64;
                let share = self.key.hash_one((64u8, network)) % SHARES_PER_SITE;
                self.key.hash_one((48u8, network >> 16, share))
            }
        };
        hash.max(1)
    }

    /// The last hop that is no trusted proxy. A hop that does not parse ends the search at the
    /// proxy that reported it.
    fn origin(&self, connected: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut origin = connected;
        let lists = headers.get_all(FORWARDED_FOR).iter().map(|list| list.to_str().unwrap_or("?"));
        let lists: Vec<&str> = lists.collect();
        let mut hops = lists.iter().rev().flat_map(|list| list.rsplit(','));
        while self.trusts(origin)
            && let Some(hop) = hops.next().and_then(|hop| address_of(hop.trim()))
        {
            origin = hop;
        }
        origin
    }
}

/// An address of `X-Forwarded-For`, with or without a port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']').parse().ok();
    bare.or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
}

/// A block of addresses, such as 10.0.0.0/8. A bare address is a block of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// IPv4 addresses as in ::ffff:0:0/96.
    bits: u128,
    length: u32,
}

/// A text is not a block of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a block of addresses such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct NetworkError(String);

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        mask(mapped(address), self.length) == self.bits
    }
}

fn mapped(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn mask(bits: u128, length: u32) -> u128 {
    let shift = 128 - length;
    bits.checked_shr(shift).and_then(|bits| bits.checked_shl(shift)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let (offset, width) = if address.is_ipv4() { (96, 32) } else { (0, 128) };
        let length = length.unwrap_or(width);
        if length > width {
            return Err(wrong());
        }
        let length = offset + length;
        let bits = mask(mapped(address), length);
        // Bits behind the length are a slip of the pen: 10.0.0.1/8 may mean one address or a block.
        if bits == mapped(address) { Ok(Self { bits, length }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Ipv6Addr::from_bits(self.bits).to_ipv4_mapped() {
            Some(address) if self.length >= 96 => write!(f, "{address}/{}", self.length - 96),
            _ => write!(f, "{}/{}", Ipv6Addr::from_bits(self.bits), self.length),
        }
    }
}

/// The first bytes of a PROXY v2 header. No HTTP request begins with them.
pub(super) const PROXY_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes before the addresses: signature, command, family, length.
pub(super) const PROXY_HEAD_BYTES: usize = 16;
/// Most bytes of addresses and extensions.
pub(super) const PROXY_REST_BYTES_MAX: usize = 2048;

/// Bytes that follow the head; `None` if it is no head of PROXY v2 or they are too many.
pub(super) fn proxy_rest_length(head: [u8; PROXY_HEAD_BYTES]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    let is_known = head.starts_with(&PROXY_SIGNATURE) && head[12] >> 4 == 2 && head[12] & 15 <= 1;
    (is_known && length <= PROXY_REST_BYTES_MAX).then_some(length)
}

/// The source address of a PROXY v2 header; `None` if it names none (LOCAL, other families), or is
/// too short for its family.
pub(super) fn proxy_source(head: [u8; PROXY_HEAD_BYTES], rest: &[u8]) -> Option<IpAddr> {
    let is_proxied = head[12] & 15 == 1;
    match (is_proxied, head[13] >> 4) {
        (true, 1) => rest.first_chunk::<12>()?.first_chunk().map(|b| Ipv4Addr::from(*b).into()),
        (true, 2) => rest.first_chunk::<36>()?.first_chunk().map(|b| Ipv6Addr::from(*b).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn peers(trusted: &[&str]) -> Peers {
        Peers::new(trusted.iter().map(|network| network.parse().unwrap()).collect())
    }

    fn hint(peers: &Peers, connected: &str, forwarded: &[&str]) -> u64 {
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append(FORWARDED_FOR, list.parse().unwrap());
        }
        peers.hint(PeerIp(ip(connected)), &headers)
    }

    #[test]
    fn addresses_are_peers_and_the_networks_of_a_site_share_four_hints() {
        let peers = peers(&[]);
        let of = |address: &str| hint(&peers, address, &[]);
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"), "the same host on a double socket");
        assert_eq!(of("2001:db8:1:7::1"), of("2001:db8:1:7:ffff::2"), "one /64 is one peer");
        let site: BTreeSet<u64> = (0..2000).map(|n| of(&format!("2001:db8:1:{n:x}::1"))).collect();
        assert_eq!(site.len(), 4);
        assert!(!site.contains(&of("2001:db8:2:1::1")), "another site");
        let other = self::peers(&[]);
        assert_ne!(of("192.0.2.1"), hint(&other, "192.0.2.1", &[]), "the key is of the process");
    }

    #[test]
    fn forwarded_for_is_read_from_trusted_proxies_alone_and_up_to_the_last_untrusted_hop() {
        let open = peers(&[]);
        let lies = ["198.51.100.7"];
        assert_eq!(hint(&open, "192.0.2.1", &lies), hint(&open, "192.0.2.1", &[]));
        let behind = peers(&["10.0.0.0/8", "2001:db8:ffff::/48"]);
        let of = |connected, forwarded: &[&str]| hint(&behind, connected, forwarded);
        let client = of("198.51.100.7", &[]);
        assert_eq!(of("10.0.0.1", &["198.51.100.7"]), client);
        assert_eq!(of("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.3.3.3"]), client);
        assert_eq!(of("10.0.0.1", &["203.0.113.9", "198.51.100.7", "10.3.3.3"]), client);
        assert_eq!(of("2001:db8:ffff::1", &["198.51.100.7:4711"]), client);
        assert_eq!(of("192.0.2.1", &["198.51.100.7"]), of("192.0.2.1", &[]), "it lies");
        assert_eq!(of("10.0.0.1", &["nonsense"]), of("10.0.0.1", &[]));
        assert_eq!(of("10.0.0.1", &["198.51.100.7, unknown, 10.1.1.1"]), of("10.1.1.1", &[]));
        assert_eq!(of("10.0.0.1", &["[2001:db8::5]:80"]), of("2001:db8::5", &[]));
    }

    #[test]
    fn networks_parse_strictly_and_print_as_written() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "2001:db8::/32", "::/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!("192.0.2.1".parse::<Network>().unwrap().to_string(), "192.0.2.1/32");
        for text in ["", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "::1/64", "a/8", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let any: Network = "0.0.0.0/0".parse().unwrap();
        assert!(any.contains(ip("203.0.113.1")) && !any.contains(ip("2001:db8::1")));
    }

    #[test]
    fn proxy_header_names_its_source_or_none() {
        let head = |command: u8, family: u8, length: u16| {
            let mut head = [0; PROXY_HEAD_BYTES];
            head[..12].copy_from_slice(&PROXY_SIGNATURE);
            (head[12], head[13]) = (command, family);
            head[14..].copy_from_slice(&length.to_be_bytes());
            head
        };
        let four = [&[192, 0, 2, 1, 10, 0, 0, 1][..], &[0; 4]].concat();
        assert_eq!(proxy_rest_length(head(0x21, 0x11, 12)), Some(12));
        assert_eq!(proxy_source(head(0x21, 0x11, 12), &four), Some(ip("192.0.2.1")));
        let six = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 20]].concat();
        assert_eq!(proxy_source(head(0x21, 0x21, 36), &six), Some(ip("::1")));
        assert_eq!(proxy_source(head(0x20, 0x11, 12), &four), None, "a health check of the proxy");
        assert_eq!(proxy_source(head(0x21, 0x31, 12), &four), None, "a unix socket");
        assert_eq!(proxy_source(head(0x21, 0x11, 4), &four[..4]), None, "cut");
        assert_eq!(proxy_rest_length(head(0x21, 0x11, 2049)), None);
        assert_eq!(proxy_rest_length(head(0x11, 0x11, 12)), None, "version 1");
        assert_eq!(proxy_rest_length(head(0x22, 0x11, 12)), None, "no such command");
        assert_eq!(proxy_rest_length([0; PROXY_HEAD_BYTES]), None);
    }
}
