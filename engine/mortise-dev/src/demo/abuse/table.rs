//! The table of a run.

use super::honest::Seen;
use crate::demo::load::Timings;
use serde::Serialize;

/// Honest p99 that is within the bound whatever the unloaded value is, milliseconds.
const P99_MS: f64 = 50.0;
/// Honest p99 that is within the bound, in unloaded values.
const P99_TIMES: f64 = 5.0;
/// Growth of the engine's memory that is within the bound, MiB.
const ENGINE_MIB: u64 = 256;

/// One row. The first one is the honest client alone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    name: &'static str,
    commits: usize,
    errors: u32,
    honest: Timings,
    engine_mib: u64,
    host_mib: u64,
    has_ended: bool,
    is_over: bool,
}

impl Row {
    pub fn new(
        name: &'static str,
        seen: Seen,
        engine_mib: u64,
        host_mib: u64,
        has_ended: bool,
    ) -> Self {
        let Seen { times, errors } = seen;
        let (commits, honest) = (times.len(), Timings::of(times));
        Self { name, commits, errors, honest, engine_mib, host_mib, has_ended, is_over: false }
    }
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub fn add(&mut self, mut row: Row) {
        let alone = self.rows.first().map_or(f64::MAX, |first| first.honest.p99_ms);
        row.is_over = row.has_ended
            || row.errors > 0
            || row.engine_mib > ENGINE_MIB
            || row.honest.p99_ms > P99_MS.max(P99_TIMES * alone);
        self.rows.push(row);
    }

    /// Rows that are over their bounds.
    pub fn over(&self) -> usize {
        self.rows.iter().filter(|row| row.is_over).count()
    }

    pub fn text(&self) -> String {
        let mut text = String::from(
            "abuse                            commits  errors   p50 ms   p99 ms  engine MiB  \
             host MiB\n",
        );
        for row in &self.rows {
            let mark = match (row.has_ended, row.is_over) {
                (true, _) => "  ENDED",
                (_, true) => "  OVER",
                _ => "",
            };
            text += &format!(
                "{:<32} {:>7} {:>7} {:>8.1} {:>8.1} {:>11} {:>9}{mark}\n",
                row.name,
                row.commits,
                row.errors,
                row.honest.p50_ms,
                row.honest.p99_ms,
                row.engine_mib,
                row.host_mib,
            );
        }
        text
    }
}
