//! Witnesses in this process: the decisions of `mortise witness` without its sockets, and failures
//! between engine and witness.

use mortise_engine::ports::{PortFuture, WitnessUnreachable, Witnesses};
use mortise_format::note::NoteKey;
use mortise_format::policy::Policy;
use mortise_format::witness::WitnessKey;
use mortise_witness::{Answer, KnownLogs, MemoryHeads, Witness, WitnessSigner};
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
}

/// One witness.
#[derive(Debug)]
struct Member {
    key: WitnessKey,
    witness: Mutex<Witness>,
    behaviour: Mutex<WitnessBehaviour>,
}

/// Some witnesses, which engines share.
#[derive(Debug, Clone)]
pub struct Bench(Arc<(Vec<Member>, Mutex<KnownLogs>)>);

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
            Member { key, witness: Mutex::new(witness), behaviour: Mutex::default() }
        };
        let mut members: Vec<Member> = (1..=count).map(member).collect();
        members.sort_by_key(|member| member.key.key);
        Self(Arc::new((members, Mutex::default())))
    }

    /// Puts them into a policy: `min` must cosign, `faulty` may lie.
    pub fn enter(&self, policy: &mut Policy, min: u32, faulty: u32) {
        policy.witnesses = self.0.0.iter().map(|member| member.key.clone()).collect();
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
            witness.answer(&self.logs(), body, 1_800_000_000)
        };
        let answered = |status, body: String| Ok(Answer { status, is_size: false, body });
        match behaviour {
            WitnessBehaviour::Cut => lost(),
            WitnessBehaviour::SaysAhead(size) => answered(409, format!("{size}\n")),
            WitnessBehaviour::SaysFork => answered(422, String::new()),
            WitnessBehaviour::Open => Ok(ask()),
            WitnessBehaviour::AnswerLost => {
                ask();
                lost()
            }
        }
    }
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
