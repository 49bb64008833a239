//! Times in the formats of AWS and X.509. The caller supplies the clock.

/// A civil time in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    year: u64,
    month: u64,
    day: u64,
    second_of_day: u64,
}

const DAY_S: u64 = 86_400;
/// Days of 400 years.
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;

impl Civil {
    /// The civil time of seconds since 1970. Years are counted from March, so that a leap day is
    /// the last of its year.
    pub fn of(unix_s: u64) -> Self {
        let days = unix_s / DAY_S + EPOCH_DAYS;
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        Self { year, month, day, second_of_day: unix_s % DAY_S }
    }

    /// `20260131T120000Z`, as requests are signed.
    pub fn basic(self) -> String {
        let Self { year, month, day, .. } = self;
        let (hour, minute, second) = self.clock();
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }

    /// `2026-01-31T12:00:00Z`.
    pub fn rfc3339(self) -> String {
        let Self { year, month, day, .. } = self;
        let (hour, minute, second) = self.clock();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    /// Tag and content of an X.509 time: UTCTime before 2050, GeneralizedTime from then on.
    pub fn x509(self) -> (u8, String) {
        let text = self.basic().replace('T', "");
        match self.year {
            0..2050 => (0x17, text[2..].to_owned()),
            _ => (0x18, text),
        }
    }

    fn clock(self) -> (u64, u64, u64) {
        let second = self.second_of_day;
        (second / 3600, second / 60 % 60, second % 60)
    }
}

/// Seconds since 1970 of `20260131T120000Z`; `None` for any other text or an impossible time.
pub(super) fn parse_basic(text: &str) -> Option<u64> {
    let is_shaped = text.len() == 16 && text.as_bytes()[8] == b'T' && text.ends_with('Z');
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if !is_shaped || digits.len() != 14 {
        return None;
    }
    let number = |from: usize, to: usize| digits[from..to].parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
    let (shifted_year, shifted) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month.checked_add(9)?) };
    let day_of_year = (153 * shifted + 2) / 5 + day.checked_sub(1)?;
    let year_of_era = shifted_year % 400;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (shifted_year / 400 * ERA_DAYS + day_of_era).checked_sub(EPOCH_DAYS)?;
    let second = number(8, 10)? * 3600 + number(10, 12)? * 60 + number(12, 14)?;
    let unix_s = days * DAY_S + second;
    (Civil::of(unix_s).basic() == text).then_some(unix_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_back() {
        for (unix_s, text) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_767_225_599, "20251231T235959Z"),
            (1_772_323_200, "20260301T000000Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(Civil::of(unix_s).basic(), text);
            assert_eq!(parse_basic(text), Some(unix_s));
        }
        assert_eq!(Civil::of(1_767_225_599).rfc3339(), "2025-12-31T23:59:59Z");
        assert_eq!(Civil::of(1_767_225_599).x509(), (0x17, "251231235959Z".to_owned()));
        assert_eq!(Civil::of(4_107_542_400).x509(), (0x18, "21000301000000Z".to_owned()));
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
