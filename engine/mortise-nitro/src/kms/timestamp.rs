//! Times in the key service's protocol: RFC 3339 in credentials, basic ISO 8601 in signatures.
//!
//! What it does not do: other zones than UTC, leap seconds, years before 1970. Each second has one
//! accepted text and every other text is rejected, so that no two parsers can read one expiry
//! differently.

const DAY_MS: u64 = 24 * 3600 * 1000;
/// The first year that is out of range.
const YEAR_END: u64 = 10_000;

/// Milliseconds since the Unix epoch of `YYYY-MM-DDTHH:MM:SS[.f+]Z`. Truncates fractions to
/// milliseconds. `None` for any other text.
pub(super) fn parse_rfc3339(text: &str) -> Option<u64> {
    let bytes = text.strip_suffix('Z')?.as_bytes();
    let (seconds, fraction) = bytes.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, expected)| seconds[at] != expected) {
        return None;
    }
    let field = |from: usize, to: usize| digits(&seconds[from..to]);
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let of_day = ((hour * 60 + minute) * 60 + second) * 1000 + parse_fraction(fraction)?;
    Some(days_before(year, month, day) * DAY_MS + of_day)
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

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the given day.
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let leaps = |before: u64| (before - 1) / 4 - (before - 1) / 100 + (before - 1) / 400;
    let years = (year - 1970) * 365 + leaps(year) - leaps(1970);
    let months: u64 = (1..month).map(|m| month_days(year, m)).sum();
    years + months + day - 1
}

/// `YYYYMMDDTHHMMSSZ`, whole seconds rounded down. `None` from the year 10000 on.
pub(super) fn format_basic(unix_ms: u64) -> Option<String> {
    let (mut day, of_day) = (unix_ms / DAY_MS, unix_ms % DAY_MS / 1000);
    let mut year = 1970 + day / 366;
    while year < YEAR_END && days_before(year + 1, 1, 1) <= day {
        year += 1;
    }
    if year >= YEAR_END {
        return None;
    }
    day -= days_before(year, 1, 1);
    let mut month = 1;
    while day >= month_days(year, month) {
        day -= month_days(year, month);
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    Some(format!("{year:04}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z", day + 1))
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
