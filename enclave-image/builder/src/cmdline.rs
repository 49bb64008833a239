//! Checks the `panic=` parameter of a kernel command line.
//!
//! What it is for: a kernel that panics halts for ever unless `panic=` on its command line says
//! otherwise, and nothing inside a halted machine can end it (`specs/configuration.md`). The check
//! warns you when you build an image, before it is measured.
//!
//! What it does not do: check other parameters, or whether a kernel accepts them.

/// Most seconds that a machine may halt after a panic.
pub const PANIC_SECONDS_MAX: u32 = 300;

/// Why a machine with this command line does not end when its kernel panics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PanicError {
    /// No `panic=`: the kernel's default is to halt.
    #[error("no panic=SECONDS: a kernel that panics would halt and never end the machine")]
    Missing,
    /// `panic=0`: to halt.
    #[error("panic=0: a kernel that panics would halt and never end the machine")]
    Never,
    /// The machine would halt for too long.
    #[error("panic={0}: longer than {PANIC_SECONDS_MAX} seconds")]
    TooLong(u32),
    /// The kernel would ignore the value and halt.
    #[error("panic={0}: not a number of seconds")]
    NoNumber(String),
}

/// Checks that a kernel panic ends the machine. Returns after how many seconds; 0 is at once.
///
/// # Errors
/// [`PanicError`].
pub fn panic_seconds(cmdline: &str) -> Result<u32, PanicError> {
    // Words after `--` belong to the first process. Of several values the last one counts.
    let words = cmdline.split_ascii_whitespace().take_while(|word| *word != "--");
    let value = words.filter_map(|word| word.strip_prefix("panic=")).last();
    let value = value.ok_or(PanicError::Missing)?;
    match value.parse::<i32>() {
        Err(_) => Err(PanicError::NoNumber(value.to_owned())),
        Ok(0) => Err(PanicError::Never),
        Ok(seconds) => match u32::try_from(seconds) {
            // A negative value restarts at once.
            Err(_) => Ok(0),
            Ok(seconds) if seconds > PANIC_SECONDS_MAX => Err(PanicError::TooLong(seconds)),
            Ok(seconds) => Ok(seconds),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_of_amazon_and_debian_boots_end_a_machine() {
        for (cmdline, seconds) in [
            ("reboot=k panic=30 pci=off nomodules console=ttyS0", 30),
            ("console=ttyS0 reboot=k panic=1 random.trust_cpu=on", 1),
            ("panic=0 panic=5", 5),
            ("panic=-1", 0),
            ("panic=300", PANIC_SECONDS_MAX),
        ] {
            assert_eq!(panic_seconds(cmdline), Ok(seconds), "{cmdline}");
        }
    }

    #[test]
    fn command_line_that_lets_a_panic_halt_is_refused_by_name() {
        let no_number = |value: &str| PanicError::NoNumber(value.to_owned());
        for (cmdline, error) in [
            ("", PanicError::Missing),
            ("console=ttyS0 reboot=k", PanicError::Missing),
            ("panic", PanicError::Missing),
            ("dont_panic=1 panic_on_warn=1", PanicError::Missing),
            ("quiet -- panic=1", PanicError::Missing),
            ("panic=5 panic=0", PanicError::Never),
            ("panic=301", PanicError::TooLong(301)),
            ("panic=", no_number("")),
            ("panic=soon", no_number("soon")),
            ("panic=99999999999", no_number("99999999999")),
        ] {
            assert_eq!(panic_seconds(cmdline), Err(error), "{cmdline}");
        }
    }
}
