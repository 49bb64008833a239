"""The channel to the attested key, written from specs/channel.md, independent of Mortise's code.

    channel.py SOCKET [KEY EPOCH]   sends a sealed `health` to the request socket; prints the answer
    channel.py --vectors            prints the vectors of specs/vectors/channel.json
    channel.py --check FILE         checks a file of vectors

This file builds HPKE (RFC 9180) from X25519, HMAC-SHA-256 and AES-256-GCM of the package
`cryptography`. If that package has HPKE, the script compares the results. Without KEY and EPOCH it
takes both from `getEngineInfo` without a proof, which is enough to test the bytes but trusts the
peer.
"""

import hashlib
import hmac
import json
import os
import socket
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"MRC1"
KEM, KDF, AEAD = 0x0020, 0x0001, 0x0002
KEM_SUITE = b"KEM" + struct.pack(">H", KEM)
SUITE = b"HPKE" + struct.pack(">HHH", KEM, KDF, AEAD)
REQUEST_LABEL, ANSWER_LABEL = b"mortise channel request v1", b"mortise channel answer v1"
PAD = 512


def extract(salt, ikm):
    return hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()


def expand(prk, info, length):
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([count]), hashlib.sha256).digest()
        out, count = out + block, count + 1
    return out[:length]


def labeled_extract(suite, salt, label, ikm):
    return extract(salt, b"HPKE-v1" + suite + label + ikm)


def labeled_expand(suite, prk, label, info, length):
    return expand(prk, struct.pack(">H", length) + b"HPKE-v1" + suite + label + info, length)


def derive_key_pair(ikm):
    prk = labeled_extract(KEM_SUITE, b"", b"dkp_prk", ikm)
    private = X25519PrivateKey.from_private_bytes(labeled_expand(KEM_SUITE, prk, b"sk", b"", 32))
    return private, private.public_key().public_bytes_raw()


def shared_secret(dh, enc, public):
    prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", dh)
    return labeled_expand(KEM_SUITE, prk, b"shared_secret", enc + public, 32)


class Context:
    """HPKE in base mode: encrypts one message and exports one secret."""

    def __init__(self, shared, info):
        context = b"\0" + labeled_extract(SUITE, b"", b"psk_id_hash", b"")
        context += labeled_extract(SUITE, b"", b"info_hash", info)
        secret = labeled_extract(SUITE, shared, b"secret", b"")
        self.key = labeled_expand(SUITE, secret, b"key", context, 32)
        self.nonce = labeled_expand(SUITE, secret, b"base_nonce", context, 12)
        exporter = labeled_expand(SUITE, secret, b"exp", context, 32)
        label = ANSWER_LABEL + b"\0"
        self.exported = labeled_expand(SUITE, exporter, b"sec", label, 32)


def padded(text):
    size = -(-max(len(text), 1) // PAD) * PAD
    return text + b" " * (size - len(text))


def header(key_id):
    return struct.pack(">QHHH", key_id, KEM, KDF, AEAD)


def seal_request(public, key_id, ikm, text):
    private, enc = derive_key_pair(ikm)
    dh = private.exchange(X25519PublicKey.from_public_bytes(public))
    info = REQUEST_LABEL + b"\0" + header(key_id)
    context = Context(shared_secret(dh, enc, public), info)
    cipher = AESGCM(context.key).encrypt(context.nonce, padded(text), b"")
    return MAGIC + b"\1" + header(key_id) + enc + cipher, (enc, context.exported)


def open_request(private, message):
    public = private.public_key().public_bytes_raw()
    assert message[:5] == MAGIC + b"\1"
    head, enc, cipher = message[5:19], message[19:51], message[51:]
    dh = private.exchange(X25519PublicKey.from_public_bytes(enc))
    context = Context(shared_secret(dh, enc, public), REQUEST_LABEL + b"\0" + head)
    return AESGCM(context.key).decrypt(context.nonce, cipher, b""), (enc, context.exported)


def answer_keys(exchange, nonce):
    enc, exported = exchange
    prk = extract(enc + nonce, exported)
    return expand(prk, b"key", 32), expand(prk, b"nonce", 12)


def seal_answer(exchange, nonce, text):
    key, aead_nonce = answer_keys(exchange, nonce)
    return MAGIC + b"\2" + nonce + AESGCM(key).encrypt(aead_nonce, padded(text), b"")


def open_answer(exchange, message):
    assert message[:5] == MAGIC + b"\2", message[:300]
    key, aead_nonce = answer_keys(exchange, message[5:37])
    return AESGCM(key).decrypt(aead_nonce, message[37:], b"").rstrip(b" ")


def compare_with_hpke_of_the_package():
    try:
        from cryptography.hazmat.primitives import hpke
    except ImportError:
        return "this version of cryptography has no HPKE to compare with"
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    private, public = derive_key_pair(b"\7" * 32)
    message, _ = seal_request(public, 5, b"\x08" * 32, b"{}")
    info = REQUEST_LABEL + b"\0" + header(5)
    assert suite.decrypt(message[19:], private, info) == padded(b"{}")
    theirs = suite.encrypt(padded(b"[]"), private.public_key(), info)
    opened, _ = open_request(private, MAGIC + b"\1" + header(5) + theirs)
    assert opened == padded(b"[]")
    return "requests match HPKE of cryptography in both directions"


def vectors():
    rows = []
    for number, (request, answer) in enumerate([
        (b'{"jsonrpc":"2.0","id":1,"method":"health","params":{}}', b'{"jsonrpc":"2.0","id":1,"result":{}}'),
        (b'{"jsonrpc":"2.0","method":"health"}', b""),
        (b"[" + b" " * 600 + b"]", b"1" * 513),
    ], start=1):
        seed, ikm, nonce = (bytes([16 * number + i]) * 32 for i in range(3))
        key_id = 0x0102030405060700 + number
        private, public = derive_key_pair(seed)
        message, exchange = seal_request(public, key_id, ikm, request)
        sealed = seal_answer(exchange, nonce, answer)
        assert open_request(private, message)[0] == padded(request)
        assert open_answer(exchange, sealed) == answer
        rows.append({
            "keySeed": seed.hex(), "publicKey": public.hex(), "keyId": key_id,
            "ephemeralSeed": ikm.hex(), "request": request.decode(),
            "encapsulatedRequest": message.hex(), "nonce": nonce.hex(),
            "answer": answer.decode(), "encapsulatedAnswer": sealed.hex(),
        })
    return json.dumps({"vectors": rows}, indent=2) + "\n"


def receive(stream, count):
    out = b""
    while len(out) < count:
        more = stream.recv(count - len(out))
        assert more, "the engine closed the connection"
        out += more
    return out


class Engine:
    """The framed request protocol of specs/json-rpc.md."""

    def __init__(self, path):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(30)
        self.stream.connect(path)
        self.stream.sendall(b"MRT1")

    def exchange(self, payload):
        self.stream.sendall(struct.pack("<IQ", len(payload), 1) + payload)
        length, number = struct.unpack("<IQ", receive(self.stream, 12))
        assert number == 1
        return receive(self.stream, length)


def health(path, key, epoch):
    engine = Engine(path)
    if key is None:
        info = engine.exchange(b'{"jsonrpc":"2.0","id":1,"method":"getEngineInfo"}')
        info = json.loads(info)["result"]
        key, epoch = bytes.fromhex(info["channelKey"][2:]), info["epoch"]
    text = b'{"jsonrpc":"2.0","id":7,"method":"health","params":{}}'
    message, exchange = seal_request(key, epoch, os.urandom(32), text)
    sealed = engine.exchange(message)
    answer = json.loads(open_answer(exchange, sealed))
    assert answer["id"] == 7 and answer["result"]["phase"] == "ready", answer
    try:
        open_answer(exchange, sealed[:-1] + bytes([sealed[-1] ^ 1]))
        raise AssertionError("a changed answer opened")
    except InvalidTag:
        pass
    refused = json.loads(engine.exchange(message[:-1] + bytes([message[-1] ^ 1])))
    assert refused["error"]["data"]["name"] == "CHANNEL_REFUSED", refused
    assert refused["error"]["data"]["keyId"] == epoch, refused
    print(json.dumps(answer["result"]))


def main(arguments):
    print(compare_with_hpke_of_the_package(), file=sys.stderr)
    match arguments:
        case ["--vectors"]:
            print(vectors(), end="")
        case ["--check", path]:
            with open(path, encoding="ascii") as file:
                assert file.read() == vectors(), "the vectors differ"
            print("the vectors are reproduced")
        case [path]:
            health(path, None, None)
        case [path, key, epoch]:
            health(path, bytes.fromhex(key.removeprefix("0x")), int(epoch))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
