//! Goal: every row of the tables in `specs/authority.md` holds.

mod cases;
mod reads;

use cases::{RowCase, case};
use mortise_format::reject::Reject;
use mortise_rpc::Method;
use mortise_testkit::keys::{Asked, Party, SignedBy};
use mortise_testkit::model::Answer;
use std::collections::BTreeSet;

/// A row of the first table.
#[derive(Debug)]
struct Row {
    method: String,
    about: String,
    signed_by: Vec<Party>,
    refusals: Vec<String>,
    asked_again: String,
    counts_against: Vec<Party>,
    logged: bool,
}

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/authority.md");
    std::fs::read_to_string(path).expect("the page is there")
}

/// The cells of every row that has this number of columns.
fn cells(page: &str, columns: usize) -> Vec<Vec<String>> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| {
        let cells = row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', ""));
        cells.collect::<Vec<_>>()
    });
    cells.filter(|cells| cells.len() == columns).collect()
}

fn parties(cell: &str) -> Vec<Party> {
    let named = cell.split(" + ").filter(|name| !matches!(*name, "-" | "nobody"));
    let party = |name: &str| {
        let found = Party::ALL.into_iter().find(|party| party.name() == name);
        found.unwrap_or_else(|| panic!("{name:?} is no party"))
    };
    named.map(party).collect()
}

fn rows() -> Vec<Row> {
    let row = |cells: Vec<String>| Row {
        method: cells[0].clone(),
        about: cells[1].clone(),
        signed_by: parties(&cells[2]),
        refusals: cells[3].split(", ").map(str::to_owned).collect(),
        asked_again: cells[4].clone(),
        counts_against: parties(&cells[5]),
        logged: match cells[6].as_str() {
            "yes" => true,
            "no" => false,
            other => panic!("{other:?} is neither yes nor no"),
        },
    };
    cells(&page(), 7).into_iter().map(row).collect()
}

impl Row {
    fn case(&self) -> RowCase {
        case(&self.method, &self.about)
    }

    #[track_caller]
    fn assert_refused(&self, answer: &Answer, by: &[Party]) {
        let (Answer::Refused(reject) | Answer::Remembered(reject)) = answer else {
            panic!("{self:?} by {by:?}: {answer:?}")
        };
        let name = reject.code().name();
        assert!(self.refusals.iter().any(|r| r == name), "{self:?} by {by:?}: {name}");
    }
}

/// Every list in which one signer is replaced by a party that may not sign. Observers are
/// interchangeable.
fn replaced(signers: &[Party]) -> Vec<Vec<Party>> {
    let mut all = Vec::new();
    for at in 0..signers.len() {
        let group = Some(&Party::OBSERVERS).filter(|group| group.contains(&signers[at]));
        let may = |party: &Party| {
            signers.contains(party) || group.is_some_and(|group| group.contains(party))
        };
        for other in Party::ALL.into_iter().filter(|party| !may(party)) {
            let mut by = signers.to_vec();
            by[at] = other;
            all.push(by);
        }
    }
    all
}

#[test]
fn every_method_has_a_row_and_every_row_names_a_method() {
    let mut named = BTreeSet::new();
    for cells in cells(&page(), 7).into_iter().chain(cells(&page(), 3)) {
        assert!(Method::from_name(&cells[0]).is_some(), "{} is no method", cells[0]);
        named.insert(cells[0].clone());
    }
    let missing = Method::ALL.iter().filter(|method| !named.contains(method.name()));
    assert_eq!(missing.map(|method| method.name()).collect::<Vec<_>>(), Vec::<&str>::new());
    let changing: BTreeSet<String> = rows().into_iter().map(|row| row.method).collect();
    let reading: BTreeSet<String> = cells(&page(), 3).into_iter().map(|c| c[0].clone()).collect();
    assert!(changing.is_disjoint(&reading), "a method is in one table only");
}

#[test]
fn listed_signers_succeed_and_are_counted_and_logged_as_listed() {
    for row in rows().iter().filter(|row| !row.signed_by.is_empty()) {
        let RowCase { mut engine, ask } = row.case();
        let before = engine.clone();
        let answer = engine.ask(&ask(&engine.signer, &row.signed_by));
        assert!(
            !matches!(answer, Answer::Refused(_) | Answer::Remembered(_)),
            "{row:?}: {answer:?}"
        );
        assert_eq!(engine.log.len() - before.log.len(), usize::from(row.logged), "{row:?}");
        let minute = engine.now_ms / 60_000;
        for party in Party::ALL {
            let count = |engine: &mortise_testkit::lockstep::Lockstep| {
                engine.state.principal(&party.address()).map_or(0, |p| p.commands_in(minute))
            };
            let counted = count(&engine) - count(&before);
            let expected = u32::from(row.counts_against.contains(&party));
            assert_eq!(counted, expected, "{row:?}: {}", party.name());
        }
    }
}

#[test]
fn any_other_party_in_place_of_a_signer_is_refused_as_listed() {
    for row in rows() {
        let wrong = match row.signed_by.is_empty() {
            true => Party::ALL.into_iter().map(|party| vec![party]).collect(),
            false => replaced(&row.signed_by),
        };
        for by in wrong {
            let RowCase { mut engine, ask } = row.case();
            let before = engine.state.snapshot();
            let answer = engine.ask(&ask(&engine.signer, &by));
            row.assert_refused(&answer, &by);
            assert_eq!(engine.state.snapshot(), before, "a refused signer changes nothing");
        }
    }
}

#[test]
fn request_that_lacks_a_signer_is_refused() {
    for row in rows().iter().filter(|row| row.signed_by.len() > 1 && row.method != "commitBatch") {
        for at in 0..row.signed_by.len() {
            let mut by = row.signed_by.clone();
            by.remove(at);
            let RowCase { mut engine, ask } = row.case();
            let answer = engine.ask(&ask(&engine.signer, &by));
            row.assert_refused(&answer, &by);
        }
    }
}

#[test]
fn repeated_request_is_answered_as_listed_and_executed_once() {
    for row in rows().iter().filter(|row| !row.signed_by.is_empty()) {
        let RowCase { mut engine, ask } = row.case();
        let asked = ask(&engine.signer, &row.signed_by);
        engine.ask(&asked);
        let (at, events) = (engine.last().0, engine.log.len());
        let again = engine.ask(&asked);
        match row.asked_again.as_str() {
            "same answer" => assert_eq!(again, Answer::Repeated(at), "{row:?}"),
            "refused" => assert!(matches!(again, Answer::Refused(_)), "{row:?}: {again:?}"),
            other => panic!("{other:?} is no scope"),
        }
        assert_eq!(engine.log.len(), events, "{row:?}");
    }
}

#[test]
fn signature_for_another_engine_is_refused() {
    for row in rows().iter().filter(|row| !row.signed_by.is_empty()) {
        let RowCase { mut engine, ask } = row.case();
        let other =
            mortise_testkit::keys::TestSigner::new(mortise_format::ids::EngineId([0xe0; 32]));
        let Asked { command, .. } = ask(&other, &row.signed_by);
        let signers = vec![SignedBy::NoOne; row.signed_by.len()];
        let answer = engine.ask(&Asked { command, signers });
        let refused = matches!(
            answer,
            Answer::Refused(Reject::InvalidSignature | Reject::Unauthorized | Reject::LockNotFound)
        );
        assert!(refused, "{row:?}: {answer:?}");
    }
}
