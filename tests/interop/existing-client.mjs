// Drives the existing TypeScript client against a running engine and checks every answer.
//
//   node tests/interop/existing-client.mjs CLIENT_DIST [URL]
//
// CLIENT_DIST is the folder with the built client (client/sdk.js, shared/crypto.js in it); get and
// build it outside this project, as its own page says. URL defaults to http://127.0.0.1:8080.
// Prints one line per fact, exits 1 when one does not hold.

import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

// The client's own encoder cannot write the BigInt that its helper makes.
BigInt.prototype.toJSON = function () {
  return this.toString();
};

const [dist, url = 'http://127.0.0.1:8080'] = process.argv.slice(2);
if (!dist) {
  console.error('usage: node existing-client.mjs CLIENT_DIST [URL]');
  process.exit(2);
}
const load = createRequire(import.meta.url);
const sdk = load(resolve(dist, 'client/sdk.js'));
const crypto = load(resolve(dist, 'shared/crypto.js'));

let failed = 0;
let held = 0;
function fact(name, holds, shown = '') {
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${name}${shown ? `  ${shown}` : ''}`);
  holds ? (held += 1) : (failed += 1);
}

async function refusal(call) {
  try {
    await call();
    return 'no refusal';
  } catch (error) {
    return `${error.data?.name} (${error.code})`;
  }
}

const client = new sdk.ResourceLockClient({ apiUrl: url, retries: 1 });
const signer = new sdk.PrivateKeySigner(crypto.generatePrivateKey());
client.setSigner(signer);
const owner = await signer.getAddress();
const usdc = sdk.erc20Asset(1, '0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48');
const order = (amount) => ({
  asset: usdc,
  amount,
  expiresIn: 300,
  fulfillmentCondition: sdk.createFulfillmentCondition({
    targetChainId: 42161,
    targetAsset: sdk.nativeAsset(42161),
    targetAmount: '500000000000000000',
    recipient: owner,
  }),
});

const health = await client.health();
fact('health', health.status === 'healthy' && /^0x[0-9a-f]{64}$/.test(health.enclaveId), health.phase);

const boot = await client.getBootAttestation();
fact('getBootAttestation', boot.enclaveId === health.enclaveId && boot.publicKey === health.publicKey);

const created = await client.createLock(order('1000000000'));
fact('createLock', created.lock.status === 'PENDING' && created.typedDataToSign.primaryType === 'LockApproval');
const hash = crypto.hashTypedData(created.typedDataToSign.domain, created.typedDataToSign.message);
fact('createLock: the typed data hashes in the client', /^0x[0-9a-f]{64}$/.test(hash), hash.slice(0, 18));

const signed = await client.signLock(created);
const commitment = signed.commitment;
fact('signLock', signed.status === 'ACTIVE' && commitment.lockId === created.lock.id);
fact('signLock: the client verifies the commitment', await client.verifyCommitment(commitment));
const engine = crypto.recoverAddress(
  commitment.ccmAttestation.commitmentHash,
  commitment.ccmAttestation.signature,
);
fact('signLock: the engine signed it', engine.toLowerCase() === health.publicKey.toLowerCase());
const again = await client.signLock(created);
fact('signLock again gives the same answer', isDeepStrictEqual(again, signed));

const lock = await client.getLock(created.lock.id);
fact('getLock', lock.status === 'ACTIVE' && lock.owner.toLowerCase() === owner.toLowerCase());
fact('getLock of nothing is null', (await client.getLock('0x' + '12'.repeat(32))) === null);

const active = await client.getActiveLocks();
fact('getActiveLocks', active.length === 1 && active[0].id === created.lock.id);

const balance = await client.getLockedBalance(usdc);
fact('getLockedBalance', balance.locked === '1000000000', `available ${balance.available}`);

const root = await client.getStateRoot();
fact('getStateRoot', /^0x[0-9a-f]{64}$/.test(root) && root === commitment.stateRoot);

const pending = await client.createLock(order('5'));
const cancelled = await client.cancelLock(pending.lock.id);
fact('cancelLock of a PENDING lock', cancelled.operation === 'CANCEL' && cancelled.status === 'CANCELLED');

const proof = {
  transactionHash: '0x' + 'a'.repeat(64),
  blockNumber: 1000000,
  blockHash: '0x' + 'b'.repeat(64),
  logIndex: 0,
};
const made_up = await refusal(() => client.verifyFulfillment(created.lock.id, proof));
fact('verifyFulfillment of a made-up proof is refused', made_up === 'PROOF_INVALID (-32023)', made_up);

const alone = await refusal(() => client.cancelLock(created.lock.id));
fact('cancelLock of an ACTIVE lock is refused', alone === 'CONSENT_REQUIRED (-32021)', alone);
const still = await client.getLock(created.lock.id);
fact('and the lock is still ACTIVE', still.status === 'ACTIVE');

console.log(`${held} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
