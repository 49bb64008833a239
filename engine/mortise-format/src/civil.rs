//! Dates and times of day in UTC.
//!
//! What it is for: the texts of a time that Mortise exchanges with others (RFC 3339, the basic form
//! of ISO 8601) and prints for people.
//!
//! What it does not do: other zones, leap seconds, times before 1970.

use alloc::format;
use alloc::string::String;
use core::fmt;

const DAY_S: u64 = 86_400;
/// Days of 400 years, after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;

/// A second in UTC. Prints as RFC 3339: `2026-01-31T12:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// 1970 and later.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 59.
    pub second: u64,
}

impl Civil {
    /// The date and time of seconds since the Unix epoch.
    // Years are counted from March, so that a leap day is the last day of its year.
    pub fn of_unix(unix_s: u64) -> Self {
        let (days, of_day) = (unix_s / DAY_S + EPOCH_DAYS, unix_s % DAY_S);
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    /// Seconds since the Unix epoch. `None` when there is no such date or time, or it is before
    /// 1970.
    pub fn to_unix(self) -> Option<u64> {
        let month_from_march = self.month.checked_add(9)? % 12;
        let year_from_march = self.year.checked_sub(u64::from(self.month <= 2))?;
        let (era, year_of_era) = (year_from_march / 400, year_from_march % 400);
        let day_of_year = ((153 * month_from_march + 2) / 5).checked_add(self.day)?;
        let day_of_era = (365 * year_of_era + year_of_era / 4 - year_of_era / 100)
            .checked_add(day_of_year)?
            .checked_sub(1)?;
        let days = era.checked_mul(ERA_DAYS)?.checked_add(day_of_era)?.checked_sub(EPOCH_DAYS)?;
        let hours = days.checked_mul(24)?.checked_add(self.hour)?;
        let minutes = hours.checked_mul(60)?.checked_add(self.minute)?;
        let unix_s = minutes.checked_mul(60)?.checked_add(self.second)?;
        // A field out of its range gives the time of another date.
        (Self::of_unix(unix_s) == self).then_some(unix_s)
    }

    /// Parses 14 digits: `20260131120000`. `None` for any other text, and when there is no such
    /// time from 1970 on.
    pub fn parse_digits(text: &str) -> Option<Self> {
        if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = |from: usize, to: usize| text[from..to].parse().ok();
        let civil = Self {
            year: number(0, 4)?,
            month: number(4, 6)?,
            day: number(6, 8)?,
            hour: number(8, 10)?,
            minute: number(10, 12)?,
            second: number(12, 14)?,
        };
        civil.to_unix().map(|_| civil)
    }

    /// The basic form of ISO 8601: `20260131T120000Z`.
    pub fn basic(&self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn known_times_convert_both_ways() {
        for (unix_s, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_795_326_117, "2026-11-22T05:41:57Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            let civil = Civil::of_unix(unix_s);
            assert_eq!(civil.to_string(), text);
            assert_eq!(civil.basic(), text.replace(['-', ':'], ""));
            assert_eq!(civil.to_unix(), Some(unix_s), "{text}");
            let digits = text.replace(['-', ':', 'T', 'Z'], "");
            assert_eq!(Civil::parse_digits(&digits), Some(civil), "{text}");
        }
        for text in ["", "2026013112000", "202601311200000", "2026013112000a", "20260229120000"] {
            assert_eq!(Civil::parse_digits(text), None, "{text}");
        }
        assert_eq!(Civil::of_unix(u64::MAX).to_unix(), Some(u64::MAX));
    }

    #[test]
    fn every_day_of_800_years_follows_the_one_before() {
        let mut before = Civil::of_unix(0);
        for day in 1..2 * ERA_DAYS {
            let civil = Civil::of_unix(day * DAY_S);
            assert!(civil > before && civil.day == before.day + 1 || civil.day == 1, "{civil}");
            assert_eq!(civil.to_unix(), Some(day * DAY_S), "{civil}");
            before = civil;
        }
        assert_eq!(Civil::of_unix(ERA_DAYS * DAY_S).to_string(), "2370-01-01T00:00:00Z");
    }

    #[test]
    fn dates_and_times_that_do_not_exist_are_none() {
        let noon = Civil { year: 2026, month: 2, day: 28, hour: 12, minute: 0, second: 0 };
        assert!(noon.to_unix().is_some());
        for wrong in [
            Civil { day: 29, ..noon },
            Civil { day: 0, ..noon },
            Civil { month: 0, ..noon },
            Civil { month: 13, ..noon },
            Civil { year: 1969, ..noon },
            Civil { year: 0, ..noon },
            Civil { year: 2100, day: 29, ..noon },
            Civil { hour: 24, ..noon },
            Civil { minute: 60, ..noon },
            Civil { second: 60, ..noon },
            Civil { year: u64::MAX, ..noon },
            Civil { month: u64::MAX, ..noon },
            Civil { day: u64::MAX, ..noon },
            Civil { second: u64::MAX, ..noon },
        ] {
            assert_eq!(wrong.to_unix(), None, "{wrong:?}");
        }
    }
}
