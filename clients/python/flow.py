"""What a login and an administrator do, by ZITADEL's own package: Connect with JSON.

The package knows the services of v2 alone; policies are changed by plain REST here.
"""

import base64
import json
import os
import unittest
import urllib.request

import zitadel_client as zitadel
from zitadel_client import models

URL = os.environ["PORTCULLIS_URL"]
ORG = os.environ["PORTCULLIS_ORG"]
TOKEN = os.environ["PORTCULLIS_TOKEN"]

LOCKED = models.UserServiceUserState.USER_STATE_LOCKED
ACTIVE = models.UserServiceUserState.USER_STATE_ACTIVE


def rest(verb, path, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=verb)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def fields(message):
    """The texts that protobuf's message of two texts has, by their numbers."""
    found = {}
    while message:
        number, size = message[0] >> 3, message[1]
        found[number], message = message[2 : 2 + size].decode(), message[2 + size :]
    return found


class Flow(unittest.TestCase):
    def setUp(self):
        self.client = zitadel.Zitadel.with_access_token(URL, TOKEN)

    def refused(self, status, code, id, text, call, *arguments):
        """A call must fail: with this status and code, and with this id in message and detail."""
        with self.assertRaises(zitadel.ApiError) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.code, status)
        self.assertEqual(caught.exception.response_headers["content-type"], "application/json")
        body = caught.exception.response_body
        self.assertEqual(body["code"], code)
        self.assertEqual(body["message"], f"{text} ({id})")
        (detail,) = body["details"]
        self.assertEqual(detail["type"], "zitadel.v1.ErrorDetail")
        padded = detail["value"] + "=" * (-len(detail["value"]) % 4)
        self.assertEqual(fields(base64.b64decode(padded)), {1: id, 2: text})

    def settings(self, **context):
        request = models.SettingsServiceGetLockoutSettingsRequest()
        if context:
            request.ctx = models.SettingsServiceRequestContext(**context)
        answer = self.client.settings.get_lockout_settings(request)
        return (
            answer.settings.resource_owner_type.value,
            answer.settings.max_password_attempts,
            answer.settings.max_otp_attempts,
            answer.details.resource_owner,
        )

    def test_settings_of_the_organization_and_of_the_instance(self):
        default = rest("GET", "/admin/v1/policies/lockout")["policy"]
        limits = default["maxPasswordAttempts"], default["maxOtpAttempts"]
        of_the_instance = ("RESOURCE_OWNER_TYPE_INSTANCE", *limits, "main")
        self.assertEqual(self.settings(), of_the_instance)
        body = {"maxPasswordAttempts": 5, "maxOtpAttempts": 3}
        rest("POST", "/management/v1/policies/lockout", body)
        of_the_org = ("RESOURCE_OWNER_TYPE_ORG", "5", "3", ORG)
        self.assertEqual(self.settings(), of_the_org)
        self.assertEqual(self.settings(orgId=ORG), of_the_org)
        self.assertEqual(self.settings(orgId="acme"), of_the_instance)
        self.assertEqual(self.settings(instance=True), of_the_instance)
        rest("DELETE", "/management/v1/policies/lockout")
        self.assertEqual(self.settings(orgId=ORG), of_the_instance)

    def test_a_user_is_locked_and_unlocked(self):
        users = self.client.users
        user = {"userId": "grace"}
        lock = models.UserServiceLockUserRequest(**user)
        unlock = models.UserServiceUnlockUserRequest(**user)
        get = models.UserServiceGetUserByIDRequest(**user)
        in_state = models.UserServiceListUsersRequest(
            queries=[
                models.UserServiceSearchQuery(
                    stateQuery=models.UserServiceStateQuery(state=LOCKED)
                )
            ]
        )
        details = users.lock_user(lock).details
        self.assertEqual(details.resource_owner, ORG)
        self.assertIsNotNone(details.change_date)
        self.refused(
            400, "failed_precondition", "COMMAND-lgws8wtsqf",
            "User is not active or initial", users.lock_user, lock,
        )
        found = users.list_users(in_state)
        self.assertEqual(found.details.total_result, "1")
        self.assertEqual([user.user_id for user in found.result], ["grace"])
        user = users.get_user_by_id(get).user
        self.assertEqual(user.state, LOCKED)
        self.assertEqual(user.human.profile.family_name, "Hopper")
        self.assertEqual(user.details.sequence, details.sequence)
        users.unlock_user(unlock)
        self.refused(
            400, "failed_precondition", "COMMAND-olb9vb0oca",
            "User is not locked", users.unlock_user, unlock,
        )
        self.assertEqual(users.get_user_by_id(get).user.state, ACTIVE)
        self.refused(
            404, "not_found", "COMMAND-450yxuqrh1", "User could not be found",
            users.lock_user, models.UserServiceLockUserRequest(userId="nobody"),
        )

    def test_a_token_that_is_none_is_refused(self):
        stranger = zitadel.Zitadel.with_access_token(URL, "not-a-token")
        self.refused(
            401, "unauthenticated", "AUTH-7fs1e", "Errors.Token.Invalid",
            stranger.settings.get_lockout_settings,
            models.SettingsServiceGetLockoutSettingsRequest(),
        )
        self.refused(
            401, "unauthenticated", "AUTH-7fs1e", "Errors.Token.Invalid",
            stranger.users.lock_user, models.UserServiceLockUserRequest(userId="ada"),
        )


if __name__ == "__main__":
    unittest.main()
