//! The DER and CBOR encodings that an issuer of documents needs. Lengths use the shortest form.

/// A DER value: tag, length, content.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = u16::try_from(content.len()).expect("the test's values are small");
    match length {
        0..128 => out.push(length.to_be_bytes()[1]),
        128..256 => out.extend([0x81, length.to_be_bytes()[1]]),
        _ => out.extend([[0x82].as_slice(), &length.to_be_bytes()].concat()),
    }
    out.extend_from_slice(content);
    out
}

/// SEQUENCE of encoded parts.
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// OBJECT IDENTIFIER from its encoded arcs.
pub fn oid(arcs: &[u8]) -> Vec<u8> {
    tlv(0x06, arcs)
}

/// BIT STRING of whole bytes.
pub fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes].concat())
}

/// Name with one relative name, a UTF-8 common name.
pub fn name(common_name: &str) -> Vec<u8> {
    let attribute = sequence(&[&oid(&[0x55, 4, 3]), &tlv(0x0c, common_name.as_bytes())]);
    sequence(&[&tlv(0x31, &attribute)])
}

/// An extension: its identifier below id-ce, criticality, and the encoded value.
pub fn extension(id: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tlv(0x01, &[0xff]) } else { Vec::new() };
    sequence(&[&oid(&[0x55, 0x1d, id]), &critical, &tlv(0x04, value)])
}

/// The first bytes of a CBOR value of a major type, in shortest form.
pub fn head(major: u8, argument: u64) -> Vec<u8> {
    let bytes = argument.to_be_bytes();
    let (info, from) = match argument {
        0..24 => return vec![major << 5 | bytes[7]],
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    [&[major << 5 | info], &bytes[from..]].concat()
}

/// A CBOR byte string.
pub fn bstr(bytes: &[u8]) -> Vec<u8> {
    [head(2, count(bytes)), bytes.to_vec()].concat()
}

/// A CBOR text string.
pub fn tstr(text: &str) -> Vec<u8> {
    [head(3, count(text.as_bytes())), text.as_bytes().to_vec()].concat()
}

/// A CBOR array of encoded items.
pub fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, count(items)), items.concat()].concat()
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).expect("the test's values are small")
}
