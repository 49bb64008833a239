//! The clock as a function of readings: no thread, no module, no clock of its own.

use mortise_engine::ports::ClockError;
use mortise_format::limits::{
    CLOCK_ANCHOR_AGE_MS_MAX, CLOCK_ANCHOR_MS, CLOCK_BACKWARD_MS_MAX, CLOCK_ROUND_TRIP_MS_MAX,
};
use std::time::Duration;

/// The bounds of a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockRules {
    /// From one anchor to the next.
    pub anchor_every: Duration,
    /// From when on an anchor gives no time.
    pub anchor_age_max: Duration,
    /// Longest that the making of a document may take: the error of an anchor.
    pub round_trip_max: Duration,
    /// Farthest that a new anchor may lie behind what was counted from the last.
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

/// One document's time, between two readings of a clock that only goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The monotonic clock before the module was asked.
    pub sent: Duration,
    /// The monotonic clock after it answered.
    pub received: Duration,
    /// The document's time, milliseconds since 1970.
    pub document_ms: u64,
}

/// Why a reading is no anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnchorRefused {
    /// The module took so long that its time says too little.
    #[error("the module took {took_ms} ms to answer, at most {took_ms_max} are accepted")]
    SlowAnswer {
        /// How long it took.
        took_ms: u64,
        /// [`ClockRules::round_trip_max`].
        took_ms_max: u64,
    },
    /// The module's time lies behind what was counted from the last anchor.
    #[error("the module's time went back by {back_ms} ms, at most {back_ms_max} are accepted")]
    WentBack {
        /// How far behind it is, after the doubt of its round trip.
        back_ms: u64,
        /// [`ClockRules::backward_max`].
        back_ms_max: u64,
    },
}

/// How a clock is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockHealth {
    /// Age of the anchor in use.
    pub anchor_age_ms: u64,
    /// The module's time less the counted time, when the last anchor was made: what the monotonic
    /// clock lost (above 0) or gained since the one before. A pause of the enclave stands here.
    pub last_step_ms: i64,
    /// Readings that were refused, or that the module did not give, since the start.
    pub failures: u64,
}

/// A good reading in use.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: Duration,
    wall_ms: u64,
}

/// An anchor, and what was given from it.
#[derive(Debug)]
pub struct ClockState {
    rules: ClockRules,
    anchor: Anchor,
    /// The latest time that was given: the floor of all later ones.
    given_ms: u64,
    last_step_ms: i64,
    failures: u64,
}

impl ClockState {
    /// A clock from its first reading.
    ///
    /// # Errors
    /// `SlowAnswer`.
    pub fn start(rules: ClockRules, first: Reading) -> Result<Self, AnchorRefused> {
        round_trip_ms(&rules, first)?;
        let anchor = Anchor { at: first.received, wall_ms: first.document_ms };
        let given_ms = first.document_ms;
        Ok(Self { rules, anchor, given_ms, last_step_ms: 0, failures: 0 })
    }

    /// Takes a further reading. A refused one is counted, and the anchor in use stays.
    ///
    /// The module's time when it answered lies between the document's time and that plus the round
    /// trip; of this range the new anchor takes what is nearest to the counted time.
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

    /// Counts a reading that the module did not give.
    pub fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// The time: never before one that was given.
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

    /// How the clock is.
    pub fn health(&self, now: Duration) -> ClockHealth {
        ClockHealth {
            anchor_age_ms: millis(now.saturating_sub(self.anchor.at)),
            last_step_ms: self.last_step_ms,
            failures: self.failures,
        }
    }

    /// From the anchor, by the monotonic clock.
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
