//! Hexadecimal digits without a prefix. [`ids`](crate::ids) has the 0x form.

use alloc::string::String;
use alloc::vec::Vec;

/// Why a text is not hex of the wanted size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HexError {
    /// The text does not start with 0x.
    #[error("hex text starts with 0x")]
    NoPrefix,
    /// The text is not as long as the type asks for.
    #[error("expected {expected} bytes of hex")]
    WrongLength {
        /// Bytes that the type holds.
        expected: usize,
    },
    /// A character is not a hex digit.
    #[error("a character is not a hex digit")]
    NotHex,
}

/// Writes `bytes` as lower-case digits.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    encode_onto(&mut text, bytes);
    text
}

/// Appends `bytes` to a text as lower-case digits.
pub(crate) fn encode_onto(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.reserve(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

/// Decodes the digits of exactly `out.len()` bytes, any case.
///
/// # Errors
/// `WrongLength`, `NotHex`, in this order.
pub fn decode_into(digits: &str, out: &mut [u8]) -> Result<(), HexError> {
    let digits = digits.as_bytes();
    if digits.len() != out.len() * 2 {
        return Err(HexError::WrongLength { expected: out.len() });
    }
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let high = digit(pair[0]).ok_or(HexError::NotHex)?;
        let low = digit(pair[1]).ok_or(HexError::NotHex)?;
        *byte = high << 4 | low;
    }
    Ok(())
}

/// Decodes an even number of digits, any case.
///
/// # Errors
/// `WrongLength` for an odd number, `NotHex`.
pub fn decode(digits: &str) -> Result<Vec<u8>, HexError> {
    let mut bytes = alloc::vec![0; digits.len() / 2];
    decode_into(digits, &mut bytes)?;
    Ok(bytes)
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_any_case_decode_and_lower_case_encodes() {
        let bytes = alloc::vec![0x00, 0x0f, 0xa9, 0xff];
        assert_eq!(encode(&bytes), "000fa9ff");
        assert_eq!(decode("000fa9ff"), Ok(bytes.clone()));
        assert_eq!(decode("000FA9fF"), Ok(bytes));
        assert_eq!(decode(""), Ok(Vec::new()));
    }

    #[test]
    fn other_texts_are_refused_by_name() {
        assert_eq!(decode("0"), Err(HexError::WrongLength { expected: 0 }));
        assert_eq!(decode("0x00"), Err(HexError::NotHex));
        for text in ["0g", "+1", " 1", "1 ", "\u{e9}"] {
            assert_eq!(decode(text), Err(HexError::NotHex), "{text}");
        }
    }
}
