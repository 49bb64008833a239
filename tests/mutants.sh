#!/usr/bin/env bash
# Removes each check of an invariant and shows that a test fails without it.
#
# Works on a copy of the tree and changes nothing here. Prints one row per mutant: the invariant,
# the check, the test. Exits with 1 if a mutant survives or does not build. It builds the suite once
# per mutant, which takes long: run it when you change a check, not for every change.
#
#   tests/mutants.sh            runs all mutants
#   tests/mutants.sh INV-06     runs those of one invariant
#   tests/mutants.sh --find     builds nothing; checks that every mutant's text is in the source
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
only=${1:-}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard |
    tar --create --null --ignore-failed-read --files-from - 2>/dev/null |
    tar --extract --touch --directory "$copy"
export CARGO_TARGET_DIR="$root/target/mutants"
# Compiling takes most of the time, so our own crates are not optimised and have no line tables.
export CARGO_PROFILE_DEV_OPT_LEVEL=0 CARGO_PROFILE_DEV_DEBUG=false
export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
cd "$copy"
survivors=0

# The part of the suite that these tests need, without the programs that the other parts start.
cat >tests/suite/main.rs <<'END'
mod commands;
mod durability;
mod properties;
mod simulation;
mod tamper;
END
cat >tests/Cargo.toml <<'END'
[package]
name = "mortise-tests"
version.workspace = true
edition.workspace = true
publish.workspace = true

[lib]
path = "lib.rs"

[[test]]
name = "suite"
path = "suite/main.rs"

[dev-dependencies]
mortise-core.workspace = true
mortise-engine.workspace = true
mortise-format.workspace = true
mortise-testkit.workspace = true
proptest.workspace = true
END

suite() {
    cargo test --quiet -p mortise-tests --test suite "$@" >"$copy/output" 2>&1
}

# mutant INVARIANT FILE FROM TO TEST
mutant() {
    local invariant=$1 file=$2 from=$3 to=$4 test=$5 verdict
    if [ "$only" = --find ]; then
        FROM=$from perl -0ne 'exit(index($_, $ENV{FROM}) < 0 ? 1 : 0)' "$file" && return 0
        printf '%s: not found in %s: %s\n' "$invariant" "$file" "$from"
        survivors=$((survivors + 1))
        return 0
    fi
    [ -z "$only" ] || [ "$only" = "$invariant" ] || return 0
    cp "$file" "$copy/original"
    FROM=$from TO=$to perl -0pi -e 's/\Q$ENV{FROM}\E/$ENV{TO}/' "$file"
    if cmp -s "$file" "$copy/original"; then
        verdict="NOT FOUND"
    elif ! suite --no-run; then
        verdict="DOES NOT BUILD"
    elif suite "$test"; then
        verdict="SURVIVED"
    elif grep -q "^test result: FAILED. 0 passed; 0 failed\|0 passed; 0 failed" "$copy/output"; then
        verdict="NO SUCH TEST"
    else
        verdict="killed"
    fi
    [ "$verdict" = killed ] || survivors=$((survivors + 1))
    printf '| %s | `%s` | %s | %s |\n' "$invariant" "${file#engine/}: $from" "$test" "$verdict"
    mv "$copy/original" "$file"
    # Must be newer than the build of the mutant, or Cargo would not rebuild it for the next one.
    touch "$file"
}

core=engine/mortise-core/src
engine=engine/mortise-engine/src
properties=properties::invariants
corruption=properties::corruption

if [ "$only" != --find ]; then
    suite --no-run || { cat "$copy/output"; exit 1; }
fi
[ "$only" = --find ] || printf '| invariant | removed check | test | verdict |\n|---|---|---|---|\n'

mutant INV-01 $core/decide/grant.rs 'if leg.amount > available {' 'if false {' commands::facts::escrow_locks_stay_within
mutant INV-01 $core/apply.rs 'if taken > fact.balance {' 'if false {' $corruption::grant_above_the_final
mutant INV-02 $core/state/view.rs '.saturating_sub(withdrawing)' '' $properties::inv_02
mutant INV-02 $core/apply.rs 'entry.claimed = entry.claimed.checked_add(*amount).ok_or(Corruption::Amount)?;' '' $properties::inv_02
mutant INV-03 $core/decide/grant.rs 'if settle_by > latest {' 'if false {' commands::facts::lock_that_settles_after
mutant INV-03 $core/decide/grant.rs 'if age > max {' 'if false {' commands::facts::escrow_lock_without_a_fact
mutant INV-03 $core/decide/grant.rs 'if fact.withdrawal != Withdrawal::None {' 'if false {' commands::facts::withdrawing_owner
mutant INV-04 $core/decide/grant.rs 'let available = balance.available.saturating_sub(mine);' 'let available = balance.available;' commands::facts::escrow_locks_of_one_batch
mutant INV-05 $core/decide/grant.rs 'let one = decide_one(state, now, lock, &reserved)?;' 'let Ok(one) = decide_one(state, now, lock, &reserved) else { continue };' $properties::inv_05
mutant INV-06 $core/decide/grant.rs 'nonces.check(rules, self.now.s, self.terms.nonce)' 'Ok(())' $properties::inv_06
mutant INV-06 $core/decide/cancel.rs 'nonces.check(state.rules(), now.s, terms.nonce)?;' '' $properties::inv_06
mutant INV-06 $core/apply.rs 'if !self.principals[slot].nonces.is_free(rules, now_s, nonce) {' 'if false {' $corruption::grant_of_a_known_lock
mutant INV-06 $core/state/idle.rs 'u64::from(NONCE_HOURS_MAX).saturating_add(1)' 'u64::from(NONCE_HOURS_MAX) - 5' properties::forever
mutant INV-07 $core/decide/mod.rs 'Ok(Some(at)) => return Decision::Repeat(at),' 'Ok(Some(_)) => {}' $properties::inv_07
mutant INV-07 $core/decide/memory.rs 'if found.content.digest == request_key.content.digest {' 'if true {' commands::memory::other_content_under_a_used_id
mutant INV-07 $core/apply.rs 'if old.valid_until >= now_s && !is_open {' 'if false {' $corruption::request_answered_twice
mutant INV-07 $core/decide/memory.rs 'return Ok(found.refusals.is_none().then_some(found.at));' 'return Ok(Some(found.at));' commands::refusals::intent_that_was_shown
mutant INV-07 $core/decide/memory.rs 'if logged.is_some() || !(refusals.has_room() || reject.is_final()) {' 'if false {' commands::refusals::reason_is_logged_once
mutant INV-08 $core/admit/parts.rs 'if signer(&self.domain.digest(&hash), &signature)? != terms.owner {' 'if false {' $properties::inv_08
mutant INV-08 engine/mortise-format/src/secp256k1.rs 'if parsed.normalize_s() != parsed {' 'if false {' commands::admission::signature_with_high_s
mutant INV-08 $core/decide/claim.rs 'if request_key.principal != lock.terms.arbiter {' 'if false {' $properties::inv_08
mutant INV-08 $core/decide/cancel.rs 'if request_key.principal != taker {' 'if false {' $properties::inv_08
mutant INV-09 $engine/pipeline/inflight.rs 'f.is_acked && f.signed.is_some()' 'f.signed.is_some()' durability::order::no_answer_leaves
mutant INV-09 $engine/pipeline/inflight.rs 'if frame.digest != ack.digest {' 'if false {' durability::table::every_failure
mutant INV-09 $engine/pipeline/inflight.rs 'waiting.filter(|frame| frame.seq == ack.seq)' 'waiting' durability::table::every_failure
mutant INV-09 $engine/pipeline/inflight.rs ' && w.covers(f.seq)' '' durability::witnessed::answer_that_is_acked_and_signed
mutant INV-10 $core/machine/live.rs 'now_ms.max(self.chain.head.time_ms);
        let (seq, body)' 'now_ms;
        let (seq, body)' simulation::seeded_runs
mutant INV-10 $core/apply.rs 'if time_ms < self.time_ms {' 'if false {' $properties::inv_10
mutant INV-10 $core/machine/chain.rs 'if header.time_ms < head.time_ms {' 'if false {' tamper::forged::frame_with_a_wrong_header_field
mutant INV-11 $core/decide/claim.rs 'if *amount > leg.remaining {' 'if false {' $properties::inv_11
mutant INV-11 $core/decide/claim.rs 'if !lock.status.is_open() {' 'if false {' $properties::inv_11
mutant INV-11 $core/apply.rs 'if !lock.status.is_open() {
            return Err(Corruption::Status);
        }
        lock.status = status;' 'lock.status = status;' $corruption::event_that_contradicts_the_status
mutant INV-12 $core/machine/chain.rs 'self.history.append(frame.leaf().history_leaf());' '' durability::order::loss_of_an_acked_frame
mutant INV-13 $core/decide/grant.rs 'if leg.amount > max {' 'if false {' $properties::inv_13
mutant INV-13 $core/decide/grant.rs 'if open >= max {' 'if false {' $properties::inv_13
mutant INV-13 $core/decide/grant.rs 'Some(sum) if sum <= max => Ok(()),' 'Some(_) => Ok(()),' $properties::inv_13
mutant INV-13 $core/decide/memory.rs 'if rate.saturating_add(earlier) >= commands_max {' 'if false {' $properties::inv_13
mutant INV-13 $core/apply.rs 'if fits { Ok(()) } else { Err(Corruption::Policy) }' 'let _ = fits; Ok(())' $corruption::grant_above_a_limit
mutant INV-17 engine/mortise-format/src/lock.rs '.address(&self.beneficiary)' '' commands::admission::every_field_of_a_lock
mutant INV-17 $core/admit.rs 'if !terms.beneficiary.is_zero() {' 'if false {' commands::admission::approval_does_not_cover
mutant INV-17 $core/admit.rs 'if !terms.arbiter.is_zero() {' 'if false {' commands::admission::approval_does_not_cover
mutant INV-18 $core/state/images.rs 'if running < minimum {' 'if false {' commands::approvals::newest_approval_decides
mutant INV-18 $core/state/images.rs '!images.is_empty() && !images.contains(found)' 'false' commands::approvals::newest_approval_decides
mutant INV-18 $core/decide/images.rs 'if !is_quorum(state, signers) {' 'if false {' commands::approvals::approval_needs_signatures
mutant INV-18 $core/decide/images.rs 'if Some(approval.serial) != state.next_approval() {' 'if false {' commands::approvals::approval_is_accepted_once
mutant INV-18 $core/decide/images.rs 'minimum < state.minimum_version() ||' '' commands::approvals::version_floor
mutant INV-18 $core/decide/images.rs '|| minimum > running' '' commands::approvals::first_failed_check
mutant INV-19 $core/machine/chain.rs '!is_boot && header.rules != head.rules' 'false' tamper::forged::frame_with_a_wrong
mutant chain $core/seal.rs 'if !equal(&mac(keys, &aad, &leaf.cipher_digest), &leaf.mac) {' 'if false {' tamper::frame_rebuilt
mutant chain $core/machine/chain.rs 'if header.previous != head.digest {' 'if false {' tamper::forged::frame_with_a_wrong_header_field
mutant chain $core/machine/follow.rs 'if self.tree.root() != frame.header().state_root {' 'if false {' tamper::forged::frame_whose_roots
mutant chain $core/machine/chain.rs 'if !expected.next().is_some_and(|stated| carried.carries(stated)) {' 'if false {' tamper::forged::changed_swapped_repeated
mutant chain $core/machine/chain.rs 'if signer != Ok(*engine) {' 'if false {' tamper::forged::changed_swapped_repeated

[ "$only" = --find ] || printf '\n%s mutants not killed\n' "$survivors"
[ "$survivors" = 0 ]
