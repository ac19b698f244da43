"""A SLURM cluster of one machine in a folder of its own: nothing outside it is touched.

By hand, where Debian's ``slurm-wlm`` and ``munge`` are installed: ``python tests/slurm/cluster.py
DIR`` keeps one up until Ctrl-C, and says which variable has SLURM's commands find it.
"""

import getpass
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
"""Where daemons are, also for users whose own path leaves these folders out."""

CONFIG = """
ClusterName=tiny
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=20
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=tiny Nodes=ALL Default=YES MaxTime=60 State=UP
"""


@contextmanager
def start_cluster(folder: Path, cores: int = 4) -> Iterator[dict[str, str]]:
    """Keeps a cluster up.

    Args:
        folder: empty; the path of a socket in it must be shorter than 108 bytes.
        cores: that the node says it has; each job takes one.

    Yields:
        The environment in which SLURM's commands find it.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(0o600)
    key.write_bytes(os.urandom(1024))
    host = socket.gethostname()
    config = folder / "slurm.conf"
    ports = {"controller": find_port(), "node": find_port()}
    text = CONFIG.format(host=host, user=getpass.getuser(), folder=folder, cores=cores, **ports)
    config.write_text(text)
    environment = {**os.environ, "PATH": PATH, "SLURM_CONF": str(config)}
    munge = {"key-file": key, "socket": folder / "munge.sock", "pid-file": folder / "munge.pid"}
    munge |= {"log-file": folder / "munge.log", "seed-file": folder / "munge.seed"}
    with ExitStack() as held:
        options = [f"--{name}={value}" for name, value in munge.items()]
        held.enter_context(keep_up(["munged", "--foreground", "--force", *options], environment))
        wait_until(munge["socket"].exists, "munged")
        held.enter_context(keep_up(["slurmctld", "-D"], environment))
        held.enter_context(keep_up(["slurmd", "-D", "-N", host], environment))
        wait_until(lambda: "idle" in ask(["sinfo", "-h", "-o", "%T"], environment), "the node")
        try:
            yield environment
        finally:
            ask(["scancel", "--user", getpass.getuser()], environment)
            wait_until(lambda: not ask(["squeue", "-h"], environment), "the end of its jobs")


@contextmanager
def keep_up(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    """Keeps a daemon up; asks it to end at the end."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def ask(command: list[str], environment: dict[str, str]) -> str:
    """What a command of SLURM says, "" where it fails."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def wait_until(condition, what: str) -> None:
    """Looks ten times a second, for a minute at most."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come in a minute")


def find_port() -> int:
    """A port that is free now."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    place.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), start_cluster(place) as found:
        print(f"export SLURM_CONF={found['SLURM_CONF']}", flush=True)
        signal.pause()
