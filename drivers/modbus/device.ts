/** One device on a line: what it is asked, and what becomes of its answers. */
import type { BusbarError } from "../../core/errors.ts";
import { BAD, type Batch } from "../../core/sample.ts";
import type { ReadRequest, ReadResult } from "./client.ts";
import { exceptionError, isGatewayCode, isSilence, silenceError } from "./device-faults.ts";
import { LateReplies } from "./late-replies.ts";
import { type Block, planBlocks } from "./plan.ts";
import type { ModbusProfile, PollGroup, RegisterSignal } from "./profile.ts";
import { isRefusal, Refusals, type Task } from "./refusals.ts";
import { Requests } from "./requests.ts";
import { PollSchedule } from "./schedule.ts";

export interface DeviceSpec {
  readonly asset: string;
  readonly unit: number;
  readonly timeoutMs: number;
  readonly profile: ModbusProfile;
  /** The profile's, with the source's poll_interval in the first. */
  readonly groups: readonly PollGroup[];
}

/** What a device needs of its line. */
export interface DevicePort {
  readonly label: string;
  nowMs(): number;
  /** One request; throws only when the line ends. */
  read(device: Device, request: ReadRequest): Promise<ReadResult>;
  /** Number of a signal in the signal table. */
  number(asset: string, signal: string): number;
  emit(batch: Batch): void;
  /** A register that this device refuses. */
  refused(device: Device, signal: RegisterSignal, code: number): void;
}

/** Requests beyond the planned ones, after which the search for a refused register goes on in the next poll. */
const MAX_SEARCH_REQUESTS = 12;
const MAX_PROBES = 3;
const FIRST_DELAY_MS = 500;

export type PollResult = BusbarError | "idle" | undefined;

/** Requests of a poll group with what they are for. */
type Plan = readonly { readonly task: Task; readonly request: ReadRequest }[];

export class Device {
  readonly spec: DeviceSpec;
  readonly schedule: PollSchedule;
  /** Polls in a row in which not one byte came. */
  silentPolls = 0;
  readonly #port: DevicePort;
  readonly #refusals: Refusals;
  readonly #late: LateReplies;
  readonly #requests: Requests;
  /** What each group asks while nothing is refused and nobody is late, which is nearly always. */
  readonly #plans = new Map<PollGroup, Plan>();

  constructor(spec: DeviceSpec, port: DevicePort) {
    const { asset, unit, profile, groups, timeoutMs } = spec;
    this.spec = spec;
    this.#port = port;
    this.schedule = new PollSchedule(groups, { startMs: port.nowMs(), firstDelayMs: FIRST_DELAY_MS });
    this.#refusals = new Refusals(profile);
    this.#requests = new Requests({
      ...{ unit, timeoutMs, signals: profile.signals },
      number: ({ name }) => port.number(asset, name),
      emit: (batch) => port.emit(batch),
    });
    const blocks = groups.flatMap((group) => planBlocks(signalsOf(profile, group), profile));
    this.#late = new LateReplies(blocks, timeoutMs);
  }

  get dueMs(): number {
    return this.schedule.dueMs;
  }

  /** Reads the group that is due. Undefined: the device answered as it should; `idle`: there was nothing to ask. */
  async poll(nowMs: number): Promise<PollResult> {
    const group = this.schedule.start(nowMs);
    if (group === undefined) return "idle";
    const plan = this.#late.inStep && this.#refusals.none ? this.#plans.get(group) : undefined;
    if (plan === undefined) return this.#settled(group, await this.#pollWithCare(group));
    for (let at = 0; at < plan.length; at++) {
      const { request } = plan[at] as Plan[number];
      const result = await this.#port.read(this, request);
      if (result.kind === "data") continue;
      const tasks = plan.slice(at).map(({ task }) => task);
      return this.#settled(group, await this.#readAll(tasks, result));
    }
    this.silentPolls = 0;
    this.schedule.answered();
    return undefined;
  }

  async #pollWithCare(group: PollGroup): Promise<PollResult> {
    const unproven = this.#late.inStep ? undefined : await this.#proveInStep(group);
    if (unproven !== undefined) return unproven;
    const tasks = this.#tasksFor(group);
    return tasks.length === 0 ? "idle" : this.#readAll(tasks);
  }

  #settled(group: PollGroup, result: PollResult): PollResult {
    if (result === "idle") return "idle";
    // A device that refuses everything costs the line a search each time: it is asked less often, too.
    if (result !== undefined && (isSilence(result) || !this.#requests.answered))
      this.schedule.failed(group, this.#port.nowMs());
    else this.schedule.answered();
    return result;
  }

  /** After silence: nothing is asked whose reply could be an older one (LateReplies). */
  async #proveInStep(group: PollGroup): Promise<PollResult> {
    let error: BusbarError | undefined;
    for (let tries = 0; tries < MAX_PROBES; tries++) {
      const probe = this.#late.probe(this.#port.nowMs(), (block) => this.#refusals.allows(block));
      if (probe === undefined) return undefined;
      if (probe === "wait") {
        this.schedule.again(group, this.#late.quarantineUntilMs);
        return error ?? "idle";
      }
      const result = await this.#read(probe);
      if (result.kind === "silence") return this.#silence(result.strayBytes);
      if (result.kind === "data") {
        this.#late.proven();
        return undefined;
      }
      // Exceptions have no length: this may be an older one, and then the answer to the probe is still to come.
      this.#late.unanswered(probe, this.#port.nowMs());
      error = exceptionError(this.#where, probe, result.code);
      if (isGatewayCode(result.code)) return error;
    }
    return error;
  }

  /** `first`: what became of the first request, which was made already. */
  async #readAll(tasks: Task[], first?: ReadResult): Promise<BusbarError | undefined> {
    const refused: { signal: RegisterSignal; code: number; tUs: number }[] = [];
    let made = first;
    let read = false;
    let error: BusbarError | undefined;
    for (let budget = tasks.length + MAX_SEARCH_REQUESTS; budget > 0; budget--) {
      const task = tasks.shift();
      if (task === undefined) break;
      const result = made === undefined ? await this.#read(task.block) : this.#noted(task.block, made);
      made = undefined;
      if (result.kind === "silence") {
        this.#settle(read, refused, error);
        return this.#silence(result.strayBytes);
      }
      if (result.kind === "data") {
        this.#refusals.accept(task.block);
        read = true;
        continue;
      }
      // While late replies may come, an exception may be one and says nothing about these registers.
      const late = this.#port.nowMs() < this.#late.quarantineUntilMs;
      error = exceptionError(this.#where, task.block, result.code);
      if (late || !isRefusal(result.code)) {
        this.#settle(read, refused, error);
        return error;
      }
      const instead = this.#refusals.refuse(task, this.#port.nowMs());
      if (instead.length === 0) refused.push(...task.block.signals.map((signal) => ({ signal, ...result })));
      tasks.unshift(...instead);
    }
    return this.#settle(read, refused, error);
  }

  #tasksFor(group: PollGroup): Task[] {
    const plain = this.#late.inStep && this.#refusals.none;
    const signals = signalsOf(this.spec.profile, group);
    const tasks = this.#refusals.plan(signals, this.#port.nowMs()).flatMap((task) => this.#disguised(task, group));
    if (plain)
      this.#plans.set(
        group,
        tasks.map((task) => ({ task, request: this.#requests.of(task.block) })),
      );
    return tasks;
  }

  #disguised(task: Task, group: PollGroup): Task[] {
    const blocks = this.#late.disguise(task.block, this.#port.nowMs());
    if (blocks.length === 0) this.schedule.again(group, this.#late.quarantineUntilMs);
    return blocks.map((block) => ({ block, breaks: task.breaks }));
  }

  #settle(
    read: boolean,
    refused: readonly { signal: RegisterSignal; code: number; tUs: number }[],
    error: BusbarError | undefined,
  ): BusbarError | undefined {
    if (!read && !this.#requests.answered) {
      // It refuses everything: another device than the profile's, or one that is still starting.
      this.#refusals.forget(refused.map(({ signal }) => signal));
      return error;
    }
    for (const { signal, code, tUs } of refused) {
      this.#port.refused(this, signal, code);
      const numbers = [this.#port.number(this.spec.asset, signal.name)];
      this.#port.emit({ tUs, numbers, values: [null], quality: [BAD] });
    }
    return undefined;
  }

  async #read(span: Block): Promise<ReadResult> {
    return this.#noted(span, await this.#port.read(this, this.#requests.of(span)));
  }

  #noted(span: Block, result: ReadResult): ReadResult {
    if (result.kind === "silence") {
      this.#late.unanswered(span, this.#port.nowMs());
      this.silentPolls = result.strayBytes > 0 ? 0 : this.silentPolls + 1;
      return result;
    }
    this.silentPolls = 0;
    // The gateway gave up on the device, which may still answer.
    if (result.kind === "exception" && isGatewayCode(result.code)) this.#late.unanswered(span, this.#port.nowMs());
    return result;
  }

  #silence(strayBytes: number): BusbarError {
    return silenceError(this.#where, { strayBytes, timeoutMs: this.spec.timeoutMs });
  }

  get #where(): string {
    return `${this.#port.label} unit ${this.spec.unit}`;
  }
}

function signalsOf(profile: ModbusProfile, group: PollGroup): RegisterSignal[] {
  return profile.signals.filter((signal) => signal.group === group.name);
}
