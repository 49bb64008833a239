//! A bounded reader of the CBOR (RFC 8949) that attestation documents use.
//!
//! It walks a document once and borrows from it. Each way in which the bytes can differ from the
//! expected value has a named error.
//!
//! What it does not do: build a tree, recurse, skip unknown values, accept two encodings of one
//! value. Floats, simple values other than null, and indefinite strings and arrays have no method
//! here, so no document can contain them.

/// The major types of RFC 8949, section 3.1. Null is listed apart from the other simple values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CborType {
    /// Major type 0.
    Unsigned,
    /// Major type 1.
    Negative,
    /// Major type 2.
    Bytes,
    /// Major type 3.
    Text,
    /// Major type 4.
    Array,
    /// Major type 5.
    Map,
    /// Major type 6.
    Tag,
    /// Major type 7 with value 22.
    Null,
    /// Major type 7 otherwise: floats, booleans, the break code.
    Simple,
}

/// Why the bytes at `offset` are not the expected CBOR.
///
/// Offsets count from the start of the structure that is read: the envelope, the protected header
/// or the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CborError {
    /// The bytes end inside a value.
    #[error("the bytes end inside the value at {offset}")]
    Truncated {
        /// Where the value starts.
        offset: usize,
    },
    /// Bytes follow the value.
    #[error("bytes follow the value, from {offset} on")]
    Trailing {
        /// Where they start.
        offset: usize,
    },
    /// The value is of another type.
    #[error("expected {expected:?} at {offset}, found {found:?}")]
    Type {
        /// Where the value starts.
        offset: usize,
        /// What was expected there.
        expected: CborType,
        /// What is there.
        found: CborType,
    },
    /// A number or length is not written in its shortest form.
    #[error("the number at {offset} is not in its shortest form")]
    NotShortest {
        /// Where its value starts.
        offset: usize,
    },
    /// The value has an indefinite length where only a definite one is accepted.
    #[error("an indefinite length at {offset}")]
    Indefinite {
        /// Where the value starts.
        offset: usize,
    },
    /// The additional information of the first byte is 28, 29 or 30, or is 31 where it has no
    /// meaning.
    #[error("the first byte of the value at {offset} is reserved")]
    Reserved {
        /// Where the value starts.
        offset: usize,
    },
    /// A text string is not UTF-8.
    #[error("the text at {offset} is not UTF-8")]
    NotUtf8 {
        /// Where the value starts.
        offset: usize,
    },
    /// An integer does not fit an `i64`.
    #[error("the integer at {offset} does not fit 64 bits")]
    TooWide {
        /// Where the value starts.
        offset: usize,
    },
}

/// How many items of an array or entries of a map follow.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    /// Exactly this many.
    Definite(u64),
    /// Items follow until the break code.
    Indefinite,
}

/// The first bytes of a value.
struct Head {
    offset: usize,
    found: CborType,
    argument: Option<u64>,
}

/// Walks bytes from front to back.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the front of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the next value.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Checks that no bytes are left.
    ///
    /// # Errors
    /// `Trailing`.
    pub(super) fn end(&self) -> Result<(), CborError> {
        if self.at == self.bytes.len() {
            return Ok(());
        }
        Err(CborError::Trailing { offset: self.at })
    }

    /// An unsigned integer.
    pub(super) fn unsigned(&mut self) -> Result<u64, CborError> {
        let head = self.head()?;
        head.definite(CborType::Unsigned)
    }

    /// An integer of either sign.
    pub(super) fn integer(&mut self) -> Result<i64, CborError> {
        let head = self.head()?;
        let too_wide = CborError::TooWide { offset: head.offset };
        if head.found == CborType::Negative {
            // the argument n encodes -1 - n, which is the complement of n
            let value = head.definite(CborType::Negative)?;
            return i64::try_from(value).map(|n| !n).map_err(|_| too_wide);
        }
        i64::try_from(head.definite(CborType::Unsigned)?).map_err(|_| too_wide)
    }

    /// A byte string of definite length.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        self.string(CborType::Bytes)
    }

    /// A text string of definite length.
    pub(super) fn text(&mut self) -> Result<&'a str, CborError> {
        let offset = self.at;
        let bytes = self.string(CborType::Text)?;
        core::str::from_utf8(bytes).map_err(|_| CborError::NotUtf8 { offset })
    }

    /// A byte string, or `None` for null.
    pub(super) fn bytes_or_null(&mut self) -> Result<Option<&'a [u8]>, CborError> {
        if self.bytes.get(self.at) == Some(&NULL) {
            self.at += 1;
            return Ok(None);
        }
        self.bytes().map(Some)
    }

    /// The number of items of an array of definite length.
    pub(super) fn array(&mut self) -> Result<u64, CborError> {
        self.head()?.definite(CborType::Array)
    }

    /// The number of entries of a map of definite length.
    pub(super) fn map(&mut self) -> Result<u64, CborError> {
        self.head()?.definite(CborType::Map)
    }

    /// The entries of a map whose length may be indefinite.
    pub(super) fn map_of_any_length(&mut self) -> Result<Count, CborError> {
        let head = self.head()?;
        head.is(CborType::Map)?;
        Ok(head.argument.map_or(Count::Indefinite, Count::Definite))
    }

    /// Returns true when another entry follows. Consumes the break code when none does.
    pub(super) fn more(&mut self, count: &mut Count) -> bool {
        match count {
            Count::Definite(0) => false,
            Count::Definite(left) => {
                *left -= 1;
                true
            }
            Count::Indefinite if self.bytes.get(self.at) == Some(&BREAK) => {
                self.at += 1;
                false
            }
            Count::Indefinite => true,
        }
    }

    /// The tag, if the next value has one.
    pub(super) fn tag(&mut self) -> Result<Option<u64>, CborError> {
        let tagged = self.bytes.get(self.at).is_some_and(|byte| byte >> 5 == MAJOR_TAG);
        if !tagged {
            return Ok(None);
        }
        self.head()?.definite(CborType::Tag).map(Some)
    }

    fn string(&mut self, kind: CborType) -> Result<&'a [u8], CborError> {
        let head = self.head()?;
        let length = head.definite(kind)?;
        let truncated = CborError::Truncated { offset: head.offset };
        let length = usize::try_from(length).map_err(|_| truncated)?;
        let end = self.at.checked_add(length).ok_or(truncated)?;
        let bytes = self.bytes.get(self.at..end).ok_or(truncated)?;
        self.at = end;
        Ok(bytes)
    }

    fn head(&mut self) -> Result<Head, CborError> {
        let offset = self.at;
        let first = *self.bytes.get(offset).ok_or(CborError::Truncated { offset })?;
        self.at += 1;
        if first >> 5 == MAJOR_SIMPLE {
            let found = if first == NULL { CborType::Null } else { CborType::Simple };
            return Ok(Head { offset, found, argument: None });
        }
        let info = first & 0x1f;
        let argument = match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => Some(self.argument(offset, 1 << (info - 24))?),
            31 => None,
            _ => return Err(CborError::Reserved { offset }),
        };
        let found = match first >> 5 {
            0 => CborType::Unsigned,
            1 => CborType::Negative,
            2 => CborType::Bytes,
            3 => CborType::Text,
            4 => CborType::Array,
            5 => CborType::Map,
            _ => CborType::Tag,
        };
        Ok(Head { offset, found, argument })
    }

    /// The number in the `size` bytes behind the first one.
    fn argument(&mut self, offset: usize, size: usize) -> Result<u64, CborError> {
        let end = self.at + size;
        let bytes = self.bytes.get(self.at..end).ok_or(CborError::Truncated { offset })?;
        self.at = end;
        let value = bytes.iter().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        let shorter_max = match size {
            1 => 23,
            2 => u64::from(u8::MAX),
            4 => u64::from(u16::MAX),
            _ => u64::from(u32::MAX),
        };
        if value <= shorter_max {
            return Err(CborError::NotShortest { offset });
        }
        Ok(value)
    }
}

impl Head {
    fn is(&self, expected: CborType) -> Result<(), CborError> {
        if self.found == expected {
            return Ok(());
        }
        Err(CborError::Type { offset: self.offset, expected, found: self.found })
    }

    /// The argument of a value of this type and of definite length.
    fn definite(&self, expected: CborType) -> Result<u64, CborError> {
        self.is(expected)?;
        let has_lengths =
            matches!(expected, CborType::Bytes | CborType::Text | CborType::Array | CborType::Map);
        match self.argument {
            Some(argument) => Ok(argument),
            None if has_lengths => Err(CborError::Indefinite { offset: self.offset }),
            None => Err(CborError::Reserved { offset: self.offset }),
        }
    }
}

const MAJOR_TAG: u8 = 6;
const MAJOR_SIMPLE: u8 = 7;
const NULL: u8 = 0xf6;
const BREAK: u8 = 0xff;

#[cfg(test)]
mod tests {
    use super::*;

    fn unsigned(bytes: &[u8]) -> Result<u64, CborError> {
        let mut reader = Reader::new(bytes);
        let value = reader.unsigned()?;
        reader.end().map(|()| value)
    }

    #[test]
    fn numbers_have_one_encoding() {
        assert_eq!(unsigned(&[0x17]), Ok(23));
        assert_eq!(unsigned(&[0x18, 24]), Ok(24));
        assert_eq!(unsigned(&[0x19, 1, 0]), Ok(256));
        assert_eq!(unsigned(&[0x1a, 0, 1, 0, 0]), Ok(65_536));
        assert_eq!(unsigned(&[0x1b, 0, 0, 0, 1, 0, 0, 0, 0]), Ok(1 << 32));
        assert_eq!(unsigned(&[0x1b, 255, 255, 255, 255, 255, 255, 255, 255]), Ok(u64::MAX));
        let long: [&[u8]; 4] = [
            &[0x18, 23],
            &[0x19, 0, 255],
            &[0x1a, 0, 0, 255, 255],
            &[0x1b, 0, 0, 0, 0, 255, 255, 255, 255],
        ];
        for bytes in long {
            assert_eq!(unsigned(bytes), Err(CborError::NotShortest { offset: 0 }), "{bytes:?}");
        }
    }

    #[test]
    fn integers_of_both_signs_are_read_to_their_bounds() {
        let integer = |bytes: &[u8]| Reader::new(bytes).integer();
        assert_eq!(integer(&[0x38, 34]), Ok(-35));
        assert_eq!(integer(&[0x20]), Ok(-1));
        assert_eq!(integer(&[0x01]), Ok(1));
        let lowest = [0x3b, 127, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(integer(&lowest), Ok(i64::MIN));
        let below = [0x3b, 128, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(integer(&below), Err(CborError::TooWide { offset: 0 }));
        let above = [0x1b, 128, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(integer(&above), Err(CborError::TooWide { offset: 0 }));
    }

    #[test]
    fn giant_length_is_truncated_not_allocated() {
        let giant = [0x5b, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(Reader::new(&giant).bytes(), Err(CborError::Truncated { offset: 0 }));
        let text = [0x7b, 0, 0, 1, 0, 0, 0, 0, 0, b'a'];
        assert_eq!(Reader::new(&text).text(), Err(CborError::Truncated { offset: 0 }));
    }

    #[test]
    fn cut_reserved_indefinite_and_trailing_bytes_are_named() {
        assert_eq!(unsigned(&[]), Err(CborError::Truncated { offset: 0 }));
        assert_eq!(unsigned(&[0x19, 1]), Err(CborError::Truncated { offset: 0 }));
        assert_eq!(unsigned(&[1, 2]), Err(CborError::Trailing { offset: 1 }));
        assert_eq!(unsigned(&[0x1c]), Err(CborError::Reserved { offset: 0 }));
        assert_eq!(unsigned(&[0x1f]), Err(CborError::Reserved { offset: 0 }));
        let indefinite = CborError::Indefinite { offset: 0 };
        assert_eq!(Reader::new(&[0x5f, 0xff]).bytes(), Err(indefinite));
        assert_eq!(Reader::new(&[0x9f, 0xff]).array(), Err(indefinite));
        assert_eq!(Reader::new(&[0xbf, 0xff]).map(), Err(indefinite));
        assert_eq!(Reader::new(&[0x61, 0xff]).text(), Err(CborError::NotUtf8 { offset: 0 }));
    }

    #[test]
    fn wrong_type_is_named_with_both_types() {
        let error = |found| CborError::Type { offset: 0, expected: CborType::Bytes, found };
        let cases = [
            (0x00, CborType::Unsigned),
            (0x20, CborType::Negative),
            (0x60, CborType::Text),
            (0x80, CborType::Array),
            (0xa0, CborType::Map),
            (0xc0, CborType::Tag),
            (0xf6, CborType::Null),
            (0xf5, CborType::Simple),
            (0xff, CborType::Simple),
        ];
        for (byte, found) in cases {
            assert_eq!(Reader::new(&[byte]).bytes(), Err(error(found)));
        }
    }

    #[test]
    fn map_of_either_length_ends_where_it_says() {
        for bytes in [&[0xa1, 1, 2][..], &[0xbf, 1, 2, 0xff]] {
            let mut reader = Reader::new(bytes);
            let mut count = reader.map_of_any_length().unwrap();
            let mut entries = 0;
            while reader.more(&mut count) {
                assert_eq!((reader.unsigned(), reader.unsigned()), (Ok(1), Ok(2)));
                entries += 1;
            }
            assert_eq!((entries, reader.end()), (1, Ok(())));
        }
        let mut endless = Reader::new(&[0xbf]);
        let mut count = endless.map_of_any_length().unwrap();
        assert!(endless.more(&mut count));
        assert_eq!(endless.unsigned(), Err(CborError::Truncated { offset: 1 }));
    }
}
