/** The load balancer with the configuration that the project ships, as a process of its own. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { freePort } from "../../scripts/free-port.ts";
import { PROJECT_DIR } from "./node-process.ts";
import { until } from "./until.ts";

export const hasHaproxy = spawnSync("haproxy", ["-v"]).status === 0;

/** haproxy as a process, gone when the scope ends. */
export class Balancer implements AsyncDisposable {
  readonly url: string;
  log = "";
  private readonly child;

  private constructor(port: number, nodes: readonly string[]) {
    this.url = `http://127.0.0.1:${port}`;
    const addresses = Object.fromEntries(nodes.map((address, index) => [`NODE_${index + 1}`, address]));
    // Without an address a name is looked for that does not exist here; a closed port is the same to the balancer.
    const environment = { NODE_1: "127.0.0.1:9", NODE_2: "127.0.0.1:9", NODE_3: "127.0.0.1:9", ...addresses };
    this.child = spawn("haproxy", ["-db", "-f", join(PROJECT_DIR, "deploy/haproxy.cfg")], {
      env: {
        PATH: process.env["PATH"],
        BALANCER_BIND: `127.0.0.1:${port}`,

        ...environment,
      },
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.child.stdout.setEncoding("utf8").on("data", (text: string) => (this.log += text));
    process.once("exit", () => this.child.kill("SIGKILL"));
  }

  static async start(nodes: readonly string[]): Promise<Balancer> {
    const balancer = new Balancer(await freePort(), nodes);
    await until("the balancer finds a node", async () => {
      if (balancer.child.exitCode !== null) throw new Error(`haproxy exited with ${balancer.child.exitCode}`);
      const answer = await fetch(`${balancer.url}/balancer`, { headers: { connection: "close" } });
      await answer.arrayBuffer();
      return answer.status === 200;
    });
    return balancer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.kill("SIGKILL");
    await once(this.child, "close");
  }
}
