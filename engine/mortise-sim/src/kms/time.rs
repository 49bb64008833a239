//! Times in the formats of AWS and X.509. The caller supplies the clock.

use mortise_format::civil::Civil;

/// Tag and content of an X.509 time: UTCTime before 2050, GeneralizedTime from then on.
pub(super) fn x509(unix_s: u64) -> (u8, String) {
    let civil = Civil::of_unix(unix_s);
    let text = civil.basic().replace('T', "");
    match civil.year {
        0..2050 => (0x17, text[2..].to_owned()),
        _ => (0x18, text),
    }
}

/// Seconds since 1970 of `20260131T120000Z`; `None` for any other text or an impossible time.
pub(super) fn parse_basic(text: &str) -> Option<u64> {
    let is_shaped = text.len() == 16 && text.as_bytes()[8] == b'T' && text.ends_with('Z');
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    Civil::parse_digits(&digits).filter(|_| is_shaped)?.to_unix()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_back() {
        for unix_s in [0, 951_782_400, 1_767_225_599, 4_107_542_400] {
            assert_eq!(parse_basic(&Civil::of_unix(unix_s).basic()), Some(unix_s));
        }
        assert_eq!(x509(1_767_225_599), (0x17, "251231235959Z".to_owned()));
        assert_eq!(x509(4_107_542_400), (0x18, "21000301000000Z".to_owned()));
    }

    #[test]
    fn texts_that_are_no_time_are_refused() {
        for text in [
            "",
            "20260101T000000",
            "20260101 000000Z",
            "20260229T000000Z",
            "20261301T000000Z",
            "20260100T000000Z",
            "20260001T000000Z",
            "20260101T240000Z",
            "19691231T235959Z",
            "00000101T000000Z",
            "2026010aT000000Z",
        ] {
            assert_eq!(parse_basic(text), None, "{text}");
        }
    }
}
