"""A3: the key service is gone, and someone asks for a receipt of an older epoch.

The engine took a key that it could not unwrap for a frame that was changed, and ended; its next
start needs the key service too.
"""

from system import Fault, run
from wallet import Owner, lock_ids
from wire import error_of


def a3(system):
    system.start()
    owner = Owner(system)
    old = owner.commit()
    first = system.call("commitLock", **old)
    lock_id = lock_ids(first)[0]
    receipt = system.result("getReceipt", lockId=lock_id)["receipt"]
    system.stop()  # with a snapshot, so that the next start needs no key of this epoch
    system.start()
    system.lose("kms")
    system.result("commitLock", **owner.commit())
    for over in ("socket", "gateway"):
        expect(system, "getReceipt", over, {"lockId": lock_id})
    expect(system, "commitLock", "socket", old)
    system.result("commitLock", **owner.commit())
    system.check("without the key service")
    system.resume()
    if system.result("getReceipt", lockId=lock_id)["receipt"] != receipt:
        raise Fault("the receipt is another one than before")
    if system.call("commitLock", **old) != first:
        raise Fault("the repeated commit got another answer than before")
    return (
        "without the key service 3 calls about an older epoch are KEYS_UNAVAILABLE, and commits"
        " before and behind them are granted; with it the calls get their first answers"
    )


def expect(system, method, over, params):
    """The call is KEYS_UNAVAILABLE, and changes nothing."""
    answer = system.call(method, over, **params)
    system.check(f"{method} of an older epoch, without the key service")
    if error_of(answer) != "KEYS_UNAVAILABLE":
        raise Fault(f"{method} of an older epoch: {answer.get('error', 'an answer')}")


if __name__ == "__main__":
    run("A3", a3)
