"""People who act in tests, as use cases are given them."""

from bot.rights import Person, Role


def owner(user_id: str) -> Person:
    """Give an owner of the workspace, who may do everything there."""
    return Person(user_id, Role.OWNER)
