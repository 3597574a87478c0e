"""Pages of people and access. The library's views stand under the names it asks for."""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as factor
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as key
from django.urls import path, re_path
from django.views.decorators.http import require_http_methods

from cases.accounts.views import audit, entrance, invitations, members, sessions, tokens

SECOND = "account/second-factor"
# Django's form views take PUT for POST; no page of ours sends one.
only_reading = require_http_methods(["GET", "HEAD", "OPTIONS"])
only_pages = require_http_methods(["GET", "HEAD", "OPTIONS", "POST"])

urlpatterns = [
    path("login/", only_pages(account.login), name="login"),
    path("login/", only_pages(account.login), name="account_login"),
    path("logout/", entrance.LogoutView.as_view(), name="logout"),
    path("logout/", entrance.LogoutView.as_view(), name="account_logout"),
    path("login/second-factor/", only_pages(factor.authenticate), name="mfa_authenticate"),
    path("login/closed/", only_pages(account.account_inactive), name="account_inactive"),
    path("account/confirm/", only_pages(account.reauthenticate), name="account_reauthenticate"),
    path("account/confirm/code/", only_pages(factor.reauthenticate), name="mfa_reauthenticate"),
    path(
        "account/confirm/key/",
        only_pages(key.reauthenticate_webauthn),
        name="mfa_reauthenticate_webauthn",
    ),
    path("account/password/", only_pages(account.password_change), name="account_change_password"),
    path("account/password/set/", only_pages(account.password_set), name="account_set_password"),
    path(
        "account/password/reset/", only_pages(account.password_reset), name="account_reset_password"
    ),
    path(
        "account/password/reset/sent/",
        only_pages(account.password_reset_done),
        name="account_reset_password_done",
    ),
    re_path(
        r"^account/password/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        only_pages(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path(
        "account/password/reset/done/",
        only_pages(account.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
    path("account/email/", only_pages(account.email), name="account_email"),
    path(
        "account/email/sent/",
        only_pages(account.email_verification_sent),
        name="account_email_verification_sent",
    ),
    re_path(
        r"^account/email/confirm/(?P<key>[-:\w]+)/$",
        only_pages(account.confirm_email),
        name="account_confirm_email",
    ),
    path(f"{SECOND}/", only_pages(factor.index), name="mfa_index"),
    path(f"{SECOND}/app/", only_pages(totp.activate_totp), name="mfa_activate_totp"),
    path(f"{SECOND}/app/remove/", only_pages(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path(
        f"{SECOND}/recovery/",
        only_reading(recovery.view_recovery_codes),
        name="mfa_view_recovery_codes",
    ),
    path(
        f"{SECOND}/recovery/new/",
        only_pages(recovery.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path(
        f"{SECOND}/recovery/download/",
        only_reading(recovery.download_recovery_codes),
        name="mfa_download_recovery_codes",
    ),
    path(f"{SECOND}/keys/", only_pages(key.list_webauthn), name="mfa_list_webauthn"),
    path(f"{SECOND}/keys/add/", only_pages(key.add_webauthn), name="mfa_add_webauthn"),
    path(f"{SECOND}/keys/<int:pk>/", only_pages(key.edit_webauthn), name="mfa_edit_webauthn"),
    path(
        f"{SECOND}/keys/<int:pk>/remove/",
        only_pages(key.remove_webauthn),
        name="mfa_remove_webauthn",
    ),
    path("account/sessions/", sessions.SessionListView.as_view(), name="usersessions_list"),
    path("account/tokens/", tokens.TokenListView.as_view(), name="token_list"),
    path(
        "account/tokens/<str:token_key>/revoke/",
        tokens.TokenRevokeView.as_view(),
        name="token_revoke",
    ),
    path("audit/", audit.AuditListView.as_view(), name="audit_list"),
    path("audit/export/", audit.AuditExportView.as_view(), name="audit_export"),
    path("members/", members.MemberListView.as_view(), name="member_list"),
    path("members/<int:pk>/", members.MemberChangeView.as_view(), name="member_change"),
    path(
        "members/second-factor/",
        members.SecondFactorRequirementView.as_view(),
        name="second_factor_requirement",
    ),
    path(
        "members/invitations/<int:pk>/withdraw/",
        members.InvitationWithdrawView.as_view(),
        name="invitation_withdraw",
    ),
    path(
        "invitations/<str:secret>/",
        invitations.InvitationAcceptView.as_view(),
        name="invitation_accept",
    ),
]
