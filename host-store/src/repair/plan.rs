//! Decides which frames the log has, which are lost, and where each is taken from.
//!
//! ```text
//! runs in the order of their locations --> pieces: run, gap, run, ... , tail
//! gap  = acknowledged frames (a later record, or the index, knows them) that are not whole
//! tail = what may follow the last piece
//! ```
//! A copy fills a gap when its frames chain to the frames on both sides, and match every entry that
//! the index has for the gap.

use super::copy::CopyFrames;
use super::finding::Finding;
use super::index::IndexState;
use super::scan::{Front, Run, Segment};
use crate::store::{BLOCK_BYTES, CheckedFrame, LogBase};
use mortise_format::ids::FrameDigest;
use mortise_format::store::LogHead;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

/// A part of the log.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// Frames that are here.
    Ours(Run),
    /// Frames that are missing.
    Gap(Gap),
}

/// Missing acknowledged frames between others.
#[derive(Debug, Clone)]
pub(super) struct Gap {
    pub(super) from: u64,
    pub(super) until: u64,
    /// Digest that the first must follow.
    left: FrameDigest,
    /// Digest that the last must have.
    right: FrameDigest,
    /// The run whose last frame belongs to the gap, because the next frame does not follow it.
    untrimmed: Option<Run>,
    /// Index of the copy that has them.
    pub(super) copy: Option<usize>,
}

/// What follows the last piece.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    pub(super) from: u64,
    left: FrameDigest,
    /// Frames below this were acknowledged.
    stored_until: u64,
    state: TailState,
    /// Index of the copy that continues, and up to which seq.
    pub(super) copy: Option<(usize, u64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TailState {
    /// Nothing follows.
    Clean,
    /// Bytes that were not acknowledged follow.
    Torn,
    /// Bytes follow, and the index is lost.
    Unproven,
}

/// The log after a repair.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) segments: Vec<Segment>,
    pub(super) pieces: Vec<Piece>,
    pub(super) tail: Tail,
    /// Number of the first segment.
    pub(super) first_segment: u64,
    diverging: Vec<(usize, u64)>,
}

impl Plan {
    /// Assembles the runs. Frames below `stored_until` were acknowledged, even if the segments do
    /// not show it. Those before `base` were pruned.
    pub(super) fn new(
        segments: Vec<Segment>,
        index: &IndexState,
        stored_until: u64,
        base: &LogBase,
    ) -> Self {
        let durable = segments.iter().map(|segment| segment.durable.max(begun_at(segment))).max();
        let stored_until = stored_until.max(durable.unwrap_or(0));
        let LogHead { next_seq: next, digest } = base.head;
        let mut trunk = Trunk { pieces: Vec::new(), next, digest };
        for run in segments.iter().flat_map(|segment| &segment.runs) {
            if !trunk.take(run, stored_until) {
                break;
            }
        }
        let Trunk { pieces, next, digest } = trunk;
        let state = match (has_junk_behind(&segments, &pieces), index) {
            (false, _) => TailState::Clean,
            (true, IndexState::Good(_)) => TailState::Torn,
            (true, IndexState::Lost { .. }) => TailState::Unproven,
        };
        let tail = Tail { from: next, left: digest, stored_until, state, copy: None };
        let first_segment = base.segment;
        Self { segments, pieces, tail, first_segment, diverging: Vec::new() }
    }

    /// Takes missing frames from a copy where they fit.
    pub(super) fn fill(
        &mut self,
        copy: usize,
        frames: &mut CopyFrames,
        index: &IndexState,
    ) -> io::Result<()> {
        let from = frames.position();
        let mut filling = Filling { copy, gap: 0, from, is_off: false, reached: 0 };
        while let Some(frame) = frames.next()? {
            let is_known = index.frame(frame.seq())?.is_none_or(|p| p.digest == frame.digest());
            filling.take(self, &frame, is_known);
        }
        let tail = &mut self.tail;
        let must_reach = match tail.state {
            TailState::Unproven => tail.stored_until.max(tail.from + 1),
            _ => tail.stored_until,
        };
        let goes_on =
            from <= tail.from && filling.reached > tail.from && filling.reached >= must_reach;
        if goes_on && !filling.is_off && tail.copy.is_none() {
            tail.copy = Some((copy, filling.reached));
        }
        Ok(())
    }

    /// What is wrong with the log.
    pub(super) fn findings(&self, copies: &[PathBuf]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let path = |copy: usize| copies.get(copy).cloned().unwrap_or_default();
        for gap in self.gaps() {
            let copy = gap.copy.map(path);
            findings.push(Finding::FramesLost { from: gap.from, until: gap.until, copy });
        }
        let Tail { from, stored_until, state, copy, .. } = self.tail;
        let taken = copy.map(|(copy, until)| (path(copy), until));
        let of_copy = taken.as_ref().map(|(copy, _)| copy.clone());
        let mut known_until = from;
        if stored_until > from {
            findings.push(Finding::FramesLost { from, until: stored_until, copy: of_copy });
            known_until = stored_until;
        } else if state == TailState::Torn {
            findings.push(Finding::TornTail { seq: from });
        } else if state == TailState::Unproven {
            findings.push(Finding::UnprovenTail { seq: from, copy: of_copy });
            known_until = from + 1;
        }
        if let Some((copy, until)) = taken
            && until > known_until
        {
            findings.push(Finding::CopyIsLonger { from: known_until, until, copy });
        }
        let layout = self.misplaced().into_iter().map(|segment| Finding::Layout { segment });
        findings.extend(layout);
        let diverging = self.diverging.iter();
        findings
            .extend(diverging.map(|(n, seq)| Finding::CopyDiverges { seq: *seq, copy: path(*n) }));
        findings
    }

    /// The gaps, in order.
    pub(super) fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Gap(gap) => Some(gap),
            Piece::Ours(_) => None,
        })
    }

    /// Segments to rewrite: those with a filled gap, a wiped tail or a wrong layout.
    pub(super) fn dirty(&self) -> BTreeSet<u64> {
        let mut dirty = self.misplaced();
        let mut last = None;
        let mut behind_gap = false;
        for piece in &self.pieces {
            match piece {
                Piece::Gap(_) => {
                    dirty.extend(last);
                    behind_gap = true;
                }
                Piece::Ours(run) => {
                    let is_inside =
                        run.start > BLOCK_BYTES || self.front(run) != Front::First(run.first);
                    if behind_gap && is_inside {
                        dirty.insert(run.segment);
                    }
                    behind_gap = false;
                    last = Some(run.segment);
                }
            }
        }
        if self.tail.copy.is_some() || self.tail.state != TailState::Clean {
            dirty.extend(last);
        }
        dirty
    }

    /// Segments with whole frames at wrong offsets, or with a wrong first block.
    fn misplaced(&self) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        let mut last: Option<&Run> = None;
        let mut behind_gap = false;
        for piece in &self.pieces {
            let Piece::Ours(run) = piece else {
                behind_gap = true;
                continue;
            };
            let is_placed = match last {
                Some(last) if last.segment == run.segment => run.start == last.end,
                Some(last) if last.segment + 1 != run.segment => false,
                None if run.segment != self.first_segment => false,
                _ => run.start == BLOCK_BYTES && self.front(run) == Front::First(run.first),
            };
            if !is_placed && !behind_gap {
                found.insert(run.segment);
            }
            let left = last.filter(|last| last.segment != run.segment);
            found.extend(left.filter(|last| self.has_more(last)).map(|last| last.segment));
            behind_gap = false;
            last = Some(run);
        }
        found
    }

    /// Returns true when anything follows a run in its segment.
    fn has_more(&self, run: &Run) -> bool {
        let segment = self.segments.iter().find(|segment| segment.number == run.segment);
        segment.is_some_and(|segment| segment.has_more_behind(run.end))
    }

    fn front(&self, run: &Run) -> Front {
        let segment = self.segments.iter().find(|segment| segment.number == run.segment);
        segment.map_or(Front::Broken, |segment| segment.front)
    }
}

/// The start of a segment that is in use: everything before it is durable.
fn begun_at(segment: &Segment) -> u64 {
    match (segment.front, segment.runs.first()) {
        (Front::First(seq), Some(run)) if run.start == BLOCK_BYTES && run.first == seq => seq,
        _ => 0,
    }
}

/// Returns true when anything follows the last piece.
fn has_junk_behind(segments: &[Segment], pieces: &[Piece]) -> bool {
    let last = pieces.iter().rev().find_map(|piece| match piece {
        Piece::Ours(run) => Some((run.segment, run.end)),
        Piece::Gap(_) => None,
    });
    segments.iter().any(|segment| match last {
        Some((number, _)) if segment.number < number => false,
        Some((number, end)) if segment.number == number => segment.has_more_behind(end),
        _ => !segment.is_clean_spare(),
    })
}

/// Assembles the log.
#[derive(Debug)]
struct Trunk {
    pieces: Vec<Piece>,
    next: u64,
    digest: FrameDigest,
}

impl Trunk {
    /// Adds a run; returns false when the log ends before it.
    fn take(&mut self, run: &Run, stored_until: u64) -> bool {
        if run.first < self.next {
            // Frames that were already added, or that belong elsewhere: ignored.
            return true;
        }
        if run.first > self.next {
            if self.next >= stored_until {
                return false;
            }
            self.pieces.push(Piece::Gap(Gap {
                from: self.next,
                until: run.first,
                left: self.digest,
                right: run.previous,
                untrimmed: None,
                copy: None,
            }));
        } else if run.previous != self.digest && !self.trim(run) {
            return true;
        }
        self.pieces.push(Piece::Ours(run.clone()));
        self.next = run.next;
        self.digest = run.digest;
        true
    }

    /// Drops the last frame before a run that does not follow it: that frame was altered. Returns
    /// false when there is none.
    fn trim(&mut self, run: &Run) -> bool {
        let Some(Piece::Ours(last)) = self.pieces.pop() else { return false };
        let (from, until, right) = (last.next - 1, run.first, run.previous);
        let gap = match (last.without_last(), self.pieces.last()) {
            (Some(shorter), _) => {
                let left = shorter.digest;
                self.pieces.push(Piece::Ours(shorter));
                Gap { from, until, left, right, untrimmed: Some(last), copy: None }
            }
            (None, Some(Piece::Gap(before))) => {
                let before = Gap { until, right, untrimmed: None, ..before.clone() };
                self.pieces.pop();
                before
            }
            (None, _) => {
                let left = last.previous;
                Gap { from, until, left, right, untrimmed: Some(last), copy: None }
            }
        };
        self.pieces.push(Piece::Gap(gap));
        true
    }
}

/// One pass over a copy.
struct Filling {
    copy: usize,
    gap: usize,
    /// Its first frame: those before it were pruned there.
    from: u64,
    /// True when the copy is on another branch here.
    is_off: bool,
    /// The seq after its last frame that follows ours.
    reached: u64,
}

impl Filling {
    fn take(&mut self, plan: &mut Plan, frame: &CheckedFrame, is_known: bool) {
        let seq = frame.seq();
        while plan.pieces.get(self.gap).is_some_and(|piece| !is_gap_at(piece, seq)) {
            self.gap += 1;
        }
        if let Some(Piece::Gap(gap)) = plan.pieces.get_mut(self.gap)
            && gap.from <= seq
        {
            self.is_off |= seq == gap.from && frame.previous() != gap.left;
            self.is_off |= !is_known || gap.from < self.from;
            let is_last = seq + 1 == gap.until;
            if is_last && !self.is_off && frame.digest() == gap.right {
                gap.copy.get_or_insert(self.copy);
            } else if is_last && !self.is_off && !plan.untrim(self.gap, frame.digest()) {
                self.is_off = true;
            }
            if is_last && std::mem::take(&mut self.is_off) {
                plan.diverging.push((self.copy, seq));
            }
        }
        let tail = &plan.tail;
        let parts_here = seq + 1 == tail.from && frame.digest() != tail.left;
        if parts_here || (seq >= tail.from && !is_known && !self.is_off) {
            self.is_off = true;
            plan.diverging.push((self.copy, seq));
        }
        self.reached = seq + 1;
    }
}

/// Returns true for a gap that ends before `seq`.
fn is_gap_at(piece: &Piece, seq: u64) -> bool {
    matches!(piece, Piece::Gap(gap) if gap.until > seq)
}

impl Plan {
    /// A gap of one frame that a copy has exactly as here: not that frame was altered but the next
    /// one, which claims another predecessor. If that is the last frame, it becomes the tail.
    fn untrim(&mut self, at: usize, digest: FrameDigest) -> bool {
        let Some(Piece::Gap(gap)) = self.pieces.get(at) else { return false };
        let Some(untrimmed) = gap.untrimmed.clone().filter(|run| run.digest == digest) else {
            return false;
        };
        let is_last_of_one = match self.pieces.get(at + 1) {
            Some(Piece::Ours(run)) => run.next == run.first + 1 && self.pieces.len() == at + 2,
            _ => false,
        };
        if !is_last_of_one {
            return false;
        }
        let is_shortened = untrimmed.next > untrimmed.first + 1;
        self.pieces.truncate(if is_shortened { at - 1 } else { at });
        self.tail.from = untrimmed.next;
        self.tail.left = untrimmed.digest;
        self.tail.stored_until = self.tail.stored_until.max(untrimmed.next + 1);
        self.pieces.push(Piece::Ours(untrimmed));
        true
    }
}
