"""What is logged, and what never is: secrets, links that pay, card data."""

import logging
import re
import sys

from ledger import StoreTroubled

_SECRET = re.compile(
    r"(xox[abp]-|xapp-|sk_(?:test|live)_|rk_(?:test|live)_|whsec_|rbk_)[A-Za-z0-9_-]+"
    r"|https?://[^\s'\"]*(?:/stripe/pay/|/stripe/checkout/|buy\.stripe\.com/|checkout\.stripe\.com/)[^\s'\"]*"
)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
# Libraries that write whole requests, links included, at INFO or DEBUG.
_TALKATIVE = ("stripe", "httpx", "httpcore", "slack_sdk", "slack_bolt", "urllib3", "apscheduler", "alembic")


class Redacting(logging.Formatter):
    """Formats lines and blanks what must not be kept, in exceptions too."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        return _SECRET.sub("[redacted]", super().format(record))


class RefusedByBooks(logging.Filter):
    """Drops what failed because the database cannot be used: the store says that in one line a minute."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is kept."""
        problem = record.exc_info[1] if record.exc_info else None
        while problem is not None:
            if isinstance(problem, StoreTroubled):
                return False
            problem = problem.__cause__
        return True


def configure(level: str) -> None:
    """Log to standard error from a level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Redacting("%(asctime)s %(levelname)s %(name)s %(message)s"))
    handler.addFilter(RefusedByBooks())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # A tick that comes while the one before still runs is skipped by design; that is no news.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
