"""A real firewall that forgets idle connections, and a measurement through it.

Runs in a network namespace of its own, with root's rights there (``unshare``):
netfilter tracks connections, forgets those that were idle for some seconds, and a rule
drops or rejects what belongs to none.

    python firewall_cases.py try          (says "ready" if this machine can do it)
    python firewall_cases.py drop|reject  (prints the report as JSON)
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from mariadb_nb import probe

#: The idle seconds after which netfilter forgets.
FORGETS = 2
RULES = {"drop": ["DROP"], "reject": ["REJECT", "--reject-with", "tcp-reset"]}


def build(port: int, how: str) -> None:
    """Make the firewall before a port of this namespace."""
    settings = Path("/proc/sys/net/netfilter")
    tracking = {
        "nf_conntrack_tcp_timeout_established": FORGETS,
        # Nobody is let in who comes in the middle.
        "nf_conntrack_tcp_loose": 0,
    }
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    packets = ["OUTPUT", "-p", "tcp", "--dport", str(port)]
    unknown = ["-m", "conntrack", "--ctstate", "INVALID"]
    rule = ["iptables", "-A", *packets, *unknown, "-j", *RULES[how]]
    subprocess.run(rule, check=True)
    for name, value in tracking.items():
        (settings / name).write_text(str(value), "ascii")


def main(how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if how == "try":
            for each in RULES:
                build(port, each)
            print("ready")
            return
        build(port, how)
        plan = probe.Plan(longest=6, connections=6, answer_timeout=1)
        print(json.dumps(asdict(probe.idle_timeout("127.0.0.1", port, plan))))


if __name__ == "__main__":
    main(sys.argv[1])
