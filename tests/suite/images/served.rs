//! Over the sockets: approvals, refused boots and restarts, and how the engine reports them.

use super::image;
use crate::client::{block_on, over_socket};
use crate::trust::{module::TestModule, platform};
use mortise_client::Client;
use mortise_engine::ports::Vault;
use mortise_format::command::Command;
use mortise_format::entry::LeafKey;
use mortise_format::images::{ImageApproval, Version};
use mortise_format::rules::RuleSet;
use mortise_rpc::params::{ApproveImages, GetProof, ProofKey};
use mortise_rpc::results::EngineInfo;
use mortise_testkit::keys::{Party, TestSigner};
use mortise_testkit::system::parties::now_s;
use mortise_testkit::system::{Options, System};
use mortise_testkit::vault::TestVault;
use serde_json::{Value, json};
use std::sync::Arc;

struct Site {
    system: System,
    vault: Arc<dyn Vault>,
}

impl Site {
    fn new() -> Self {
        let vault: Arc<dyn Vault> = Arc::new(TestVault::new(72));
        let module = Arc::new(TestModule::of_image(0));
        let options = Options { platform: platform(&vault, &module), ..Options::default() };
        Self { system: System::with(options), vault }
    }

    /// Starts the engine in an enclave of this image and waits for the phase.
    fn restart(&mut self, image: u8, phase: &str) {
        let _ = self.system.stop_engine();
        let module = Arc::new(TestModule::of_image(image));
        self.system.options_mut().platform = platform(&self.vault, &module);
        self.system.launch_engine();
        self.system.wait_phase(phase);
    }

    fn client(&self) -> Client {
        over_socket(&self.system.engine_socket())
    }

    fn info(&self) -> EngineInfo {
        let answer = self.system.call("getEngineInfo", Value::Null);
        serde_json::from_value(answer["result"].clone()).expect("the engine knows itself")
    }

    fn approve(&self, serial: u64, images: &[u8], minimum: &str) {
        let client = self.client();
        block_on(async {
            let engine_id = client.identity().await.unwrap().engine_id;
            let mut images: Vec<_> = images.iter().copied().map(image).collect();
            images.sort_unstable();
            let minimum_version = Version::parse(minimum).unwrap();
            let valid_until = now_s() + 600;
            let rules = RuleSet::NEWEST;
            let approval = ImageApproval { serial, images, minimum_version, rules, valid_until };
            let asked = TestSigner::new(engine_id).approve_images(&[Party::Operator], &approval);
            let Command::ApproveImages { approval, signatures } = asked.command else {
                panic!("the signer approves")
            };
            client.approve_images(ApproveImages { approval, signatures }).await.unwrap();
        });
    }
}

#[test]
fn unapproved_image_reports_it_and_serves_nothing() {
    let mut site = Site::new();
    let info = site.info();
    assert_eq!((info.image, info.approved_images), (Some(image(0)), None));
    site.approve(1, &[0], &info.version);
    let approved = site.info().approved_images.expect("operators approved");
    assert_eq!((approved.serial, approved.images), (1, vec![image(0)]));
    assert_eq!(approved.minimum_version, info.version);
    site.restart(1, "fault");
    let health = site.system.call("health", Value::Null)["result"].clone();
    assert_eq!(health["fault"], "IMAGE_NOT_APPROVED");
    let refused = site.system.call("getEngineInfo", Value::Null);
    assert_eq!(refused["error"]["data"]["name"], "FAULT", "{refused}");
    site.restart(0, "ready");
    assert_eq!(site.info().epoch, 2, "the refused boot began no epoch");
    site.approve(2, &[0, 1], &info.version);
    site.restart(1, "ready");
    let info = site.info();
    assert_eq!((info.epoch, info.image), (3, Some(image(1))));
    site.approve(3, &[1], &info.version);
    site.restart(0, "fault");
    site.restart(1, "ready");
}

#[test]
fn approval_above_the_running_version_is_refused() {
    let site = Site::new();
    let minimum = Version { major: 99, ..Version::default() };
    let approval = ImageApproval {
        serial: 1,
        images: vec![image(0)],
        minimum_version: minimum,
        rules: RuleSet::NEWEST,
        valid_until: now_s() + 600,
    };
    let asked =
        TestSigner::new(site.info().engine_id).approve_images(&[Party::Operator], &approval);
    let Command::ApproveImages { approval, signatures } = asked.command else {
        panic!("the signer approves")
    };
    let params = serde_json::to_value(ApproveImages { approval, signatures }).unwrap();
    let refused = site.system.call("approveImages", params);
    assert_eq!(refused["error"]["data"]["name"], "VALIDATION", "{refused}");
    assert_eq!(refused["error"]["data"]["field"], "minimumVersion", "{refused}");
}

/// Goal: no approval asks for rules that nothing on this log has run under or could.
#[test]
fn approval_of_rules_that_the_running_code_does_not_know_is_refused() {
    let site = Site::new();
    let info = site.info();
    assert_eq!((info.rules, info.newest_rules), (RuleSet::NEWEST.0, RuleSet::NEWEST.0));
    let approval = ImageApproval {
        serial: 1,
        images: vec![image(0)],
        minimum_version: Version::default(),
        rules: RuleSet(RuleSet::NEWEST.0 + 1),
        valid_until: now_s() + 600,
    };
    let asked = TestSigner::new(info.engine_id).approve_images(&[Party::Operator], &approval);
    let Command::ApproveImages { approval, signatures } = asked.command else {
        panic!("the signer approves")
    };
    let params = serde_json::to_value(ApproveImages { approval, signatures }).unwrap();
    let refused = site.system.call("approveImages", params);
    assert_eq!(refused["error"]["data"]["name"], "VALIDATION", "{refused}");
    assert_eq!(refused["error"]["data"]["field"], "rules", "{refused}");
    assert_eq!(site.info().approved_images, None);
}

#[test]
fn client_verifies_which_images_may_boot_and_that_no_approval_exists() {
    let site = Site::new();
    let absent = site.system.call("getProof", json!({"images": true}))["result"].clone();
    assert_eq!(absent["present"], false);
    site.approve(1, &[0], "0.0.1");
    let asked = GetProof { key: ProofKey::Images, seq: None };
    let printed = serde_json::to_value(asked).unwrap();
    assert_eq!(printed, json!({"images": true}));
    let present = site.system.call("getProof", printed)["result"].clone();
    assert_eq!(present["present"], true);
    let view = serde_json::from_value(present).unwrap();
    let answer = mortise_verify::json::state(&view, &LeafKey::Images).expect("it is one");
    assert!(matches!(answer.claimed, mortise_verify::json::Claimed::Present { .. }));
    for wrong in
        [json!({"images": false}), json!({"images": true, "owner": Party::Owner.address()})]
    {
        let refused = site.system.call("getProof", wrong);
        assert_eq!(refused["error"]["data"]["name"], "INVALID_PARAMS", "{refused}");
    }
}
