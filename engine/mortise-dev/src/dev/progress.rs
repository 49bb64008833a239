//! The progress bar of a replay; only shown if stderr is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A replay bar.
#[derive(Debug, Default)]
pub(super) struct Replay(Option<ProgressBar>);

impl Replay {
    /// Moves the bar. A log without frames has no bar.
    pub fn at(&mut self, done: u64, total: u64) {
        if total == 0 {
            return;
        }
        let bar = self.0.get_or_insert_with(|| bar(total));
        bar.set_length(total);
        bar.set_position(done);
    }

    /// Ends the bar and leaves it visible.
    pub fn finish(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish();
        }
    }
}

fn bar(total: u64) -> ProgressBar {
    let style = "replaying {bar:40} {pos}/{len} frames, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).expect("the template is a constant");
    ProgressBar::new(total).with_style(style)
}
