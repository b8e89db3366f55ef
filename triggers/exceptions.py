"""What can go wrong with triggers."""

from __future__ import annotations

from projects.exceptions import Conflict, Invalid, NotFound


class PathTaken(Conflict):
    """Another workflow's webhook has the path."""

    code = "path_taken"


class InvalidSecret(Invalid):
    """The text can't be a secret of the webhook's signature scheme."""

    code = "invalid_secret"


class NotRedeliverable(Conflict):
    """The delivery can't be delivered again: not proven, not whole, or a copy."""

    code = "not_redeliverable"


class InvalidDelivery(Invalid):
    """The delivery does not fit the webhook as it is now."""

    code = "invalid_delivery"


class NoSuchSecret(NotFound):
    """The webhook has no live secret of this id."""

    code = "no_such_secret"


class ProofBroken(Conflict):
    """With these settings, the signature scheme would let strangers in. The webhook is not opened."""

    code = "proof_broken"
