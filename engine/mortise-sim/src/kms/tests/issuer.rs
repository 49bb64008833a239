//! An authority that issues attestation documents of the real shape for these tests, with another
//! crypto library than the one under test.

use crate::kms::der::{bits, extension, name, oid, sequence, serial, tlv};
use crate::kms::time::x509;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use mortise_verify::attestation::RootFingerprint;

const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const SECP384R1: &[u8] = &[0x2b, 0x81, 4, 0, 0x22];

/// Root, region, zone, instance, leaf: their keys in PKCS #8, and their certificates.
pub struct Issuer {
    keys: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
}

/// The variable contents of a document.
#[derive(Clone)]
pub struct Plan {
    pub timestamp_ms: u64,
    /// Registers 0 to 15 are 48 times their number plus this; all zero in debug mode.
    pub pcr_base: Option<u8>,
    pub public_key: Option<Vec<u8>>,
    /// A signature of zeros, as emulators write it.
    pub unsigned: bool,
}

impl Issuer {
    /// Certificates that are valid for three hours around this second.
    pub fn new(now_s: u64) -> Self {
        let new_key = |_| {
            let random = SystemRandom::new();
            let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random);
            key.unwrap().as_ref().to_vec()
        };
        let keys: Vec<_> = (0..5).map(new_key).collect();
        let certificates = (0..5).map(|place| certificate(&keys, place, now_s)).collect();
        Self { keys, certificates }
    }

    pub fn root(&self) -> RootFingerprint {
        RootFingerprint::of_der(&self.certificates[0])
    }

    pub fn issue(&self, plan: &Plan) -> Vec<u8> {
        let bundle: Vec<_> = self.certificates[..4].iter().map(|der| bstr(der)).collect();
        let pcrs = (0..16_u8).map(|index| {
            [head(0, index.into()), bstr(&[plan.pcr_base.map_or(0, |base| index + base); 48])]
                .concat()
        });
        let mut pcrs = array(4, &pcrs.collect::<Vec<_>>());
        pcrs[0] |= 0x20;
        let fields = [
            [tstr("module_id"), tstr("i-0123456789abcdef0-enc0123456789abcdef")].concat(),
            [tstr("digest"), tstr("SHA384")].concat(),
            [tstr("timestamp"), head(0, plan.timestamp_ms)].concat(),
            [tstr("pcrs"), pcrs].concat(),
            [tstr("certificate"), bstr(&self.certificates[4])].concat(),
            [tstr("cabundle"), array(4, &bundle)].concat(),
            [tstr("public_key"), plan.public_key.as_deref().map_or(vec![0xf6], bstr)].concat(),
            [tstr("user_data"), vec![0xf6]].concat(),
            [tstr("nonce"), vec![0xf6]].concat(),
        ];
        let mut payload = array(4, &fields);
        payload[0] |= 0x20;
        let protected = bstr(&[0xa1, 0x01, 0x38, 0x22]);
        let signed =
            [head(4, 4), tstr("Signature1"), protected.clone(), bstr(&[]), bstr(&payload)].concat();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &self.keys[4]).unwrap();
        let signature = match plan.unsigned {
            true => vec![0; 64],
            false => key.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec(),
        };
        [head(4, 4), protected, vec![0xa0], bstr(&payload), bstr(&signature)].concat()
    }
}

fn certificate(keys: &[Vec<u8>], place: usize, now_s: u64) -> Vec<u8> {
    let (constraints, usage): (&[u8], &[u8]) = match place {
        0 => (&[0x30, 3, 1, 1, 0xff], &[3, 2, 1, 0x86]),
        1 => (&[0x30, 6, 1, 1, 0xff, 2, 1, 2], &[3, 2, 1, 0x86]),
        2 => (&[0x30, 6, 1, 1, 0xff, 2, 1, 1], &[3, 2, 1, 0x86]),
        3 => (&[0x30, 6, 1, 1, 0xff, 2, 1, 0], &[3, 2, 2, 4]),
        _ => (&[0x30, 0], &[3, 2, 6, 0xc0]),
    };
    let named = |place: usize| name(&format!("{place}.test"));
    let pair = |place: usize| {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &keys[place]).unwrap()
    };
    let times = [now_s - 60, now_s + 3 * 3600].map(|unix_s| {
        let (tag, text) = x509(unix_s);
        tlv(tag, text.as_bytes())
    });
    let above = place.saturating_sub(1);
    let algorithm = sequence(&[&oid(ECDSA_SHA384)]);
    let curve = sequence(&[&oid(EC_PUBLIC_KEY), &oid(SECP384R1)]);
    let extensions = [extension(19, true, constraints), extension(15, place != 4, usage)];
    let signed = sequence(&[
        &tlv(0xa0, &tlv(0x02, &[2])),
        &serial([7; 16]),
        &algorithm,
        &named(above),
        &sequence(&[&times[0], &times[1]]),
        &named(place),
        &sequence(&[&curve, &bits(pair(place).public_key().as_ref())]),
        &tlv(0xa3, &tlv(0x30, &extensions.concat())),
    ]);
    let signature = pair(above).sign(&SystemRandom::new(), &signed).unwrap();
    sequence(&[&signed, &algorithm, &bits(signature.as_ref())])
}

fn head(major: u8, argument: u64) -> Vec<u8> {
    let bytes = argument.to_be_bytes();
    let (info, from) = match argument {
        0..24 => return vec![major << 5 | bytes[7]],
        24..=0xff => (24, 7),
        0x100..=0xffff => (25, 6),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 0),
    };
    [&[major << 5 | info], &bytes[from..]].concat()
}

fn bstr(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len().try_into().unwrap()), bytes.to_vec()].concat()
}

fn tstr(text: &str) -> Vec<u8> {
    [head(3, text.len().try_into().unwrap()), text.as_bytes().to_vec()].concat()
}

fn array(major: u8, items: &[Vec<u8>]) -> Vec<u8> {
    [head(major, items.len().try_into().unwrap()), items.concat()].concat()
}
