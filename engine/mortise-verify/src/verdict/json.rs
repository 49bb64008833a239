//! A verdict for programs.

use super::text::utc;
use super::{Lack, Verdict};
use alloc::string::String;
use mortise_format::ids::to_checksum;
use serde_json::{Map, Value, json};

impl Verdict {
    /// The verdict as the members of a JSON object. `specs/verdicts.md` lists them.
    pub fn members(&self) -> Map<String, Value> {
        let established = self.established.iter().map(|it| {
            json!({
                "claim": it.claim.name(),
                "what": it.what,
                "evidence": {"kind": it.basis.kind(), "detail": it.basis.detail()},
            })
        });
        let missing = self.missing.iter().map(|it| {
            json!({
                "claim": it.claim.name(),
                "reason": it.reason,
                "contradicted": it.lack == Lack::Contradicted,
            })
        });
        let identity = json!({
            "engineId": self.identity.engine_id,
            "address": self.identity.address.as_ref().map(to_checksum),
            "image": self.identity.image,
            "tie": self.identity.tie.name(),
        });
        let when = self.as_of.map(|(seconds, clock)| {
            json!({"seconds": seconds, "utc": utc(seconds), "clock": clock.name()})
        });
        let mut members = Map::new();
        for (name, value) in [
            ("verdict", json!(self.outcome().name())),
            ("kind", json!(self.subject.name())),
            ("sentence", json!(self.first_line())),
            ("identity", identity),
            ("when", json!(when)),
            ("established", established.collect()),
            ("missing", missing.collect()),
            ("open", json!(self.open)),
        ] {
            members.insert(name.into(), value);
        }
        members
    }
}
