//! The subset of CBOR that signatures use: definite lengths in shortest form only.
//!
//! The official tool writes the byte strings of its own structures as arrays of small numbers, and
//! those of COSE as byte strings. This module supports both.

/// The major types that signatures use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Unsigned,
    Bytes,
    Text,
    Array,
    Map,
}

impl Kind {
    fn bits(self) -> u8 {
        match self {
            Self::Unsigned => 0 << 5,
            Self::Bytes => 2 << 5,
            Self::Text => 3 << 5,
            Self::Array => 4 << 5,
            Self::Map => 5 << 5,
        }
    }
}

/// Writes the head of an item: its kind, and its number or length.
pub fn push_head(out: &mut Vec<u8>, kind: Kind, value: u64) {
    let bits = kind.bits();
    let bytes = value.to_be_bytes();
    match value {
        0..=23 => out.push(bits | bytes[7]),
        24..=0xff => out.extend_from_slice(&[bits | 24, bytes[7]]),
        0x100..=0xffff => {
            out.push(bits | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(bits | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(bits | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

/// Writes a byte string.
pub fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_head(out, Kind::Bytes, crate::u64_of(bytes.len()));
    out.extend_from_slice(bytes);
}

/// Writes a text string.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    push_head(out, Kind::Text, crate::u64_of(text.len()));
    out.extend_from_slice(text.as_bytes());
}

/// Writes bytes as an array of numbers.
pub fn push_numbers(out: &mut Vec<u8>, bytes: &[u8]) {
    push_head(out, Kind::Array, crate::u64_of(bytes.len()));
    for byte in bytes {
        push_head(out, Kind::Unsigned, u64::from(*byte));
    }
}

/// Reads items one after another. An error is the offset of the first fault.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], usize> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let found = end.and_then(|end| self.bytes.get(self.at..end)).ok_or(self.at)?;
        self.at += found.len();
        Ok(found)
    }

    /// Reads the number or length of an item of this kind, in shortest form.
    pub fn head(&mut self, kind: Kind) -> Result<u64, usize> {
        let at = self.at;
        let first = self.take(1)?[0];
        let wide = match first & 0x1f {
            small @ 0..=23 => {
                return (first & 0xe0 == kind.bits()).then_some(small.into()).ok_or(at);
            }
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(at),
        };
        let value = self.take(wide)?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let mut shortest = Vec::new();
        push_head(&mut shortest, kind, value);
        match self.bytes.get(at..self.at) == Some(shortest.as_slice()) {
            true => Ok(value),
            false => Err(at),
        }
    }

    /// Reads an item of this kind that must have this number or length.
    pub fn exactly(&mut self, kind: Kind, value: u64) -> Result<(), usize> {
        let at = self.at;
        match self.head(kind)? == value {
            true => Ok(()),
            false => Err(at),
        }
    }

    /// Reads a byte string.
    pub fn bytes(&mut self) -> Result<&'a [u8], usize> {
        let length = self.head(Kind::Bytes)?;
        self.take(length)
    }

    /// Reads a text string that must equal `expected`.
    pub fn text(&mut self, expected: &str) -> Result<(), usize> {
        let at = self.at;
        let length = self.head(Kind::Text)?;
        match self.take(length)? == expected.as_bytes() {
            true => Ok(()),
            false => Err(at),
        }
    }

    /// Reads bytes that are written as an array of numbers.
    pub fn numbers(&mut self) -> Result<Vec<u8>, usize> {
        let length = self.head(Kind::Array)?;
        let mut found = Vec::new();
        for _ in 0..length {
            let at = self.at;
            let number = self.head(Kind::Unsigned)?;
            found.push(u8::try_from(number).map_err(|_| at)?);
        }
        Ok(found)
    }

    /// Fails if bytes follow.
    pub fn end(&self) -> Result<(), usize> {
        match self.at == self.bytes.len() {
            true => Ok(()),
            false => Err(self.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_form_of_a_number_is_written_and_read() {
        for value in [0, 23, 24, 255, 256, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000, u64::MAX] {
            let mut out = Vec::new();
            push_head(&mut out, Kind::Unsigned, value);
            assert_eq!(Reader::new(&out).head(Kind::Unsigned), Ok(value));
            assert_eq!(Reader::new(&out).head(Kind::Bytes), Err(0));
            assert!(Reader::new(&out[..out.len() - 1]).head(Kind::Unsigned).is_err());
        }
        for long in [&[0x18, 23][..], &[0x19, 0, 255], &[0x1a, 0, 0, 255, 255], &[0x1f], &[0x1c]] {
            assert_eq!(Reader::new(long).head(Kind::Unsigned), Err(0), "{long:02x?}");
        }
    }

    #[test]
    fn lengths_beyond_the_input_are_refused_with_their_offset() {
        let huge = [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(Reader::new(&huge).numbers(), Err(10));
        assert_eq!(Reader::new(&[0x82, 1, 0x19, 1, 0]).numbers(), Err(2));
        assert_eq!(Reader::new(&[0x43, 1, 2]).bytes(), Err(1));
        assert_eq!(Reader::new(&[0x61, b'a', 0]).text("b"), Err(0));
        let mut reader = Reader::new(&[0x61, b'a', 0]);
        assert_eq!((reader.text("a"), reader.end()), (Ok(()), Err(2)));
    }
}
