"""How a request to the API says who makes it: an API token, or the session of a person who logged in."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone
from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from projects import keys
from projects.access import Actor
from projects.models import ApiToken

# How exact ``last_used_at`` is; a write per request would cost more than the knowledge is worth.
LAST_USED_STEP = timedelta(minutes=1)


class ApiTokenAuthentication(authentication.BaseAuthentication):
    """``Authorization: Bearer segue_…``. Comes before the session: who sends a token means it, and needs no CSRF."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        scheme, _, key = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token_of(key.strip())
        if token is None:
            raise AuthenticationFailed("This API token is not valid: unknown, mistyped, expired or revoked.")
        _note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="segue"'


class SessionAuthentication(authentication.SessionAuthentication):
    """Django's session, with CSRF protection; answers nobody with 401 instead of REST framework's 403."""

    def authenticate_header(self, request: Request) -> str:
        return 'Session realm="segue"'


def token_of(key: str) -> ApiToken | None:
    """Return the live token that a key belongs to, with its user, or None."""
    prefix = keys.prefix_of(key)
    if prefix is None:
        return None
    token = ApiToken.objects.select_related("user").filter(prefix=prefix).first()
    if token is None or not keys.is_key_of(key, token.digest):
        return None
    return token if _is_live(token) else None


def is_still_let_in(actor: Actor) -> bool:
    """Test whether a request by the same token, or in the same session, would still be let in."""
    if actor.token is None:
        return User.objects.filter(pk=actor.user_id, is_active=True).exists()
    token = ApiToken.objects.select_related("user").filter(pk=actor.token.pk).first()
    return token is not None and _is_live(token)


def _is_live(token: ApiToken) -> bool:
    is_valid = token.revoked_at is None and (token.expires_at is None or token.expires_at > timezone.now())
    return is_valid and token.user.is_active


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at <= now - LAST_USED_STEP:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - LAST_USED_STEP)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
