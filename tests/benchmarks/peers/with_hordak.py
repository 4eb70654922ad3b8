"""django-hordak: a transfer between two accounts in a transaction of its own."""

import sys
from urllib.parse import urlsplit

import django
from django.conf import settings
from drive import drive

address, seconds, callers = urlsplit(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "mptt", "djmoney", "hordak"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": address.path[1:],
            "USER": address.username,
            "HOST": address.hostname,
            "PORT": address.port,
        }
    },
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from djmoney.money import Money  # noqa: E402
from hordak.models import Account, AccountType  # noqa: E402

call_command("migrate", verbosity=0)
wallet = Account.objects.create(name="wallet", type=AccountType.liability, currencies=["EUR"])
used = Account.objects.create(name="usage", type=AccountType.income, currencies=["EUR"])


def charge() -> None:
    """Move money durably."""
    with transaction.atomic():
        wallet.transfer_to(used, Money("0.42", "EUR"))


drive(callers, seconds, charge)
