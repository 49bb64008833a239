//! Checks that a file is a bootable kernel, and reads the version in it.
//!
//! ```text
//! x86 boot protocol   0x202 "HdrS"   0x20e u16: offset of the version text, minus 0x200
//! ```

/// Offset and first bytes of the header of the boot protocol.
const HEADER: (usize, &[u8]) = (0x202, b"HdrS");
/// Offset of the field with the version's offset.
const VERSION_AT: usize = 0x20e;
/// Base of the version's offset.
const SETUP_AT: usize = 0x200;
/// Most characters that are read of a version.
const VERSION_CHARS_MAX: usize = 128;

/// Why a file is not a bootable kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// It lacks the header of the boot protocol.
    #[error("it is not an x86 kernel image (bzImage): no HdrS at 0x202")]
    NotBzImage,
    /// The header names no readable version.
    #[error("it names no version")]
    NoVersion,
}

/// Returns the version of a kernel, as `uname -r` prints it.
///
/// # Errors
/// `NotBzImage`, `NoVersion`.
pub fn version(kernel: &[u8]) -> Result<String, KernelError> {
    let (at, magic) = HEADER;
    if kernel.get(at..at + magic.len()) != Some(magic) {
        return Err(KernelError::NotBzImage);
    }
    let place = kernel.get(VERSION_AT..VERSION_AT + 2).ok_or(KernelError::NoVersion)?;
    let place = usize::from(u16::from_le_bytes([place[0], place[1]]));
    let text = kernel.get(SETUP_AT + place..).ok_or(KernelError::NoVersion)?;
    let is_version = |byte: &u8| byte.is_ascii_graphic();
    let text: String = text
        .iter()
        .take(VERSION_CHARS_MAX)
        .take_while(|byte| is_version(byte))
        .map(|byte| char::from(*byte))
        .collect();
    match place == 0 || text.is_empty() {
        true => Err(KernelError::NoVersion),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> Vec<u8> {
        let mut kernel = vec![0; 0x400];
        kernel[0x202..0x206].copy_from_slice(b"HdrS");
        kernel[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        kernel[0x300..0x310].copy_from_slice(b"6.12.95+x (a@b) ");
        kernel
    }

    #[test]
    fn version_is_the_word_at_the_offset_in_the_header() {
        assert_eq!(version(&kernel()).as_deref(), Ok("6.12.95+x"));
    }

    #[test]
    fn file_that_is_no_kernel_is_refused() {
        assert_eq!(version(b""), Err(KernelError::NotBzImage));
        assert_eq!(version(&crate::elf::tests::program()), Err(KernelError::NotBzImage));
        for place in [0_u16, 0x110, 0xffff] {
            let mut kernel = kernel();
            kernel[0x20e..0x210].copy_from_slice(&place.to_le_bytes());
            assert_eq!(version(&kernel), Err(KernelError::NoVersion), "{place}");
        }
    }
}
