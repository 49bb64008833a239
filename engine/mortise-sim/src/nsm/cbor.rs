//! The part of CBOR (RFC 8949) that a document needs, every number in its shortest form.

/// The major types that a document uses.
#[derive(Debug, Clone, Copy)]
pub(super) enum Major {
    Unsigned = 0,
    Bytes = 2,
    Text = 3,
    Array = 4,
    Map = 5,
}

/// Null.
const NULL: u8 = 0xf6;

/// Appends one value at a time.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// The first bytes of a value: its type with a number, a length or a count.
    pub(super) fn head(&mut self, major: Major, argument: u64) -> &mut Self {
        let (major, bytes) = ((major as u8) << 5, argument.to_be_bytes());
        let (info, from) = match argument {
            0..24 => (bytes[7], 8),
            24..=0xff => (24, 7),
            0x100..=0xffff => (25, 6),
            0x1_0000..=0xffff_ffff => (26, 4),
            _ => (27, 0),
        };
        self.0.push(major | info);
        self.0.extend_from_slice(&bytes[from..]);
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(Major::Bytes, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.head(Major::Text, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn bytes_or_null(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => {
                self.0.push(NULL);
                self
            }
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}
