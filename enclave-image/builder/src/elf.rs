//! Checks that a binary can run as the only program of a machine: 64 bits, x86-64, no interpreter.
//!
//! A dynamically linked binary cannot start in an image: the kernel does not find its loader, and
//! the machine stops without a message. The check reports it when you build the image.

/// First bytes of an object file.
pub const MAGIC: [u8; 4] = [0x7f, b'E', b'L', b'F'];
/// Bytes of the 64-bit file header.
const HEADER_BYTES: usize = 64;
/// Type of the program header that names a loader (PT_INTERP).
const INTERPRETER: u32 = 3;
/// EM_X86_64.
const MACHINE: u16 = 62;

/// Why a binary cannot be `/init`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    #[error("it is not an ELF file")]
    NotElf,
    /// 32 bits, big-endian, another processor, or an object file that is not a program.
    #[error("it is not a program for x86-64")]
    NotX86_64,
    /// The file ends before its tables.
    #[error("it is truncated")]
    Truncated,
    /// It needs a loader, which the image does not have.
    #[error("it is dynamically linked; build it with -C target-feature=+crt-static")]
    Dynamic,
}

/// Checks that a binary is a static program for x86-64.
///
/// # Errors
/// `NotElf`, `NotX86_64`, `Truncated`, `Dynamic`.
pub fn check(binary: &[u8]) -> Result<(), ElfError> {
    if !binary.starts_with(&MAGIC) {
        return Err(ElfError::NotElf);
    }
    let header = binary.get(..HEADER_BYTES).ok_or(ElfError::Truncated)?;
    let is_64_little = header[4..6] == [2, 1];
    let (kind, machine) = (u16_at(header, 16), u16_at(header, 18));
    if !is_64_little || !matches!(kind, 2 | 3) || machine != MACHINE {
        return Err(ElfError::NotX86_64);
    }
    let table = usize::try_from(u64_at(header, 32)).map_err(|_| ElfError::Truncated)?;
    let (size, count) = (usize::from(u16_at(header, 54)), usize::from(u16_at(header, 56)));
    if size < 4 {
        return Err(ElfError::Truncated);
    }
    let end = size.checked_mul(count).and_then(|length| table.checked_add(length));
    let table = end.and_then(|end| binary.get(table..end)).ok_or(ElfError::Truncated)?;
    let kind = |entry: &[u8]| u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]);
    match table.chunks_exact(size).any(|entry| kind(entry) == INTERPRETER) {
        true => Err(ElfError::Dynamic),
        false => Ok(()),
    }
}

fn u16_at(header: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([header[at], header[at + 1]])
}

fn u64_at(header: &[u8], at: usize) -> u64 {
    header[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The smallest binary that passes: a header and one program header.
    pub(crate) fn program() -> Vec<u8> {
        let mut binary = vec![0; HEADER_BYTES + 56];
        binary[..4].copy_from_slice(&MAGIC);
        (binary[4], binary[5], binary[16], binary[18]) = (2, 1, 2, 62);
        (binary[32], binary[54], binary[56], binary[HEADER_BYTES]) = (64, 56, 1, 1);
        binary
    }

    #[test]
    fn static_program_passes_and_others_are_refused_by_name() {
        assert_eq!(check(&program()), Ok(()));
        let changed = |at: usize, byte: u8| {
            let mut binary = program();
            binary[at] = byte;
            check(&binary)
        };
        assert_eq!(changed(0, 0), Err(ElfError::NotElf));
        assert_eq!(check(b""), Err(ElfError::NotElf));
        for (at, byte) in [(4, 1), (5, 2), (16, 1), (18, 183)] {
            assert_eq!(changed(at, byte), Err(ElfError::NotX86_64));
        }
        for (at, byte) in [(32, 65), (39, 0xff), (54, 3), (56, 2), (55, 0xff)] {
            assert_eq!(changed(at, byte), Err(ElfError::Truncated), "{at}");
        }
        assert_eq!(check(&program()[..63]), Err(ElfError::Truncated));
        assert_eq!(changed(HEADER_BYTES, 3), Err(ElfError::Dynamic));
    }

    #[test]
    fn test_binary_itself_is_dynamic() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(check(&own), Err(ElfError::Dynamic));
    }
}
