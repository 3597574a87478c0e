"""Logging out, which takes a form: a link somebody else placed must not do it."""

from allauth.account.views import LogoutView as AllauthLogoutView


class LogoutView(AllauthLogoutView):
    http_method_names = ["post", "options"]
