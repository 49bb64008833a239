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

/// The `Date` of an HTTP answer: `Sun, 22 Nov 2026 08:25:01 GMT`.
pub(super) fn http_date(unix_s: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Civil { year, month, day, hour, minute, second } = Civil::of_unix(unix_s);
    let name = |names: &[&'static str], at: u64| {
        usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
    };
    let weekday = name(&DAYS, unix_s / 86_400 % 7);
    let month = name(&MONTHS, month.saturating_sub(1));
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_those_of_the_rfc() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(1_795_335_901), "Sun, 22 Nov 2026 08:25:01 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

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
