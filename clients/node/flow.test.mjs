// The whole flow of an administrator by ZITADEL's own packages, over each transport, and one table of
// requests that must have the same answers over all of them and over REST.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { toJson } from "@bufbuild/protobuf";
import { NewAuthorizationBearerInterceptor } from "@zitadel/client";
import { createServerTransport } from "@zitadel/client/node";
import { AdminService } from "@zitadel/proto/zitadel/admin_pb.js";
import { ManagementService } from "@zitadel/proto/zitadel/management_pb.js";
import { ErrorDetailSchema } from "@zitadel/proto/zitadel/message_pb.js";
import { ResourceOwnerType } from "@zitadel/proto/zitadel/settings/v2/settings_pb.js";
import { SettingsService } from "@zitadel/proto/zitadel/settings/v2/settings_service_pb.js";
import { SettingsService as SettingsBeta } from "@zitadel/proto/zitadel/settings/v2beta/settings_service_pb.js";
import { UserState } from "@zitadel/proto/zitadel/user_pb.js";
import { UserState as UserStateV2 } from "@zitadel/proto/zitadel/user/v2/user_pb.js";
import { UserService } from "@zitadel/proto/zitadel/user/v2/user_service_pb.js";
import { UserService as UserBeta } from "@zitadel/proto/zitadel/user/v2beta/user_service_pb.js";

const { PORTCULLIS_URL: baseUrl, PORTCULLIS_TOKEN: token, PORTCULLIS_ORG: org } = process.env;

const by = (bearer) => {
  const options = { baseUrl, interceptors: [NewAuthorizationBearerInterceptor(bearer)] };
  return {
    "gRPC": createGrpcTransport(options),
    "gRPC-web": createGrpcWebTransport({ ...options, httpVersion: "1.1" }),
    "Connect": createConnectTransport({ ...options, httpVersion: "1.1" }),
    "Connect, binary over HTTP/2": createConnectTransport({
      ...options,
      httpVersion: "2",
      useBinaryFormat: true,
    }),
  };
};

const transports = {
  ...by(token),
  "ZITADEL's own": createServerTransport(token, { baseUrl }),
};

/** The call fails with that code, and with that id in its message and its detail. */
async function fails(call, code, id) {
  const error = await call.then(
    () => assert.fail("it did not fail"),
    (error) => ConnectError.from(error),
  );
  assert.equal(Code[error.code], Code[code], error.message);
  assert.match(error.rawMessage, new RegExp(`\\(${id}\\)$`));
  const [detail] = error.findDetails(ErrorDetailSchema);
  assert.equal(detail.id, id);
  assert.equal(`${detail.message} (${id})`, error.rawMessage);
}

for (const [name, transport] of Object.entries(transports)) {
  const management = createClient(ManagementService, transport);
  const admin = createClient(AdminService, transport);
  const settings = createClient(SettingsService, transport);
  const users = createClient(UserService, transport);

  test(`${name}: an override comes, changes and goes`, async () => {
    let { policy, isDefault } = await management.getLockoutPolicy({});
    assert.ok(isDefault && policy.isDefault);
    assert.equal(policy.details.resourceOwner, "main");
    const { details: added } = await management.addCustomLockoutPolicy({
      maxPasswordAttempts: 5,
      maxOtpAttempts: 3,
    });
    assert.equal(added.resourceOwner, org);
    assert.ok(added.sequence > 0n && added.creationDate && !added.changeDate);
    ({ policy, isDefault } = await management.getLockoutPolicy({}));
    assert.ok(!isDefault && !policy.isDefault);
    assert.deepEqual([policy.maxPasswordAttempts, policy.maxOtpAttempts], [5n, 3n]);
    assert.equal(policy.details.sequence, added.sequence);
    await fails(management.addCustomLockoutPolicy({}), Code.AlreadyExists, "ORG-0olDf");
    const same = { maxPasswordAttempts: 5, maxOtpAttempts: 3 };
    const update = (values) => management.updateCustomLockoutPolicy(values);
    await fails(update(same), Code.FailedPrecondition, "ORG-0JFSr");
    const { details: changed } = await update({ maxPasswordAttempts: 4 });
    assert.equal(changed.sequence, added.sequence + 1n);
    assert.ok(changed.changeDate && !changed.creationDate);
    ({ policy } = await management.getLockoutPolicy({}));
    assert.deepEqual([policy.maxPasswordAttempts, policy.maxOtpAttempts], [4n, 0n]);
    let { settings: got, details } = await settings.getLockoutSettings({});
    assert.equal(got.resourceOwnerType, ResourceOwnerType.ORG);
    assert.deepEqual([got.maxPasswordAttempts, details.resourceOwner], [4n, org]);
    const ctx = (resourceOwner) => ({ ctx: { resourceOwner } });
    ({ settings: got } = await settings.getLockoutSettings(ctx({ case: "orgId", value: org })));
    assert.equal(got.maxPasswordAttempts, 4n);
    ({ settings: got } = await settings.getLockoutSettings(ctx({ case: "instance", value: true })));
    assert.equal(got.resourceOwnerType, ResourceOwnerType.INSTANCE);
    const { details: reset } = await management.resetLockoutPolicyToDefault({});
    assert.equal(reset.sequence, added.sequence + 2n);
    assert.equal(reset.resourceOwner, org);
    await fails(management.resetLockoutPolicyToDefault({}), Code.NotFound, "ORG-D4zuz");
    await fails(update(same), Code.NotFound, "ORG-ADfs1");
    assert.ok((await management.getLockoutPolicy({})).isDefault);
  });

  test(`${name}: the instance's policy`, async () => {
    const { policy: before } = await admin.getLockoutPolicy({});
    const limits = {
      maxPasswordAttempts: Number(before.maxPasswordAttempts) + 1,
      maxOtpAttempts: Number(before.maxOtpAttempts),
    };
    const { details } = await admin.updateLockoutPolicy(limits);
    // The instance has other events too: its sequence rises by one or more.
    assert.ok(details.sequence > before.details.sequence);
    assert.equal(details.resourceOwner, "main");
    await fails(admin.updateLockoutPolicy(limits), Code.FailedPrecondition, "INSTANCE-0psjF");
    const { policy } = await management.getDefaultLockoutPolicy({});
    assert.equal(policy.maxPasswordAttempts, BigInt(limits.maxPasswordAttempts));
  });

  test(`${name}: a user is locked and unlocked`, async () => {
    const [id, userId] = ["ada", "ada"];
    await management.lockUser({ id });
    await fails(management.lockUser({ id }), Code.FailedPrecondition, "COMMAND-3NN8v");
    await fails(users.lockUser({ userId }), Code.FailedPrecondition, "COMMAND-lgws8wtsqf");
    const locked = await management.listUsers({
      queries: [{ query: { case: "stateQuery", value: { state: UserState.LOCKED } } }],
    });
    assert.deepEqual(locked.result.map((user) => user.id), [id]);
    assert.equal(locked.details.totalResult, 1n);
    const { user } = await management.getUserByID({ id });
    assert.equal(user.state, UserState.LOCKED);
    assert.equal(user.type.case, "human");
    const { details } = await users.unlockUser({ userId });
    assert.equal(details.resourceOwner, org);
    await fails(users.unlockUser({ userId }), Code.FailedPrecondition, "COMMAND-olb9vb0oca");
    await fails(management.unlockUser({ id }), Code.FailedPrecondition, "COMMAND-4M0ds");
    await users.lockUser({ userId });
    assert.equal((await users.getUserByID({ userId })).user.state, UserStateV2.LOCKED);
    await management.unlockUser({ id });
    await users.deactivateUser({ userId });
    assert.equal((await users.getUserByID({ userId })).user.state, UserStateV2.INACTIVE);
    await users.reactivateUser({ userId });
    await fails(users.lockUser({ userId: "nobody" }), Code.NotFound, "COMMAND-450yxuqrh1");
  });

  test(`${name}: the older services`, async () => {
    const { settings } = await createClient(SettingsBeta, transport).getLockoutSettings({});
    assert.ok(settings.maxPasswordAttempts >= 10n);
    const beta = createClient(UserBeta, transport);
    await beta.lockUser({ userId: "bob" });
    await beta.unlockUser({ userId: "bob" });
  });
}

for (const [name, transport] of Object.entries(by("1.wrong"))) {
  test(`${name}: a bad token`, async () => {
    const management = createClient(ManagementService, transport);
    await fails(management.getLockoutPolicy({}), Code.Unauthenticated, "AUTH-7fs1e");
  });
}

// One table, every transport: the service, the method, the message, and the same request over REST.
const TABLE = [
  [ManagementService, "getLockoutPolicy", {}, "GET", "/management/v1/policies/lockout"],
  [ManagementService, "getDefaultLockoutPolicy", {}, "GET", "/management/v1/policies/default/lockout"],
  [ManagementService, "getUserByID", { id: "ada" }, "GET", "/management/v1/users/ada"],
  [ManagementService, "listUsers", { query: { asc: true } }, "POST", "/management/v1/users/_search"],
  [AdminService, "getLockoutPolicy", {}, "GET", "/admin/v1/policies/lockout"],
  [SettingsService, "getLockoutSettings", {}, "GET", "/v2/settings/lockout"],
  [UserService, "getUserByID", { userId: "bob" }, "GET", "/v2/users/bob"],
  [UserService, "listUsers", {}, "POST", "/v2/users"],
];

for (const [service, method, message, verb, path] of TABLE) {
  test(`${service.typeName}/${method} answers the same over every transport`, async () => {
    const response = await fetch(baseUrl + path, {
      method: verb,
      headers: { authorization: `Bearer ${token}` },
      body: verb === "POST" ? JSON.stringify(message) : undefined,
    });
    assert.equal(response.status, 200);
    const byRest = await response.json();
    const { output } = service.method[method];
    for (const [name, transport] of Object.entries(transports)) {
      const answer = await createClient(service, transport)[method](message);
      assert.deepEqual(toJson(output, answer), byRest, name);
    }
  });
}

// Connections over HTTP/2 stay open for a while: nothing is left to wait for.
after(() => setImmediate(() => process.exit(process.exitCode)));
