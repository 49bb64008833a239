//! Pads texts with spaces, which JSON allows after a value, so that lengths reveal less.

use crate::error::SealError;
use alloc::vec::Vec;
use mortise_format::limits::CHANNEL_PAD_BYTES;
use zeroize::Zeroizing;

/// Pads the text to the next multiple of `CHANNEL_PAD_BYTES`, at most to `max`.
///
/// # Errors
/// `TextTooLong` when the text is longer than `max`.
pub(crate) fn padded(text: &[u8], max: usize) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let found = text.len();
    if found > max {
        return Err(SealError::TextTooLong { max, found });
    }
    let size = found.max(1).next_multiple_of(CHANNEL_PAD_BYTES).min(max);
    // Allocate once: a vector that grows leaves copies of the secret behind.
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    out.extend_from_slice(text);
    out.resize(size, b' ');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_padded_to_a_multiple_and_never_past_the_limit() {
        for (length, size) in [(0, 512), (1, 512), (512, 512), (513, 1024), (1030, 1050)] {
            let text = alloc::vec![b'x'; length];
            let padded = padded(&text, 1050).unwrap();
            assert_eq!(padded.len(), size);
            assert_eq!(padded.trim_ascii_end(), text);
        }
        let error = padded(&[0; 1051], 1050).unwrap_err();
        assert_eq!(error, SealError::TextTooLong { max: 1050, found: 1051 });
    }
}
