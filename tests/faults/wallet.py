"""Owners' keys, and signed commits (LockIntent, specs/eip712.md)."""

import secrets
import time

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

ZERO = "0x" + "00" * 20
TARGET_CHAIN = 10
TYPES = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "salt", "type": "bytes32"},
    ],
    "LockIntent": [
        {"name": "owner", "type": "address"},
        {"name": "beneficiary", "type": "address"},
        {"name": "arbiter", "type": "address"},
        {"name": "nonce", "type": "uint256"},
        {"name": "expires", "type": "uint64"},
        {"name": "condition", "type": "bytes32"},
        {"name": "batch", "type": "bytes32"},
        {"name": "requestId", "type": "bytes32"},
        {"name": "validUntil", "type": "uint64"},
        {"name": "assets", "type": "LockedAsset[]"},
    ],
    "LockedAsset": [
        {"name": "chainId", "type": "uint256"},
        {"name": "assetType", "type": "uint8"},
        {"name": "token", "type": "address"},
        {"name": "tokenId", "type": "uint256"},
        {"name": "amount", "type": "uint256"},
    ],
}


class Owner:
    """A fresh key and its next nonce."""

    def __init__(self, system):
        self.account = Account.from_key(secrets.token_bytes(32))
        self.address = self.account.address
        self.system = system
        self.nonce = int(system.result("suggestNonce", owner=self.address)["nonce"])

    def terms(self, amount=1000):
        """Terms of a lock of native tokens of chain 1, with the next nonce."""
        self.nonce += 1
        target = {"chainId": TARGET_CHAIN, "assetType": "native"}
        return {
            "owner": self.address,
            "assets": [{"chainId": 1, "assetType": "native", "amount": str(amount)}],
            "nonce": str(self.nonce - 1),
            "expires": int(time.time()) + 1800,
            "fulfillmentCondition": {
                "targetChainId": TARGET_CHAIN,
                "targetAsset": target,
                "targetAmount": str(amount),
                "recipient": self.address,
            },
        }

    def commit(self, terms=None, batch=bytes(32)):
        """Parameters of commitLock: terms and their signature."""
        terms = terms or self.terms()
        request_id = secrets.token_bytes(32)
        valid_until = int(time.time()) + 3000
        message = {
            "owner": self.address,
            "beneficiary": terms.get("beneficiary", ZERO),
            "arbiter": ZERO,
            "nonce": int(terms["nonce"]),
            "expires": terms["expires"],
            "condition": condition_hash(terms["fulfillmentCondition"]),
            "batch": batch,
            "requestId": request_id,
            "validUntil": valid_until,
            "assets": [
                {
                    "chainId": asset["chainId"],
                    "assetType": 0,
                    "token": ZERO,
                    "tokenId": 0,
                    "amount": int(asset["amount"]),
                }
                for asset in terms["assets"]
            ],
        }
        salt = bytes.fromhex(self.system.engine_id[2:])
        signable = encode_typed_data(
            full_message={
                "domain": {"name": "Mortise", "version": "1", "salt": salt},
                "types": TYPES,
                "primaryType": "LockIntent",
                "message": message,
            }
        )
        return {
            **terms,
            "requestId": "0x" + request_id.hex(),
            "validUntil": valid_until,
            "signature": "0x" + self.account.sign_message(signable).signature.hex(),
        }

    def commit_batch(self, count):
        """Parameters of commitBatch, and the ids of its locks."""
        terms = [self.terms() for _ in range(count)]
        ids = [self.system.result("simulateLock", **each)["lockId"] for each in terms]
        whole = keccak(b"".join(bytes.fromhex(lock_id[2:]) for lock_id in ids))
        return {"locks": [self.commit(each, whole) for each in terms]}, ids


def condition_hash(condition):
    target = condition["targetAsset"]
    kinds = ["uint256", "uint8", "address", "uint256"]
    asset = keccak(encode(kinds, [target["chainId"], 0, ZERO, 0]))
    kinds = ["uint256", "bytes32", "uint256", "address", "bytes32"]
    amount, recipient = int(condition["targetAmount"]), condition["recipient"]
    return keccak(encode(kinds, [condition["targetChainId"], asset, amount, recipient, bytes(32)]))


def lock_ids(answer):
    """The lock ids of an answer to commitLock or commitBatch."""
    result = answer["result"]
    promises = result.get("commitments") or [result["commitment"]]
    return [promise["lockId"] for promise in promises]
