//! The name of an endpoint: `unix:PATH`, `vsock:CID:PORT` or `hybrid:PATH:PORT`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The CID that a listener binds to when it serves every local CID; written `any`.
pub const VSOCK_CID_ANY: u32 = u32::MAX;

/// The endpoint that a part listens at or connects to.
///
/// ```
/// use mortise_transport::Address;
/// let address: Address = "vsock:16:5000".parse().unwrap();
/// assert_eq!(address, Address::Vsock { cid: 16, port: 5000 });
/// assert_eq!(address.to_string(), "vsock:16:5000");
/// assert_eq!("unix:/run/m.sock".parse(), Ok(Address::Unix("/run/m.sock".into())));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// A unix stream socket at a path.
    Unix(PathBuf),
    /// An AF_VSOCK stream socket.
    Vsock {
        /// The context id; 3 is the parent seen from an enclave, [`VSOCK_CID_ANY`] binds to all.
        cid: u32,
        /// The port.
        port: u32,
    },
    /// A port of a virtual machine whose vsock is behind a unix socket of this one, as Firecracker
    /// and vhost-device-vsock have it. The dialling side names the port in a first line. Calls of
    /// the virtual machine to a port arrive at a socket file beside it.
    Hybrid {
        /// The unix socket of the virtual machine's vsock.
        path: PathBuf,
        /// The port.
        port: u32,
    },
}

/// The socket that receives calls of the virtual machine behind `path` to `port` of this one:
/// `PATH_PORT`.
pub(crate) fn hybrid_socket(path: &Path, port: u32) -> PathBuf {
    let mut socket = path.as_os_str().to_owned();
    socket.push(format!("_{port}"));
    socket.into()
}

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text starts with no known scheme.
    #[error("an address is unix:PATH, vsock:CID:PORT or hybrid:PATH:PORT")]
    Scheme,
    /// `unix:` is followed by nothing.
    #[error("unix: is followed by a path")]
    PathEmpty,
    /// The part after `vsock:` is not `CID:PORT`.
    #[error("vsock: is followed by CID:PORT")]
    VsockShape,
    /// The part after `hybrid:` is not `PATH:PORT`.
    #[error("hybrid: is followed by PATH:PORT")]
    HybridShape,
    /// The CID is neither a 32-bit number nor `any`.
    #[error("the vsock CID is a 32-bit number or `any`")]
    Cid,
    /// The port is not a 32-bit number.
    #[error("the vsock port is a 32-bit number")]
    Port,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once(':').ok_or(AddressError::Scheme)?;
        match scheme {
            "unix" if rest.is_empty() => Err(AddressError::PathEmpty),
            "unix" => Ok(Self::Unix(rest.into())),
            "vsock" => parse_vsock(rest),
            "hybrid" => parse_hybrid(rest),
            _ => Err(AddressError::Scheme),
        }
    }
}

fn parse_vsock(text: &str) -> Result<Address, AddressError> {
    let (cid, port) = text.split_once(':').ok_or(AddressError::VsockShape)?;
    let cid = match cid {
        "any" => VSOCK_CID_ANY,
        number => number.parse().map_err(|_| AddressError::Cid)?,
    };
    Ok(Address::Vsock { cid, port: port.parse().map_err(|_| AddressError::Port)? })
}

fn parse_hybrid(text: &str) -> Result<Address, AddressError> {
    // A path may have colons; the port is behind the last one.
    let (path, port) = text.rsplit_once(':').ok_or(AddressError::HybridShape)?;
    if path.is_empty() {
        return Err(AddressError::HybridShape);
    }
    let port = port.parse().map_err(|_| AddressError::Port)?;
    Ok(Address::Hybrid { path: path.into(), port })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Vsock { cid: VSOCK_CID_ANY, port } => write!(f, "vsock:any:{port}"),
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            Self::Hybrid { path, port } => write!(f, "hybrid:{}:{port}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_written() {
        for text in [
            "unix:/run/a b:c.sock",
            "unix:rel.sock",
            "vsock:3:5001",
            "vsock:any:5000",
            "hybrid:/run/a b:c.vsock:5000",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_wrong_address_is_refused_by_name() {
        for (text, error) in [
            ("", AddressError::Scheme),
            ("/run/a.sock", AddressError::Scheme),
            ("tcp:1.2.3.4:5", AddressError::Scheme),
            ("unix:", AddressError::PathEmpty),
            ("vsock:3", AddressError::VsockShape),
            ("vsock:x:1", AddressError::Cid),
            ("vsock:4294967296:1", AddressError::Cid),
            ("vsock:3:", AddressError::Port),
            ("vsock:3:5000:1", AddressError::Port),
            ("hybrid:", AddressError::HybridShape),
            ("hybrid:/run/v", AddressError::HybridShape),
            ("hybrid::5000", AddressError::HybridShape),
            ("hybrid:/run/v:", AddressError::Port),
            ("hybrid:/run/v:4294967296", AddressError::Port),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }
}
