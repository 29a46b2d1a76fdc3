#!/usr/bin/env python3
"""A login over the attempts API, with Python's standard library alone.

    cargo run --release -- serve
    python3 examples/login.py --token-file portcullis.db.token

The order is the point: begin, check, settle, and only then answer. Whoever checks first and counts later
lets through as many guesses as an attacker sends at once; whoever checks a locked user tells which guess
was right. Every login that is denied is answered at the same time after it came in, so that neither an
unknown name nor a locked user shows by how soon the answer is there.
"""

import argparse
import hashlib
import http.client
import json
import os
import sys
import time
import urllib.parse

DENIED_AFTER = 0.5  # seconds; longer than a check and both calls take


class Portcullis:
    """The two calls that a login makes, and the one that adds a user."""

    def __init__(self, url, token):
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connection = kind(parts.netloc, timeout=10)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self, path, message, accept=(200,)):
        self.connection.request("POST", f"/portcullis/v1/{path}", json.dumps(message), self.headers)
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        if response.status not in accept:
            raise RuntimeError(f"{path}: {response.status} {answer.get('message')}")
        return answer

    def begin(self, org, user, factor, client):
        message = {"orgId": org, "userId": user, "factor": factor, "client": client}
        return self.call("attempts", message)

    def settle(self, attempt_id, outcome):
        return self.call(f"attempts/{attempt_id}/settle", {"outcome": outcome})

    def register(self, org, user):
        # 409: it is there already, under another name.
        self.call("orgs", {"orgId": org}, accept=(200, 409))
        return self.call("users", {"orgId": org, "userId": user})


def hashed(password, salt):
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


class Accounts:
    """What the login service knows of its users. Portcullis knows none of it."""

    def __init__(self):
        self.by_name = {}

    def add(self, name, org, user, password):
        salt = os.urandom(16)
        self.by_name[name] = (org, user, salt, hashed(password, salt))

    def find(self, name):
        # From the typed name to the id, before anything is counted: one user, one counter.
        return self.by_name.get(name.strip().casefold())


def log_in(portcullis, accounts, name, password, address):
    """The public answer: GRANTED, or what the policy allows to tell."""
    came_in = time.monotonic()
    answer = attempt(portcullis, accounts, name, password, address)
    if answer["kind"] != "GRANTED":
        time.sleep(max(0.0, came_in + DENIED_AFTER - time.monotonic()))
    return answer


def attempt(portcullis, accounts, name, password, address):
    account = accounts.find(name)
    if account is None:
        return {"kind": "DENIED"}
    org, user, salt, right = account
    client = {"address": address, "userAgent": "examples/login.py"}
    begun = portcullis.begin(org, user, "FACTOR_PASSWORD", client)
    if "admitted" not in begun:
        return begun["publicAnswer"]  # locked, busy, refused: no check is run
    is_right = hashed(password, salt) == right
    outcome = "OUTCOME_SUCCESS" if is_right else "OUTCOME_FAILURE"
    settled = portcullis.settle(begun["admitted"]["attemptId"], outcome)
    # The verdict is in the journal by now; only `accepted` has GRANTED in it.
    return settled["publicAnswer"]


def main():
    parser = argparse.ArgumentParser(description="Logs a user in, rightly and wrongly.")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--token-file", default="portcullis.db.token")
    parser.add_argument("--user", default="ada", help="of the organization acme")
    arguments = parser.parse_args()
    with open(arguments.token_file, encoding="utf-8") as file:
        portcullis = Portcullis(arguments.url, file.read().strip())
    portcullis.register("acme", arguments.user)
    accounts = Accounts()
    accounts.add("ada", "acme", arguments.user, "correct horse battery staple")
    tries = [
        ("Ada", "password1"),
        (" ADA ", "correct horse battery staple"),
        ("bob", "password1"),
        *[("ada", f"guess {number}") for number in range(1, 12)],
        ("ada", "correct horse battery staple"),
    ]
    for name, password in tries:
        answer = log_in(portcullis, accounts, name, password, "203.0.113.7")
        print(f"{name:<6} {password:<30} {answer['kind']}")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
