"""A Slurm of one node, started by hand for the tests: munged, slurmctld and slurmd from Debian's packages, as root.

Neither systemd, cgroups nor a database is needed. GPUs are pretended: slurmd only wants an existing device file for
each. The Snakemake plugin removes SLURM_CONF from the environment of its jobs, so the configuration is linked in
/etc/slurm, and the link is taken away when the cluster stops.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo")
DEVICES = ("/dev/zero", "/dev/full")  # one for each pretended GPU
ETC = Path("/etc/slurm")
CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={run}/munge/socket
CryptoType=crypto/munge
SlurmctldPort=46827
SlurmdPort=46828
SlurmctldPidFile={run}/slurmctld.pid
SlurmdPidFile={run}/slurmd.pid
SlurmctldLogFile={run}/slurmctld.log
SlurmdLogFile={run}/slurmd.log
StateSaveLocation={run}/state
SlurmdSpoolDir={run}/spool
SlurmdParameters=config_overrides
ReturnToService=2
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=1,sched_min_interval=0
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
MinJobAge=3600
KillWait=2
InactiveLimit=0
OverTimeLimit=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=60 DefaultTime=10 DefMemPerCPU=500 State=UP
"""


def missing():
    """Why a cluster cannot be started here; empty if it can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"no {', '.join(absent)} here (apt-get install slurmctld slurmd slurm-client munge)"
    if os.geteuid() != 0:
        return "Slurm's programs are started by root"
    if (ETC / "slurm.conf").exists():
        return "this machine has a Slurm of its own"
    return ""


class Cluster:
    """One node that lies in a folder."""

    def __init__(self, folder):
        """Write the configuration."""
        self.folder, self.host = Path(folder), socket.gethostname().split(".")[0]
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        settings = {"run": self.folder, "host": self.host, "cpus": os.cpu_count(), "gpus": len(DEVICES)}
        settings["memory"] = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 8 // 10 // 2**20
        (self.folder / "slurm.conf").write_text(CONFIG.format(**settings))
        gpus = (f"NodeName={self.host} Name=gpu File={device}\n" for device in DEVICES)
        (self.folder / "gres.conf").write_text("".join(gpus))
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)

    def start(self):
        """Start the three programs, and wait until the node takes jobs."""
        ETC.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).symlink_to(self.folder / name)
        munge = {each: self.folder / "munge" / each for each in ("socket", "key", "log", "pid", "seed")}
        options = [("socket", "socket"), ("key-file", "key"), ("log-file", "log"), ("pid-file", "pid")]
        flags = [f"--{flag}={munge[name]}" for flag, name in (*options, ("seed-file", "seed"))]
        subprocess.run(["munged", *flags, "--num-threads=2"], check=True)
        subprocess.run(["slurmctld", "-i"], check=True)
        subprocess.run(["slurmd", "-N", self.host], check=True)
        wait_for(lambda: said("sinfo", "-h", "-o", "%T") in ("idle", "mixed", "allocated"), 30, self.logs)

    def stop(self):
        """End all jobs and programs, and take the links away; a job that outlives its Slurm would run for ever."""
        subprocess.run(["scancel", "--user", "root"], check=False, capture_output=True)
        until = time.monotonic() + 20
        while said("squeue", "-h") and time.monotonic() < until:
            time.sleep(0.5)
        for file in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            path = self.folder / file
            if path.exists():
                subprocess.run(["kill", path.read_text().strip()], check=False, capture_output=True)
        for name in ("slurm.conf", "gres.conf"):
            (ETC / name).unlink(missing_ok=True)

    def logs(self):
        """The ends of the programs' logs."""
        return "\n".join(path.read_text()[-1500:] for path in self.folder.glob("*.log"))


def said(*command):
    """What a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def jobs(*options):
    """Jobs of the cluster as (id, state, comment, CPUs, memory, GPUs), whatever became of them."""
    form = "JobID:.|,State:.|,Comment:.|,NumCPUs:.|,MinMemory:.|,tres-per-job:."
    return [line.split("|") for line in said("squeue", "-h", "--states=all", "-O", form, *options).splitlines()]


def wait_for(condition, seconds, logs=lambda: ""):
    """Wait until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"it did not happen in {seconds} s\n{logs()}"
        time.sleep(0.2)
