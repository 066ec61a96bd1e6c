"""A standalone Spark cluster on this machine: a master and workers that the tests may kill."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path


# For machines of Java that live for seconds.
QUICK = "-XX:TieredStopAtLevel=1"


def spark_home():
    """Where the Spark of PyPI's pyspark is, or the one that SPARK_HOME names."""
    if "SPARK_HOME" in os.environ:
        return Path(os.environ["SPARK_HOME"])
    import pyspark

    return Path(pyspark.__file__).parent


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def children(pid):
    """The processes that a process has started, by what /proc says."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(after[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def below(pid):
    """All processes below one."""
    found = []
    for child in children(pid):
        found += [child, *below(child)]
    return found


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return [b""]


class Cluster:
    """`with Cluster(directory) as cluster:` has a master and two workers of a core each."""

    def __init__(self, directory, workers=2, memory="512m", within=()):
        """The workers, and so executors, are started by the words `within`, if there are some."""
        self.directory = Path(directory)
        self.within = list(within)
        self.home = spark_home()
        self.environment = dict(
            os.environ,
            SPARK_HOME=str(self.home),
            SPARK_LOCAL_IP="127.0.0.1",
            SPARK_NO_DAEMONIZE="1",
            SPARK_DAEMON_JAVA_OPTS=QUICK,
        )
        self.count, self.memory = workers, memory
        self.processes = []

    def start(self, what, *arguments, within=()):
        log = open(self.directory / f"{what.rsplit('.', 1)[-1]}-{len(self.processes)}.log", "wb")
        process = subprocess.Popen(
            [*within, self.home / "bin" / "spark-class", what, *arguments],
            env=self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.processes.append(process)
        return process, Path(log.name)

    def start_worker(self):
        number = len(self.processes)
        return self.start(
            "org.apache.spark.deploy.worker.Worker",
            *("--host", "127.0.0.1", "--cores", "1", "--memory", self.memory),
            *("--webui-port", "0", "--work-dir", str(self.directory / f"work-{number}")),
            self.url,
            within=self.within,
        )[0]

    def __enter__(self):
        port = free_port()
        self.url = f"spark://127.0.0.1:{port}"
        _, log = self.start(
            "org.apache.spark.deploy.master.Master",
            *("--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"),
        )
        self.workers = [self.start_worker() for _ in range(self.count)]
        self.wait_for(log, r"Registering worker", self.count)
        return self

    @staticmethod
    def wait_for(log, pattern, times):
        for _ in range(1200):
            if len(re.findall(pattern, log.read_text(errors="replace"))) >= times:
                return
            time.sleep(0.1)
        raise SystemExit(f"the cluster does not start: {log.read_text(errors='replace')[-3000:]}")

    def executors(self):
        """The JVMs that run tasks."""
        wanted = b"org.apache.spark.executor.CoarseGrainedExecutorBackend"
        return [
            child
            for worker in self.workers
            for child in below(worker.pid)
            if wanted in command(child)
        ]

    def hosts(self):
        """The processes of `host` below executors: supervisors, and not their workers."""
        found = [child for executor in self.executors() for child in children(executor)]
        return [pid for pid in found if command(pid)[0].endswith(b"/host")]

    def __exit__(self, *_):
        for process in reversed(self.processes):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
