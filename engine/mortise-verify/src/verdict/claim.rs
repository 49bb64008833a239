//! The stable names of claims: one list for the code, `specs/verdicts.md` and programs.

/// Defines [`Claim`], its list and its names, so that no claim lacks a name or a meaning.
macro_rules! claims {
    ($($variant:ident $name:literal $meaning:literal),+ $(,)?) => {
        /// Something that a check can establish.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Claim {
            $(#[doc = $meaning] $variant,)+
        }

        impl Claim {
            /// Every claim, in the order of `specs/verdicts.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, for programs. It never changes its meaning.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What an established claim means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

claims! {
    Statement "statement" "The engine's key signed every field of this statement.",
    Event "event" "The engine stated that this event is at this place of its log.",
    Kind "kind" "The event is of the kind that was asked for.",
    FrameInHistory "frameInHistory" "The frame is the last one of the stated history.",
    Checkpoint "checkpoint" "The key of the log signed a checkpoint whose history has this frame.",
    Cosigned "cosigned" "A quorum of the named witnesses cosigned that checkpoint.",
    Present "present" "The state held exactly this value for the entry after the frame.",
    Absent "absent" "The state held nothing for the entry after the frame.",
    Status "status" "The lock had the status that was asked for.",
    Continues "continues" "The history begins with the whole history of an earlier statement.",
    Policy "policy" "The policy in force has the hash that was asked for.",
    Promise "promise" "The engine promised to hold these assets, and to sign nothing against it.",
    Terms "terms" "The promise has the terms that were asked for.",
    Custody "custody" "The promise has the custody class that was asked for.",
    Durability "durability" "The answers have the durability that was asked for.",
    FillCounts "fillCounts" "A fill counts at the time that was asked for.",
    InLog "inLog" "The promised event is in the log of the engine.",
    Newest "newest" "A quorum of witnesses knew no newer head of the log at this time.",
    Contradiction "contradiction" "The engine signed two statements that no one log can have.",
    Replacement "replacement" "The operators of an engine agreed that another one replaces it.",
    LogEnd "logEnd" "A quorum cosigned where the log of the replaced engine ended.",
    CheckpointsAgree "checkpointsAgree" "No given checkpoint contradicts where that log ended.",
    Successor "successor" "The ID of this engine covers the genesis.",
    Document "document" "An enclave under a named root, not in debug mode, made the document.",
    Fresh "fresh" "The document was made for this nonce, now.",
    AtItsTime "atItsTime" "The document was valid at the time that it states.",
    Image "image" "The enclave ran an image that was named.",
    Keys "keys" "The enclave held these keys and continued this history.",
    Genesis "genesis" "An enclave of a named image drew the keys that the engine ID covers.",
    Engine "engine" "The keys belong to the engine that was named.",
    NewestHeld "newestHeld" "The statement was the newest one that the enclave had released.",
    Chain "chain" "The log is one unbroken chain from its first frame.",
    NoFindings "noFindings" "Nothing that the audit checked is wrong.",
    Signer "signer" "The statements in the log are signed by the key of the named engine.",
    Boots "boots" "Each boot of the log has a document of a named image.",
    Decisions "decisions" "Every command of the log was decided again with the same result.",
    StatementsKept "statementsKept" "The log has every statement that was kept outside of it.",
    CheckpointsKept "checkpointsKept" "The log has every checkpoint that was kept outside of it.",
}
