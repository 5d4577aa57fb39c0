// What a container may not have, as `docker inspect` and the kernel say it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export function assertHardened({ Name, Config, HostConfig, State }) {
  const is = (fact, what) => assert.ok(fact, `${Name}: ${what}`);
  is(/^[1-9]\d*(:\d+)?$/.test(Config.User), `runs as a number that is not root, not as "${Config.User}"`);
  is(HostConfig.ReadonlyRootfs, "its root is read-only");
  is(!HostConfig.Privileged, "it is not privileged");
  assert.deepEqual([HostConfig.CapDrop, HostConfig.CapAdd ?? []], [["ALL"], []], `${Name}: it has no capability`);
  is(HostConfig.SecurityOpt?.some((option) => option.startsWith("no-new-privileges")), "it gains no privileges");
  is(HostConfig.Memory > 0, "its memory is bounded");
  is(HostConfig.PidsLimit > 0, "its processes are bounded");
  is(HostConfig.LogConfig.Config["max-size"], "its log is bounded");
  is(!["host"].includes(HostConfig.NetworkMode) && HostConfig.PidMode === "" && !(HostConfig.Devices ?? []).length, "it has nothing of the machine's");
  is(HostConfig.RestartPolicy.Name === "unless-stopped", "it is started again");
  // What the kernel says, where it can be asked.
  const status = statusOf(State.Pid);
  if (!status) return;
  is(/^CapEff:\s+0+$/m.test(status) && /^CapBnd:\s+0+$/m.test(status), "the kernel knows of no capability");
  is(/^NoNewPrivs:\s+1$/m.test(status), "the kernel lets it gain none");
  is(/^Seccomp:\s+2$/m.test(status), "its system calls are filtered");
}

function statusOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    // An engine in a virtual machine counts its own processes.
    return readFileSync(`/proc/${pid}/cgroup`, "utf8").match(/docker|containerd/) ? text : undefined;
  } catch {
    return undefined;
  }
}
