/**
 * Apache Kafka from Maven Central, kept in .busbar/kafka: the jars, what makes a folder a new node's, and an archive of
 * loaded classes that halves the start of a node.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../free-port.ts";
import { checkRun } from "./check-run.ts";
import { KafkaNode, type KafkaParts } from "./node.ts";

const VERSION = "4.3.1";
const CACHE = fileURLToPath(new URL(`../../.busbar/kafka/${VERSION}`, import.meta.url));
const MIN_JAVA = 17;
const LIMIT_MS = 300_000;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>busbar</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-simple</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`;

/** Why no Kafka can be started here and what to do, or undefined. */
export function whatKafkaMisses(): string | undefined {
  const java = spawnSync("java", ["-version"], { encoding: "utf8" });
  const version = Number(/version "(\d+)/.exec(java.stderr ?? "")?.[1] ?? 0);
  const lacking = [
    ...(version >= MIN_JAVA ? [] : [`Java ${MIN_JAVA} or later (apt-get install default-jre-headless)`]),
    ...(isKafkaThere() || isThere("mvn") ? [] : ["Maven (apt-get install maven)"]),
    ...(isThere("setpriv") ? [] : ["setpriv (apt-get install util-linux)"]),
  ];
  return lacking.length === 0 ? undefined : `Kafka needs ${lacking.join(" and ")}`;
}

export function isKafkaThere(): boolean {
  return existsSync(CACHE);
}

/** Fetches Kafka with Maven, by Maven's own settings, where it is not there yet. Throws when that fails. */
export async function provideKafka(): Promise<KafkaParts> {
  if (!isKafkaThere()) {
    mkdirSync(join(CACHE, ".."), { recursive: true });
    const unfinished = mkdtempSync(`${CACHE}-`);
    try {
      fetchJars(unfinished);
      await firstLife(partsIn(unfinished));
      // Somebody else may have been quicker: theirs is as good.
      if (!isKafkaThere()) renameSync(unfinished, CACHE);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  }
  return partsIn(CACHE);
}

function partsIn(folder: string): KafkaParts {
  return { folder, archive: join(folder, "classes.jsa"), bootstrap: join(folder, "bootstrap.checkpoint") };
}

function fetchJars(folder: string): void {
  const pom = join(folder, "pom.xml");
  writeFileSync(pom, POM);
  const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${join(folder, "lib")}`];
  checkRun("mvn", spawnSync("mvn", ["-q", "-B", "-f", pom, ...goal], { encoding: "utf8", timeout: LIMIT_MS }));
}

/** Formats a node's folder once for all nodes to come; the node leaves the archive when it ends. */
async function firstLife(parts: KafkaParts): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "busbar-kafka-"));
  try {
    const ports = [{ client: await freePort(), controller: await freePort() }];
    const node = new KafkaNode({ id: 1, dir, ports, settings: {}, users: [], parts });
    node.formatByKafka();
    copyFileSync(join(node.dataDir, "bootstrap.checkpoint"), parts.bootstrap);
    await node.start([`-XX:ArchiveClassesAtExit=${parts.archive}`]);
    await node.signal("SIGTERM");
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function isThere(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
}
