"""Names that travel to Slack and back: actions, forms, blocks. Renaming one orphans buttons already posted. Pure."""

from enum import StrEnum


class Act(StrEnum):
    """Action ids of buttons and menus. Those that need one carry their target in `value`.

    Slack refuses a block in which two elements share an action id: what can stand side by side has its own.
    """

    ADD_BALANCE = "add_balance"  # opens the form; value: amount in major units or ""
    PAY_BY_LINK = "pay_by_link"  # makes a page that pays an amount; value: the amount in major units
    ASK_TO_PAY = "ask_to_pay"  # opens the form in which somebody is asked
    CONNECT_CARD = "connect_card"  # opens the connect form
    CHARGE_FROM_NOW = "charge_from_now"  # makes a card the main one; value: card id (has a confirm dialog)
    REMOVE_CARD = "remove_card"  # takes a card out for good; value: card id (has a confirm dialog)
    AUTOMATIC = "automatic"  # opens the automatic payments form ("Not Active", [Change])
    AUTOMATIC_OFF = "automatic_off"  # turns them off (has a confirm dialog)
    CHARGE = "charge"  # charges the saved card; value: intent id (has a confirm dialog)
    USAGE = "usage"  # shows the month; value: "", or the month on buttons from before the next two
    EARLIER_MONTH = "usage_earlier"  # pager of /wallet usage messages; value: month
    LATER_MONTH = "usage_later"
    HISTORY = "history"  # shows transactions
    MONTH = "month"  # Home's month menu (static_select; option value: month)
    KIND = "kind"  # Home's kind menu (static_select; option value: kind or "all")
    NEWER = "tx_newer"  # pager; value: opaque cursor
    OLDER = "tx_older"
    HISTORY_NEWER = "history_newer"  # pager of /wallet history messages; value: opaque cursor
    HISTORY_OLDER = "history_older"
    ROW = "tx_row"  # overflow menu of a row; option value: "receipt:SEQ" or "details:SEQ"
    WHY = "why"  # explains a spike in a form; value: "DAY:KIND"
    WHY_IN_THREAD = "why_in_thread"  # explains it in the thread of its message; value: "DAY:KIND"
    PEOPLE = "people"  # opens the people form
    ALERTS = "alerts"  # opens the alerts form
    FIX = "fix_this"  # channel's one button
    ACKNOWLEDGE = "acknowledge"  # value: episode id
    WITHDRAW = "withdraw"  # withdraws a request; value: payment id (has a confirm dialog)
    OPEN_PAGE = "open_page"  # a url button; whoever presses it may pay soon, so news is looked for more often
    NEW_LINK = "new_link"  # renews a request to connect a card; value: payment id
    COPY_LINK = "copy_link"  # shows a request's bare link, to be copied; value: payment id
    ASK_FOR_ACCESS = "ask_for_access"
    PAY_WITH = "pay_with"  # radio in the add-balance form (dispatches)
    AMOUNT = "amount_choice"
    OTHER_AMOUNT = "other_amount"
    SAVE_CARD = "save_card"
    PERSON = "person"  # users_select
    NOTE = "note"
    THRESHOLD = "threshold"
    HOW = "how"  # select: back to an amount, or add an amount
    TARGET = "target"
    CARD = "card"
    BACKUP = "backup"
    PER_DAY = "per_day"
    DAY_CAP = "day_cap"
    MONTH_CAP = "month_cap"
    FINANCE = "finance"  # multi_users_select
    BILLING_ADMINS = "billing_admins"  # multi_users_select
    CHANNELS = "channels"  # multi_conversations_select
    INFO = "info"  # checkbox: tell people in the morning that the money ends soon
    SEND_TO = "send_to"  # button in the connect form that sends link and QR


class Form(StrEnum):
    """Callback ids of modals; the number changes when an old open form could no longer be understood."""

    ADD_BALANCE = "add_balance_1"
    CONFIRM_CHARGE = "confirm_charge_1"
    CONNECT_CARD = "connect_card_1"
    AUTOMATIC = "automatic_1"
    CONFIRM_AUTOMATIC = "confirm_automatic_1"
    PEOPLE = "people_1"
    ALERTS = "alerts_1"
    NOTHING = "nothing_1"  # shows something; has no submit


SHORTCUT_TOP_UP = "wallet_topup"
"""Callback id of the global shortcut."""
