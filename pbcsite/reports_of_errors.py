"""Optional reports of errors to Sentry, without anything a patient or a reader could be told by.

What an error said, local variables, the request's address, headers, cookies, form and user, and the
arguments of log lines are all left out: they may hold what somebody typed. What remains is where in
the code it happened, of which kind it was, and the ids under which the site's own log has the rest.
"""

from __future__ import annotations

from typing import Any

from pbcsite.logs import current_task, request_id

REMOVED = "[removed]"
KEPT = {
    "contexts", "environment", "event_id", "exception", "level", "logger", "platform", "release",
    "sdk", "tags", "timestamp", "transaction", "type",
}  # fmt: skip


def start(*, dsn: str, release: str, environment: str) -> None:
    """Report to that address from now on."""
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        release=release,
        environment=environment,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        send_client_reports=False,
        auto_session_tracking=False,
        traces_sample_rate=0.0,
        server_name="",
        before_send=scrubbed,
    )


def scrubbed(event: Any, hint: Any = None) -> Any:
    """The event without what may hold somebody's data."""
    kept = {key: value for key, value in event.items() if key in KEPT}
    contexts = kept.get("contexts", {})
    kept["contexts"] = {name: contexts[name] for name in ("runtime", "trace") if name in contexts}
    for each in (kept.get("exception") or {}).get("values", []):
        each["value"] = REMOVED
        each.pop("mechanism", None)
        for frame in (each.get("stacktrace") or {}).get("frames", []):
            frame.pop("vars", None)
    if "exception" not in kept and "logentry" in event:
        # The sentence in the code, without what was put into it.
        kept["logentry"] = {"message": event["logentry"].get("message", REMOVED)}
    kept["tags"] = {"request_id": request_id.get(), "task_id": current_task.get()}
    return kept
