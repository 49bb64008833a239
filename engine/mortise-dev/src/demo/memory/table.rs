//! The table of a run.

use super::peak::Peak;
use mortise_format::limits::{ENGINE_MEMORY_BESIDE_STATE_MAX, HOST_MEMORY_MAX};
use serde::Serialize;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    name: &'static str,
    /// Growth of the engine over its memory before the first row.
    engine_bytes: usize,
    host_bytes: usize,
    is_answered: bool,
    has_ended: bool,
}

impl Row {
    pub fn new(
        name: &'static str,
        (engine_peak, host_bytes): (usize, usize),
        engine: &Peak,
        is_answered: bool,
        has_ended: bool,
    ) -> Self {
        let engine_bytes = engine_peak.saturating_sub(engine.at_rest());
        Self { name, engine_bytes, host_bytes, is_answered, has_ended }
    }

    fn is_over(&self) -> bool {
        self.has_ended
            || !self.is_answered
            || self.engine_bytes > ENGINE_MEMORY_BESIDE_STATE_MAX
            || self.host_bytes > HOST_MEMORY_MAX
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Table {
    /// True if the kernel kills what exceeds the limits.
    is_limited: bool,
    engine_at_rest: usize,
    host_at_rest: usize,
    rows: Vec<Row>,
}

impl Table {
    pub fn new(is_limited: bool, engine: &Peak, host: &Peak) -> Self {
        let (engine_at_rest, host_at_rest) = (engine.at_rest(), host.at_rest());
        Self { is_limited, engine_at_rest, host_at_rest, rows: Vec::new() }
    }

    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Rows that are over their bounds. A run without rows shows nothing.
    pub fn over(&self) -> usize {
        self.rows.iter().filter(|row| row.is_over()).count().max(usize::from(self.rows.is_empty()))
    }

    pub fn text(&self) -> String {
        let mib = |bytes: usize| bytes.div_ceil(1024 * 1024);
        let how =
            if self.is_limited { "limited by cgroups, and by" } else { "no cgroups here, only" };
        let mut text = format!(
            "{how} the peak of resident memory. At rest: engine {} MiB, host {} MiB.\n\
             {:<48} {:>12} {:>9}\n",
            mib(self.engine_at_rest),
            mib(self.host_at_rest),
            "input",
            "engine + MiB",
            "host MiB"
        );
        for row in &self.rows {
            let mark = match row {
                Row { has_ended: true, .. } => "  ENDED",
                Row { is_answered: false, .. } => "  SILENT",
                row if row.is_over() => "  OVER",
                _ => "",
            };
            let (engine, host) = (mib(row.engine_bytes), mib(row.host_bytes));
            text += &format!("{:<48} {engine:>12} {host:>9}{mark}\n", row.name);
        }
        text
    }
}
