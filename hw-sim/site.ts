/** A simulated site: a scenario, running. */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import type { Logger } from "../core/log.ts";
import { type Built, buildModels, buildUnits } from "./build.ts";
import { CanLine } from "./can-line.ts";
import { type CommandHook, Commands } from "./commands.ts";
import { Control } from "./control.ts";
import { Ledger } from "./ledger.ts";
import { ModbusLine } from "./modbus-line.ts";
import { Random } from "./random.ts";
import type { Scenario, ScenarioLine } from "./scenario.ts";
import { type AssetState, canState, type LineState, modbusState } from "./state.ts";
import type { Target } from "./target.ts";
import { busDirectory, CandumpBus } from "./wire/candump-bus.ts";
import { mbap } from "./wire/mbap.ts";
import type { Port } from "./wire/port.ts";
import { PtyPort, socatIsThere } from "./wire/pty-port.ts";
import { rtu } from "./wire/rtu.ts";
import { TcpPort } from "./wire/tcp-port.ts";
import { World } from "./world.ts";

const BLOCK_PROFILE = fileURLToPath(new URL("scenarios/block-profile.yaml", import.meta.url));
const POLL_INTERVAL = "1 s";

export interface SiteOptions {
  /** Absent: no ledger is written. */
  readonly ledgerPath?: string | undefined;
  /** Folder of the pseudo terminals; made when it is not there. */
  readonly dir: string;
  readonly log: Logger;
  /** Where simulated CAN buses and control.json lie; default: BUSBAR_SIM_DIR, else a folder of the system's temporary one. */
  readonly simDir?: string;
  /** Default 127.0.0.1. */
  readonly modbusHost?: string;
  /** False: serial lines are served as RTU over TCP. Default: a pseudo terminal where socat is installed. */
  readonly preferPty?: boolean;
  /** Of the control server; default 0, any free one. */
  readonly controlPort?: number;
  /** Asked first for every target that is no device or line of the site (`uplink`); true: done. */
  readonly onCommand?: CommandHook;
}

export interface Site extends AsyncDisposable {
  /** The `sources:` of a gateway configuration that fits. */
  readonly sources: readonly Readonly<Record<string, unknown>>[];
  readonly assets: readonly { readonly id: string; readonly profile: string; readonly line: string }[];
  readonly controlUrl: string;
  readonly ledgerPath: string | undefined;
  /** What commands over HTTP do too. Throws BusbarError CONFIG_INVALID. */
  command(verb: string, target: string, amount?: number): Promise<void>;
  state(): { readonly lines: readonly LineState[]; readonly assets: readonly AssetState[] };
}

/** Opens every line of the scenario. Throws BusbarError when one cannot be opened; then nothing stays open. */
export async function startSite(scenario: Scenario, options: SiteOptions): Promise<Site> {
  await using opened = new AsyncDisposableStack();
  const dir = resolve(options.dir);
  const simDir = options.simDir ?? busDirectory();
  for (const folder of [dir, simDir]) mkdirSync(folder, { recursive: true });
  const ledger = opened.use(new Ledger(options.ledgerPath, options.log));
  const built = buildModels(scenario);
  const world = new World(built.models, () => performance.now(), scenario.time_scale);
  const context = { built, ledger, options, dir, simDir, seed: scenario.seed, advance: () => world.advance() };
  const lines: OpenLine[] = [];
  for (const line of scenario.lines) lines.push(await openLine(line, context, opened));
  const state = () => {
    world.advance();
    const states = lines.map((line) => line.state());
    return { lines: states.map(({ line }) => line), assets: states.flatMap(({ assets }) => assets) };
  };
  const commands = new Commands(
    lines.flatMap(({ targets }) => targets),
    options.onCommand,
    context.advance,
  );
  const fullState = () => ({ ledger: ledger.path ?? null, ledger_lines: ledger.lines, ...state() });
  const control = opened.use(new Control({ commands, state: fullState, simDir, port: options.controlPort ?? 0 }));
  await control.open();
  const whole = opened.move();
  return {
    sources: lines.map(({ source }) => source),
    assets: state().assets.map(({ id, profile, line }) => ({ id, profile, line })),
    controlUrl: control.url,
    ledgerPath: ledger.path,
    command: (verb, target, amount) => commands.run(verb, target, amount),
    state,
    [Symbol.asyncDispose]: () => whole.disposeAsync(),
  };
}

interface Context {
  readonly built: Built;
  readonly ledger: Ledger;
  readonly options: SiteOptions;
  readonly dir: string;
  readonly simDir: string;
  readonly seed: number;
  readonly advance: () => void;
}

interface OpenLine {
  readonly source: Readonly<Record<string, unknown>>;
  readonly targets: readonly Target[];
  readonly state: () => { line: LineState; assets: AssetState[] };
}

function openLine(line: ScenarioLine, context: Context, opened: AsyncDisposableStack): Promise<OpenLine> {
  return line.can === undefined ? openModbus(line, context, opened) : openCan(line, context, opened);
}

async function openCan(line: ScenarioLine, context: Context, opened: AsyncDisposableStack): Promise<OpenLine> {
  const { built, ledger, simDir, seed, advance } = context;
  const bus = new CandumpBus(simDir, line.id);
  const vehicles = [...built.vans]
    .filter(([asset]) => line.devices.some(({ id }) => id === asset))
    .map(([asset, van]) => ({ asset, van }));
  const random = new Random(seed, `${line.id} noise`);
  const canLine = opened.use(new CanLine({ id: line.id, bus, vehicles, ledger, random, advance }));
  await canLine.open();
  const devices = line.devices.map(({ id, profile }) => ({ id, profile }));
  return {
    source: { id: line.id, driver: "can", interface: `sim:${line.id}`, transmit: "none", devices },
    targets: [canLine, ...canLine.vehicles],
    state: () => canState(canLine, bus),
  };
}

async function openModbus(line: ScenarioLine, context: Context, opened: AsyncDisposableStack): Promise<OpenLine> {
  const { built, ledger, options, seed, advance } = context;
  const pty = line.rtu !== undefined && (options.preferPty ?? true) && socatIsThere();
  const modbusLine = opened.use(
    new ModbusLine({
      id: line.id,
      framing: line.modbus_tcp === undefined ? rtu : mbap,
      cutCloses: !pty,
      units: buildUnits(line, built),
      ledger,
      random: new Random(seed, `${line.id} noise`),
      advance,
    }),
  );
  const port = pty ? ptyPort(line, modbusLine, context) : tcpPort(line, modbusLine, options);
  await modbusLine.open(port);
  return {
    source: { id: line.id, driver: "modbus", ...transport(line, port), devices: modbusLine.units.map(deviceOf) },
    targets: [modbusLine, ...modbusLine.units],
    state: () => modbusState(modbusLine, port, built),
  };
}

function ptyPort(line: ScenarioLine, modbusLine: ModbusLine, { dir, options }: Context): PtyPort {
  return new PtyPort(join(dir, `${line.id}.tty`), (output) => modbusLine.attach(output), options.log.for(line.id));
}

function tcpPort(line: ScenarioLine, modbusLine: ModbusLine, options: SiteOptions): TcpPort {
  const port = line.modbus_tcp?.port ?? line.rtu_over_tcp?.port ?? 0;
  return new TcpPort(options.modbusHost ?? "127.0.0.1", port, (output) => modbusLine.attach(output));
}

function transport(line: ScenarioLine, port: Port): Readonly<Record<string, unknown>> {
  if (!(port instanceof TcpPort)) return { rtu: { port: port.address, ...line.rtu } };
  const address = { host: port.host, port: port.port };
  return line.modbus_tcp === undefined ? { rtu_over_tcp: address } : { tcp: address };
}

function deviceOf({ id, unit, profile }: { id: string; unit: number; profile: string }) {
  return { id, unit, profile: profile === "block" ? BLOCK_PROFILE : profile, poll_interval: POLL_INTERVAL };
}
