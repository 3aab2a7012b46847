"""Lets the C++ light client of TON itself (tonlib) talk to a running devnet.

    pip install pytonlib==0.0.72
    cargo run -p devnet &
    python crates/devnet/clients/tonlib_check.py http://127.0.0.1:4480
"""

import asyncio
import json
import os
import sys
import tempfile
import urllib.request

from pytonlib import TonlibClient

CONTROL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4480"
SHARD = -(2**63)
RECEIVER = "0:" + "11" * 32


def control(path, body=None):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(CONTROL + path, data, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))


async def main():
    config, info = control("/config"), control("/info")
    control("/faucet", {"address": RECEIVER, "amount": "5000000000"})
    loop = asyncio.get_running_loop()
    client = TonlibClient(0, config, keystore=tempfile.mkdtemp(), loop=loop)
    await client.init()
    failures = 0

    async def step(name, call):
        nonlocal failures
        try:
            result = await asyncio.wait_for(call, 20)
            print("ok  ", name)
            return result
        except Exception as error:  # whatever it is, it is a finding
            print("FAIL", name, repr(error))
            failures += 1

    last = (await step("masterchain info", client.get_masterchain_info()))["last"]["seqno"]
    wallet = "0:" + info["wallets"][0]["address"]
    for address in [wallet, RECEIVER, "0:" + "77" * 32]:
        await step(f"account {address[:12]}", client.raw_get_account_state(address))
    await step("kind of account", client.generic_get_account_state(wallet))
    await step("get method, run locally", client.raw_run_method(wallet, "seqno", []))
    history = await step("history", client.get_transactions(RECEIVER, limit=5))
    await step("shards", client.get_shards(last))
    await step("shard block by seqno", client.lookup_block(0, SHARD, seqno=last))
    lt = int(history[0]["transaction_id"]["lt"])
    await step("shard block by logical time", client.lookup_block(0, SHARD, lt=lt))
    await step("masterchain block by seqno", client.lookup_block(-1, SHARD, seqno=last))
    await step("header", client.get_block_header(0, SHARD, last))
    await step("transactions", client.get_block_transactions(0, SHARD, last, count=10))
    await step("parameter 21", client.get_config_param(21, last))
    await step("configuration", client.get_config_all(last))
    print(f"{failures} failed")
    os._exit(1 if failures else 0)  # its worker does not end by itself


asyncio.run(main())
