//! Times in the key service's protocol: RFC 3339 in credentials, basic ISO 8601 in signatures.
//!
//! What it does not do: other zones than UTC, leap seconds, years before 1970. Each second has one
//! accepted text and every other text is rejected, so that no two parsers can read one expiry
//! differently.

use mortise_format::civil::Civil;

/// Milliseconds since the Unix epoch of `YYYY-MM-DDTHH:MM:SS[.f+]Z`. Truncates fractions to
/// milliseconds. `None` for any other text.
pub(super) fn parse_rfc3339(text: &str) -> Option<u64> {
    let bytes = text.strip_suffix('Z')?.as_bytes();
    let (seconds, fraction) = bytes.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, expected)| seconds[at] != expected) {
        return None;
    }
    let digits = seconds.iter().filter(|byte| byte.is_ascii_digit());
    let digits: String = digits.map(|byte| char::from(*byte)).collect();
    Some(Civil::parse_digits(&digits)?.to_unix()? * 1000 + parse_fraction(fraction)?)
}

/// Seconds since the Unix epoch of `Sun, 22 Nov 2026 08:25:01 GMT`, the form that RFC 9110 has
/// senders use. The name of the day is not compared. `None` for any other text.
pub(super) fn parse_http_date(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.strip_suffix(" GMT")?.split_once(", ")?;
    let [day, month, year, time] = date.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let time = time.split(':').collect::<String>();
    Civil::parse_digits(&format!("{year}{month:02}{day}{time}"))?.to_unix()
}

fn parse_fraction(text: &[u8]) -> Option<u64> {
    let Some((b'.', figures)) = text.split_first() else {
        return text.is_empty().then_some(0);
    };
    if !(1..=9).contains(&figures.len()) || !figures.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut ms = [b'0'; 3];
    for (kept, figure) in ms.iter_mut().zip(figures) {
        *kept = *figure;
    }
    digits(&ms)
}

fn digits(text: &[u8]) -> Option<u64> {
    let add = |sum: u64, b: &u8| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0'));
    text.iter().try_fold(0, add)
}

/// `YYYYMMDDTHHMMSSZ`, whole seconds rounded down. `None` from the year 10000 on.
pub(super) fn format_basic(unix_ms: u64) -> Option<String> {
    let civil = Civil::of_unix(unix_ms / 1000);
    (civil.year < 10_000).then(|| civil.basic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_to_the_millisecond() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00Z", 951_825_600_000),
            ("2026-11-22T08:25:01.5Z", 1_795_335_901_500),
            ("2026-11-22T08:25:01.123456789Z", 1_795_335_901_123),
            ("2100-03-01T00:00:00Z", 4_107_542_400_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799_000),
        ] {
            assert_eq!(parse_rfc3339(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn dates_of_http_read_to_the_second() {
        for (text, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Sun, 22 Nov 2026 08:25:01 GMT", Some(1_795_335_901)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            ("Sun, 31 Feb 2026 08:49:37 GMT", None),
            ("Sun, 6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 UTC", None),
            ("", None),
        ] {
            assert_eq!(parse_http_date(text), seconds, "{text}");
        }
    }

    #[test]
    fn other_forms_are_no_time() {
        for text in [
            "",
            "Z",
            "2026-11-22",
            "2026-11-22 08:25:01Z",
            "2026-11-22T08:25:01",
            "2026-11-22T08:25:01+00:00",
            "2026-11-22t08:25:01z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-04-00T00:00:00Z",
            "2026-04-01T24:00:00Z",
            "2026-04-01T23:60:00Z",
            "2026-04-01T23:59:60Z",
            "1969-12-31T23:59:59Z",
            "2026-04-01T23:59:59.Z",
            "2026-04-01T23:59:59.1234567890Z",
            "2026-04-01T23:59:59.1aZ",
            "+026-04-01T23:59:59Z",
            "20260-04-01T23:59:59Z",
            "2026-04-01T23:59:5\u{661}Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn basic_form_is_the_same_instant() {
        const DAY_MS: u64 = 24 * 3600 * 1000;
        assert_eq!(format_basic(0).unwrap(), "19700101T000000Z");
        for day in (0..60_000).step_by(13) {
            let ms = day * DAY_MS + day * 997 * 1000 % DAY_MS + 999;
            let basic = format_basic(ms).unwrap();
            let (d, t) = basic.split_at(8);
            let text = format!(
                "{}-{}-{}T{}:{}:{}",
                &d[..4],
                &d[4..6],
                &d[6..],
                &t[1..3],
                &t[3..5],
                &t[5..]
            );
            assert_eq!(parse_rfc3339(&text), Some(ms - ms % 1000), "{text}");
        }
        assert_eq!(format_basic(253_402_300_800_000), None);
        assert_eq!(format_basic(u64::MAX), None);
    }
}
