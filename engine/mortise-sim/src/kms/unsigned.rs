//! Unsigned documents of emulated security modules.
//!
//! QEMU's emulated Nitro card answers with a COSE_Sign1 of the right shape whose signature and
//! certificates are zeros. They prove nothing. They are read only with `accept_unsigned_documents`,
//! so that the measured image can run end to end in an emulator.

use super::recipient::Statement;
use mortise_format::limits::ATTESTATION_BYTES_MAX;
use mortise_format::pcr::Pcr;
use std::collections::BTreeMap;

/// The contents of a document whose signature is all zero; `None` for anything else. A signed
/// document that does not verify never counts as unsigned.
pub(super) fn read_unsigned(document: &[u8]) -> Option<Statement> {
    if document.len() > ATTESTATION_BYTES_MAX {
        return None;
    }
    let mut outer = Cbor { rest: document };
    if outer.rest.first() == Some(&0xd2) {
        outer.head(6)?;
    }
    if outer.head(4)? != 4 {
        return None;
    }
    outer.bytes()?;
    outer.skip(0)?;
    let payload = outer.bytes()?;
    let signature = outer.bytes()?;
    let is_unsigned = outer.rest.is_empty() && signature.iter().all(|byte| *byte == 0);
    if is_unsigned { read_payload(payload) } else { None }
}

fn read_payload(payload: &[u8]) -> Option<Statement> {
    let mut cbor = Cbor { rest: payload };
    let (mut module_id, mut timestamp_ms, mut pcrs, mut public_key) = (None, None, None, None);
    let mut left = match cbor.rest.first()? {
        0xbf => {
            cbor.rest = &cbor.rest[1..];
            None
        }
        _ => Some(cbor.head(5)?),
    };
    loop {
        match left {
            Some(0) => break,
            Some(count) => left = Some(count - 1),
            None if cbor.rest.first() == Some(&0xff) => break,
            None => {}
        }
        match cbor.text()? {
            "module_id" => module_id = Some(cbor.text()?.to_owned()),
            "timestamp" => timestamp_ms = Some(cbor.head(0)?),
            "pcrs" => pcrs = Some(read_pcrs(&mut cbor)?),
            "public_key" if cbor.rest.first() != Some(&0xf6) => {
                public_key = Some(cbor.bytes()?.to_vec());
            }
            _ => cbor.skip(0)?,
        }
    }
    Some(Statement { module_id: module_id?, timestamp_ms: timestamp_ms?, pcrs: pcrs?, public_key })
}

fn read_pcrs(cbor: &mut Cbor<'_>) -> Option<BTreeMap<u8, Pcr>> {
    let mut pcrs = BTreeMap::new();
    for _ in 0..cbor.head(5)? {
        let index = u8::try_from(cbor.head(0)?).ok()?;
        pcrs.insert(index, Pcr(cbor.bytes()?.try_into().ok()?));
    }
    Some(pcrs)
}

/// The CBOR that is left to read.
struct Cbor<'a> {
    rest: &'a [u8],
}

/// Deepest nesting that is skipped.
const DEPTH_MAX: u8 = 4;

impl<'a> Cbor<'a> {
    /// The argument of a value of this major type.
    fn head(&mut self, major: u8) -> Option<u64> {
        let (first, rest) = self.rest.split_first()?;
        if first >> 5 != major {
            return None;
        }
        let width = match first & 0x1f {
            info @ 0..24 => {
                self.rest = rest;
                return Some(u64::from(info));
            }
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return None,
        };
        let (argument, rest) = rest.split_at_checked(width)?;
        self.rest = rest;
        Some(argument.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn string(&mut self, major: u8) -> Option<&'a [u8]> {
        let length = usize::try_from(self.head(major)?).ok()?;
        let (content, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(content)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        self.string(2)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string(3)?).ok()
    }

    /// Skips one value of definite length.
    fn skip(&mut self, depth: u8) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let major = self.rest.first()? >> 5;
        let items = match major {
            2 | 3 => return self.string(major).map(drop),
            4 => self.head(4)?,
            5 => self.head(5)?.checked_mul(2)?,
            _ => return self.head(major).map(drop),
        };
        for _ in 0..items {
            self.skip(depth + 1)?;
        }
        Some(())
    }
}
