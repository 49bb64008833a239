//! The one encoding of stored values: bincode 2, fixed-width, little-endian, trailing bytes
//! refused (`specs/encoding.md`).
//!
//! Only these functions call bincode, so it can be replaced without a change to any type. The
//! golden vectors pin the bytes.

use crate::limits::DECODE_BYTES_MAX;
use alloc::vec::Vec;
use bincode::config::{Configuration, Fixint, Limit, LittleEndian};

type Config = Configuration<LittleEndian, Fixint, Limit<DECODE_BYTES_MAX>>;

const CONFIG: Config = bincode::config::standard()
    .with_little_endian()
    .with_fixed_int_encoding()
    .with_limit::<DECODE_BYTES_MAX>();

/// Why bytes are not an encoding of the expected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end early, name an unknown variant, or exceed the decode limit.
    #[error("the bytes are not an encoding of the expected type")]
    Malformed,
    /// A value was decoded and bytes are left over.
    #[error("{extra} bytes follow the encoded value")]
    Trailing {
        /// How many bytes are left.
        extra: usize,
    },
}

/// The encoding of `value`.
///
/// # Panics
/// Never for the types of this crate: writing to memory cannot fail and their encoders return no
/// error.
pub fn encode<T: bincode::Encode>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    encode_into(value, &mut out);
    out
}

/// Appends the encoding of `value` to `out`.
///
/// # Panics
/// Never for the types of this crate, see [`encode`].
pub fn encode_into<T: bincode::Encode>(value: &T, out: &mut Vec<u8>) {
    struct Sink<'a>(&'a mut Vec<u8>);
    impl bincode::enc::write::Writer for Sink<'_> {
        fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
    }
    bincode::encode_into_writer(value, Sink(out), CONFIG).expect("writing to memory cannot fail");
}

/// Decodes a value that may be larger than any message: a snapshot that was authenticated first.
///
/// # Errors
/// As [`decode`].
pub fn decode_unbounded<T: bincode::Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    let config = bincode::config::standard().with_little_endian().with_fixed_int_encoding();
    exactly(bytes, bincode::decode_from_slice(bytes, config))
}

/// Decodes exactly one value from exactly these bytes.
///
/// # Errors
/// `Malformed` when they are not an encoding of `T`; `Trailing` when bytes are left over.
pub fn decode<T: bincode::Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    exactly(bytes, bincode::decode_from_slice(bytes, CONFIG))
}

fn exactly<T>(
    bytes: &[u8],
    decoded: Result<(T, usize), bincode::error::DecodeError>,
) -> Result<T, CodecError> {
    let (value, used) = decoded.map_err(|_| CodecError::Malformed)?;
    match bytes.len().checked_sub(used) {
        Some(0) => Ok(value),
        extra => Err(CodecError::Trailing { extra: extra.unwrap_or(0) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Bytes of the length in front of a list.
    const LENGTH_BYTES: usize = size_of::<u64>();

    #[test]
    fn value_at_the_decode_limit_decodes_and_one_byte_more_does_not() {
        let most = vec![7u8; DECODE_BYTES_MAX - LENGTH_BYTES];
        assert_eq!(decode::<Vec<u8>>(&encode(&most)).as_ref(), Ok(&most));
        let more = encode(&vec![7u8; DECODE_BYTES_MAX - LENGTH_BYTES + 1]);
        assert_eq!(decode::<Vec<u8>>(&more), Err(CodecError::Malformed));
        assert!(decode_unbounded::<Vec<u8>>(&more).is_ok(), "it is whole");
    }
}
