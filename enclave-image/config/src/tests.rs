use super::*;

const LEAST: &str = r#"
region = "eu-west-1"
engine_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/a"
app_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/b"
"#;

/// Parses the shortest configuration plus one line.
fn with(line: &str) -> Result<EnclaveConfig, ConfigError> {
    EnclaveConfig::parse(&format!("{LEAST}{line}\n"))
}

fn vsock(cid: u32, port: u32) -> Address {
    Address::Vsock { cid, port }
}

#[test]
fn shortest_configuration_uses_the_public_service_and_the_default_ports() {
    let config = EnclaveConfig::parse(LEAST).unwrap();
    assert_eq!(config.kms().host(), "kms.eu-west-1.amazonaws.com");
    assert_eq!(config.listen(), vsock(VSOCK_CID_ANY, 5000));
    assert_eq!(config.store(), vsock(3, 5001));
    assert_eq!(config.credentials(), vsock(3, 5003));
    assert_eq!(config.relay(), vsock(3, 8000));
    assert_eq!(config.diagnostics(), vsock(3, 5002));
    assert_eq!(config.heartbeat(), vsock(3, 9000));
    assert_eq!(config.diagnostics(), diagnostics_unconfigured());
    assert_eq!(config.module(), Module::Nitro);
    assert_eq!(config.genesis(), Path::new("/etc/mortise/genesis.json"));
    assert_eq!(config.log(), LevelFilter::INFO);
    assert!(!config.has_own_roots() && !config.releases_plaintext());
}

#[test]
fn every_name_is_read() {
    let config = with(
        "kms_host = \"kms.test\"\nrelease_plaintext = true\nlog = \"debug\"\n\
         genesis = \"/etc/other.json\"\nparent_cid = 2\nmodule = \"emulated\"\n\
         [ports]\nlisten = 1\nstore = 2\ncredentials = 3\nkms = 4\ndiagnostics = 5\nheartbeat = 6",
    )
    .unwrap();
    assert_eq!((config.kms().host(), config.log()), ("kms.test".into(), LevelFilter::DEBUG));
    assert_eq!(config.genesis(), Path::new("/etc/other.json"));
    assert_eq!((config.listen(), config.store()), (vsock(VSOCK_CID_ANY, 1), vsock(2, 2)));
    assert_eq!((config.credentials(), config.relay()), (vsock(2, 3), vsock(2, 4)));
    assert_eq!((config.diagnostics(), config.heartbeat()), (vsock(2, 5), vsock(2, 6)));
    assert_eq!(config.module(), Module::Emulated);
    assert!(config.releases_plaintext());
}

#[test]
fn missing_unknown_repeated_and_mistyped_names_are_refused() {
    for name in ["region", "engine_key_arn", "app_key_arn"] {
        let without: String = LEAST
            .lines()
            .filter(|line| !line.starts_with(name))
            .map(|l| format!("{l}\n"))
            .collect();
        let Err(ConfigError::Toml(text)) = EnclaveConfig::parse(&without) else {
            panic!("accepted without {name}")
        };
        assert!(text.contains(name), "{text}");
    }
    for line in [
        "kms_hots = \"kms.test\"",
        "region = \"eu-west-1\"",
        "release_plaintext = 1",
        "release_plaintext = \"false\"",
        "log = \"trace\"",
        "log = \"info,mortise_nitro=debug\"",
        "parent_cid = -1",
        "parent_cid = 4294967296",
        "[ports]\nlisten = \"5000\"",
        "module = \"software\"",
        "module = true",
        "[ports]\nconsole = 9000",
        "[ports]\n[ports]",
        "= 1",
    ] {
        let refused = with(line);
        assert!(matches!(refused, Err(ConfigError::Toml(_))), "{line}: {refused:?}");
    }
    let refused = EnclaveConfig::parse(&"#".repeat(CONFIG_BYTES_MAX + 1)).unwrap_err();
    assert!(matches!(refused, ConfigError::TooLarge { .. }));
}

#[test]
fn contradicting_keys_are_refused_by_name() {
    let swap = |from: &str, to: &str| EnclaveConfig::parse(&LEAST.replace(from, to)).unwrap_err();
    let engine = "\"arn:aws:kms:eu-west-1:123456789012:key/a\"";
    assert_eq!(
        swap(engine, "\"arn:aws:kms:eu-west-1:123456789012:alias/a\""),
        ConfigError::EngineKey(ArnError::NotAKey)
    );
    assert_eq!(swap("key/b", "alias/b"), ConfigError::AppKey(ArnError::NotAKey));
    assert_eq!(swap("key/b", "key/a"), ConfigError::KeyService(KeyServiceError::SameKey));
    let refused = swap("region = \"eu-west-1\"", "region = \"us-east-1\"");
    let (region, of_keys) = ("us-east-1".to_owned(), "eu-west-1".to_owned());
    assert_eq!(refused, ConfigError::RegionMismatch { region, of_keys });
    let refused = swap(engine, "\"arn:aws:kms:us-east-1:123456789012:key/a\"");
    assert!(matches!(refused, ConfigError::KeyService(KeyServiceError::RegionMismatch { .. })));
}

#[test]
fn host_roots_parent_ports_and_genesis_are_checked() {
    let refused = |line: &str| with(line).unwrap_err();
    assert_eq!(refused("kms_host = \"127.0.0.1\""), ConfigError::KeyService(KeyServiceError::Host));
    assert_eq!(refused("tls_roots = \"hello\""), ConfigError::Roots(RootsError::NotPem));
    for found in [0, 1, u32::MAX] {
        assert_eq!(refused(&format!("parent_cid = {found}")), ConfigError::ParentCid { found });
    }
    assert_eq!(refused("[ports]\nstore = 5000"), ConfigError::Port { port: 5000 });
    assert_eq!(refused("[ports]\nheartbeat = 5002"), ConfigError::Port { port: 5002 });
    assert_eq!(refused("[ports]\nkms = 0"), ConfigError::Port { port: 0 });
    let refused = refused("genesis = \"genesis.json\"");
    assert_eq!(refused, ConfigError::GenesisPath("genesis.json".into()));
}
