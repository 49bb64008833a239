//! The cosignatures of one head, and the time as of which a quorum knew it as the newest.
//!
//! ```text
//! time of each witness   1010  1030  1022      2 of 3 -> cosigned at 1022
//! ```
//! Two quorums share an honest witness, which never cosigns this head again after it cosigned a
//! later one. Its time is not below the k-th newest. So that time is before any takeover, and a
//! liar raises only its own.
//!
//! Invariant: times are those of the witnesses. The time of arrival counts for nothing: requests
//! have no nonce, so the parent can record a cosignature and deliver it late.

use mortise_format::merkle::history::TreeHead;
use mortise_verify::lease::kth_newest;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A checkpoint with the cosignatures of a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    pub head: TreeHead,
    /// The signed note, cosignature lines included.
    pub note: String,
    /// The k-th newest time of the witnesses, seconds. `None` if too few of them have a clock that
    /// gives a lease.
    pub cosigned_at: Option<u64>,
}

/// The cosignature of a witness, checked against its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CosignatureLine {
    /// The line of the note, with its newline.
    pub line: String,
    /// When, by the witness's clock, seconds.
    pub time: u64,
    /// That clock was ahead of engine time by more than the skew when the line arrived.
    pub is_ahead: bool,
}

/// A head with its cosignatures, one for each witness.
#[derive(Debug)]
pub(super) struct CosignedHead {
    head: TreeHead,
    /// The text of the checkpoint with the signature of the log.
    note: String,
    lines: BTreeMap<usize, CosignatureLine>,
    cosigned: Option<Arc<Cosigned>>,
}

impl CosignedHead {
    pub fn new(head: TreeHead, note: String) -> Self {
        Self { head, note, lines: BTreeMap::new(), cosigned: None }
    }

    pub fn head(&self) -> &TreeHead {
        &self.head
    }

    /// The checkpoint, once a quorum cosigned it.
    pub fn cosigned(&self) -> Option<Arc<Cosigned>> {
        self.cosigned.clone()
    }

    /// Adds a cosignature, unless the witness has a better one: a newer time, or one that gives a
    /// lease.
    pub fn add(&mut self, member: usize, line: CosignatureLine, quorum: usize) {
        let rank = |line: &CosignatureLine| (!line.is_ahead, line.time);
        let is_better = self.lines.get(&member).is_none_or(|held| rank(held) < rank(&line));
        if is_better {
            self.lines.insert(member, line);
            self.cosigned = self.chosen(quorum).map(Arc::new);
        }
    }

    /// The newest cosignatures of a quorum: those that give a lease first.
    fn chosen(&self, quorum: usize) -> Option<Cosigned> {
        if self.lines.len() < quorum {
            return None;
        }
        let leased = self.lines.values().filter(|line| !line.is_ahead);
        let cosigned_at = kth_newest(leased.map(|line| line.time), quorum);
        let mut lines: Vec<&CosignatureLine> = self.lines.values().collect();
        lines.sort_by_key(|line| std::cmp::Reverse((!line.is_ahead, line.time)));
        let lines = lines.into_iter().take(quorum).map(|line| line.line.as_str());
        let note = std::iter::once(self.note.as_str()).chain(lines).collect();
        Some(Cosigned { head: self.head, note, cosigned_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mortise_format::ids::Root;

    fn line(time: u64, is_ahead: bool) -> CosignatureLine {
        CosignatureLine { line: format!("{time}\n"), time, is_ahead }
    }

    fn head() -> CosignedHead {
        CosignedHead::new(TreeHead { size: 1, root: Root([1; 32]) }, "note\n".into())
    }

    fn after(lines: &[(usize, u64, bool)]) -> Option<(Option<u64>, String)> {
        let mut head = head();
        for (member, time, is_ahead) in lines {
            head.add(*member, line(*time, *is_ahead), 2);
        }
        head.cosigned().map(|cosigned| (cosigned.cosigned_at, cosigned.note.clone()))
    }

    #[test]
    fn time_is_the_second_newest_of_two_of_three() {
        assert_eq!(after(&[(0, 10, false)]), None);
        assert_eq!(after(&[(0, 10, false), (0, 20, false)]), None, "one witness counts once");
        let two = after(&[(0, 10, false), (2, 30, false)]);
        assert_eq!(two, Some((Some(10), "note\n30\n10\n".into())));
        let three = after(&[(0, 10, false), (2, 30, false), (1, 22, false)]);
        assert_eq!(three, Some((Some(22), "note\n30\n22\n".into())));
    }

    #[test]
    fn clock_that_is_ahead_gives_no_lease_and_still_cosigns() {
        let one = after(&[(0, 10, false), (1, 99, true)]);
        assert_eq!(one, Some((None, "note\n10\n99\n".into())));
        let two = after(&[(0, 10, false), (1, 99, true), (2, 12, false)]);
        assert_eq!(two, Some((Some(10), "note\n12\n10\n".into())));
        // the clock was set right
        let right = after(&[(0, 10, false), (1, 99, true), (1, 13, false)]);
        assert_eq!(right, Some((Some(10), "note\n13\n10\n".into())));
    }

    #[test]
    fn recorded_line_that_is_delivered_late_changes_nothing() {
        let late = after(&[(0, 20, false), (1, 30, false), (1, 5, false), (0, 5, false)]);
        assert_eq!(late, Some((Some(20), "note\n30\n20\n".into())));
    }
}
