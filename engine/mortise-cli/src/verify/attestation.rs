//! `mortise verify attestation`: which code holds the keys of an engine.
//!
//! ```text
//! engine: fresh nonce -> getAttestation -> live check -+-> one boot? -> pinned engine? -> report
//!         getBootAttestation ------------> archived ---+
//! file:   --nonce -> live check,   --at-its-own-time -> archived check ----------------> report
//! ```
//! Each document is checked twice: first under the named roots for any image, which gives the
//! registers that the caller left out; then under the whole policy. Only that result is printed.

use super::WitnessArgs;
use super::advice;
use super::anchors::{ImageArgs, Images, TrustAnchors, pcr, root};
use super::report::{Mode, Passed, Report};
use super::source::{Source, hex};
use crate::anchors::{Anchors, AnchorsFile};
use crate::connection::ConnectionArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;
use mortise_client::attestation::{verify, verify_boot};
use mortise_client::{ClientError, Proven, Trust, random_request_id};
use mortise_format::ids::Bytes32;
use mortise_format::pcr::Pcr;
use mortise_rpc::HexBytes;
use mortise_rpc::params::GetBootAttestation;
use mortise_rpc::results::{Attestation, BootAttestation};
use mortise_verify::attestation::{
    AWS_NITRO_ROOT_G1, ArchivedCheck, AttestationError, Claims, Document, Expect, LiveCheck,
    verify_archived, verify_live,
};
use serde_json::json;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

const EXAMPLES: &str = "\
Without FILE, the command requests two documents from the engine at --url: one with a fresh nonce, \
which must be new and name the newest state, and the one of its boot. Both must bind the same keys.

With FILE, the command does not connect. Pass the nonce of your request (--nonce, 32 bytes; the \
document must be new), or --at-its-own-time to check the document at the time that it states, \
which proves nothing about today.

Examples:
  mortise verify attestation --root .mortise/dev/nitro-root.pem --pcr0 $PCR0
  mortise verify attestation --pcr0 $OLD --pcr0 $NEW --pcr1 ... --pcr2 ...    an upgrade, under AWS
  mortise verify attestation boot.cose --at-its-own-time --any-image          inspection only
  mortise verify attestation --pcr0 $PCR0 --drawn-inside     fails without a genesis document
  mortise --json verify attestation answer.json --nonce $NONCE --pcr0 $PCR0

Exit codes: 0 proven, 1 refused (the name of the check that failed comes first), 2 wrong usage,
3 no answer, 4 not ready.";

/// Flags of `mortise verify attestation`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct AttestationArgs {
    /// A document (bytes, hex or base64) or an engine's answer (JSON); - for stdin.
    file: Option<PathBuf>,

    #[command(flatten)]
    image: ImageArgs,

    /// Nonce of the request that FILE answers.
    #[arg(long, value_name = "HEX", requires = "file", value_parser = nonce)]
    nonce: Option<HexBytes>,

    /// Check the document in FILE at the time that it states.
    #[arg(long, requires = "file")]
    at_its_own_time: bool,

    /// The same as in other commands: `document` is --at-its-own-time, `live` is now.
    #[arg(
        long,
        requires = "file",
        conflicts_with = "at_its_own_time",
        value_name = "live|document"
    )]
    at: Option<At>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The time at which a document is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum At {
    /// Now.
    Live,
    /// The time that it states.
    Document,
}

fn nonce(text: &str) -> Result<HexBytes, String> {
    hex(text).map(HexBytes).ok_or_else(|| "a nonce has an even number of hex digits".to_owned())
}

/// Registers of the flags and of the anchors file.
fn with(flags: &[Pcr], file: &[String]) -> Result<Vec<Pcr>, Failure> {
    let of_file: Result<Vec<Pcr>, String> = file.iter().map(|text| pcr(text)).collect();
    Ok([flags, &of_file.map_err(Failure::usage)?].concat())
}

/// Runs `mortise verify attestation`.
pub(super) async fn run(
    args: &AttestationArgs,
    output: &Output,
    allow_partial: bool,
) -> Result<(), Failure> {
    let file = args.read_anchors()?;
    // Not of use here, and refused all the same when no witness can reach it.
    WitnessArgs::default().read(&file)?;
    let trust = args.trust(&file)?;
    let anchors = AllAnchors { file, trust };
    warn(&anchors.trust.images, output);
    match &args.file {
        Some(file) => {
            let report = args.verify_file(Source::read(file)?, &anchors)?;
            output.text(&report, &report.text());
            report.ended(allow_partial)
        }
        None => verify_engine(&args.connection, &anchors, output, allow_partial).await,
    }
}

/// Everything that the caller trusts.
struct AllAnchors {
    file: Anchors,
    trust: TrustAnchors,
}

impl AllAnchors {
    fn passed(&self, mode: Mode) -> Passed<'_> {
        Passed { mode, trust: &self.trust, file: &self.file }
    }
}

/// Prints what weakens the check, before anything else and never on stdout.
fn warn(images: &Images, output: &Output) {
    if matches!(images, Images::Any) {
        output.note(
            "WARNING: --any-image: ANY code passes; do not trust the keys or the state below",
        );
    }
    for index in images.unnamed() {
        output.note(&format!("note: PCR{index} is not named: using the value in the document"));
    }
}

impl AttestationArgs {
    /// The anchors file. The first use of a connection creates it, so it may not exist yet.
    fn read_anchors(&self) -> Result<Anchors, Failure> {
        let path = self.connection.anchors.as_deref();
        match self.file {
            Some(_) => Anchors::read(path),
            None => AnchorsFile::new(path).read(),
        }
    }

    fn trust(&self, file: &Anchors) -> Result<TrustAnchors, Failure> {
        let texts = self.image.root.iter().chain(&file.roots);
        let named: Result<Vec<_>, Failure> = texts.map(|text| root(text)).collect();
        let mut roots = named?.concat();
        if roots.is_empty() {
            roots.push(AWS_NITRO_ROOT_G1);
        }
        let images = [&file.pcr0, &file.pcr1, &file.pcr2].map(Vec::is_empty);
        if images.contains(&true) && images.contains(&false) {
            return Err(Failure::usage(
                "the anchors file names only a part of an image\n  next: name pcr0, pcr1 and pcr2",
            ));
        }
        if self.image.any_image && images == [false; 3] {
            return Err(Failure::usage(
                "--any-image conflicts with the images of the anchors file",
            ));
        }
        let pcr0 = with(&self.image.pcr0, &file.pcr0)?;
        let (pcr1, pcr2) =
            (with(&self.image.pcr1, &file.pcr1)?, with(&self.image.pcr2, &file.pcr2)?);
        let pcr8 = with(&self.image.pcr8, &file.pcr8)?;
        let named = [(0, &*pcr0), (1, &*pcr1), (2, &*pcr2), (8, &*pcr8)];
        let images = Images::of_flags(self.image.any_image, named)?;
        Ok(TrustAnchors { roots, images, limit: file.limit(), origin: self.image.origin() })
    }

    fn is_archived(&self) -> bool {
        self.at_its_own_time || self.at == Some(At::Document)
    }

    fn verify_file(&self, source: Source, anchors: &AllAnchors) -> Result<Report, Failure> {
        match (source, self.is_archived()) {
            (Source::Document(_), _) if self.image.drawn_inside => Err(Failure::usage(
                "--drawn-inside: a document alone names no engine\n  next: pass the whole answer \
                 of the engine, or connect to it",
            )),
            (Source::Document(bytes), true) => self.archived(&bytes, anchors),
            (Source::Document(bytes), false) => self.live(&bytes, anchors),
            (Source::Boot(answer), true) => {
                let proven = prove_boot(&answer, &anchors.trust)?;
                anchors.passed(Mode::Archived).proven(&proven)
            }
            (Source::Live(answer), false) => {
                let proven = prove_live(&answer, &self.live_nonce()?, &anchors.trust)?;
                anchors.passed(Mode::Live).proven(&proven)
            }
            (Source::Boot(_), false) => Err(Failure::usage(
                "the answer is the document of a boot, without a nonce\n  next: pass \
                 --at-its-own-time, or connect to the engine",
            )),
            (Source::Live(_), true) => Err(Failure::usage(
                "the answer belongs to a request with a nonce\n  next: pass that nonce with \
                 --nonce, without --at-its-own-time",
            )),
        }
    }

    fn live_nonce(&self) -> Result<Bytes32, Failure> {
        let usage = |what: &str| {
            Failure::usage(format!(
                "{what}\n  next: pass the 32 bytes of your request (--nonce HEX), or \
                 --at-its-own-time"
            ))
        };
        let given =
            self.nonce.as_ref().ok_or_else(|| usage("a file alone proves nothing about now"))?;
        let whole = given.0.as_slice().try_into().map(Bytes32);
        whole.map_err(|_| usage("the nonce of a live check has 32 bytes"))
    }

    fn live(&self, bytes: &[u8], anchors: &AllAnchors) -> Result<Report, Failure> {
        let (nonce, now_ms) = (self.live_nonce()?, now_ms());
        let look = |trust: &Trust| {
            let (claims, nonce) = (Claims::unchecked(), &nonce.0);
            let (roots, pcrs) = (trust.roots.as_slice(), &trust.pcrs);
            let check = LiveCheck { roots, pcrs, claims, nonce, now_ms };
            verify_live(bytes, &check).map(|verified| verified.document().clone())
        };
        report_of_document(look, Mode::Live, anchors)
    }

    fn archived(&self, bytes: &[u8], anchors: &AllAnchors) -> Result<Report, Failure> {
        let look = |trust: &Trust| {
            let nonce =
                self.nonce.as_ref().map_or(Expect::Anything, |nonce| Expect::Bytes(&nonce.0));
            let (roots, pcrs) = (trust.roots.as_slice(), &trust.pcrs);
            let check = ArchivedCheck { roots, pcrs, claims: Claims::unchecked(), nonce };
            verify_archived(bytes, &check).map(|verified| verified.document().clone())
        };
        report_of_document(look, Mode::Archived, anchors)
    }
}

fn report_of_document(
    look: impl Fn(&Trust) -> Result<Document, AttestationError>,
    mode: Mode,
    anchors: &AllAnchors,
) -> Result<Report, Failure> {
    let trust = &anchors.trust;
    let shown = look(&trust.any_image()).map_err(|error| advice::document(&error))?;
    let verified = look(&trust.trust(&shown, None)?).map_err(|error| advice::document(&error))?;
    anchors.passed(mode).document(&verified)
}

fn prove_live(
    answer: &Attestation,
    nonce: &Bytes32,
    anchors: &TrustAnchors,
) -> Result<Proven, Failure> {
    let now_ms = now_ms();
    let look =
        |trust: &Trust| verify(answer, nonce, now_ms, trust).map_err(|error| advice::proof(&error));
    let shown = look(&anchors.any_image())?;
    look(&anchors.trust(shown.document(), shown.genesis())?)
}

fn prove_boot(answer: &BootAttestation, anchors: &TrustAnchors) -> Result<Proven, Failure> {
    let look = |trust: &Trust| verify_boot(answer, trust).map_err(|error| advice::proof(&error));
    let shown = look(&anchors.any_image())?;
    look(&anchors.trust(shown.document(), shown.genesis())?)
}

async fn verify_engine(
    connection: &ConnectionArgs,
    anchors: &AllAnchors,
    output: &Output,
    allow_partial: bool,
) -> Result<(), Failure> {
    let session = Session::open(connection, output)?;
    let nonce = Bytes32(random_request_id().0);
    let answer = session.client.attestation(nonce).await?;
    let live = prove_live(&answer, &nonce, &anchors.trust)?;
    let boot = session.client.boot_attestation(GetBootAttestation { nonce: None }).await?;
    let boot = prove_boot(&boot, &anchors.trust)?;
    if boot.binding() != live.binding() {
        return Err(Failure::check(
            "the document of the boot binds other keys than the fresh one\n  next: the engine may \
             have restarted between the two requests: run this again; if it persists, trust \
             neither",
        ));
    }
    check_pinned(&session, &live).await?;
    session.check_named().await?;
    let live = anchors.passed(Mode::Live).proven(&live)?;
    let boot = anchors.passed(Mode::Archived).proven(&boot)?;
    let text = format!("{}{}", live.text(), boot.text());
    output.text(&json!({"live": live, "boot": boot}), &text);
    session.close().await?;
    live.ended(allow_partial)?;
    boot.ended(allow_partial)
}

/// The pinned engine, or the engine that answers other calls on this connection.
async fn check_pinned(session: &Session<'_>, proven: &Proven) -> Result<(), Failure> {
    let (met, bound) = (session.identity().await?, proven.identity());
    if met == bound {
        return Ok(());
    }
    Err(Failure::from(ClientError::Identity {
        expected_id: met.engine_id,
        expected: met.address,
        found_id: bound.engine_id,
        found: bound.address,
    }))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
