//! The clock as a pure function of readings: no thread, no module, no system clock.

use mortise_engine::ports::ClockError;
use mortise_format::limits::{
    CLOCK_ANCHOR_AGE_MS_MAX, CLOCK_ANCHOR_MS, CLOCK_BACKWARD_MS_MAX, CLOCK_ROUND_TRIP_MS_MAX,
};
use std::time::Duration;

/// The bounds of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockRules {
    /// Time from one anchor to the next.
    pub anchor_every: Duration,
    /// Age above which an anchor gives no time.
    pub anchor_age_max: Duration,
    /// Longest round trip of a document. It bounds the error of an anchor.
    pub round_trip_max: Duration,
    /// Most that a new anchor may be behind the time counted from the last.
    pub backward_max: Duration,
}

impl Default for ClockRules {
    fn default() -> Self {
        Self {
            anchor_every: Duration::from_millis(CLOCK_ANCHOR_MS),
            anchor_age_max: Duration::from_millis(CLOCK_ANCHOR_AGE_MS_MAX),
            round_trip_max: Duration::from_millis(CLOCK_ROUND_TRIP_MS_MAX),
            backward_max: Duration::from_millis(CLOCK_BACKWARD_MS_MAX),
        }
    }
}

/// The time of one document, between two readings of the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The monotonic clock before the request.
    pub sent: Duration,
    /// The monotonic clock after the answer.
    pub received: Duration,
    /// The document's time, Unix milliseconds.
    pub document_ms: u64,
}

/// Why a reading is refused as an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorRefused {
    /// The module took so long that its time is too imprecise.
    #[error("the module took {took_ms} ms to answer; the limit is {took_ms_max}")]
    SlowAnswer {
        took_ms: u64,
        /// [`ClockRules::round_trip_max`].
        took_ms_max: u64,
    },
    /// The module's time is behind the time counted from the last anchor.
    #[error("the module's time went back by {back_ms} ms; the limit is {back_ms_max}")]
    WentBack {
        /// How far it is behind at least, given its round trip.
        back_ms: u64,
        /// [`ClockRules::backward_max`].
        back_ms_max: u64,
    },
}

/// The state of a clock, for health reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockHealth {
    /// Age of the current anchor.
    pub anchor_age_ms: u64,
    /// The module's time minus the counted time at the last anchor: what the monotonic clock lost
    /// (above 0) or gained since the previous one. A pause of the enclave shows here.
    pub last_step_ms: i64,
    /// Refused and missing readings since the start.
    pub failures: u64,
}

/// The accepted reading that the clock counts from.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: Duration,
    wall_ms: u64,
}

/// The current anchor, and the latest time given.
#[derive(Debug)]
pub struct ClockState {
    rules: ClockRules,
    anchor: Anchor,
    /// The latest time given. No later time is before it.
    given_ms: u64,
    last_step_ms: i64,
    failures: u64,
}

impl ClockState {
    /// Starts a clock with its first reading.
    ///
    /// # Errors
    /// `SlowAnswer`.
    pub fn start(rules: ClockRules, first: Reading) -> Result<Self, AnchorRefused> {
        round_trip_ms(&rules, first)?;
        let anchor = Anchor { at: first.received, wall_ms: first.document_ms };
        let given_ms = first.document_ms;
        Ok(Self { rules, anchor, given_ms, last_step_ms: 0, failures: 0 })
    }

    /// Takes a further reading. Counts a refused one and keeps the current anchor.
    ///
    /// The module's time at the answer is between the document's time and that time plus the round
    /// trip. The new anchor is the value in this range that is nearest to the counted time.
    ///
    /// # Errors
    /// `SlowAnswer`, `WentBack`.
    pub fn anchor(&mut self, reading: Reading) -> Result<(), AnchorRefused> {
        let anchored = self.try_anchor(reading);
        if anchored.is_err() {
            self.fail();
        }
        anchored
    }

    fn try_anchor(&mut self, reading: Reading) -> Result<(), AnchorRefused> {
        let earliest = reading.document_ms;
        let latest = earliest.saturating_add(round_trip_ms(&self.rules, reading)?);
        let counted = self.counted_ms(reading.received);
        let back_ms = counted.saturating_sub(latest);
        let back_ms_max = millis(self.rules.backward_max);
        if back_ms > back_ms_max {
            return Err(AnchorRefused::WentBack { back_ms, back_ms_max });
        }
        let wall_ms = counted.clamp(earliest, latest);
        self.last_step_ms = step_ms(counted, wall_ms);
        self.anchor = Anchor { at: reading.received, wall_ms };
        Ok(())
    }

    /// Counts a missing reading.
    pub fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Returns the time, never before one that it returned earlier.
    ///
    /// # Errors
    /// `Stale`: the anchor is older than [`ClockRules::anchor_age_max`].
    pub fn now_ms(&mut self, now: Duration) -> Result<u64, ClockError> {
        let age = now.saturating_sub(self.anchor.at);
        if age > self.rules.anchor_age_max {
            return Err(ClockError::Stale { age_ms: millis(age) });
        }
        self.given_ms = self.given_ms.max(self.counted_ms(now));
        Ok(self.given_ms)
    }

    /// The state of the clock, for health reports.
    pub fn health(&self, now: Duration) -> ClockHealth {
        ClockHealth {
            anchor_age_ms: millis(now.saturating_sub(self.anchor.at)),
            last_step_ms: self.last_step_ms,
            failures: self.failures,
        }
    }

    /// The time counted from the anchor with the monotonic clock.
    fn counted_ms(&self, now: Duration) -> u64 {
        self.anchor.wall_ms.saturating_add(millis(now.saturating_sub(self.anchor.at)))
    }
}

fn round_trip_ms(rules: &ClockRules, reading: Reading) -> Result<u64, AnchorRefused> {
    let took = reading.received.saturating_sub(reading.sent);
    if took > rules.round_trip_max {
        let took_ms_max = millis(rules.round_trip_max);
        return Err(AnchorRefused::SlowAnswer { took_ms: millis(took), took_ms_max });
    }
    Ok(millis(took))
}

fn step_ms(counted: u64, wall: u64) -> i64 {
    let size = i64::try_from(wall.abs_diff(counted)).unwrap_or(i64::MAX);
    if wall < counted { -size } else { size }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
