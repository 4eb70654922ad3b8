"""hf-nostro: a debit with its idempotency key, as its README shows."""

import subprocess
import sys
from uuid import uuid4

from drive import drive
from nostro import AccountKey, Ledger

url, seconds, callers = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
subprocess.run(
    [sys.executable, "-m", "nostro", "migrate", "--dsn", url, "--scale", "6"], check=True, stdout=sys.stderr
)
ledger = Ledger(dsn=url, scale=6)
account = AccountKey("acme-corp", "org-1")
ledger.accounts.get_or_create(account.tenant_id, account.scope_ref)
ledger.credit(account, ledger.amount("100000000"), category="topup", idempotency_key=str(uuid4()))
charge = ledger.amount("0.42")
drive(callers, seconds, lambda: ledger.debit(account, charge, category="call", idempotency_key=str(uuid4())))
