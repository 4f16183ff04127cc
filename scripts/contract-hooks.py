"""What schemathesis has to know to test efir-commerce: requests that make sense, and one more check."""

import schemathesis
from schemathesis.core.parameters import ParameterLocation

sent = 0


def is_as_described(case, place):
    parts = case.meta.components if case.meta else {}
    return place not in parts or parts[place].mode.is_positive


def whole(value):
    """The same value; 3.0 as 3. JSON Schema calls both integers, and the server wants them written without a fraction."""
    match value:
        case dict():
            return {name: whole(inner) for name, inner in value.items()}
        case list():
            return [whole(inner) for inner in value]
        case float() if value.is_integer():
            return int(value)
    return value


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Each command gets a key of its own, and nobody invents cursors or subscribers."""
    global sent
    if is_as_described(case, ParameterLocation.HEADER) and "Idempotency-Key" in case.headers:
        sent += 1
        case.headers["Idempotency-Key"] = f"contract-{sent}"
    if is_as_described(case, ParameterLocation.QUERY):
        case.query.pop("cursor", None)
    if is_as_described(case, ParameterLocation.BODY) and isinstance(case.body, dict):
        case.body = whole(case.body)
        if "url" in case.body:
            # Nobody listens there: events of made-up subscriptions leave no machine.
            case.body["url"] = "http://127.0.0.1:9/"


# Ends of pointers to what a description cannot bound: a check digit, a currency that exists, a later time, what an enum holds, how
# the same goods were kept before.
BEYOND = ("/gtin", "/currency", "/window/to", "/expires_at", "/cut", "/reduction", "/cold_chain")


@schemathesis.check
def bounds_are_described(ctx, response, case):
    """What looks as described is refused (422) for what it means: no such goods, too late. Not for how it looks."""
    described = all(is_as_described(case, place) for place in ParameterLocation)
    if not described or response.status_code != 422:
        return
    wrong = [error for error in response.json().get("errors", []) if not error["pointer"].endswith(BEYOND)]
    looks = response.json()["detail"] in ("some values are not allowed", "a value does not fit")
    assert not (looks and wrong), f"the description allows it: {wrong}"


@schemathesis.check
class everything_succeeds:
    """Each operation is seen to succeed: here, or before in scripts/contract-things.py (its settings say which)."""

    # A report needs the carrier's signature, and nothing is inspected but what a carrier brought back.
    out_of_reach = {"POST /api/v1/courier/webhooks/{carrier}", "POST /api/v1/warehouse/shipments/{id}/inspect"}

    def __init__(self, *, reached=()):
        self.tested = set()
        self.reached = set(reached)

    def after_response(self, ctx, response, case):
        self.tested.add(case.operation.label)
        if response.status_code < 300:
            self.reached.add(case.operation.label)

    def after_run(self, ctx):
        missing = sorted(self.tested - self.reached - self.out_of_reach)
        assert not missing, f"never seen to succeed: {', '.join(missing)}"
