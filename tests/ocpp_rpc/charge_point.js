// A charge point made with ocpp-rpc, which checks each message by the schemas of OCPP 1.6.
// Arguments: URL, ID, password, card. It prints a line after each step, and ends with code 1
// if anything was not as OCPP has it.
"use strict";

const { once } = require("node:events");
const { setTimeout: sleep } = require("node:timers/promises");
const { RPCClient, createRPCError } = require("ocpp-rpc");

const [endpoint, identity, password, card] = process.argv.slice(2);
const options = {
  endpoint,
  identity,
  password,
  protocols: ["ocpp1.6"],
  strictMode: true,
  callTimeoutMs: 10000,
  backoff: { initialDelay: 100, maxDelay: 1000 },
};

function fail(what) {
  console.log(`failed: ${what}`);
  process.exit(1);
}

function check(is, what) {
  if (!is) fail(what);
}

const now = () => new Date().toISOString();

async function refused() {
  const stranger = new RPCClient({ ...options, password: "wrong", reconnect: false });
  try {
    await stranger.connect();
  } catch (error) {
    return check(error.code === 401, `${error.code} ${error.message}`);
  }
  fail("a wrong password was accepted");
}

async function main() {
  await refused();
  console.log("refused");

  const client = new RPCClient(options);
  client.on("strictValidationFailure", ({ method, error }) => fail(`${method}: ${error}`));
  client.on("badMessage", ({ error }) => fail(`bad message: ${error}`));
  const asked = {};
  const ask = (method) => new Promise((resolve) => { asked[method] = resolve; });
  client.handle(({ method, params }) => {
    if (!asked[method]) {
      console.log(`failed: ${method} was not asked for`);
      throw createRPCError("NotImplemented");
    }
    asked[method](params);
    return { status: "Accepted" };
  });
  const status = (value) => client.call("StatusNotification", {
    connectorId: 1, errorCode: "NoError", status: value, timestamp: now(),
  });
  const boot = () => client.call("BootNotification", {
    chargePointVendor: "ocpp-rpc", chargePointModel: "Strict", chargePointSerialNumber: identity,
  });
  const start = (idTag, meterStart) => client.call("StartTransaction", {
    connectorId: 1, idTag, meterStart, timestamp: now(),
  });
  const measured = (transactionId, value) => client.call("MeterValues", {
    connectorId: 1,
    transactionId,
    meterValue: [{
      timestamp: now(),
      sampledValue: [
        { value: `${value}`, measurand: "Energy.Active.Import.Register", unit: "Wh" },
        { value: "11040.5", measurand: "Power.Active.Import", unit: "W" },
        { value: "16.0", measurand: "Current.Import", phase: "L1", unit: "A" },
        { value: "31", measurand: "Temperature", unit: "Celsius" },
      ],
    }],
  });
  const stop = (transactionId, meterStop, reason) => client.call("StopTransaction", {
    transactionId, meterStop, timestamp: now(), reason,
  });

  const triggered = ask("TriggerMessage");
  await client.connect();
  check((await boot()).status === "Pending", "it was accepted before the user did so");
  console.log("pending");
  check((await triggered).requestedMessage === "BootNotification", "another trigger");
  delete asked.TriggerMessage;
  const booted = await boot();
  check(booted.status === "Accepted", `registration: ${booted.status}`);
  await client.call("Heartbeat", {});
  await status("Available");
  const stranger = await client.call("Authorize", { idTag: "STRANGER" });
  check(stranger.idTagInfo.status === "Invalid", "an unknown card was accepted");
  console.log("accepted");

  while ((await client.call("Authorize", { idTag: card })).idTagInfo.status !== "Accepted")
    await sleep(200);
  await status("Preparing");
  const first = await start(card, 1000);
  check(first.idTagInfo.status === "Accepted", "the card was refused");
  await status("Charging");
  await measured(first.transactionId, 1200);
  const transfer = await client.call("DataTransfer", { vendorId: "ocpp-rpc" });
  check(transfer.status === "UnknownVendorId", "DataTransfer");
  const stopped = ask("RemoteStopTransaction");
  console.log("charging");
  check((await stopped).transactionId === first.transactionId, "another transaction");
  delete asked.RemoteStopTransaction;
  await stop(first.transactionId, 1750, "Remote");
  await status("Finishing");

  const again = once(client, "open");
  console.log("stopped");
  await again;
  await boot();
  await status("Preparing");
  const started = ask("RemoteStartTransaction");
  console.log("reconnected");
  const { idTag } = await started;
  delete asked.RemoteStartTransaction;
  const second = await start(idTag, 1750);
  check(second.idTagInfo.status === "Accepted", `${idTag} was refused`);
  check(second.transactionId !== first.transactionId, "a number was given twice");
  await stop(second.transactionId, 2000, "EVDisconnected");
  await client.call("FirmwareStatusNotification", { status: "Idle" });
  await client.call("DiagnosticsStatusNotification", { status: "Idle" });
  await status("Available");
  await client.close();
  console.log(`done ${first.transactionId} ${second.transactionId}`);
}

main().catch((error) => fail(error.stack));
