//! The part of DER that certificates and CMS need. Lengths are always shortest.

pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let from = length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1);
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        let count = u8::try_from(length.len() - from).expect("a length has at most eight bytes");
        out.push(0x80 | count);
    }
    out.extend_from_slice(&length[from..]);
    out.extend_from_slice(content);
    out
}

/// SEQUENCE of encoded parts.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// OBJECT IDENTIFIER from its encoded arcs.
pub(super) fn oid(arcs: &[u8]) -> Vec<u8> {
    tlv(0x06, arcs)
}

/// BIT STRING of whole bytes.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes].concat())
}

/// INTEGER of random bytes, made positive and without a leading zero.
pub(super) fn serial(mut bytes: [u8; 16]) -> Vec<u8> {
    bytes[0] = bytes[0] & 0x7f | 0x40;
    tlv(0x02, &bytes)
}

/// Name with one part, a UTF-8 common name.
pub(super) fn name(common_name: &str) -> Vec<u8> {
    let attribute = sequence(&[&oid(&[0x55, 4, 3]), &tlv(0x0c, common_name.as_bytes())]);
    sequence(&[&tlv(0x31, &attribute)])
}

/// An extension: last arc below id-ce, whether it is critical, the encoded value.
pub(super) fn extension(id: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tlv(0x01, &[0xff]) } else { Vec::new() };
    sequence(&[&oid(&[0x55, 0x1d, id]), &critical, &tlv(0x04, value)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_the_fewest_bytes() {
        for (length, head) in [
            (0, &[4, 0][..]),
            (0x7f, &[4, 0x7f]),
            (0x80, &[4, 0x81, 0x80]),
            (0x100, &[4, 0x82, 1, 0]),
            (0x1_0000, &[4, 0x83, 1, 0, 0]),
        ] {
            let encoded = tlv(4, &vec![9; length]);
            assert_eq!((&encoded[..head.len()], encoded.len()), (head, head.len() + length));
        }
    }
}
