"""What every template may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cases.policies import Action, policy_of

if TYPE_CHECKING:
    from django.http import HttpRequest


def access(request: HttpRequest) -> dict[str, Any]:
    """Offer ``access``, what the reader may do anywhere. Evaluated only when a template asks."""

    class Access:
        @property
        def may_upload(self) -> bool:
            return policy_of(request).may_anywhere(Action.UPLOAD)

        @property
        def may_manage(self) -> bool:
            return policy_of(request).may_anywhere(Action.MANAGE)

        @property
        def memberships(self) -> Any:
            """The reader's laboratories and roles, for the account menu."""
            return policy_of(request).memberships

    return {"access": Access()}
