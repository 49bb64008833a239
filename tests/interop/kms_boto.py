#!/usr/bin/env python3
"""Tests the local KMS with an independent client: boto3.

    python3 -m venv target/interop-venv && target/interop-venv/bin/pip install boto3
    cargo build -p mortise-dev
    target/interop-venv/bin/python tests/interop/kms_boto.py target/debug/mortise-dev

Starts the hidden process `mortise-dev dev-kms` in a new folder and reads its notice. Calls every
operation over TLS with the service's own root, signed by botocore. Then makes calls that the
service must refuse, and checks the name of each error. Prints one line per fact; exits with 1 at the
first difference.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import boto3
import botocore.config
import botocore.exceptions


def start(binary, folder):
    process = subprocess.Popen(
        [binary, "dev-kms", "--data-dir", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    notice = json.loads(process.stdout.readline())
    assert notice["event"] == "kmsReady", notice
    return process, notice


def stop(process):
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def client(notice, access_key, secret, token=None, region=None):
    port = notice["address"].rsplit(":", 1)[1]
    return boto3.client(
        "kms",
        region_name=region or notice["region"],
        endpoint_url=f"https://localhost:{port}",
        verify=notice["tlsRoot"],
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


def refused(code, call, **arguments):
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, (found, error)
        print(f"refused  {code}")
        return
    raise AssertionError(f"not refused: {code}")


def principals(folder):
    listed = json.loads((pathlib.Path(folder) / "iam.json").read_text())
    return {principal["name"]: principal for principal in listed}


def signed_by(notice, principal):
    secret = principal["secretAccessKey"]
    return client(notice, principal["accessKeyId"], secret, principal.get("sessionToken"))


def round_trips(kms):
    made = kms.create_key(Description="interop")["KeyMetadata"]
    key, context = made["KeyId"], {"service": "interop", "n": "1"}
    assert kms.describe_key(KeyId=made["Arn"])["KeyMetadata"] == made
    sealed = kms.encrypt(KeyId=key, Plaintext=b"text", EncryptionContext=context)
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == b"text" and opened["KeyId"] == made["Arn"]
    data = kms.generate_data_key(KeyId=made["Arn"], KeySpec="AES_256", EncryptionContext=context)
    assert len(data["Plaintext"]) == 32
    again = kms.decrypt(CiphertextBlob=data["CiphertextBlob"], EncryptionContext=context, KeyId=key)
    assert again["Plaintext"] == data["Plaintext"]
    assert len(kms.generate_random(NumberOfBytes=24)["Plaintext"]) == 24
    kms.create_alias(AliasName="alias/interop", TargetKeyId=key)
    assert kms.describe_key(KeyId="alias/interop")["KeyMetadata"]["KeyId"] == key
    assert key in [listed["KeyId"] for listed in kms.list_keys()["Keys"]]
    print("done     every operation works, and sealed data opens")
    return made, sealed["CiphertextBlob"], context


def refusals(kms, made, blob, context):
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=blob)
    wrong = {**context, "n": "2"}
    refused(
        "InvalidCiphertextException", kms.decrypt, CiphertextBlob=blob, EncryptionContext=wrong
    )
    refused(
        "IncorrectKeyException",
        kms.decrypt,
        CiphertextBlob=blob,
        EncryptionContext=context,
        KeyId=other,
    )
    refused("NotFoundException", kms.describe_key, KeyId="alias/none")
    recipient = {
        "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        "AttestationDocument": b"no document",
    }
    refused("ValidationException", kms.generate_random, NumberOfBytes=8, Recipient=recipient)
    kms.disable_key(KeyId=other)
    refused("DisabledException", kms.encrypt, KeyId=other, Plaintext=b"x")
    refused("UnknownOperationException", kms.schedule_key_deletion, KeyId=other)


def policies(kms, made, blob, context):
    key = made["KeyId"]
    found = json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    assert found["Statement"][0]["Action"] == "kms:*"
    refused("MalformedPolicyDocumentException", kms.put_key_policy, KeyId=key, Policy="{}")
    found["Statement"].append(
        {"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    )
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(found))
    refused(
        "AccessDeniedException", kms.decrypt, CiphertextBlob=blob, EncryptionContext=context
    )
    found["Statement"].pop()
    kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(found))
    kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)
    print("done     policies are read, put and enforced")


def credentials(notice, people):
    admin, enclave = people["admin"], people["enclave"]
    wrong = "x" * 40
    bad = client(notice, admin["accessKeyId"], wrong)
    refused("InvalidSignatureException", bad.list_keys)
    unknown = client(notice, "AKIAUNKNOWNUNKNOWN00", wrong)
    refused("UnrecognizedClientException", unknown.list_keys)
    tokenless = client(notice, enclave["accessKeyId"], enclave["secretAccessKey"])
    refused("UnrecognizedClientException", tokenless.generate_random, NumberOfBytes=8)
    elsewhere = client(
        notice, admin["accessKeyId"], admin["secretAccessKey"], region="us-east-1"
    )
    refused("InvalidSignatureException", elsewhere.list_keys)
    session = signed_by(notice, enclave)
    assert len(session.generate_random(NumberOfBytes=8)["Plaintext"]) == 8
    refused("AccessDeniedException", session.create_key)
    handed = json.loads(pathlib.Path(notice["credentials"]).read_text())
    assert handed["AccessKeyId"] == enclave["accessKeyId"]


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        process, notice = start(binary, folder)
        people = principals(folder)
        kms = signed_by(notice, people["admin"])
        made, blob, context = round_trips(kms)
        refusals(kms, made, blob, context)
        policies(kms, made, blob, context)
        credentials(notice, people)
        stop(process)
        process, notice = start(binary, folder)
        kms = signed_by(notice, principals(folder)["admin"])
        assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"text"
        print("done     data that was sealed before a restart opens")
        stop(process)
        trail = (pathlib.Path(folder) / "trail.jsonl").read_text().splitlines()
        lines = [json.loads(line) for line in trail]
        names = {line["eventName"] for line in lines}
        assert {"CreateKey", "Decrypt", "GenerateRandom"} <= names, names
        assert not any(person["secretAccessKey"] in line for person in people.values() for line in trail)
        print(f"done     {len(lines)} lines in the trail, without secrets")


if __name__ == "__main__":
    main()
