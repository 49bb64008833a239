//! A progress bar on stderr; hidden where stderr is not a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that counts bytes.
pub(crate) fn bytes_bar(doing: &str) -> ProgressBar {
    let unit = "{bytes}/{total_bytes}, {bytes_per_sec}";
    let template = format!("{doing} {{bar:40}} {unit}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).expect("the template is a constant");
    ProgressBar::new(0).with_style(style)
}
