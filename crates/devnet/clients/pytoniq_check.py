"""Lets pytoniq at its strictest (trust_level=0) talk to a running devnet.

It follows the signatures from the key block, checks every Merkle proof and parses every block by its own TL-B reader.

    pip install pytoniq==0.1.43
    cargo run -p devnet &
    python crates/devnet/clients/pytoniq_check.py http://127.0.0.1:4480
"""

import asyncio
import json
import os
import sys
import tempfile
import urllib.request

from pytoniq import LiteClient
from pytoniq_core import Address

CONTROL = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4480"
SHARD = -(2**63)
RECEIVER = "11" * 32


def control(path, body=None):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(CONTROL + path, data, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))


async def main():
    config, info = control("/config"), control("/info")
    control("/faucet", {"address": RECEIVER, "amount": "5000000000"})
    os.chdir(tempfile.mkdtemp())  # it stores blocks in the working directory
    client = LiteClient.from_config(config, 0, trust_level=0)
    failures = []

    async def step(name, call):
        try:
            result = await call
            print("ok  ", name)
            return result
        except Exception as error:  # whatever it is, it is a finding
            print("FAIL", name, repr(error))
            failures.append(name)

    await step("connect: signatures and proofs from the key block on", client.connect())
    await step("time", client.get_time())
    await step("version", client.get_version())
    await step("masterchain info", client.get_masterchain_info_ext())
    wallets = ["0:" + wallet["address"] for wallet in info["wallets"]]
    for address in [*wallets, "0:" + RECEIVER, "0:" + "77" * 32, "-1:" + "77" * 32]:
        await step(f"account {address[:12]}", client.raw_get_account_state(Address(address)))
    await step("last masterchain block", client.raw_get_block(client.last_mc_block))
    last = client.last_mc_block.seqno
    for seqno in sorted({1, 2, last - 1, last} - {0}):
        await step(f"masterchain block {seqno}", client.lookup_block(-1, SHARD, seqno))
        block = await step(f"shard block {seqno}", client.lookup_block(0, SHARD, seqno))
        await step("  whole", client.raw_get_block(block[0]))
        listed = await step("  transactions", client.raw_get_block_transactions(block[0]))
        await step("  with cells", client.raw_get_block_transactions_ext(block[0]))
        for item in listed or []:
            one = client.get_one_transaction(item["account"], item["lt"], block[0])
            await step("    one of them", one)
    await step("history", client.get_transactions("0:" + RECEIVER, 10))
    await step("configuration", client.get_config_all())
    await step("five parameters", client.get_config_params([0, 8, 20, 21, 34]))
    await step("get method", client.run_get_method(wallets[0], "seqno", []))
    await step("shards", client.get_all_shards_info())
    await client.close()
    sys.exit(f"{len(failures)} failed" if failures else 0)


asyncio.run(main())
