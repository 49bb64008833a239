//! The name of an endpoint: `unix:PATH` or `vsock:CID:PORT`.
//!
//! The set of schemes is open: a hybrid vsock (a unix socket on which the host side names the port
//! first) will be one more variant.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The CID that a listener binds to when it serves every local CID; written `any`.
pub const VSOCK_CID_ANY: u32 = u32::MAX;

/// Where a part listens or is reached.
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
}

/// Why a text names no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text starts with no known scheme.
    #[error("an address is unix:PATH or vsock:CID:PORT")]
    Scheme,
    /// `unix:` is followed by nothing.
    #[error("unix: is followed by a path")]
    PathEmpty,
    /// The part after `vsock:` is not `CID:PORT`.
    #[error("vsock: is followed by CID:PORT")]
    VsockShape,
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

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Vsock { cid: VSOCK_CID_ANY, port } => write!(f, "vsock:any:{port}"),
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_written() {
        for text in ["unix:/run/a b:c.sock", "unix:rel.sock", "vsock:3:5001", "vsock:any:5000"] {
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
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }
}
