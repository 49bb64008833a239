//! The story of a recorded log: random work, then every event and refusal, and each time rule at,
//! just before and just after its boundary. Restarts divide it into epochs.

use crate::audit::work;
use mortise_engine::api::{NotDone, Reply};
use mortise_engine::pipeline::Settings;
use mortise_format::U256;
use mortise_format::asset::Asset;
use mortise_format::command::CancelForm;
use mortise_format::eip712::{Claim, Request};
use mortise_format::event::Event;
use mortise_format::fact::{BalanceFact, Withdrawal};
use mortise_format::ids::{Bytes32, LockId, Measurement};
use mortise_format::images::ImageApproval;
use mortise_format::lock::LockTerms;
use mortise_format::reading::ReadingGrant;
use mortise_format::rules::RuleSet;
use mortise_testkit::driver::{Driver, Response};
use mortise_testkit::keys::{Asked, Party};
use mortise_testkit::scenario::{
    self, LOCK_S_MAX, LOCK_S_MIN, RETENTION_S, SHORT_NOTICE_CHAIN, UNSERVED_CHAIN, claim, escrowed,
    leg, plain_terms, request_until, terms,
};

/// Steps of random work before the story.
const STEPS: u32 = 260;

/// An engine after so many steps of random work under these rules.
pub fn busy(seed: u64, rules: RuleSet, steps: u32) -> Driver {
    let settings = Settings { snapshot_frames: 9, ..Settings::default() };
    let mut driver = Driver::new(seed, settings);
    driver.code.rules = Some(rules);
    driver.boot().expect("an empty disk boots");
    driver.settle();
    work(&mut driver, steps);
    driver
}

/// The engine after random work and the whole story, once under each of these rules.
pub fn told(seed: u64, rules: &[RuleSet]) -> Driver {
    let driver = busy(seed, rules[0], STEPS);
    let mut story = Story { driver, next_request: 1_000_000, next_head: 0 };
    for (number, rules) in rules.iter().enumerate() {
        story.switch(*rules);
        story.chapter(number);
    }
    story.driver
}

struct Story {
    driver: Driver,
    next_request: u64,
    next_head: u64,
}

impl Story {
    /// Restarts under these rules: by the operators' approval, which every later boot follows.
    fn switch(&mut self, rules: RuleSet) {
        let state = self.driver.pipeline().machine().state();
        let serial = state.next_approval().expect("few approvals");
        let minimum_version = state.minimum_version();
        let valid_until = self.now_s() + 600;
        let images = vec![Measurement([7; 48])];
        let approval = ImageApproval { serial, images, minimum_version, rules, valid_until };
        let asked = self.driver.signer().approve_images(&[Party::Operator], &approval);
        self.logged(&asked);
        self.driver.code.rules = None;
        self.driver.restart();
        self.quiet();
    }

    fn chapter(&mut self, number: usize) {
        self.readings(number);
        self.grants();
        self.facts();
        self.limits();
        self.ends_of_time();
        self.ends_of_requests();
        self.driver.restart();
        self.cancels();
        self.quiet();
    }

    fn now_s(&self) -> u64 {
        let newest = self.driver.pipeline().machine().head().time_ms;
        self.driver.now_ms.max(newest) / 1000
    }

    /// Moves the clock to a second and lets what is due happen.
    fn at(&mut self, second: u64) {
        self.driver.now_ms = second * 1000;
        self.driver.tick();
        self.driver.settle();
    }

    /// Ends every lock.
    fn quiet(&mut self) {
        for _ in 0..4 {
            let now_s = self.now_s();
            self.at(now_s + LOCK_S_MAX + RETENTION_S + 1200);
            self.driver.sweep();
        }
        let state = self.driver.pipeline().machine().state();
        assert!(state.locks().all(|lock| !lock.status.is_open()), "all have ended");
    }

    fn request(&mut self) -> Request {
        self.next_request += 1;
        request_until(self.next_request, self.now_s() + 3000)
    }

    fn nonce(&self, owner: Party) -> u64 {
        let state = self.driver.pipeline().machine().state();
        let nonces = state.principal(&owner.address()).map(|p| p.nonces).unwrap_or_default();
        nonces.next_free(state.rules(), self.now_s())
    }

    fn terms(&self, owner: Party, amount: u64, seconds: u64) -> LockTerms {
        let expires = self.now_s() + seconds;
        let nonce = self.nonce(owner);
        LockTerms { expires, nonce, ..terms(owner, 0, amount) }
    }

    /// The event that answers a command.
    #[track_caller]
    fn logged(&mut self, asked: &Asked) -> Event {
        match self.driver.answer(asked) {
            reply @ Ok(Reply::Logged(..)) => Response::of(&reply).event,
            other => panic!("{asked:?}: {other:?}"),
        }
    }

    /// Asks what is granted.
    #[track_caller]
    fn granted(&mut self, asked: &Asked) {
        let event = self.logged(asked);
        assert!(!matches!(event, Event::CommandRefused { .. }), "{event:?}");
    }

    /// Asks what is refused, logged or not.
    #[track_caller]
    fn refused(&mut self, asked: &Asked) {
        match self.driver.answer(asked) {
            Err(NotDone::Refused(_)) => {}
            reply @ Ok(Reply::Logged(..)) => {
                let event = Response::of(&reply).event;
                assert!(matches!(event, Event::CommandRefused { .. }), "{event:?}");
            }
            other => panic!("{asked:?}: {other:?}"),
        }
    }

    fn intent(&mut self, owner: Party, terms: &LockTerms) -> Asked {
        let request = self.request();
        self.driver.signer().commit(owner, terms, request)
    }

    fn commit(&mut self, owner: Party, amount: u64, seconds: u64) -> LockId {
        let terms = self.terms(owner, amount, seconds);
        let asked = self.intent(owner, &terms);
        self.granted(&asked);
        self.driver.signer().lock_id(&terms)
    }

    fn claim_asked(&mut self, lock_id: LockId, index: u32, amount: u64) -> Asked {
        let request = self.request();
        self.driver.signer().claim(Party::Arbiter, &claim(lock_id, index, amount, request))
    }

    fn release(&mut self, lock_id: LockId) -> Asked {
        let request = self.request();
        self.driver.signer().release(Party::Beneficiary, lock_id, request)
    }

    fn extend(&mut self, lock_id: LockId, expires: u64) -> Asked {
        let request = self.request();
        self.driver.signer().extend(Party::Owner, lock_id, expires, request)
    }

    fn readings(&mut self, number: usize) {
        let request = self.request();
        let byte = 0x40 + u8::try_from(number).expect("few chapters");
        let grant =
            ReadingGrant { reader: Bytes32([byte; 32]), from_epoch: 1, to_epoch: 0, request };
        let asked = self.driver.signer().grant_reading(&[Party::Operator], &grant);
        self.granted(&asked);
    }

    /// One lock, several, all or none, by approval; claims in parts and whole.
    fn grants(&mut self) {
        let first = self.commit(Party::Owner, 100, 600);
        let parts: Vec<_> = [Party::Owner, Party::OtherOwner]
            .map(|owner| (owner, self.terms(owner, 50, 600), self.request()))
            .into();
        let asked = self.driver.signer().commit_all(&parts);
        self.granted(&asked);
        let expires = self.now_s() + 300;
        let nonce = self.nonce(Party::Owner);
        let draft = LockTerms { expires, nonce, ..plain_terms(Party::Owner, 0, 20) };
        let asked = self.driver.signer().approve(Party::Owner, &draft);
        self.granted(&asked);
        let asked = self.claim_asked(first, 0, 101);
        self.refused(&asked);
        for (index, amount) in [(0, 40), (1, 60)] {
            let asked = self.claim_asked(first, index, amount);
            self.granted(&asked);
        }
        let asked = self.release(first);
        self.refused(&asked);
        let two_legs = LockTerms {
            legs: vec![leg(scenario::coin(), 5), leg(scenario::token(), 6)],
            ..self.terms(Party::Owner, 1, 600)
        };
        let asked = self.intent(Party::Owner, &two_legs);
        self.granted(&asked);
        let request = self.request();
        let whole = Claim {
            amounts: vec![U256::from(5u64), U256::from(6u64)],
            ..claim(self.driver.signer().lock_id(&two_legs), 0, 0, request)
        };
        let asked = self.driver.signer().claim(Party::Arbiter, &whole);
        self.granted(&asked);
    }

    fn fact(&mut self, age: u64, change: impl FnOnce(&mut BalanceFact)) -> Asked {
        // As many blocks as seconds, so that any bound on their number holds.
        self.next_head = self.next_head.max(self.now_s() - scenario::START_S + 10_000) + 1;
        let head_time = self.now_s() - age;
        let mut fact = scenario::fact(Party::Owner, 1000, self.next_head, head_time);
        change(&mut fact);
        self.driver.signer().fact(&[Party::ObserverA, Party::ObserverB], &fact)
    }

    fn escrow_lock(&mut self, amount: u64, seconds: u64) -> LockTerms {
        let legs = vec![leg(escrowed(), amount)];
        LockTerms { legs, ..self.terms(Party::Owner, amount, seconds) }
    }

    /// Facts and what rests on them: age, balance, withdrawal, notice.
    fn facts(&mut self) {
        let locked = self.escrow_lock(100, 600);
        let asked = self.intent(Party::Owner, &locked);
        self.refused(&asked);
        let asked = self.fact(0, |_| {});
        self.granted(&asked);
        let locked = self.escrow_lock(900, 600);
        let asked = self.intent(Party::Owner, &locked);
        self.granted(&asked);
        let more = self.escrow_lock(101, 600);
        let asked = self.intent(Party::Owner, &more);
        self.refused(&asked);
        let rest = self.escrow_lock(100, 600);
        let asked = self.intent(Party::Owner, &rest);
        self.granted(&asked);
        let asked = self.fact(0, |fact| fact.withdrawal = Withdrawal::Requested);
        self.granted(&asked);
        let locked = self.escrow_lock(1, 600);
        let asked = self.intent(Party::Owner, &locked);
        self.refused(&asked);
        // A fact serves until it is as old as the policy allows.
        let asked = self.fact(0, |fact| fact.balance = U256::from(2000u64));
        self.granted(&asked);
        let then = self.now_s() + scenario::FACT_AGE_S_MAX;
        for (second, serves) in [(then - 1, true), (then, true), (then + 1, false)] {
            self.at(second);
            let locked = self.escrow_lock(1, 600);
            let asked = self.intent(Party::Owner, &locked);
            if serves { self.granted(&asked) } else { self.refused(&asked) }
        }
        self.quiet();
        let short = Asset::native(SHORT_NOTICE_CHAIN);
        let asked = self.fact(0, |fact| fact.asset = short);
        self.granted(&asked);
        let legs = vec![leg(short, 1)];
        let locked = LockTerms { legs, ..self.terms(Party::Owner, 1, 900) };
        let asked = self.intent(Party::Owner, &locked);
        self.refused(&asked);
        self.quiet();
    }

    fn limits(&mut self) {
        let too_much = self.terms(Party::Owner, scenario::SINGLE_MAX + 1, 600);
        let asked = self.intent(Party::Owner, &too_much);
        self.refused(&asked);
        let mut elsewhere = self.terms(Party::Owner, 1, 600);
        elsewhere.legs = vec![leg(Asset::native(UNSERVED_CHAIN), 1)];
        let asked = self.intent(Party::Owner, &elsewhere);
        self.refused(&asked);
        for owner in [Party::Owner, Party::OtherOwner] {
            for _ in 0..2 {
                self.commit(owner, scenario::SINGLE_MAX, 600);
            }
        }
        let over_all = self.terms(Party::Owner, 1, 600);
        let asked = self.intent(Party::Owner, &over_all);
        self.refused(&asked);
        self.quiet();
        for _ in 0..scenario::CONCURRENT_MAX {
            self.commit(Party::Owner, 1, 600);
        }
        let one_more = self.terms(Party::Owner, 1, 600);
        let asked = self.intent(Party::Owner, &one_more);
        self.refused(&asked);
        self.quiet();
    }

    /// Each time rule of a lock: one before, at, one after.
    fn ends_of_time(&mut self) {
        for (seconds, fits) in [
            (LOCK_S_MIN - 1, false),
            (LOCK_S_MIN, true),
            (LOCK_S_MIN + 1, true),
            (LOCK_S_MAX - 1, true),
            (LOCK_S_MAX, true),
            (LOCK_S_MAX + 1, false),
        ] {
            let terms = self.terms(Party::Owner, 1, seconds);
            let asked = self.intent(Party::Owner, &terms);
            if fits { self.granted(&asked) } else { self.refused(&asked) }
        }
        self.quiet();
        let [a, b, c] = [0; 3].map(|_| self.commit(Party::Owner, 10, 600));
        let expires = self.now_s() + 600;
        self.at(expires - 1);
        let asked = self.extend(a, expires + 60);
        self.granted(&asked);
        self.at(expires);
        let asked = self.extend(b, expires + 60);
        self.refused(&asked);
        let claim_by = expires + scenario::CLAIM_WINDOW_S;
        self.at(claim_by - 1);
        let asked = self.claim_asked(b, 0, 4);
        self.granted(&asked);
        self.at(claim_by);
        let asked = self.claim_asked(b, 1, 6);
        self.refused(&asked);
        let asked = self.release(c);
        self.refused(&asked);
        self.at(claim_by + 60);
        let settle_by = claim_by + scenario::BUFFER_S;
        for second in [settle_by - 1, settle_by, settle_by + 1] {
            self.at(second);
            self.driver.sweep();
        }
        self.quiet();
    }

    /// A request is good until its `validUntil`, and for no more than a day; its id is remembered
    /// until then.
    fn ends_of_requests(&mut self) {
        let now_s = self.now_s();
        for (valid_until, fits) in [
            (now_s - 1, false),
            (now_s, true),
            (now_s + 24 * 3600, true),
            (now_s + 24 * 3600 + 1, false),
        ] {
            self.next_request += 1;
            let request = request_until(self.next_request, valid_until);
            let terms = self.terms(Party::Owner, 1, 600);
            let asked = self.driver.signer().commit(Party::Owner, &terms, request);
            if fits { self.granted(&asked) } else { self.refused(&asked) }
        }
        let terms = self.terms(Party::Owner, 1, 600);
        let asked = self.intent(Party::Owner, &terms);
        self.granted(&asked);
        assert!(matches!(self.driver.answer(&asked), Ok(Reply::Logged(..))), "the same answer");
        let again = LockTerms { nonce: terms.nonce, ..self.terms(Party::Owner, 2, 601) };
        let asked = self.intent(Party::Owner, &again);
        self.refused(&asked);
        self.quiet();
    }

    /// Cancellations in every form, of locks and of drafts.
    fn cancels(&mut self) {
        let (owner, taker) = (Party::Owner, Party::Beneficiary);
        for forms in [
            [CancelForm::Consent(self.request()), CancelForm::Consent(self.request())],
            [CancelForm::Text, CancelForm::ServerHash],
        ] {
            let lock_id = self.commit(owner, 3, 600);
            let alone = self.driver.signer().cancel(lock_id, &[(owner, forms[0])]);
            self.refused(&alone);
            let both = [(owner, forms[0]), (taker, forms[1])];
            let asked = self.driver.signer().cancel(lock_id, &both);
            self.granted(&asked);
        }
        let lock_id = self.commit(owner, 3, 600);
        let asked = self.release(lock_id);
        self.granted(&asked);
        for form in [CancelForm::Text, CancelForm::Consent(self.request())] {
            let (expires, nonce) = (self.now_s() + 300, self.nonce(owner));
            let draft = LockTerms { expires, nonce, ..plain_terms(owner, 0, 3) };
            let asked = self.driver.signer().cancel_draft(owner, &draft, form);
            self.granted(&asked);
        }
    }
}
