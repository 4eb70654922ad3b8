"""gringotts-api: a charge in a session of its own, as its dependency does for a request."""

import sys
from uuid import uuid4

from drive import drive
from gringotts import crud, models
from gringotts.db import Base, make_engine
from sqlalchemy.orm import Session

url, seconds, callers = (
    sys.argv[1].replace("postgresql:", "postgresql+psycopg:"),
    int(sys.argv[2]),
    int(sys.argv[3]),
)
engine = make_engine(url)
Base.metadata.create_all(engine)
with Session(engine) as session:
    user_id = crud.create_user(session, str(uuid4()), str(uuid4()), credits=10**9).id


def charge() -> None:
    """Charge one credit durably."""
    with Session(engine) as session:
        user = session.get(models.User, user_id)
        assert user is not None
        assert crud.charge_user(session, user, 1, "/call")


drive(callers, seconds, charge)
