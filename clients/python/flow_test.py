"""The flow of an administrator by ZITADEL's own Python package, which speaks Connect with JSON."""

import base64
import json
import os

import pytest
from zitadel_client import Zitadel
from zitadel_client.exceptions import ApiError
from zitadel_client.models import (
    BetaUserServiceLockUserRequest,
    BetaUserServiceUnlockUserRequest,
    SettingsServiceGetLockoutSettingsRequest,
    SettingsServiceRequestContext,
    UserServiceDeactivateUserRequest,
    UserServiceGetUserByIDRequest,
    UserServiceListUsersRequest,
    UserServiceLockUserRequest,
    UserServiceReactivateUserRequest,
    UserServiceSearchQuery,
    UserServiceStateQuery,
    UserServiceUnlockUserRequest,
    UserServiceUserState,
)

URL, TOKEN, ORG = (os.environ[f"PORTCULLIS_{name}"] for name in ("URL", "TOKEN", "ORG"))


@pytest.fixture
def zitadel():
    with Zitadel.with_access_token(URL, TOKEN) as client:
        yield client


def fails(status, code, error_id, call, *arguments):
    """The call fails with that status, that code, and that id in its message and its detail."""
    with pytest.raises(ApiError) as failure:
        call(*arguments)
    body = failure.value.response_body
    assert failure.value.code == status, body
    body = body if isinstance(body, dict) else json.loads(body)
    assert body["code"] == code
    assert body["message"].endswith(f" ({error_id})")
    (detail,) = body["details"]
    assert detail["type"] == "zitadel.v1.ErrorDetail"
    value = base64.b64decode(detail["value"] + "==")
    assert error_id.encode() in value


def settings(zitadel, context=None):
    request = SettingsServiceGetLockoutSettingsRequest(ctx=context)
    return zitadel.settings.get_lockout_settings(request)


def test_settings_of_the_organization_and_of_the_instance(zitadel):
    for context in (
        None,
        SettingsServiceRequestContext(org_id=ORG),
        SettingsServiceRequestContext(instance=True),
    ):
        answer = settings(zitadel, context)
        assert int(answer.settings.max_otp_attempts) == 10
        assert answer.settings.resource_owner_type == "RESOURCE_OWNER_TYPE_INSTANCE"
        assert answer.details.resource_owner == "main"


def test_a_user_is_locked_and_unlocked(zitadel):
    users, me = zitadel.users, {"user_id": "bob"}
    lock, unlock = UserServiceLockUserRequest(**me), UserServiceUnlockUserRequest(**me)
    fails(400, "failed_precondition", "COMMAND-olb9vb0oca", users.unlock_user, unlock)
    details = users.lock_user(lock).details
    assert details.resource_owner == ORG and details.change_date
    fails(400, "failed_precondition", "COMMAND-lgws8wtsqf", users.lock_user, lock)
    state = UserServiceUserState.USER_STATE_LOCKED
    query = UserServiceSearchQuery(state_query=UserServiceStateQuery(state=state))
    listed = users.list_users(UserServiceListUsersRequest(queries=[query]))
    assert [user.user_id for user in listed.result] == ["bob"]
    user = users.get_user_by_id(UserServiceGetUserByIDRequest(**me)).user
    assert user.state == state and user.human.profile.given_name == "Bob"
    users.unlock_user(unlock)
    users.deactivate_user(UserServiceDeactivateUserRequest(**me))
    users.reactivate_user(UserServiceReactivateUserRequest(**me))
    unknown = UserServiceLockUserRequest(user_id="nobody")
    fails(404, "not_found", "COMMAND-450yxuqrh1", users.lock_user, unknown)


def test_the_older_service(zitadel):
    zitadel.beta_users.lock_user(BetaUserServiceLockUserRequest(user_id="bob"))
    zitadel.beta_users.unlock_user(BetaUserServiceUnlockUserRequest(user_id="bob"))


def test_a_bad_token():
    with Zitadel.with_access_token(URL, "1.wrong") as client:
        request = SettingsServiceGetLockoutSettingsRequest()
        fails(401, "unauthenticated", "AUTH-7fs1e", client.settings.get_lockout_settings, request)
