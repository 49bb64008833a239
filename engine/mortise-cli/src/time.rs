//! Times and durations for people.

use mortise_format::civil::Civil;

/// Date and time in UTC as `2026-11-22T05:41:57Z`.
pub(crate) fn rfc3339(ms: u64) -> String {
    Civil::of_unix(ms / 1000).to_string()
}

/// Date and time in UTC as `2026-11-22 05:41:57 UTC`.
pub(crate) fn utc(seconds: u64) -> String {
    let Civil { year, month, day, hour, minute, second } = Civil::of_unix(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Seconds since the Unix epoch, with the date and time that they mean.
pub(crate) fn seconds_and_utc(seconds: u64) -> String {
    format!("{seconds} ({})", utc(seconds))
}

/// The two largest units of a duration: `4 min 59 s`, `2 h`.
pub(crate) fn duration(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, unit) in UNITS {
        parts.push((rest / length, unit));
        rest %= length;
    }
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(UNITS.len() - 1);
    let shown = parts[first..].iter().take(2).filter(|(count, _)| *count > 0 || seconds == 0);
    shown.map(|(count, unit)| format!("{count} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_written_as_date() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59Z"),
            (1_795_326_117_000, "2026-11-22T05:41:57Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
        }
        assert_eq!(seconds_and_utc(1_795_326_117), "1795326117 (2026-11-22 05:41:57 UTC)");
    }

    #[test]
    fn duration_has_at_most_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (299, "4 min 59 s"),
            (300, "5 min"),
            (7200, "2 h"),
            (7325, "2 h 2 min"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
