//! The clock as a pure function of readings: no thread, no module, no system clock.

use mortise_engine::ports::ClockError;
use mortise_format::limits::{
    CLOCK_ANCHOR_AGE_MS_MAX, CLOCK_ANCHOR_MS, CLOCK_BACKWARD_MS_MAX, CLOCK_FORWARD_MS_MAX,
    CLOCK_LEAP_AGREE_MS, CLOCK_LEAP_MS_MAX, CLOCK_LEAP_READING_MS, CLOCK_LEAP_READINGS,
    CLOCK_ROUND_TRIP_MS_MAX,
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
    /// Most that it may be ahead, to be taken at once.
    pub forward_max: Duration,
    /// How a larger step forward is taken, or not.
    pub leap: LeapRules,
}

/// The bounds of a step forward that one reading alone does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeapRules {
    /// Readings that must agree.
    pub readings: u32,
    /// Shortest time between two of them.
    pub every: Duration,
    /// Most that they may differ, besides their round trips.
    pub agree: Duration,
    /// Largest step that is taken. Above it the clock gives no time any more.
    pub max: Duration,
}

impl Default for ClockRules {
    fn default() -> Self {
        Self {
            anchor_every: Duration::from_millis(CLOCK_ANCHOR_MS),
            anchor_age_max: Duration::from_millis(CLOCK_ANCHOR_AGE_MS_MAX),
            round_trip_max: Duration::from_millis(CLOCK_ROUND_TRIP_MS_MAX),
            backward_max: Duration::from_millis(CLOCK_BACKWARD_MS_MAX),
            forward_max: Duration::from_millis(CLOCK_FORWARD_MS_MAX),
            leap: LeapRules {
                readings: CLOCK_LEAP_READINGS,
                every: Duration::from_millis(CLOCK_LEAP_READING_MS),
                agree: Duration::from_millis(CLOCK_LEAP_AGREE_MS),
                max: Duration::from_millis(CLOCK_LEAP_MS_MAX),
            },
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
    /// The module's time is far ahead of the counted time, and too few readings agree on it.
    #[error("the module's time is {ahead_ms} ms ahead; {agreed} of {needed} readings agree")]
    Ahead {
        /// How far it is ahead at least.
        ahead_ms: u64,
        /// Readings that agree so far.
        agreed: u32,
        /// [`LeapRules::readings`].
        needed: u32,
    },
    /// All readings agree, and the step is too large for a running engine.
    #[error("the module's time is {ahead_ms} ms ahead, above the limit of {ahead_ms_max}")]
    Leap {
        /// How far it is ahead at least.
        ahead_ms: u64,
        /// [`LeapRules::max`].
        ahead_ms_max: u64,
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
    ahead: Option<Ahead>,
    /// Set for good when a step was too large.
    leapt_ms: Option<u64>,
}

/// Readings that agree on a time far ahead.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    first: Reading,
    last: Reading,
    count: u32,
}

impl Ahead {
    fn of(reading: Reading) -> Self {
        Self { first: reading, last: reading, count: 1 }
    }

    /// True when both clocks went on together since the first reading.
    fn agrees(&self, reading: &Reading, within: Duration) -> bool {
        let by_module = reading.document_ms.saturating_sub(self.first.document_ms);
        let by_machine = millis(reading.received.saturating_sub(self.first.received));
        let trips = reading.trip() + self.first.trip();
        by_module.abs_diff(by_machine) <= millis(within + trips)
    }
}

impl Reading {
    fn trip(&self) -> Duration {
        self.received.saturating_sub(self.sent)
    }
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
        let (last_step_ms, failures, ahead, leapt_ms) = (0, 0, None, None);
        Ok(Self { rules, anchor, given_ms, last_step_ms, failures, ahead, leapt_ms })
    }

    /// Takes a further reading. Counts a refused one and keeps the current anchor.
    ///
    /// The module's time at the answer is between the document's time and that time plus the round
    /// trip. The new anchor is the value in this range that is nearest to the counted time.
    ///
    /// A time that is late delays an expiry; a time that is early ends promises for good. So a step
    /// forward above [`ClockRules::forward_max`] is not taken from one reading. Until enough
    /// readings agree, the current anchor counts on.
    ///
    /// # Errors
    /// `SlowAnswer`, `WentBack`, `Ahead`; `Leap`, and from then on there is no time.
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
            self.ahead = None;
            return Err(AnchorRefused::WentBack { back_ms, back_ms_max });
        }
        let ahead_ms = earliest.saturating_sub(counted);
        match ahead_ms > millis(self.rules.forward_max) {
            true => self.check_ahead(reading, ahead_ms)?,
            false => self.ahead = None,
        }
        let wall_ms = counted.clamp(earliest, latest);
        self.last_step_ms = step_ms(counted, wall_ms);
        self.anchor = Anchor { at: reading.received, wall_ms };
        Ok(())
    }

    /// Counts a reading that is far ahead. Success: enough agree, and the step may be taken.
    fn check_ahead(&mut self, reading: Reading, ahead_ms: u64) -> Result<(), AnchorRefused> {
        let rules = self.rules.leap;
        let ahead = match self.ahead {
            Some(mut known) if known.agrees(&reading, rules.agree) => {
                if reading.received.saturating_sub(known.last.received) >= rules.every {
                    (known.last, known.count) = (reading, known.count.saturating_add(1));
                }
                known
            }
            _ => Ahead::of(reading),
        };
        self.ahead = Some(ahead);
        if ahead.count < rules.readings {
            let (agreed, needed) = (ahead.count, rules.readings);
            return Err(AnchorRefused::Ahead { ahead_ms, agreed, needed });
        }
        if ahead_ms > millis(rules.max) {
            self.leapt_ms = Some(ahead_ms);
            return Err(AnchorRefused::Leap { ahead_ms, ahead_ms_max: millis(rules.max) });
        }
        self.ahead = None;
        Ok(())
    }

    /// The bounds of this clock.
    pub fn rules(&self) -> ClockRules {
        self.rules
    }

    /// When the next reading is due: sooner while readings say that the time is far ahead.
    pub fn next_reading(&self) -> Duration {
        match self.ahead {
            Some(_) => self.rules.leap.every,
            None => self.rules.anchor_every,
        }
    }

    /// Counts a missing reading.
    pub fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Returns the time, never before one that it returned earlier.
    ///
    /// # Errors
    /// `Stale`: the anchor is older than [`ClockRules::anchor_age_max`]. `Leap`: a step forward was
    /// too large.
    pub fn now_ms(&mut self, now: Duration) -> Result<u64, ClockError> {
        if let Some(ahead_ms) = self.leapt_ms {
            return Err(ClockError::Leap { ahead_ms });
        }
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
