"""What browsers are told they may do with the site's pages."""

from __future__ import annotations

from typing import Any

from csp.constants import NONCE, NONE, SELF


def content_security_policy(*, tls_only: bool) -> dict[str, Any]:
    """django-csp's setting.

    Scripts run only with the nonce of the answer that brought them: every <script src> of a
    template says nonce="{{ request.csp_nonce }}". Nothing is inline, nothing comes from another
    host.
    """
    return {
        "DIRECTIVES": {
            "default-src": [NONE],
            "script-src": [NONCE],
            "style-src": [SELF],
            "img-src": [SELF, "data:"],  # the design system's icons are addresses of data
            "font-src": [SELF],
            "connect-src": [SELF],
            "worker-src": [SELF],
            "manifest-src": [SELF],
            "form-action": [SELF],
            "base-uri": [NONE],
            "frame-ancestors": [NONE],
            "upgrade-insecure-requests": tls_only,
        }
    }


PERMISSIONS_POLICY: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            "accelerometer",
            "browsing-topics",
            "camera",
            "display-capture",
            "geolocation",
            "gyroscope",
            "hid",
            "magnetometer",
            "microphone",
            "midi",
            "payment",
            "serial",
            "usb",
        ),
        (),
    ),
    "clipboard-write": ("self",),
    "fullscreen": ("self",),
    "publickey-credentials-create": ("self",),
    "publickey-credentials-get": ("self",),
}
