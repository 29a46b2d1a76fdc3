"""What schemathesis may not do: it learns ids from answers, and would deactivate itself before long, or
remove whom the other calls are about."""

import os

import schemathesis

ITSELF = os.environ["PORTCULLIS_USER"]
NEEDED = {"ada", "grace", "alan", "acme", os.environ["PORTCULLIS_ORG"]}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Removes others: so many cases are about those who are needed that leaving them out would be most."""
    if not path_parameters or context.operation.method.upper() != "DELETE":
        return path_parameters
    return {name: f"not-{id}" if id in NEEDED else id for name, id in path_parameters.items()}


@schemathesis.hook
def filter_case(context, case):
    ids = set((case.path_parameters or {}).values())
    return ITSELF not in ids and not (case.method == "DELETE" and ids & NEEDED)
