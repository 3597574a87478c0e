"""What people type into the pages of accounts."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import ChangePasswordForm as AllauthChangePasswordForm
from allauth.account.forms import LoginForm as AllauthLoginForm
from allauth.account.forms import ResetPasswordKeyForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from cases.accounts.services.tokens import DAYS
from cases.audit.models import Action
from cases.forms import StyledForm
from cases.models import Laboratory, Role, TokenScope, User
from cases.services.people import end_tokens


class LoginForm(AllauthLoginForm):
    """The library's log-in form; its first field is called ``username`` in the page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("Username")
        self.fields["password"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs["class"] = "form-control"
            field.widget.attrs.pop("placeholder", None)
        self.fields["login"].widget.attrs["autofocus"] = True

    def add_prefix(self, field_name: str) -> str:
        return super().add_prefix("username" if field_name == "login" else field_name)


class ChangePasswordForm(AllauthChangePasswordForm):
    """A new password by whoever knows the old one; sessions elsewhere end with it by themselves."""

    end_tokens = forms.BooleanField(
        label=_("End my API tokens too"),
        required=False,
        initial=True,
        help_text=_("Programs that use one need a new one then."),
    )

    def save(self) -> None:
        super().save()
        if self.cleaned_data["end_tokens"]:
            end_tokens(user=self.user)


class NewPasswordForm(ResetPasswordKeyForm):
    """A new password by e-mail. The old one may be known to somebody, and so may be the tokens."""

    def save(self) -> None:
        super().save()
        end_tokens(user=self.user)


class AddSecurityKeyForm(AddWebAuthnForm):
    """A new security key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")


class RenameSecurityKeyForm(EditWebAuthnForm):
    """A security key's name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")


class InvitationForm(StyledForm):
    """Whom to invite, to what."""

    laboratory = forms.ModelChoiceField(Laboratory.objects.none(), label=_("Laboratory"))
    email = forms.EmailField(label=_("E-mail address"), max_length=254)
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)

    def __init__(self, *args: Any, laboratories: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["laboratory"]
        field.queryset = laboratories
        field.empty_label = None


class NewAccountForm(StyledForm):
    """The account somebody makes who was invited."""

    username = forms.CharField(
        label=_("Username"), max_length=150, widget=forms.TextInput({"autocomplete": "username"})
    )
    first_name = forms.CharField(
        label=_("First name"),
        max_length=150,
        required=False,
        widget=forms.TextInput({"autocomplete": "given-name"}),
    )
    last_name = forms.CharField(
        label=_("Last name"),
        max_length=150,
        required=False,
        widget=forms.TextInput({"autocomplete": "family-name"}),
    )
    password1 = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html,
    )
    password2 = forms.CharField(
        label=_("Password again"),
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def clean_username(self) -> str:
        name: str = self.cleaned_data["username"]
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError(_("This username is taken."))
        return name

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        first, second = data.get("password1"), data.get("password2")
        if first and second and first != second:
            self.add_error("password2", _("The two passwords are not the same."))
        return data


class TokenForm(StyledForm):
    """A new API token."""

    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("What the token is for, such as a program.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("May"),
        choices=TokenScope.choices,
        initial=[TokenScope.READ],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Your role in each laboratory limits it further."),
    )
    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        initial=30,
        choices=[(each, ngettext_lazy("%(days)d day", "%(days)d days", "days")) for each in DAYS],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["days"]
        field.choices = [(days, text % {"days": days}) for days, text in field.choices]
        self.fields["scopes"].widget.attrs.pop("class", None)


class AuditFilterForm(StyledForm):
    """What to look for in the audit trail."""

    who = forms.CharField(label=_("Who"), required=False, max_length=150)
    action = forms.ChoiceField(
        label=_("Did"), required=False, choices=[("", _("Anything")), *Action.choices]
    )
    case = forms.CharField(label=_("Accession number"), required=False, max_length=64)
    begin = forms.DateField(
        label=_("From day"), required=False, widget=forms.DateInput({"type": "date"})
    )
    end = forms.DateField(
        label=_("To day"), required=False, widget=forms.DateInput({"type": "date"})
    )
