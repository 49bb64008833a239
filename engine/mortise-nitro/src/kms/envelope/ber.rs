//! A bounded reader for the subset of BER in the key service's CMS messages.
//!
//! It accepts tags of one byte, definite lengths in shortest form, and indefinite lengths of
//! constructed values. It bounds the nesting of indefinite lengths and finds their ends without
//! recursion. The caller bounds the size of the input. Values are slices of the input, so a giant
//! announced length allocates nothing.

use super::EnvelopeError;

/// Deepest nesting of indefinite lengths; the service's messages have 4.
const INDEFINITE_DEPTH_MAX: usize = 8;
/// The bit of a tag that marks a value as constructed.
const CONSTRUCTED: u8 = 0x20;

/// One value: its tag and its contents without the end mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) contents: &'a [u8],
}

/// Reads consecutive values.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

enum Length {
    Definite(usize),
    Indefinite,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// True when no byte is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads the next value.
    ///
    /// # Errors
    /// `Truncated`, `TagForm`, `LengthForm`, `TooDeep`.
    pub(super) fn next(&mut self) -> Result<Element<'a>, EnvelopeError> {
        let (tag, length) = self.header()?;
        let contents = match length {
            Length::Definite(length) => self.take(length)?,
            Length::Indefinite => self.take_indefinite()?,
        };
        Ok(Element { tag, contents })
    }

    /// Reads the next value, which must have `tag`, and returns its contents.
    ///
    /// # Errors
    /// As [`Reader::next`]; `Structure` for another tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], EnvelopeError> {
        match self.next()? {
            element if element.tag == tag => Ok(element.contents),
            _ => Err(EnvelopeError::Structure),
        }
    }

    /// Fails if bytes are left.
    ///
    /// # Errors
    /// `TrailingBytes`.
    pub(super) fn finish(self) -> Result<(), EnvelopeError> {
        if self.is_empty() { Ok(()) } else { Err(EnvelopeError::TrailingBytes) }
    }

    fn header(&mut self) -> Result<(u8, Length), EnvelopeError> {
        let (tag, first) = (self.byte()?, self.byte()?);
        if tag & 0x1f == 0x1f {
            return Err(EnvelopeError::TagForm);
        }
        let length = match first {
            0x00..=0x7f => Length::Definite(usize::from(first)),
            0x80 if tag & CONSTRUCTED != 0 => Length::Indefinite,
            0x81..=0x84 => Length::Definite(self.long_length(usize::from(first & 0x7f))?),
            _ => return Err(EnvelopeError::LengthForm),
        };
        Ok((tag, length))
    }

    fn long_length(&mut self, count: usize) -> Result<usize, EnvelopeError> {
        let digits = self.take(count)?;
        let length = digits.iter().fold(0u32, |sum, b| (sum << 8) | u32::from(*b));
        if digits[0] == 0 || length < 0x80 {
            return Err(EnvelopeError::LengthForm);
        }
        usize::try_from(length).map_err(|_| EnvelopeError::LengthForm)
    }

    fn byte(&mut self) -> Result<u8, EnvelopeError> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], EnvelopeError> {
        let parts = self.rest.split_at_checked(count);
        let (taken, rest) = parts.ok_or(EnvelopeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes the contents of the value whose header was just read, and skips its end mark.
    fn take_indefinite(&mut self) -> Result<&'a [u8], EnvelopeError> {
        let start = self.rest;
        let mut depth = 1;
        loop {
            let before = self.rest.len();
            let (tag, length) = self.header()?;
            match length {
                Length::Definite(0) if tag == 0 => depth -= 1,
                // Tag 0 is reserved for the end mark.
                _ if tag == 0 => return Err(EnvelopeError::TagForm),
                Length::Definite(length) => drop(self.take(length)?),
                Length::Indefinite => depth += 1,
            }
            if depth == 0 {
                return Ok(&start[..start.len() - before]);
            }
            if depth > INDEFINITE_DEPTH_MAX {
                return Err(EnvelopeError::TooDeep);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: &[u8]) -> Result<Element<'_>, EnvelopeError> {
        let mut reader = Reader::new(bytes);
        let element = reader.next()?;
        reader.finish()?;
        Ok(element)
    }

    #[test]
    fn both_forms_of_length_give_the_same_contents() {
        let definite = [0x30, 3, 2, 1, 7];
        let indefinite = [0x30, 0x80, 2, 1, 7, 0, 0];
        let expected = Element { tag: 0x30, contents: &[2, 1, 7] };
        assert_eq!(one(&definite), Ok(expected));
        assert_eq!(one(&indefinite), Ok(expected));
        let long = [&[4, 0x81, 0x80][..], &[9; 0x80]].concat();
        assert_eq!(one(&long).unwrap().contents, [9; 0x80]);
        let nested = [0x30, 0x80, 0x30, 0x80, 4, 2, 0, 0, 0, 0, 0, 0];
        assert_eq!(one(&nested).unwrap().contents, &nested[2..10]);
    }

    #[test]
    fn other_forms_are_refused_by_name() {
        for (bytes, error) in [
            (&[][..], EnvelopeError::Truncated),
            (&[0x30], EnvelopeError::Truncated),
            (&[4, 2, 0], EnvelopeError::Truncated),
            (&[4, 0x84, 0xff, 0xff, 0xff, 0xff], EnvelopeError::Truncated),
            (&[0x30, 0x80, 2, 1, 7], EnvelopeError::Truncated),
            (&[0x30, 0x80, 2, 1, 7, 0], EnvelopeError::Truncated),
            (&[0x1f, 1, 0], EnvelopeError::TagForm),
            (&[0x30, 0x80, 0, 1, 5, 0, 0], EnvelopeError::TagForm),
            (&[4, 0x80, 0, 0], EnvelopeError::LengthForm),
            (&[4, 0x81, 1, 0], EnvelopeError::LengthForm),
            (&[4, 0x82, 0, 0x80], EnvelopeError::LengthForm),
            (&[4, 0x85, 1, 0, 0, 0, 0], EnvelopeError::LengthForm),
            (&[4, 0xff], EnvelopeError::LengthForm),
            (&[4, 0, 0], EnvelopeError::TrailingBytes),
        ] {
            assert_eq!(one(bytes), Err(error), "{bytes:02x?}");
        }
        let deep = [0x30, 0x80].repeat(10_000);
        assert_eq!(one(&deep), Err(EnvelopeError::TooDeep));
    }
}
