"""Tokens, who I am, my laboratories, the cell classes, and addresses that do not exist."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import viewsets
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from cases.api.authentication import TokenAuthentication
from cases.api.schema import problems
from cases.api.serializers import (
    CellClassSerializer,
    CredentialsSerializer,
    LaboratorySerializer,
    MeSerializer,
    TokenSerializer,
)
from cases.models import ApiToken, CellClass, TokenScope
from cases.policies import has_second_factor, policy_of
from cases.services.errors import ServiceError
from cases.services.second_factor import is_right_code, too_many_attempts

LOG_IN = "log-in"  # the name of tokens that are no others


class CredentialsRefused(ServiceError):
    """Unknown user, wrong password or closed account: the answer does not tell which."""

    status = 401


class TokenView(APIView):
    """Exchange a username and a password for a token. The database keeps only its hash."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "token"

    @extend_schema(
        operation_id="auth_token_create",
        request=CredentialsSerializer,
        responses={200: TokenSerializer, **problems(400, 401, 429)},
        auth=[],
    )
    def post(self, request: Any) -> Response:
        credentials = CredentialsSerializer(data=request.data)
        credentials.is_valid(raise_exception=True)
        given = dict(credentials.validated_data)
        code = given.pop("code", "")
        try:
            # Counts failures by account and by address, together with the log-in page.
            user = get_adapter().authenticate(request._request, **given)
        except DjangoValidationError as error:
            raise too_many_attempts() from error
        if user is None or not user.is_active:
            raise CredentialsRefused(
                "wrong_credentials", _("The username or the password is not right.")
            )
        if has_second_factor(user) and not is_right_code(user, code):
            user_login_failed.send(sender=type(user), credentials=given, request=request)
            raise CredentialsRefused(
                "second_factor_required",
                _("Send a current code of your authenticator app, or a recovery code, as code."),
            )
        kept, token = ApiToken.objects.create(user, name=LOG_IN)
        user_logged_in.send(sender=type(user), request=request, user=user)
        answer = TokenSerializer({"token": token, "expiry": kept.expiry}).data
        return Response(answer, headers={"Cache-Control": "no-store"})


class LogoutView(APIView):
    """Revoke the token this request is sent with."""

    token_scope = TokenScope.READ  # whatever a token may do, it may be given back
    authentication_classes = (TokenAuthentication,)

    @extend_schema(operation_id="auth_logout", request=None, responses={204: None, **problems(401)})
    def post(self, request: Any) -> Response:
        request.auth.delete()
        user_logged_out.send(sender=type(request.user), request=request, user=request.user)
        return Response(status=204)


class MeView(APIView):
    """Who I am and what I am in which laboratory."""

    @extend_schema(operation_id="me", responses={200: MeSerializer, **problems(401)})
    def get(self, request: Any) -> Response:
        policy = policy_of(request)
        me = {"user": request.user, "laboratories": policy.laboratories()}
        return Response(MeSerializer(me, context={"roles": policy.roles}).data)


class LaboratoryViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """The laboratories I belong to."""

    serializer_class = LaboratorySerializer
    lookup_value_regex = "[0-9]{1,18}"

    def get_queryset(self) -> Any:
        return policy_of(self.request).laboratories()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "roles": policy_of(self.request).roles}


class CellClassViewSet(viewsets.ReadOnlyModelViewSet[Any]):
    """The names a cell can be given, in the reader's language."""

    queryset = CellClass.objects.all()
    serializer_class = CellClassSerializer
    lookup_field = "code"
    lookup_value_regex = "[a-z0-9_-]{1,40}"
    orderings = {"order": ("order", "id")}


class UnknownAddressView(APIView):
    """Every other address below /api/v1/ answers with a problem too, for any method."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound
