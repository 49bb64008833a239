//! Witnesses in this process: the decisions of `mortise witness` without its sockets, and failures
//! between engine and witness.

use crate::scenario::START_S;
use mortise_engine::ports::{Clock as _, PortFuture, WitnessUnreachable, Witnesses};
use mortise_format::note::NoteKey;
use mortise_format::policy::Policy;
use mortise_format::witness::WitnessKey;
use mortise_sim::SystemClock;
use mortise_witness::{Answer, KnownLogs, MemoryHeads, Witness, WitnessSigner};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// What happens to a request to a witness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WitnessBehaviour {
    /// It arrives, and so does the answer.
    #[default]
    Open,
    /// It never arrives.
    Cut,
    /// It arrives; the answer is lost.
    AnswerLost,
    /// It never arrives; a carrier answers 409 with this size.
    SaysAhead(u64),
    /// It never arrives; a carrier answers 422.
    SaysFork,
    /// It never arrives; a carrier answers with the last cosignature of the same checkpoint that it
    /// carried, which is as old as it is.
    SaysLast,
}

/// One witness.
#[derive(Debug)]
struct Member {
    key: WitnessKey,
    witness: Mutex<Witness>,
    behaviour: Mutex<WitnessBehaviour>,
    /// The last cosignature of each checkpoint that a carrier carried.
    last: Mutex<BTreeMap<Vec<u8>, Answer>>,
    /// Seconds that its clock is ahead.
    ahead_s: Mutex<i64>,
}

/// Some witnesses, which engines share.
#[derive(Debug, Clone)]
pub struct Bench(Arc<(Vec<Member>, Mutex<KnownLogs>, AtomicU64)>);

impl Bench {
    /// `count` witnesses that have cosigned nothing.
    ///
    /// # Panics
    /// With more than a few.
    pub fn new(count: u8) -> Self {
        let member = |n: u8| {
            let name = format!("w{n}.example");
            let witness = blank(&name, n);
            let key = WitnessKey { key: *witness.signer().verifier().public_key(), name };
            let (behaviour, last, ahead_s) = Default::default();
            Member { key, witness: Mutex::new(witness), behaviour, last, ahead_s }
        };
        let mut members: Vec<Member> = (1..=count).map(member).collect();
        members.sort_by_key(|member| member.key.key);
        Self(Arc::new((members, Mutex::default(), AtomicU64::new(START_S))))
    }

    /// Puts them into a policy: `min` must cosign, `faulty` may lie.
    pub fn enter(&self, policy: &mut Policy, min: u32, faulty: u32) {
        policy.witnesses = self.keys();
        (policy.witnesses_min, policy.witnesses_faulty_max) = (min, faulty);
        assert_eq!(policy.check(), Ok(()));
    }

    /// From now on they cosign for this log.
    pub fn know(&self, log: NoteKey) {
        self.logs().add(log);
    }

    /// Sets what happens to requests to a witness from now on.
    pub fn set(&self, member: usize, behaviour: WitnessBehaviour) {
        *self.0.0[member].behaviour.lock().expect("no holder of it panics") = behaviour;
    }

    /// The time, seconds. Witnesses have clocks of their own ([`Self::set_ahead`]).
    pub fn set_time(&self, now_s: u64) {
        self.0.2.store(now_s, Ordering::Relaxed);
    }

    /// From now on they have the time of the system.
    pub fn use_system_time(&self) {
        self.set_time(SYSTEM_TIME);
    }

    /// Sets the clock of a witness ahead of the time, or behind it.
    pub fn set_ahead(&self, member: usize, ahead_s: i64) {
        *self.0.0[member].ahead_s.lock().expect("no holder of it panics") = ahead_s;
    }

    /// The names and keys of the witnesses, in the order of the policy.
    pub fn keys(&self) -> Vec<WitnessKey> {
        self.0.0.iter().map(|member| member.key.clone()).collect()
    }

    /// The same for all.
    pub fn set_all(&self, behaviour: WitnessBehaviour) {
        (0..self.0.0.len()).for_each(|member| self.set(member, behaviour));
    }

    /// Makes a witness forget its heads, which an honest one never does.
    pub fn forget(&self, member: usize) {
        let mut witness = self.0.0[member].witness.lock().expect("no holder of a witness panics");
        let signer = witness.signer().clone();
        *witness = Witness::new(signer, Box::new(MemoryHeads::default()));
    }

    /// Number of witnesses.
    pub fn count(&self) -> usize {
        self.0.0.len()
    }

    fn logs(&self) -> MutexGuard<'_, KnownLogs> {
        self.0.1.lock().expect("no holder of the logs panics")
    }

    fn answer(&self, witness: &WitnessKey, body: &[u8]) -> Result<Answer, WitnessUnreachable> {
        let lost = || Err(WitnessUnreachable("cut".into()));
        let member = self.0.0.iter().find(|member| member.key.key == witness.key);
        let Some(member) = member else { return lost() };
        let behaviour = *member.behaviour.lock().expect("no holder of it panics");
        let ask = || {
            let witness = member.witness.lock().expect("no holder of a witness panics");
            let ahead_s = *member.ahead_s.lock().expect("no holder of it panics");
            let now_s = match self.0.2.load(Ordering::Relaxed) {
                SYSTEM_TIME => SystemClock.now_ms().expect("the system has a time") / 1000,
                set => set,
            };
            let now_s = now_s.saturating_add_signed(ahead_s);
            let answer = witness.answer(&self.logs(), body, now_s);
            if answer.status == 200 {
                let mut last = member.last.lock().expect("no holder of it panics");
                last.insert(checkpoint_in(body), answer.clone());
            }
            answer
        };
        let answered = |status, body: String| Ok(Answer { status, is_size: false, body });
        match behaviour {
            WitnessBehaviour::Cut => lost(),
            WitnessBehaviour::SaysAhead(size) => answered(409, format!("{size}\n")),
            WitnessBehaviour::SaysFork => answered(422, String::new()),
            WitnessBehaviour::SaysLast => {
                let last = member.last.lock().expect("no holder of it panics");
                last.get(&checkpoint_in(body)).cloned().map_or_else(lost, Ok)
            }
            WitnessBehaviour::Open => Ok(ask()),
            WitnessBehaviour::AnswerLost => {
                ask();
                lost()
            }
        }
    }
}

/// Means the time of the system.
const SYSTEM_TIME: u64 = 0;

/// The checkpoint of a request: what follows the old size and the path.
fn checkpoint_in(body: &[u8]) -> Vec<u8> {
    let at = body.windows(2).position(|pair| pair == b"\n\n");
    body[at.unwrap_or(0)..].to_vec()
}

fn blank(name: &str, n: u8) -> Witness {
    let signer = WitnessSigner::new(name, &[0xd0 + n; 32]).expect("a name of a key");
    Witness::new(signer, Box::new(MemoryHeads::default()))
}

impl Witnesses for Bench {
    fn add_checkpoint<'a>(
        &'a self,
        witness: &'a WitnessKey,
        body: Vec<u8>,
    ) -> PortFuture<'a, Result<(u16, Vec<u8>), WitnessUnreachable>> {
        let answer = self.answer(witness, &body);
        let answer = answer.map(|answer| (answer.status, answer.body.into_bytes()));
        Box::pin(std::future::ready(answer))
    }
}
