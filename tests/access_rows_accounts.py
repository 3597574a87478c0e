"""Who gets what from the pages of people and access; read with tests/test_access_matrix.py."""

from __future__ import annotations

from typing import Any

# address: path, statuses by method, data
Rows = dict[str, tuple[str, dict[str, tuple[int, ...]], dict[str, Any]]]

# Pages before the log-in: anybody gets them.
OPEN = (200, 200, 200, 200, 200, 200)
OWN = (302, 200, 200, 200, 200, 200)
SENT = (302, 302, 302, 302, 302, 302)
TO_CONFIRM = (302, 302, 302, 302, 302, 302)  # a password given not long ago is wanted first
MANAGER = (302, 403, 200, 403, 403, 200)
MANAGER_OF_ROW = (302, 403, 404, 403, 403, 302)
NOBODY = (404, 404, 404, 404, 404, 404)
NOT_SET_UP = (302, 404, 404, 404, 404, 404)
FACTOR = "/account/second-factor"

ROWS: Rows = {
    "account_login": ("/login/", {"GET": (200, *SENT[1:]), "POST": (200, *SENT[1:])}, {}),
    "account_logout": ("/logout/", {"POST": SENT}, {}),
    "mfa_authenticate": ("/login/second-factor/", {"GET": SENT, "POST": SENT}, {}),
    "account_inactive": ("/login/closed/", {"GET": OPEN}, {}),
    "account_reauthenticate": ("/account/confirm/", {"GET": OWN, "POST": OWN}, {}),
    "mfa_reauthenticate": ("/account/confirm/code/", {"GET": SENT, "POST": SENT}, {}),
    "mfa_reauthenticate_webauthn": ("/account/confirm/key/", {"GET": SENT, "POST": SENT}, {}),
    "account_change_password": ("/account/password/", {"GET": OWN, "POST": OWN}, {}),
    "account_set_password": ("/account/password/set/", {"GET": SENT, "POST": SENT}, {}),
    "account_reset_password": ("/account/password/reset/", {"GET": OPEN, "POST": OPEN}, {}),
    "account_reset_password_done": ("/account/password/reset/sent/", {"GET": OPEN}, {}),
    "account_reset_password_from_key": (
        "/account/password/reset/1-abc/", {"GET": OPEN, "POST": OPEN}, {}
    ),
    "account_reset_password_from_key_done": ("/account/password/reset/done/", {"GET": OPEN}, {}),
    "account_email": ("/account/email/", {"GET": OWN, "POST": SENT}, {}),
    "account_email_verification_sent": ("/account/email/sent/", {"GET": OPEN}, {}),
    "account_confirm_email": ("/account/email/confirm/abc/", {"GET": OPEN, "POST": NOBODY}, {}),
    "mfa_index": (f"{FACTOR}/", {"GET": OWN}, {}),
    "mfa_activate_totp": (f"{FACTOR}/app/", {"GET": TO_CONFIRM, "POST": TO_CONFIRM}, {}),
    "mfa_deactivate_totp": (f"{FACTOR}/app/remove/", {"GET": NOT_SET_UP, "POST": NOT_SET_UP}, {}),
    "mfa_view_recovery_codes": (f"{FACTOR}/recovery/", {"GET": NOT_SET_UP}, {}),
    "mfa_generate_recovery_codes": (f"{FACTOR}/recovery/new/", {"GET": SENT, "POST": SENT}, {}),
    "mfa_download_recovery_codes": (f"{FACTOR}/recovery/download/", {"GET": NOT_SET_UP}, {}),
    "mfa_list_webauthn": (f"{FACTOR}/keys/", {"GET": OWN}, {}),
    "mfa_add_webauthn": (f"{FACTOR}/keys/add/", {"GET": TO_CONFIRM, "POST": TO_CONFIRM}, {}),
    "mfa_edit_webauthn": (f"{FACTOR}/keys/1/", {"GET": SENT, "POST": SENT}, {}),
    "mfa_remove_webauthn": (f"{FACTOR}/keys/1/remove/", {"GET": SENT, "POST": SENT}, {}),
    "usersessions_list": ("/account/sessions/", {"GET": OWN, "POST": SENT}, {"others": "1"}),
    "token_list": ("/account/tokens/", {"GET": OWN, "POST": TO_CONFIRM}, {}),
    "token_revoke": ("/account/tokens/none/revoke/", {"POST": NOT_SET_UP}, {}),
    "audit_list": ("/audit/", {"GET": MANAGER}, {}),
    "audit_export": ("/audit/export/", {"GET": MANAGER}, {}),
    "member_list": ("/members/", {"GET": MANAGER, "POST": (302, 403, 422, 403, 403, 422)}, {}),
    "member_change": ("/members/{membership}/", {"POST": MANAGER_OF_ROW}, {"action": "none"}),
    "second_factor_requirement": (
        "/members/second-factor/?laboratory={laboratory}", {"POST": MANAGER_OF_ROW}, {}
    ),
    "invitation_withdraw": (
        "/members/invitations/{invitation}/withdraw/", {"POST": MANAGER_OF_ROW}, {}
    ),
    "privacy": ("/privacy/", {"GET": MANAGER, "POST": (302, 403, 302, 403, 403, 302)}, {}),
    "patient_removal": (
        "/patients/{patient}/remove/",
        {"GET": (302, 403, 404, 403, 403, 200), "POST": (302, 403, 404, 403, 403, 422)},
        {},
    ),
    # Whoever holds the link may read it; without its secret nobody.
    "invitation_accept": ("/invitations/unknown/", {"GET": NOBODY, "POST": NOBODY}, {}),
}  # fmt: skip
