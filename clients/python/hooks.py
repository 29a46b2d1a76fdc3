"""What schemathesis may not do: it learns ids from answers, and would deactivate itself before long."""

import os

import schemathesis

ITSELF = os.environ["PORTCULLIS_USER"]


@schemathesis.hook
def filter_case(context, case):
    return ITSELF not in (case.path_parameters or {}).values()
