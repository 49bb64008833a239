//! The time of a boot on a log that is far behind.
//!
//! What it is for: a time that is early ends promises for good, and the first frame of a boot
//! writes it into the log. So when the module's time is far ahead of the log, a second source must
//! agree, not only a second reading: the clock of the key service and, in durability `witnessed`,
//! those of a quorum of witnesses.
//!
//! What it does not do: decide which clock is right. They agree, or the boot ends before it writes
//! anything.

use crate::ports::{Clock, ClockError, ServiceTime, Vault};
use mortise_format::limits::{CLOCK_LEAP_MS_MAX, CLOCK_SOURCES_APART_S_MAX};

/// Why a boot does not take the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BootClockError {
    /// There is no time, or its readings do not agree.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The witnesses say another time.
    #[error(
        "the log is {behind_s} s behind the clock, and the clocks are apart: witnesses say {}, \
         this enclave {ours_s}; nothing was written",
        .theirs_s.map_or_else(|| String::from("a later time"), |theirs| theirs.to_string())
    )]
    DisputedByWitnesses {
        /// How far the log is behind the trusted clock, seconds.
        behind_s: u64,
        /// The time as of which a quorum cosigned; `None` if too few clocks are not ahead.
        theirs_s: Option<u64>,
        /// The trusted clock.
        ours_s: u64,
    },
    /// Two sources say different times.
    #[error(
        "the log is {behind_s} s behind the clock, and the clocks are apart: the key service says \
         {}, this enclave {}; nothing was written",
        .service.theirs_s, .service.ours_s
    )]
    Disputed {
        /// How far the log is behind the trusted clock, seconds.
        behind_s: u64,
        /// Both times.
        service: ServiceTime,
    },
}

impl BootClockError {
    /// A stable name, for `health`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Clock(error) => error.name(),
            Self::Disputed { .. } | Self::DisputedByWitnesses { .. } => "CLOCK_DISPUTED",
        }
    }
}

/// Checks the time for a boot on a log whose last frame has time `head_ms`.
///
/// A success proves that the log is at most fifteen minutes behind the trusted clock; or that
/// several readings of it agree, and the key service's clock too if the service says its time.
///
/// # Errors
/// [`BootClockError`]; nothing was written.
pub async fn check(
    head_ms: u64,
    clock: &dyn Clock,
    vault: &dyn Vault,
) -> Result<(), BootClockError> {
    let behind_ms = clock.now_ms()?.saturating_sub(head_ms);
    if behind_ms <= CLOCK_LEAP_MS_MAX {
        return Ok(());
    }
    tracing::info!(behind_ms, "the log is far behind the clock: reading the time several times");
    clock.confirm().await?;
    let behind_s = behind_ms / 1000;
    match vault.service_time() {
        Some(service) if service.are_apart() => Err(BootClockError::Disputed { behind_s, service }),
        Some(_) => Ok(()),
        None => {
            tracing::warn!(
                behind_s,
                "the key service says no time: the clock has no second source"
            );
            Ok(())
        }
    }
}

/// Checks the time as of which a quorum has just cosigned the head, for a boot on such a log.
///
/// A success proves that the log is at most fifteen minutes behind the trusted clock, or that the
/// witnesses' clocks and the trusted one are apart by the skew of the policy and a minute at most.
/// The parent can only make their time older.
///
/// # Errors
/// `DisputedByWitnesses`, `Clock`; nothing was written. A restart asks again.
pub fn check_witnesses(
    head_ms: u64,
    clock: &dyn Clock,
    cosigned_at: Option<u64>,
    skew_ms: u64,
) -> Result<(), BootClockError> {
    let now_ms = clock.now_ms()?;
    let behind_ms = now_ms.saturating_sub(head_ms);
    if behind_ms <= CLOCK_LEAP_MS_MAX {
        return Ok(());
    }
    let apart_ms = |theirs_s: u64| theirs_s.saturating_mul(1000).abs_diff(now_ms);
    let apart_max = skew_ms.saturating_add(ROUND_MS_MAX);
    match cosigned_at.is_some_and(|theirs| apart_ms(theirs) <= apart_max) {
        true => Ok(()),
        false => Err(BootClockError::DisputedByWitnesses {
            behind_s: behind_ms / 1000,
            theirs_s: cosigned_at,
            ours_s: now_ms / 1000,
        }),
    }
}

/// Time that a round of cosignatures may take before its first answer is old.
const ROUND_MS_MAX: u64 = 60 * 1000;

impl ServiceTime {
    fn are_apart(&self) -> bool {
        self.theirs_s.abs_diff(self.ours_s) > CLOCK_SOURCES_APART_S_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{KeyContext, PortFuture, VaultError};
    use mortise_format::secret::Secret;

    struct Fixed(u64, Result<(), ClockError>);

    impl Clock for Fixed {
        fn now_ms(&self) -> Result<u64, ClockError> {
            Ok(self.0)
        }

        fn confirm(&self) -> PortFuture<'_, Result<(), ClockError>> {
            Box::pin(std::future::ready(self.1))
        }
    }

    struct Stated(Option<ServiceTime>);

    impl Vault for Stated {
        fn generate<'a>(
            &'a self,
            _: &'a KeyContext,
        ) -> PortFuture<'a, Result<(Secret, Vec<u8>), VaultError>> {
            unreachable!("no key is made")
        }

        fn unwrap<'a>(
            &'a self,
            _: &'a [u8],
            _: &'a KeyContext,
        ) -> PortFuture<'a, Result<Secret, VaultError>> {
            unreachable!("no key is opened")
        }

        fn service_time(&self) -> Option<ServiceTime> {
            self.0
        }
    }

    const HEAD_MS: u64 = 1_800_000_000_000;
    const LIMIT_MS: u64 = 15 * 60 * 1000;

    fn apart(by_s: u64) -> ServiceTime {
        ServiceTime { theirs_s: 1_800_000_000, ours_s: 1_800_000_000 + by_s }
    }

    /// Goal: FAULTS D1. A day ahead is taken by a boot only if the key service agrees.
    #[tokio::test]
    async fn log_far_behind_needs_readings_that_agree_and_a_second_source() {
        let confirmed = Fixed(HEAD_MS + LIMIT_MS + 1, Ok(()));
        for (service, expected) in [
            (None, Ok(())),
            (Some(apart(300)), Ok(())),
            (
                Some(apart(301)),
                Err(BootClockError::Disputed { behind_s: 900, service: apart(301) }),
            ),
        ] {
            assert_eq!(check(HEAD_MS, &confirmed, &Stated(service)).await, expected);
        }
        let unconfirmed = Fixed(HEAD_MS + LIMIT_MS + 1, Err(ClockError::Unconfirmed));
        let refused = check(HEAD_MS, &unconfirmed, &Stated(Some(apart(0)))).await;
        assert_eq!(refused, Err(BootClockError::Clock(ClockError::Unconfirmed)));
        let near = Fixed(HEAD_MS + LIMIT_MS, Err(ClockError::Unconfirmed));
        assert_eq!(check(HEAD_MS, &near, &Stated(Some(apart(999)))).await, Ok(()));
        let behind = Fixed(HEAD_MS - LIMIT_MS, Err(ClockError::Unconfirmed));
        assert_eq!(check(HEAD_MS, &behind, &Stated(None)).await, Ok(()));
    }

    /// Goal: FAULTS D1 in `witnessed`. A quorum's time is a second source in both directions.
    #[test]
    fn log_far_behind_needs_witnesses_that_agree() {
        let now_ms = HEAD_MS + LIMIT_MS + 1;
        let (far, near) = (Fixed(now_ms, Ok(())), Fixed(HEAD_MS + LIMIT_MS, Ok(())));
        let now_s = now_ms / 1000;
        let check = |clock, at| check_witnesses(HEAD_MS, clock, at, 5000);
        for (at, agrees) in [
            (Some(now_s), true),
            (Some(now_s - 64), true),
            (Some(now_s - 66), false),
            (Some(now_s + 66), false),
            (Some(now_s - 86_400), false),
            (None, false),
        ] {
            assert_eq!(check(&far, at).is_ok(), agrees, "{at:?}");
            assert_eq!(check(&near, at), Ok(()), "{at:?}");
        }
        let disputed = check(&far, Some(now_s - 86_400)).unwrap_err();
        assert_eq!(disputed.name(), "CLOCK_DISPUTED");
        let text = disputed.to_string();
        assert!(text.contains(&now_s.to_string()), "{text}");
    }

    #[test]
    fn text_has_both_times() {
        let disputed = BootClockError::Disputed { behind_s: 86_400, service: apart(86_400) };
        let text = disputed.to_string();
        assert!(text.contains("1800000000") && text.contains("1800086400"), "{text}");
        assert_eq!(disputed.name(), "CLOCK_DISPUTED");
    }
}
