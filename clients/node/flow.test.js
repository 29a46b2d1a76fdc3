// What an administrator does, by ZITADEL's own package, over each transport; and one table of requests
// that must be answered alike over all of them.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { createClientFor, NewAuthorizationBearerInterceptor } from "@zitadel/client";
import { createServerTransport } from "@zitadel/client/node";
import { AdminService } from "@zitadel/proto/zitadel/admin_pb.js";
import { ManagementService } from "@zitadel/proto/zitadel/management_pb.js";
import { ErrorDetailSchema } from "@zitadel/proto/zitadel/message_pb.js";
import { ResourceOwnerType } from "@zitadel/proto/zitadel/settings/v2/settings_pb.js";
import { SettingsService } from "@zitadel/proto/zitadel/settings/v2/settings_service_pb.js";
import { SettingsService as SettingsServiceBeta } from "@zitadel/proto/zitadel/settings/v2beta/settings_service_pb.js";
import { UserState } from "@zitadel/proto/zitadel/user_pb.js";
import { UserState as UserStateV2 } from "@zitadel/proto/zitadel/user/v2/user_pb.js";
import { UserService } from "@zitadel/proto/zitadel/user/v2/user_service_pb.js";
import { UserService as UserServiceBeta } from "@zitadel/proto/zitadel/user/v2beta/user_service_pb.js";

const { PORTCULLIS_URL: baseUrl, PORTCULLIS_ORG: org, PORTCULLIS_TOKEN: token } = process.env;

function transportsWith(bearer) {
  const interceptors = [NewAuthorizationBearerInterceptor(bearer)];
  const options = { baseUrl, interceptors };
  return {
    "gRPC": createServerTransport(bearer, { baseUrl }),
    "gRPC, as Connect's own package has it": createGrpcTransport(options),
    "gRPC-web over HTTP/1.1": createGrpcWebTransport({ ...options, httpVersion: "1.1" }),
    "gRPC-web over HTTP/2": createGrpcWebTransport({ ...options, httpVersion: "2" }),
    "Connect, JSON over HTTP/1.1": createConnectTransport({ ...options, httpVersion: "1.1", useBinaryFormat: false }),
    "Connect, protobuf over HTTP/2": createConnectTransport({ ...options, httpVersion: "2", useBinaryFormat: true }),
  };
}

const transports = transportsWith(token);
const strangers = transportsWith("not-a-token");

// Kept-open HTTP/2 connections would keep the process up for minutes.
after(() => setImmediate(() => process.exit()));

/** A call must fail: with this code, and with this id in the message and in the one detail. */
async function refuses(call, code, id, text) {
  const error = await call.then(() => assert.fail(`${id} was expected`), ConnectError.from);
  assert.equal(Code[error.code], Code[code], error.message);
  assert.equal(error.rawMessage, `${text} (${id})`);
  const details = error.findDetails(ErrorDetailSchema);
  assert.deepEqual(details.map(({ id, message }) => ({ id, message })), [{ id, message: text }]);
}

const inState = (state) => ({ queries: [{ query: { case: "stateQuery", value: { state } } }] });

for (const [name, transport] of Object.entries(transports)) {
  describe(name, () => {
    const management = createClientFor(ManagementService)(transport);
    const admin = createClientFor(AdminService)(transport);
    const settings = createClientFor(SettingsService)(transport);
    const users = createClientFor(UserService)(transport);

    test("an override is added, changed and reset", async () => {
      const { policy: standard, isDefault } = await management.getLockoutPolicy({});
      assert.equal(isDefault, true);
      assert.equal(standard.isDefault, true);
      assert.equal(standard.details.resourceOwner, "main");
      const { policy: instances } = await management.getDefaultLockoutPolicy({});
      assert.deepEqual(instances, standard);

      const limits = { maxPasswordAttempts: 5, maxOtpAttempts: 3 };
      const { details: added } = await management.addCustomLockoutPolicy(limits);
      assert.equal(added.resourceOwner, org);
      assert.ok(added.creationDate && !added.changeDate);
      await refuses(management.addCustomLockoutPolicy(limits),
        Code.AlreadyExists, "ORG-0olDf", "Errors.ORG.LockoutPolicy.AlreadyExists");
      const own = await management.getLockoutPolicy({});
      assert.equal(own.isDefault, false);
      assert.equal(own.policy.isDefault, false);
      assert.equal(own.policy.maxPasswordAttempts, 5n);
      assert.equal(own.policy.maxOtpAttempts, 3n);
      assert.equal(own.policy.details.sequence, added.sequence);
      assert.deepEqual(own.policy.details.creationDate, added.creationDate);

      await refuses(management.updateCustomLockoutPolicy(limits),
        Code.FailedPrecondition, "ORG-0JFSr", "Errors.Org.LockoutPolicy.NotChanged");
      // What is absent is 0.
      const { details: changed } = await management.updateCustomLockoutPolicy({ maxPasswordAttempts: 4 });
      assert.ok(changed.changeDate && !changed.creationDate);
      assert.equal(changed.sequence, added.sequence + 1n);
      const { policy } = await management.getLockoutPolicy({});
      assert.equal(policy.maxPasswordAttempts, 4n);
      assert.equal(policy.maxOtpAttempts, 0n);
      assert.deepEqual(policy.details.changeDate, changed.changeDate);

      await settingsAre({}, ResourceOwnerType.ORG, 4n, org);
      await settingsAre({ case: "orgId", value: org }, ResourceOwnerType.ORG, 4n, org);
      await settingsAre({ case: "instance", value: true },
        ResourceOwnerType.INSTANCE, standard.maxPasswordAttempts, "main");

      const { details: gone } = await management.resetLockoutPolicyToDefault({});
      assert.equal(gone.sequence, changed.sequence + 1n);
      assert.equal(gone.resourceOwner, org);
      const missing = "Errors.Org.LockoutPolicy.NotFound";
      await refuses(management.resetLockoutPolicyToDefault({}), Code.NotFound, "ORG-D4zuz", missing);
      await refuses(management.updateCustomLockoutPolicy(limits), Code.NotFound, "ORG-ADfs1", missing);
      assert.deepEqual((await management.getLockoutPolicy({})).policy, standard);
      await settingsAre({ case: "orgId", value: org },
        ResourceOwnerType.INSTANCE, standard.maxPasswordAttempts, "main");
    });

    async function settingsAre(resourceOwner, type, maxPasswordAttempts, owner) {
      const request = resourceOwner.case ? { ctx: { resourceOwner } } : {};
      const answer = await settings.getLockoutSettings(request);
      assert.equal(answer.settings.resourceOwnerType, type);
      assert.equal(answer.settings.maxPasswordAttempts, maxPasswordAttempts);
      assert.equal(answer.details.resourceOwner, owner);
      const beta = await createClientFor(SettingsServiceBeta)(transport).getLockoutSettings(request);
      assert.deepEqual({ ...beta.settings, $typeName: "" }, { ...answer.settings, $typeName: "" });
    }

    test("the instance's policy is changed", async () => {
      const { policy: before } = await admin.getLockoutPolicy({});
      assert.equal(before.isDefault, true);
      const limits = {
        maxPasswordAttempts: Number(before.maxPasswordAttempts) + 1,
        maxOtpAttempts: Number(before.maxOtpAttempts),
      };
      const { details } = await admin.updateLockoutPolicy(limits);
      assert.equal(details.resourceOwner, "main");
      // Other events of the instance, such as new members, count as well.
      assert.ok(details.sequence > before.details.sequence);
      await refuses(admin.updateLockoutPolicy(limits),
        Code.FailedPrecondition, "INSTANCE-0psjF", "Errors.Instance.LockoutPolicy.NotChanged");
      const { policy } = await admin.getLockoutPolicy({});
      assert.equal(policy.maxPasswordAttempts, before.maxPasswordAttempts + 1n);
      assert.equal(policy.details.sequence, details.sequence);
    });

    test("a user is locked and unlocked, v1", async () => {
      const id = "ada";
      const { details } = await management.lockUser({ id });
      assert.equal(details.resourceOwner, org);
      assert.ok(details.changeDate && !details.creationDate);
      await refuses(management.lockUser({ id }),
        Code.FailedPrecondition, "COMMAND-3NN8v", "User is not active or initial");
      const found = await management.listUsers(inState(UserState.LOCKED));
      assert.equal(found.details.totalResult, 1n);
      assert.deepEqual(found.result.map((user) => user.id), [id]);
      const { user } = await management.getUserByID({ id });
      assert.equal(user.state, UserState.LOCKED);
      assert.equal(user.userName, "ada@acme");
      assert.equal(user.type.value.profile.firstName, "Ada");
      assert.equal(user.details.sequence, details.sequence);
      await management.unlockUser({ id });
      await refuses(management.unlockUser({ id }),
        Code.FailedPrecondition, "COMMAND-4M0ds", "User is not locked");
      assert.equal((await management.getUserByID({ id })).user.state, UserState.ACTIVE);
      // One of another organization is none here.
      await refuses(management.lockUser({ id: "alan" }),
        Code.NotFound, "COMMAND-5M9fs", "User could not be found");
      const headers = { "x-zitadel-orgid": "acme" };
      await management.lockUser({ id: "alan" }, { headers });
      await management.unlockUser({ id: "alan" }, { headers });
    });

    test("a user is locked and unlocked, v2", async () => {
      const userId = "nightly";
      const { details } = await users.lockUser({ userId });
      assert.equal(details.resourceOwner, org);
      await refuses(users.lockUser({ userId }),
        Code.FailedPrecondition, "COMMAND-lgws8wtsqf", "User is not active or initial");
      const found = await users.listUsers(inState(UserStateV2.LOCKED));
      assert.equal(found.details.totalResult, 1n);
      assert.deepEqual(found.result.map((user) => user.userId), [userId]);
      const { user } = await users.getUserByID({ userId });
      assert.equal(user.state, UserStateV2.LOCKED);
      assert.equal(user.type.case, "machine");
      assert.equal(user.type.value.name, "Nightly");
      await users.unlockUser({ userId });
      await refuses(users.unlockUser({ userId }),
        Code.FailedPrecondition, "COMMAND-olb9vb0oca", "User is not locked");
      assert.equal((await users.getUserByID({ userId })).user.state, UserStateV2.ACTIVE);
      const beta = createClientFor(UserServiceBeta)(transport);
      await beta.lockUser({ userId });
      await beta.unlockUser({ userId });
    });

    test("a token that is none is refused", async () => {
      for (const service of [ManagementService, AdminService, SettingsService]) {
        const client = createClientFor(service)(strangers[name]);
        const call = service === SettingsService ? client.getLockoutSettings({}) : client.getLockoutPolicy({});
        await refuses(call, Code.Unauthenticated, "AUTH-7fs1e", "Errors.Token.Invalid");
      }
      const users = createClientFor(UserService)(strangers[name]);
      await refuses(users.lockUser({ userId: "ada" }), Code.Unauthenticated, "AUTH-7fs1e", "Errors.Token.Invalid");
    });
  });
}

// Service, method, message as protobuf's JSON, and the same request in REST. What changes something is
// here only where it is refused: else the second transport would find another state than the first.
const TABLE = [
  [ManagementService, "getLockoutPolicy", {}, "GET /management/v1/policies/lockout"],
  [ManagementService, "getDefaultLockoutPolicy", {}, "GET /management/v1/policies/default/lockout"],
  [ManagementService, "resetLockoutPolicyToDefault", {}, "DELETE /management/v1/policies/lockout"],
  [ManagementService, "updateCustomLockoutPolicy", { maxOtpAttempts: 1 }, "PUT /management/v1/policies/lockout"],
  [ManagementService, "getUserByID", { id: "ada" }, "GET /management/v1/users/ada"],
  [ManagementService, "getUserByID", { id: "alan" }, "GET /management/v1/users/alan"],
  [ManagementService, "getUserByID", { id: "nobody" }, "GET /management/v1/users/nobody"],
  [ManagementService, "lockUser", { id: "nobody" }, "POST /management/v1/users/nobody/_lock"],
  [ManagementService, "unlockUser", { id: "ada" }, "POST /management/v1/users/ada/_unlock"],
  [ManagementService, "reactivateUser", { id: "ada" }, "POST /management/v1/users/ada/_reactivate"],
  [ManagementService, "lockUser", { id: "x".repeat(201) }, `POST /management/v1/users/${"x".repeat(201)}/_lock`],
  [ManagementService, "listUsers", {}, "POST /management/v1/users/_search"],
  [ManagementService, "listUsers", { query: { offset: "1", limit: 2, asc: true }, sortingColumn: "USER_FIELD_NAME_USER_NAME" },
    "POST /management/v1/users/_search"],
  [ManagementService, "listUsers", { queries: [{ stateQuery: { state: "USER_STATE_LOCKED" } }] },
    "POST /management/v1/users/_search"],
  [ManagementService, "listUsers", { queries: [{ emailQuery: { emailAddress: "a" } }] },
    "POST /management/v1/users/_search"],
  [AdminService, "getLockoutPolicy", {}, "GET /admin/v1/policies/lockout"],
  [SettingsService, "getLockoutSettings", {}, "GET /v2/settings/lockout"],
  [SettingsService, "getLockoutSettings", { ctx: { orgId: "acme" } }, "GET /v2/settings/lockout?ctx.orgId=acme"],
  [SettingsService, "getLockoutSettings", { ctx: { instance: true } }, "GET /v2/settings/lockout?ctx.instance=true"],
  [SettingsService, "getLockoutSettings", { ctx: { instance: false } }, "GET /v2/settings/lockout?ctx.instance=false"],
  [SettingsServiceBeta, "getLockoutSettings", {}, "GET /v2beta/settings/lockout"],
  [UserService, "getUserByID", { userId: "grace" }, "GET /v2/users/grace"],
  [UserService, "getUserByID", { userId: "nobody" }, "GET /v2/users/nobody"],
  [UserService, "unlockUser", { userId: "grace" }, "POST /v2/users/grace/unlock"],
  [UserService, "reactivateUser", { userId: "grace" }, "POST /v2/users/grace/reactivate"],
  [UserService, "listUsers", { queries: [{ typeQuery: { type: "TYPE_MACHINE" } }] }, "POST /v2/users"],
  [UserService, "listUsers", { queries: [{ userNameQuery: { userName: "A", method: "TEXT_QUERY_METHOD_STARTS_WITH_IGNORE_CASE" } }] },
    "POST /v2/users"],
  [UserService, "listUsers", { queries: [{}] }, "POST /v2/users"],
  [UserServiceBeta, "getUserByID", { userId: "grace" }, "GET /v2beta/users/grace"],
];

// Each request is made in the organization of the caller, in another one and in one that does not exist.
const CALLERS = {
  "in the caller's organization": {},
  "in another organization": { "x-zitadel-orgid": "acme" },
  "in no organization": { "x-zitadel-orgid": "nowhere" },
};

describe("the same answer over every transport", () => {
  for (const [service, method, message, rest] of TABLE) {
    for (const [caller, headers] of Object.entries(CALLERS)) {
      const shown = JSON.stringify(message).replace(/x{200,}/, "x…");
      test(`${service.typeName}.${method} ${shown} ${caller}`, async () => {
        const expected = await overRest(rest, message, headers);
        for (const [name, transport] of Object.entries(transports)) {
          const answer = await overRpc(transport, service, method, message, headers);
          assert.deepEqual(steady(answer), steady(expected), name);
        }
      });
    }
  }
});

async function overRest(rest, message, headers) {
  const [verb, path] = rest.split(" ");
  const body = ["POST", "PUT"].includes(verb) ? JSON.stringify(message) : undefined;
  const authorization = `Bearer ${token}`;
  const response = await fetch(baseUrl + path, { method: verb, headers: { authorization, ...headers }, body });
  assert.equal(response.headers.get("content-type"), "application/json");
  const answer = await response.json();
  assert.equal(response.ok, answer.code === undefined, JSON.stringify(answer));
  return answer;
}

/** As REST would write it. */
async function overRpc(transport, service, name, message, headers) {
  const method = service.method[name];
  const client = createClientFor(service)(transport);
  try {
    const answer = await client[name](fromJson(method.input, message), { headers });
    return toJson(method.output, answer);
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    const details = error.findDetails(ErrorDetailSchema).map((detail) => ({
      "@type": `type.googleapis.com/${ErrorDetailSchema.typeName}`,
      ...toJson(ErrorDetailSchema, detail),
    }));
    return { code: error.code, message: error.rawMessage, ...(details.length > 0 && { details }) };
  }
}

/** A list says when it was read: the one value that may differ between two answers. */
function steady(answer) {
  const { viewTimestamp, timestamp, ...details } = answer.details ?? {};
  return Array.isArray(answer.details) || !answer.details ? answer : { ...answer, details };
}
