//! The enclave's entropy over the software module.

use mortise_engine::ports::{Entropy as _, Nsm};
use mortise_nitro::entropy::NsmEntropy;
use mortise_sim::nsm::{Measurements, SoftwareNsm};
use std::sync::Arc;

#[test]
fn entropy_over_the_software_module_fills_any_length_and_never_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let nsm = SoftwareNsm::boot(folder.path(), &Measurements::dev("engine")).unwrap();
    let entropy = NsmEntropy::new(Arc::new(nsm) as Arc<dyn Nsm>).unwrap();
    entropy.fill(&mut []);
    let mut long = vec![0; 200_000];
    entropy.fill(&mut long);
    let mut blocks: Vec<_> = long.chunks_exact(32).collect();
    blocks.sort_unstable();
    let count = blocks.len();
    blocks.dedup();
    assert_eq!(blocks.len(), count, "a block came twice");
}
